"""Stayer's ``/v3/services``: the page is a Snapshot in JSON but for the checks made here.

A page may say only what is otherwise since the one before, and then has a checksum of the whole:
what does not come to the same is not believed, and the whole page is to be asked for.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import reduce
from hashlib import blake2b
from operator import eq, is_, xor

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from haproxy_bridge.snapshot import App, Check, Endpoint, Port, Snapshot, Task
from haproxy_bridge.source import checked
from haproxy_bridge.source.resolving import Addresses, unresolved

PATH = "/v3/services"
_DIGEST_BYTES = 8


class PartError(ValueError):
    """What is otherwise since the last page does not fit to it."""


class _Page(Struct, frozen=True, rename="camel"):
    """``version``: what later changes may be asked with, "" if they may not; ``since``: that of the
    page that this one is to be added to, "" if it is whole. ``digest``: of the whole."""

    state_id: str
    epoch: int
    synced: bool
    services: list[Raw]
    version: str = ""
    digest: str = ""
    since: str = ""
    gone: list[str] = []


class _Read(Struct, frozen=True):
    """A service as it stood in the page, as it was told, and with addresses and all checks;
    ``digest``: of its text."""

    text: Raw
    told: App
    app: App
    digest: int


class _Names(Struct, frozen=True):
    """``known``: addresses by host; ``moved``: hosts with another one than before."""

    known: Mapping[str, str]
    moved: Collection[str]


_DECODER = msgspec.json.Decoder(_Page)
_APP = msgspec.json.Decoder(App)


def snapshot(content: bytes, source: str, tag: str, addresses: Addresses = unresolved) -> Snapshot:
    """The page as a snapshot. msgspec.DecodeError (with the path) if it is of another shape."""
    return Pages(addresses).snapshot(content, source, tag)


class Pages:
    """Reads page after page, and of each only what the one before did not have: an app that reads
    the same is the same record. ``version``: that of the last page, "" if what changed since can
    not be asked for; ``last``: what came of it."""

    def __init__(self, addresses: Addresses) -> None:
        self.version = ""
        self._addresses = addresses
        self._read: list[_Read] = []
        self._digest = 0
        self.last = Snapshot(())
        self._known: Mapping[str, str] = {}
        self._hosts: dict[str, str] = {}
        self._new_hosts_of = 0

    def snapshot(self, content: bytes, source: str, tag: str) -> Snapshot:
        """As the function of this name. Of a page that says what is otherwise, the whole that it
        makes of the one before; PartError if that is another whole than it says. The tag is the
        page's version, if it has one. The same record as the last time if it is equal."""
        page = _DECODER.decode(content)
        read, digest = self._changed(page) if page.since else self._whole(page)
        apps = checked.apps([one.app for one in read])
        fits = page.digest == f"{digest:0{2 * _DIGEST_BYTES}x}"
        if page.since and not fits:
            raise PartError("what changed does not come to the whole that it is said to be of")
        self._read, self._digest = read, digest
        # To one that does not fit to its own digest nothing may be added.
        self.version = page.version if fits else ""
        found = Snapshot(
            apps=apps,
            source=source,
            state_id=page.state_id,
            epoch=page.epoch,
            synced=page.synced,
            tag=self.version or tag,
        )
        if found != self.last:
            self.last = found
        return self.last

    def _whole(self, page: _Page) -> tuple[list[_Read], int]:
        """All, and its digest."""
        before = _before(self._read, page.services)
        new = {place: _APP.decode(page.services[place]) for place in _gaps(before)}
        names = self._names(new.values(), before)
        read = [
            _newly_read(page.services[place], new[place], names)
            if one is None
            else _moved(one, names)
            for place, one in enumerate(before)
        ]
        return read, reduce(xor, [one.digest for one in read], 0)

    def _changed(self, page: _Page) -> tuple[list[_Read], int]:
        """The same of what was read before and what is otherwise."""
        if page.since != self.version:
            raise PartError("what changed is of another page")
        told = [_APP.decode(text) for text in page.services]
        names = self._names(told, self._read)
        found = {
            one.id: _newly_read(text, one, names)
            for one, text in zip(told, page.services, strict=True)
        }
        gone = frozenset(page.gone)
        digest = self._digest
        read: list[_Read] = []
        for before in self._read:
            app_id = before.app.id
            now = None if app_id in gone else found.pop(app_id, before)
            if now is not before:
                digest ^= before.digest ^ (0 if now is None else now.digest)
            if now is not None:
                read.append(_moved(now, names))
        for one in found.values():
            digest ^= one.digest
            read.append(one)
        return read, digest

    def _names(self, new: Collection[App], before: Iterable[_Read | None]) -> _Names:
        known = self._addresses(self._hosts_with(new, before))
        moved = {
            host for host, address in known.items() if self._known.get(host, address) != address
        }
        self._known = known
        return _Names(known, moved)

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


def _newly_read(text: Raw, told: App, names: _Names) -> _Read:
    kept = text.copy()
    digest = blake2b(bytes(kept), digest_size=_DIGEST_BYTES).digest()
    return _Read(kept, told, _checked(told, names.known), int.from_bytes(digest, "big"))


def _moved(read: _Read, names: _Names) -> _Read:
    if not names.moved or not any(task.host in names.moved for task in read.told.tasks):
        return read
    return replace(read, app=_checked(read.told, names.known))


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
