"""Stayer's ``/v3/services``: the page is a Snapshot in JSON but for the checks made here."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import eq, is_

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from haproxy_bridge.snapshot import App, Check, Endpoint, Port, Snapshot, Task
from haproxy_bridge.source import checked
from haproxy_bridge.source.resolving import Addresses, unresolved

PATH = "/v3/services"


class _Page(Struct, frozen=True, rename="camel"):
    state_id: str
    epoch: int
    synced: bool
    services: list[Raw]


class _Read(Struct, frozen=True):
    """A service as it stood in the page, as it was told, and with addresses and all checks."""

    text: Raw
    told: App
    app: App


_DECODER = msgspec.json.Decoder(_Page)
_APP = msgspec.json.Decoder(App)


def snapshot(content: bytes, source: str, tag: str, addresses: Addresses = unresolved) -> Snapshot:
    """The page as a snapshot. msgspec.DecodeError (with the path) if it is of another shape."""
    return Pages(addresses).snapshot(content, source, tag)


class Pages:
    """Reads page after page, and of each only what the one before did not have: an app that reads
    the same is the same record."""

    def __init__(self, addresses: Addresses) -> None:
        self._addresses = addresses
        self._read: list[_Read] = []
        self._known: Mapping[str, str] = {}
        self._hosts: dict[str, str] = {}
        self._new_hosts_of = 0

    def snapshot(self, content: bytes, source: str, tag: str) -> Snapshot:
        """As the function of this name."""
        page = _DECODER.decode(content)
        before = _before(self._read, page.services)
        new = {place: _APP.decode(page.services[place]) for place in _gaps(before)}
        known = self._addresses(self._hosts_with(new.values(), before))
        moved = {
            host for host, address in known.items() if self._known.get(host, address) != address
        }
        read = [
            _Read(page.services[place].copy(), new[place], _checked(new[place], known))
            if one is None
            else _moved(one, moved, known)
            for place, one in enumerate(before)
        ]
        apps = checked.apps([one.app for one in read])
        self._read, self._known = read, known
        return Snapshot(
            apps=apps,
            source=source,
            state_id=page.state_id,
            epoch=page.epoch,
            synced=page.synced,
            tag=tag,
        )

    def _hosts_with(
        self, new: Collection[App], before: Iterable[_Read | None]
    ) -> Mapping[str, str]:
        """Agents with what the scheduler knows of them. Some that no app is on any more may be
        among them, for as long as there came fewer apps than there are."""
        self._new_hosts_of += len(new)
        if self._new_hosts_of > len(self._read):
            kept = (one.told for one in before if one is not None)
            self._hosts, self._new_hosts_of = _hosts(kept), 0
        self._hosts |= _hosts(new)
        return self._hosts


def _before(known: Sequence[_Read], texts: Sequence[Raw]) -> list[_Read | None]:
    """For each text what was read of it the last time; most stand where they stood."""
    alike = map(eq, texts, [one.text for one in known])
    found = [one if same else None for one, same in zip(known, alike, strict=False)]
    found += [None] * (len(texts) - len(found))
    gaps = _gaps(found)
    elsewhere = [*gaps, *range(len(texts), len(known))]
    left = {bytes(one.text): one for one in (known[at] for at in elsewhere if at < len(known))}
    for place in gaps:
        found[place] = left.get(bytes(texts[place]))
    return found


def _gaps(found: Sequence[_Read | None]) -> list[int]:
    return [place for place, one in enumerate(found) if one is None]


def _hosts(apps: Iterable[App]) -> dict[str, str]:
    return {task.host: task.address for app in apps for task in app.tasks if task.host}


def _moved(read: _Read, moved: Collection[str], known: Mapping[str, str]) -> _Read:
    if not moved or not any(task.host in moved for task in read.told.tasks):
        return read
    return replace(read, app=_checked(read.told, known))


def _checked(app: App, known: Mapping[str, str]) -> App:
    """The app with addresses for names, and nothing in it that may not be there. Most records
    are good as they were told, and stay."""
    ports = tuple(map(_port, app.ports))
    tasks = tuple([_task(task, len(ports), known) for task in app.tasks])
    return replace(app, ports=ports, tasks=tasks)


def _port(port: Port) -> Port:
    number = checked.service_port(port.service_port)
    return port if number == port.service_port else replace(port, service_port=number)


def _task(task: Task, ports: int, known: Mapping[str, str]) -> Task:
    """With as many endpoints as its app has ports."""
    address = known.get(task.host, task.host)
    endpoints = [_endpoint(one, task.host, address) for one in task.endpoints[:ports]]
    endpoints += [None] * (ports - len(endpoints))
    checks = [_check(one) for one in task.checks]
    told = (*task.endpoints, *task.checks)
    made = (*endpoints, *checks)
    if len(told) == len(made) and all(map(is_, told, made)):
        return task
    return replace(task, endpoints=tuple(endpoints), checks=tuple(checks))


def _endpoint(told: Endpoint | None, host: str, address: str) -> Endpoint | None:
    if told is None:
        return None
    place = address if told.host == host else told.host
    if not checked.is_place(place, told.port):
        return None
    return told if place == told.host else Endpoint(place, told.port)


def _check(told: Check) -> Check:
    path = checked.path(told.path)
    return told if path == told.path else replace(told, path=path)
