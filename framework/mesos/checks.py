"""The checks that the executor carries out for us: HealthCheck and CheckInfo of a task.

Checks by the scheduler's own prober (HTTP, HTTPS, TCP) never get here.
"""

from framework.domain.app import App, Check, HealthCheck
from framework.mesos.json_parts import JsonObject
from framework.mesos.ports import LaunchedPort

NEVER = 4_294_967_295
"""An agent kills at failures >= this number, so 0 would kill at once."""


def health_check_info(app: App, ports: tuple[LaunchedPort, ...]) -> JsonObject | None:
    """The first health check that the executor runs (a task can have only one), if any.
    ValueError if it names a port that the app does not have."""
    check = next((each for each in app.health_checks if each.run_by_executor), None)
    if check is None:
        return None
    return {
        "delay_seconds": float(check.delay_seconds),
        "interval_seconds": float(check.interval_seconds),
        "timeout_seconds": float(check.timeout_seconds),
        "grace_period_seconds": float(check.grace_period_seconds),
        "consecutive_failures": check.max_consecutive_failures or NEVER,
        **_health_check_kind(check, ports),
    }


def _health_check_kind(check: HealthCheck, ports: tuple[LaunchedPort, ...]) -> JsonObject:
    if check.protocol == "COMMAND":
        command = {"shell": True, "value": check.command or ""}
        return {"type": "COMMAND", "command": command}
    target = {"port": _port(check, ports), "protocol": check.ip_protocol}
    if check.protocol == "MESOS_TCP":
        return {"type": "TCP", "tcp": target}
    scheme = "https" if check.protocol == "MESOS_HTTPS" else "http"
    # No list of good statuses: the executor's own is 200 to 399, which is Marathon's rule.
    return {"type": "HTTP", "http": {**target, "scheme": scheme, "path": check.path or "/"}}


def check_info(app: App, ports: tuple[LaunchedPort, ...]) -> JsonObject | None:
    """The app's ``check``, which informs and never kills. ValueError as above."""
    check = app.check
    if check is None:
        return None
    return {
        "delay_seconds": float(check.delay_seconds),
        "interval_seconds": float(check.interval_seconds),
        "timeout_seconds": float(check.timeout_seconds),
        **_check_kind(check, ports),
    }


def _check_kind(check: Check, ports: tuple[LaunchedPort, ...]) -> JsonObject:
    if check.kind == "command":
        return {"type": "COMMAND", "command": {"command": _command(check)}}
    port = _port(check, ports)
    if check.kind == "tcp":
        return {"type": "TCP", "tcp": {"port": port}}
    return {"type": "HTTP", "http": {"port": port, "path": check.path or "/"}}


def _command(check: Check) -> JsonObject:
    if check.shell is not None:
        return {"shell": True, "value": check.shell}
    if not check.argv:
        raise ValueError("a command check has neither a shell command nor arguments")
    return {"shell": False, "value": check.argv[0], "arguments": list(check.argv)}


def _port(check: HealthCheck | Check, ports: tuple[LaunchedPort, ...]) -> int:
    """The number as it is inside the task's own network, where the executor checks it."""
    if check.port is not None:
        return check.port
    index = check.port_index or 0
    if not 0 <= index < len(ports):
        raise ValueError(f"a check names the port index {index}; there are {len(ports)} ports")
    return ports[index].inner
