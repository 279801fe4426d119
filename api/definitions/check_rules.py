"""Rules on health checks, the Mesos check and readiness checks; the texts are Marathon's."""

from collections.abc import Iterator

from api.faults import Fault
from framework.domain.app import App, HealthCheck

_PORT_INDEX = (
    "Health check port indices must address an element of the ports array "
    "or container port mappings."
)
_EXECUTOR_PROBES = ("MESOS_HTTP", "MESOS_HTTPS", "MESOS_TCP")


def check_faults(app: App) -> Iterator[Fault]:
    """Everything that is wrong with how the app is to be watched."""
    ports = len(app.service_ports)
    for index, check in enumerate(app.health_checks):
        for error in _health_check_errors(app, check, ports):
            yield Fault(f"/healthChecks({index})", error)
    run_by_executor = [check for check in app.health_checks if check.protocol in _EXECUTOR_PROBES]
    if len(run_by_executor) > 1:
        yield Fault("/", "AppDefinition can contain at most one Mesos health check")
    yield from _mesos_check_faults(app, ports)
    yield from _readiness_faults(app)


def _health_check_errors(app: App, check: HealthCheck, ports: int) -> Iterator[str]:
    if check.protocol == "COMMAND":
        if check.command is None:
            yield "command must be defined for protocol COMMAND"
        if check.path is not None or check.port is not None or check.port_index is not None:
            yield "path, port and portIndex must be undefined for protocol COMMAND"
    else:
        if check.command is not None:
            yield "command must be undefined unless the protocol is COMMAND"
        if not _addressed(check.port_index, check.port, ports):
            yield _PORT_INDEX
    docker = app.container is not None and app.container.type == "DOCKER"
    if check.ip_protocol == "IPv6" and not (docker and check.protocol in _EXECUTOR_PROBES):
        yield (
            "IPv6 can only be used for container type DOCKER and Mesos http/https/tcp health checks"
        )


def _addressed(port_index: int | None, port: int | None, ports: int) -> bool:
    """Whether the check names a port that exists; without a name there must be just one."""
    if port_index is not None:
        return port_index < ports
    return port is not None or ports == 1


def _mesos_check_faults(app: App, ports: int) -> Iterator[Fault]:
    check = app.check
    if check is None:
        return
    if app.container is not None and app.container.type == "DOCKER":
        yield Fault("/", "AppDefinition must not use 'checks' if using docker")
    if check.kind == "command":
        if (check.shell is None) == (not check.argv):
            yield Fault("/check/exec/command", "must define exactly one of shell and argv")
    elif not _addressed(check.port_index, check.port, ports):
        yield Fault(
            "/check",
            "check port index must address an element of the ports array "
            "or container port mappings.",
        )


def _readiness_faults(app: App) -> Iterator[Fault]:
    count = len(app.readiness_checks)
    if count > 1:
        yield Fault("/readinessChecks", f"got {count}, expected 1 or less")
    items = app.port_definitions if app.on_host_network else app.port_mappings
    names = {item.name for item in items}
    for index, check in enumerate(app.readiness_checks):
        path = f"/readinessChecks({index})"
        if check.port_name not in names:
            yield Fault(
                f"{path}/portName", f"No port definition reference for portName {check.port_name}"
            )
        if check.timeout_seconds >= check.interval_seconds:
            yield Fault(
                f"{path}/timeoutSeconds",
                f"got {check.timeout_seconds}, expected less than {check.interval_seconds}",
            )
