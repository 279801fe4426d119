"""Which tasks that are to be killed get nothing from this haproxy any more, and which new ones do.

haproxy counts a session only once it connects, so one that was given to a server a moment ago is
not counted yet: a server is idle if it was so twice, with a while between. Workers that haproxy had
before a reload serve their last connections, and count as long as they do.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from haproxy_bridge.rendered import Rendered, without_mark
from haproxy_bridge.runtime import apply, master, socket
from haproxy_bridge.runtime.socket import SocketError
from haproxy_bridge.snapshot import Snapshot, is_address

SETTLE_SECONDS = 0.05
"""How long a server has to be idle to be believed."""

_SESSION = re.compile(r" be=(\S+) srv=(\S+) ")

Place = tuple[str, str]
"""A backend and a server of it."""
Places = tuple[Place, ...]


def draining(answer: Snapshot, rendered: Rendered) -> dict[str, Places]:
    """The tasks that are to be killed, and where haproxy has them."""
    leaving = {task.id for app in answer.apps for task in app.tasks if task.draining}
    if not leaving:
        return {}
    found: dict[str, list[Place]] = {task_id: [] for task_id in leaving}
    for backend in rendered.backends:
        for server in backend.servers:
            if server.task_id in leaving:
                found[server.task_id].append((backend.name, server.name))
    return {task_id: tuple(places) for task_id, places in found.items()}


def rotated(answer: Snapshot, rendered: Rendered, left_out: Collection[str]) -> tuple[str, ...]:
    """The tasks that wait for edges and are in use here, and those whose apps are not served here
    at all. Not those of apps that are ``left_out``, or served as they were."""
    waiting = {task.id: app.id for app in answer.apps for task in app.tasks if task.awaits_edges}
    if not waiting:
        return ()
    served = set(left_out)
    used = set()
    for backend in rendered.backends:
        for server in backend.servers:
            served.add(server.app_id)
            if not server.draining and is_address(server.address):
                used.add(server.task_id)
    return tuple(
        task_id for task_id, app_id in waiting.items() if task_id in used or app_id not in served
    )


def idle(tasks: Mapping[str, Places], sessions: Mapping[Place, int]) -> list[str]:
    """Those without a session; a server that haproxy does not have has none."""
    return [
        task_id
        for task_id, places in tasks.items()
        if not any(sessions.get(place, 0) for place in places)
    ]


class Sessions:
    """Counts them. ``master_socket``: "" if haproxy has none, and then nothing is known of the
    workers of before."""

    def __init__(self, admin_socket: Path, master_socket: str = "") -> None:
        self._admin = admin_socket
        self._master = Path(master_socket) if master_socket else None

    def of(self, tasks: Mapping[str, Places]) -> Mapping[Place, int]:
        """Open and queued ones where these tasks are; one everywhere if nobody can tell."""
        wanted = {place for places in tasks.values() for place in places}
        backends = sorted({backend for backend, _ in wanted})
        if not backends:
            return {}
        with suppress(SocketError):
            found = Counter(apply.sessions(self._admin, backends))
            plain = {(backend, without_mark(name)): name for backend, name in wanted}
            for backend, name in self._before():
                known = plain.get((backend, without_mark(name)))
                if known is not None:
                    found[backend, known] += 1
            return found
        return dict.fromkeys(wanted, 1)

    def _before(self) -> Iterator[Place]:
        """Where each session of the workers before the last reload is. SocketError."""
        if self._master is None:
            return
        for pid in master.processes(self._master).old_workers:
            # It has no statistics any more of what it stopped, but its sessions.
            for found in _SESSION.finditer(socket.ask_master(self._master, f"@!{pid} show sess")):
                yield found[1], found[2]


class Idle:
    """Remembers since when tasks are idle."""

    def __init__(self, settle_seconds: float = SETTLE_SECONDS) -> None:
        self._settle_seconds = settle_seconds
        self._since: dict[str, float] = {}

    def settled(self, tasks: Mapping[str, Places], sessions: Sessions, now: float) -> list[str]:
        """Those that were idle for long enough; what is in no backend is so at once."""
        found = idle(tasks, sessions.of(tasks))
        self._since = {task_id: self._since.get(task_id, now) for task_id in found}
        return [
            task_id
            for task_id, since in self._since.items()
            if not tasks[task_id] or now - since >= self._settle_seconds
        ]

    @property
    def settling(self) -> bool:
        """Whether any is idle, but for too short a time when it was looked at."""
        return bool(self._since)
