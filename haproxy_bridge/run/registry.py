"""This edge, as the scheduler knows it: a lease that is renewed, and word of tasks that have no
sessions here any more, so that they may be killed.

Only Stayer keeps such a list; a scheduler that has no such page is left alone. It has a thread of
its own, for a scheduler that does not answer must not keep traffic from changing.
"""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from msgspec import Struct

from api.client import Client, ClientError, NotFoundError, RefusedError
from haproxy_bridge.rendered import Rendered
from haproxy_bridge.runtime import apply
from haproxy_bridge.runtime.socket import SocketError
from haproxy_bridge.snapshot import Snapshot

LEASE_SECONDS = 30
LOOK_SECONDS = 0.2
"""How often the sessions of draining tasks are counted."""
_AGAIN_SECONDS = 600.0
_MAX_ACKNOWLEDGED = 1_000
_MAX_QUARANTINED = 1_000
_MAX_STALENESS = 1e9

Places = tuple[tuple[str, str], ...]


class Report(Struct, frozen=True, kw_only=True):
    """What is true of this edge after a turn. ``version``: a digest of its configuration.
    ``draining``: for each task that is to be killed where it is in haproxy, as backend and
    server; nowhere if it is out of rotation."""

    version: str = ""
    quarantined: tuple[str, ...] = ()
    epoch: int = 0
    draining: dict[str, Places] = {}


def draining(answer: Snapshot, rendered: Rendered) -> dict[str, Places]:
    """The tasks that are to be killed, and where haproxy has them."""
    leaving = {task.id for app in answer.apps for task in app.tasks if task.draining}
    if not leaving:
        return {}
    found: dict[str, list[tuple[str, str]]] = {task_id: [] for task_id in leaving}
    for backend in rendered.backends:
        for server in backend.servers:
            if server.task_id in leaving:
                found[server.task_id].append((backend.name, server.name))
    return {task_id: tuple(places) for task_id, places in found.items()}


def idle(tasks: Mapping[str, Places], sessions: Mapping[tuple[str, str], int]) -> list[str]:
    """Those without a session; a server that haproxy does not have has none."""
    return [
        task_id
        for task_id, places in tasks.items()
        if not any(sessions.get(place, 0) for place in places)
    ]


class Registry:
    """``kind`` is daemon or cron; ``staleness``: seconds since the last success."""

    def __init__(
        self,
        client: Client,
        name: str,
        kind: str,
        staleness: Callable[[], float],
        admin_socket: Path,
        *,
        lease_seconds: int = LEASE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._path = f"/v3/edges/{quote(name, safe='')}"
        self._kind = kind
        self._staleness = staleness
        self._socket = admin_socket
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._report = Report()
        self._renew_at = clock()
        self._not_before = clock()
        self._acknowledged: set[str] = set()
        self._new_leader = False
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="registry", daemon=True)

    def start(self) -> None:
        """Renew and look from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Do nothing more; the lease ends by itself."""
        self._stopping = True
        self._wake.set()

    def tell(self, report: Report) -> None:
        """What is true from now on."""
        if report.version != self._report.version:
            self._renew_at = self._clock()
        if report.epoch != self._report.epoch:
            self._new_leader = True
        self._report = report
        self._wake.set()

    def _run(self) -> None:
        while not self._stopping:
            self._wake.wait(self.step())
            self._wake.clear()

    def step(self) -> float:
        """Do what is due; how many seconds until something is."""
        report, now = self._report, self._clock()
        if now < self._not_before:
            return self._not_before - now
        try:
            if now >= self._renew_at:
                self._renew_at = now + self._lease_seconds / 3
                self._client.send("PUT", self._path, self._lease(report))
        except RefusedError as error:
            unknown = error.status in {404, 405}
            return self._pause(_AGAIN_SECONDS if unknown else self._lease_seconds / 3)
        except ClientError:
            return self._pause(self._lease_seconds / 6)
        try:
            waiting = self._acknowledge(report)
        except ClientError as error:
            if isinstance(error, NotFoundError):
                self._renew_at = now  # the lease was over before it was renewed
            return self._pause(1.0)
        soonest = max(0.0, self._renew_at - self._clock())
        return min(LOOK_SECONDS, soonest) if waiting else soonest

    def _pause(self, seconds: float) -> float:
        self._not_before = self._clock() + seconds
        return seconds

    def _lease(self, report: Report) -> dict[str, object]:
        return {
            "kind": self._kind,
            "leaseSeconds": self._lease_seconds,
            "version": report.version,
            "staleness": min(_MAX_STALENESS, round(self._staleness(), 3)),
            "quarantined": list(report.quarantined[:_MAX_QUARANTINED]),
            "epoch": report.epoch,
        }

    def _acknowledge(self, report: Report) -> bool:
        """Tell of those that became idle; whether others still are not. ClientError."""
        if self._new_leader:
            self._new_leader = False
            self._acknowledged.clear()  # one who leads now does not know what another was told
        self._acknowledged &= report.draining.keys()
        left = {
            task_id: places
            for task_id, places in report.draining.items()
            if task_id not in self._acknowledged
        }
        if not left:
            return False
        done = idle(left, self._sessions(left))[:_MAX_ACKNOWLEDGED]
        if done:
            self._client.send("POST", f"{self._path}/ack", {"tasks": done})
            self._acknowledged.update(done)
        return len(done) < len(left)

    def _sessions(self, tasks: Mapping[str, Places]) -> Mapping[tuple[str, str], int]:
        backends = {backend for places in tasks.values() for backend, _ in places}
        if not backends:
            return {}
        with suppress(SocketError):
            return apply.sessions(self._socket, backends)
        return {place: 1 for places in tasks.values() for place in places}  # nobody knows
