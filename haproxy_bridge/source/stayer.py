"""Stayer's ``/v3/services``: the page is a Snapshot in JSON but for the checks made here."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from haproxy_bridge.snapshot import App, Check, Endpoint, Port, Snapshot, Task, Verdict
from haproxy_bridge.source import checked
from haproxy_bridge.source.resolving import Addresses, unresolved

PATH = "/v3/services"


class _Kind(StrEnum):
    HTTP = "http"
    HTTPS = "https"
    TCP = "tcp"


class _Check(Struct, frozen=True, gc=False, rename="camel"):
    kind: _Kind
    path: str = "/"
    port_index: int = 0
    port: int | None = None
    interval_seconds: float = 60
    timeout_seconds: float = 20
    max_consecutive_failures: int = 3


class _Endpoint(Struct, frozen=True, gc=False, rename="camel"):
    host: str
    port: int


class _Task(Struct, frozen=True, gc=False, rename="camel"):
    id: str
    host: str
    endpoints: tuple[_Endpoint | None, ...]
    version: str = ""
    started_at_ms: int = 0
    health: Verdict = Verdict.UNKNOWN
    ready: bool | None = None
    draining: bool = False
    reachable: bool = True
    checks: tuple[_Check, ...] = ()
    address: str = ""


class _Port(Struct, frozen=True, gc=False, rename="camel"):
    service_port: int = 0
    name: str = ""
    protocol: str = "tcp"
    labels: dict[str, str] = {}


class _Service(Struct, frozen=True, gc=False, rename="camel"):
    id: str
    wanted: int
    labels: dict[str, str] = {}
    ports: tuple[_Port, ...] = ()
    tasks: tuple[_Task, ...] = ()
    has_checks: bool = False
    deploying: bool = False
    version: str = ""
    share: Annotated[float, msgspec.Meta(ge=0)] | None = None


class _Page(Struct, frozen=True, gc=False, rename="camel"):
    state_id: str
    epoch: int
    synced: bool
    services: tuple[msgspec.Raw, ...]


_DECODER = msgspec.json.Decoder(_Page)
_SERVICE = msgspec.json.Decoder(_Service)


def snapshot(content: bytes, source: str, tag: str, addresses: Addresses = unresolved) -> Snapshot:
    """The page as a snapshot. msgspec.DecodeError (with the path) if it is of another shape."""
    return Pages(addresses).snapshot(content, source, tag)


class _Read(Struct, frozen=True, gc=False):
    """A service that was read: its agents with what Mesos knows of them, the addresses that were
    found for these, and what came of it."""

    service: _Service
    hosts: dict[str, str]
    known: dict[str, str] = {}
    app: App | None = None


class Pages:
    """Reads page after page, and of each only what the one before did not have: an app that reads
    the same is the same record."""

    def __init__(self, addresses: Addresses) -> None:
        self._addresses = addresses
        self._read: dict[bytes, _Read] = {}

    def snapshot(self, content: bytes, source: str, tag: str) -> Snapshot:
        """As the function of this name."""
        page = _DECODER.decode(content)
        found = {bytes(raw): self._found(bytes(raw)) for raw in page.services}
        hosts = {host: other for one in found.values() for host, other in one.hosts.items()}
        known = self._addresses(hosts)
        self._read = {text: _with_app(one, known) for text, one in found.items()}
        apps = [one.app for one in self._read.values() if one.app is not None]
        return Snapshot(
            apps=tuple(sorted(apps, key=lambda app: app.id)),
            source=source,
            state_id=page.state_id,
            epoch=page.epoch,
            synced=page.synced,
            tag=tag,
        )

    def _found(self, text: bytes) -> _Read:
        before = self._read.get(text)
        if before is not None:
            return before
        service = _SERVICE.decode(text)
        return _Read(service, {task.host: task.address for task in service.tasks})


def _with_app(one: _Read, known: Mapping[str, str]) -> _Read:
    own = {host: known.get(host, host) for host in one.hosts}
    if one.app is not None and one.known == own:
        return one
    return _Read(one.service, one.hosts, own, _app(one.service, own))


def _app(service: _Service, known: Mapping[str, str]) -> App:
    return App(
        id=service.id,
        labels=service.labels,
        ports=tuple(
            Port(checked.service_port(port.service_port), port.name, port.protocol, port.labels)
            for port in service.ports
        ),
        tasks=tuple(_task(service, task, known) for task in service.tasks),
        wanted=service.wanted,
        has_checks=service.has_checks,
        deploying=service.deploying,
        version=service.version,
        share=service.share,
    )


def _task(service: _Service, task: _Task, known: Mapping[str, str]) -> Task:
    endpoints = tuple(_endpoint(one, known) for one in task.endpoints[: len(service.ports)])
    made = Task(
        id=task.id,
        app_id=service.id,
        host=task.host,
        endpoints=endpoints + (None,) * (len(service.ports) - len(endpoints)),
        version=task.version,
        started_at_ms=task.started_at_ms,
        health=task.health,
        ready=task.ready,
        draining=task.draining,
        reachable=task.reachable,
    )
    return replace(made, checks=tuple(map(_check, task.checks))) if task.checks else made


def _check(check: _Check) -> Check:
    return Check(
        kind=check.kind.value,
        path=checked.path(check.path),
        port_index=check.port_index,
        port=check.port,
        interval_seconds=check.interval_seconds,
        timeout_seconds=check.timeout_seconds,
        max_consecutive_failures=check.max_consecutive_failures,
    )


def _endpoint(where: _Endpoint | None, known: Mapping[str, str]) -> Endpoint | None:
    if where is None:
        return None
    return checked.endpoint(known.get(where.host, where.host), where.port)
