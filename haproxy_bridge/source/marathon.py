"""Marathon's ``/v2/apps`` with tasks, as a Snapshot; from releases of 2014 to the last one.

Marathon does not say what a task's checks are, only what its app's are now. A task of an older
configuration is judged by the definition that it was launched with, which is asked for once.
"""

from collections.abc import Callable, Mapping

import msgspec
from msgspec import Struct

from haproxy_bridge.snapshot import App, Check, CheckKind, Endpoint, Port, Snapshot, Task, Verdict
from haproxy_bridge.source import checked
from haproxy_bridge.source.resolving import Addresses, unresolved
from haproxy_bridge.source.times import milliseconds

PATH = "/v2/apps"
QUERY = {"embed": ["apps.tasks", "apps.deployments", "apps.readiness"]}
MAX_OLD_DEFINITIONS = 500
"""Definitions of older versions asked for in one run; tasks of others get their app's checks."""

_KINDS = {
    protocol: CheckKind[protocol.removeprefix("MESOS_")]
    for protocol in ("HTTP", "HTTPS", "TCP", "MESOS_HTTP", "MESOS_HTTPS", "MESOS_TCP")
}
_SERVING = frozenset({"TASK_RUNNING", ""})
_AWAY = frozenset({"TASK_UNREACHABLE", "TASK_LOST"})


class _HealthCheck(Struct, frozen=True, rename="camel"):
    protocol: str = "HTTP"
    path: str | None = None
    port_index: int | None = None
    port: int | None = None
    interval_seconds: float = 60
    timeout_seconds: float = 20
    max_consecutive_failures: int = 3


class _Address(Struct, frozen=True, rename="camel"):
    ip_address: str = ""


class _Result(Struct, frozen=True, rename="camel"):
    alive: bool | None = None


class _Task(Struct, frozen=True, rename="camel"):
    id: str
    host: str = ""
    ports: list[int] | None = None
    ip_addresses: list[_Address] | None = None
    started_at: str | None = None
    state: str = ""
    version: str = ""
    health_check_results: list[_Result | None] | None = None


class _Mapping(Struct, frozen=True, rename="camel"):
    container_port: int = 0
    host_port: int | None = None
    service_port: int = 0
    protocol: str = "tcp"
    name: str | None = None
    labels: dict[str, str] | None = None


class _PortDefinition(Struct, frozen=True, rename="camel"):
    port: int = 0
    protocol: str = "tcp"
    name: str | None = None
    labels: dict[str, str] | None = None


class _Docker(Struct, frozen=True, rename="camel"):
    port_mappings: list[_Mapping] | None = None
    network: str | None = None


class _Container(Struct, frozen=True, rename="camel"):
    port_mappings: list[_Mapping] | None = None
    docker: _Docker | None = None


class _DiscoveryPort(Struct, frozen=True, rename="camel"):
    number: int = 0
    name: str | None = None
    protocol: str = "tcp"
    labels: dict[str, str] | None = None


class _Discovery(Struct, frozen=True, rename="camel"):
    ports: list[_DiscoveryPort] | None = None


class _IpPerTask(Struct, frozen=True, rename="camel"):
    discovery: _Discovery | None = None


class _Network(Struct, frozen=True, rename="camel"):
    mode: str = "container"


class _Readiness(Struct, frozen=True, rename="camel"):
    task_id: str = ""
    ready: bool | None = None


class _VersionInfo(Struct, frozen=True, rename="camel"):
    last_config_change_at: str = ""


class _App(Struct, frozen=True, rename="camel"):
    id: str
    instances: int = 0
    labels: dict[str, str] | None = None
    env: dict[str, object] | None = None
    ports: list[int] | None = None
    port_definitions: list[_PortDefinition] | None = None
    container: _Container | None = None
    networks: list[_Network] | None = None
    ip_address: _IpPerTask | None = None
    health_checks: list[_HealthCheck] | None = None
    tasks: list[_Task] | None = None
    deployments: list[object] | None = None
    readiness_check_results: list[_Readiness] | None = None
    version: str = ""
    version_info: _VersionInfo | None = None


class _Page(Struct, frozen=True, rename="camel"):
    apps: list[_App]


_PAGE = msgspec.json.Decoder(_Page)
_DEFINITION = msgspec.json.Decoder(_App)

Definition = Callable[[str, str], bytes | None]
"""The JSON of the definition that an app had in a version; None if it can not be had."""


def snapshot(
    content: bytes,
    source: str,
    tag: str,
    definition: Definition,
    addresses: Addresses = unresolved,
    *,
    any_check: bool = False,
) -> Snapshot:
    """The page as a snapshot. ``any_check``: one passed check makes a task healthy, as for
    marathon-lb; else all have to. msgspec.DecodeError (with the path) for another shape."""
    page = _PAGE.decode(content)
    older = _Older(definition)
    hosts = {task.host: "" for app in page.apps for task in app.tasks or [] if task.host}
    known = addresses(hosts)
    apps = [_app(app, older, known, any_check=any_check) for app in page.apps]
    return Snapshot(checked.apps(apps), source, tag=tag)


class _Older:
    """Checks of older definitions, each asked for once in a run."""

    def __init__(self, definition: Definition) -> None:
        self._definition = definition
        self._known: dict[tuple[str, str], list[_HealthCheck] | None] = {}

    def checks(self, app: _App, version: str) -> list[_HealthCheck]:
        present = app.health_checks or []
        changed = app.version_info.last_config_change_at if app.version_info else ""
        if not version or not changed or version >= changed:
            return present
        key = (app.id, version)
        if key not in self._known and len(self._known) < MAX_OLD_DEFINITIONS:
            content = self._definition(*key)
            self._known[key] = (
                None if content is None else _DEFINITION.decode(content).health_checks or []
            )
        found = self._known.get(key)
        return present if found is None else found


def _app(app: _App, older: _Older, known: Mapping[str, str], *, any_check: bool) -> App:
    mappings = _mappings(app)
    ready = {one.task_id: one.ready for one in app.readiness_check_results or []}
    tasks = []
    for task in app.tasks or []:
        if task.state in _SERVING | _AWAY and task.started_at != "":
            checks = older.checks(app, task.version)
            tasks.append(
                _task(app, mappings, task, checks, ready.get(task.id), known, any_check=any_check)
            )
    return App(
        id=app.id,
        labels=_labels(app),
        ports=_ports(app, mappings),
        tasks=tuple(sorted(tasks, key=lambda task: task.id)),
        wanted=app.instances,
        has_checks=bool(app.health_checks),
        deploying=bool(app.deployments),
        version=app.version,
    )


def _labels(app: _App) -> dict[str, str]:
    """Labels, and below them what the environment says under the names that early releases of
    servicerouter.py read there."""
    env = {
        name: value
        for name, value in (app.env or {}).items()
        if name.startswith("HAPROXY_") and isinstance(value, str)
    }
    return env | (app.labels or {})


def _mappings(app: _App) -> list[_Mapping] | None:
    """The port mappings of an app that is not on the host network."""
    container = app.container
    discovered = _discovered(app)
    if discovered:
        return discovered
    if app.networks is not None and all(one.mode == "host" for one in app.networks):
        return None
    if container is None:
        return None
    if container.port_mappings is not None and app.networks is not None:
        return container.port_mappings
    docker = container.docker
    if docker is not None and docker.network in {"BRIDGE", "USER"}:
        return docker.port_mappings or container.port_mappings
    return container.port_mappings


def _discovered(app: _App) -> list[_Mapping]:
    """The ports of an app of Marathon 0.14 to 1.4 whose tasks have addresses of their own."""
    discovery = None if app.ip_address is None else app.ip_address.discovery
    ports = [] if discovery is None else discovery.ports or []
    return [_Mapping(one.number, None, 0, one.protocol, one.name, one.labels) for one in ports]


def _ports(app: _App, mappings: list[_Mapping] | None) -> tuple[Port, ...]:
    if mappings is not None:
        return tuple(
            Port(
                checked.service_port(one.service_port),
                one.name or "",
                one.protocol,
                one.labels or {},
                per_task=one.host_port is None,
            )
            for one in mappings
        )
    if app.port_definitions is not None:
        return tuple(
            Port(checked.service_port(one.port), one.name or "", one.protocol, one.labels or {})
            for one in app.port_definitions
        )
    return tuple(Port(checked.service_port(port)) for port in app.ports or [])


def _task(
    app: _App,
    mappings: list[_Mapping] | None,
    task: _Task,
    checks: list[_HealthCheck],
    ready: bool | None,
    known: Mapping[str, str],
    *,
    any_check: bool,
) -> Task:
    count = len(_ports(app, mappings))
    host = known.get(task.host, task.host)
    if mappings is None:
        ports = (task.ports or [])[:count]
        endpoints = tuple(checked.endpoint(host, port) for port in ports)
    else:
        endpoints = _mapped(task, host, mappings)
    return Task(
        id=task.id,
        host=task.host,
        endpoints=endpoints + (None,) * (count - len(endpoints)),
        version=task.version,
        started_at_ms=milliseconds(task.started_at),
        health=_verdict(task.health_check_results, len(checks), any_check=any_check),
        ready=ready,
        reachable=task.state not in _AWAY,
        checks=tuple(map(_check, (one for one in checks if one.protocol in _KINDS))),
    )


def _mapped(task: _Task, host: str, mappings: list[_Mapping]) -> tuple[Endpoint | None, ...]:
    """Host and host port where there is one, else the container's own address and port."""
    host_ports = iter(task.ports or [])
    address = next((one.ip_address for one in task.ip_addresses or []), "")
    found: list[Endpoint | None] = []
    for mapping in mappings:
        if mapping.host_port is not None:
            found.append(checked.endpoint(host, next(host_ports, 0)))
        else:
            found.append(checked.endpoint(address, mapping.container_port))
    return tuple(found)


def _verdict(results: list[_Result | None] | None, checks: int, *, any_check: bool) -> Verdict:
    """UNKNOWN until each check (with ``any_check`` one of them) has said something."""
    alive = [one.alive for one in results or [] if one is not None and one.alive is not None]
    if any_check and alive:
        return Verdict.UP if any(alive) else Verdict.DOWN
    if False in alive:
        return Verdict.DOWN
    return Verdict.UP if checks and len(alive) >= checks else Verdict.UNKNOWN


def _check(check: _HealthCheck) -> Check:
    return Check(
        kind=_KINDS[check.protocol],
        path=checked.path(check.path),
        port_index=check.port_index or 0,
        port=check.port if check.port_index is None else None,
        interval_seconds=check.interval_seconds,
        timeout_seconds=check.timeout_seconds,
        max_consecutive_failures=check.max_consecutive_failures,
    )
