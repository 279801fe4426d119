"""Maps of a running haproxy, replaced as a whole: requests meet the old entries or the new ones.

The new entries are put beside the old, read back and compared; only then they take their place, and
the same answer has to say that it was the worker which is known. In doubt nothing takes place.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from haproxy_bridge.runtime import maps, socket
from haproxy_bridge.runtime.maps import Exchange, Table, Tables
from haproxy_bridge.runtime.plan import NotAppliedError
from haproxy_bridge.runtime.socket import MAX_LINE_BYTES, SocketError

_LOOK = "show info;show map"
_NEW = "New version created: "


def seen(admin_socket: Path) -> Tables:
    """What the worker that answers has. SocketError."""
    return maps.read(socket.ask(admin_socket, _LOOK))


def replaced(admin_socket: Path, wanted: Sequence[Exchange], before: Tables) -> Tables:
    """Replace them in the worker that has ``before``, and what it has then. NotAppliedError,
    SocketError: a reload is the way out."""
    versions: dict[str, int] = {}
    try:
        for one in wanted:
            versions[one.name] = _prepared(admin_socket, one)
            _put(admin_socket, one, versions[one.name], before.pid)
    except (NotAppliedError, SocketError):
        with suppress(SocketError):
            socket.tell(admin_socket, [f"clear map @{versions[name]} {name}" for name in versions])
        raise
    commits = [f"commit map @{number} {name}" for name, number in versions.items()]
    now = maps.read(socket.ask(admin_socket, ";".join((*commits, _LOOK))))
    made = {one.kind: Table(one.name, versions[one.name], len(one.entries)) for one in wanted}
    if now != Tables(before.pid, before.by_kind | made):
        raise NotAppliedError("haproxy did not take all of its routes")
    return now


def _prepared(admin_socket: Path, one: Exchange) -> int:
    said = socket.ask(admin_socket, f"prepare map {one.name}").strip()
    number = said.removeprefix(_NEW)
    if number == said or not number.isdecimal():
        raise NotAppliedError(f"haproxy takes no new routes: {' '.join(said.split())[:200]}")
    return int(number)


def _put(admin_socket: Path, one: Exchange, version: int, pid: str) -> None:
    """Entries that nobody sees yet."""
    if not all(entry.strip() for entry in one.entries):
        raise NotAppliedError("an empty line would end the list of routes")
    for lines in _batches(one.entries):
        said = socket.ask(admin_socket, f"add map @{version} {one.name} <<\n{lines}")
        if said.strip():
            raise NotAppliedError(f"haproxy takes no route: {' '.join(said.split())[:200]}")
    answer = socket.ask(admin_socket, f"show info;show map @{version} {one.name}")
    if maps.read(answer).pid != pid or maps.shown(answer) != sorted(one.entries):
        raise NotAppliedError("haproxy did not take all of its new routes")


def _batches(entries: Sequence[str]) -> Iterator[str]:
    """As much as haproxy reads in one piece."""
    batch: list[str] = []
    size = 0
    for entry in entries:
        length = len(entry.encode()) + 1
        if batch and size + length > MAX_LINE_BYTES:
            yield "".join(batch)
            batch, size = [], 0
        batch.append(f"{entry}\n")
        size += length
    if batch:
        yield "".join(batch)
