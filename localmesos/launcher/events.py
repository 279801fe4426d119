"""The events of the v1 executor API as typed records, parsed and checked in one place.

Only what a command executor needs is kept; the raw TaskInfo stays with the task, because a
re-subscription has to send it back unchanged. Defaults are those of Mesos' protobuf files.
"""

import json
from typing import Any, NamedTuple

Json = dict[str, Any]

_MIN_INTERVAL_SECONDS = 0.1  # an interval of 0 would start checks in a tight loop
_LONG_SECONDS = 10.0 * 365 * 86400
_LOOPBACK = {"IPv4": "127.0.0.1", "IPv6": "::1"}


class MalformedEventError(Exception):
    """The agent sent an event that does not have the form of the executor API."""


class Command(NamedTuple):
    """A CommandInfo: a shell line, or a program with its whole argument list (argv[0] too)."""

    shell: bool
    value: str
    arguments: tuple[str, ...]
    environment: dict[str, str]


class Check(NamedTuple):
    """One check of a task: COMMAND, HTTP or TCP. HTTP and TCP go to the loopback address, of the
    network namespace in the file `network` if it is not this machine's."""

    kind: str
    command: Command | None
    scheme: str
    address: str
    port: int
    path: str
    delay_seconds: float
    interval_seconds: float
    timeout_seconds: float
    network: str = ""


class HealthCheck(NamedTuple):
    """A check whose failures count. Empty `statuses` means that 200 to 399 is healthy."""

    check: Check
    statuses: frozenset[int]
    consecutive_failures: int
    grace_period_seconds: float


class Task(NamedTuple):
    """The task to run. `info` is its TaskInfo as it came."""

    task_id: str
    command: Command
    allocation_role: str
    kill_grace_seconds: float | None
    max_completion_seconds: float | None
    health_check: HealthCheck | None
    check: Check | None
    info: Json


class Subscribed(NamedTuple):
    """The agent accepted the subscription."""

    hostname: str
    framework_capabilities: frozenset[str]


class Launch(NamedTuple):
    """The task shall start."""

    task: Task


class Kill(NamedTuple):
    """The task shall end; the grace period, if given, overrides the task's own."""

    task_id: str
    grace_seconds: float | None


class Acknowledged(NamedTuple):
    """The agent has taken over an update."""

    uuid: str


class Shutdown(NamedTuple):
    """The executor and its task shall end."""

    reason: str


class AgentError(NamedTuple):
    """The agent complains."""

    message: str


class Ignored(NamedTuple):
    """An event that needs no reaction (HEARTBEAT, MESSAGE, types yet unknown)."""

    kind: str


Event = Subscribed | Launch | Kill | Acknowledged | Shutdown | AgentError | Ignored


def parse_event(record: bytes) -> Event:
    """The event in one record. Raises MalformedEventError."""
    try:
        event = json.loads(record)
        return _event(event["type"], event)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
        raise MalformedEventError(f"{type(problem).__name__}: {problem}") from None


def _event(kind: str, event: Json) -> Event:
    match kind:
        case "SUBSCRIBED":
            return _subscribed(event["subscribed"])
        case "LAUNCH":
            return Launch(parse_task(event["launch"]["task"]))
        case "KILL":
            kill = event["kill"]
            return Kill(_text(kill["task_id"]["value"]), _grace(kill.get("kill_policy")))
        case "ACKNOWLEDGED":
            return Acknowledged(_text(event["acknowledged"]["uuid"]))
        case "SHUTDOWN":
            return Shutdown("the agent asked for it")
        case "LAUNCH_GROUP":  # only ever meant for the default executor
            return Shutdown("LAUNCH_GROUP event is not supported")
        case "ERROR":
            return AgentError(str(event["error"]["message"]))
        case _:
            return Ignored(_text(kind))


def _subscribed(subscribed: Json) -> Subscribed:
    capabilities = subscribed["framework_info"].get("capabilities", [])
    return Subscribed(
        hostname=str(subscribed.get("agent_info", {}).get("hostname", "")),
        framework_capabilities=frozenset(_text(each["type"]) for each in capabilities),
    )


def parse_task(info: Json) -> Task:
    """The task of a TaskInfo. Raises KeyError, TypeError or ValueError when it is malformed."""
    resources = info.get("resources") or [{}]
    health_check, check = info.get("health_check"), info.get("check")
    completion = info.get("max_completion_time", {}).get("nanoseconds", 0)
    return Task(
        task_id=_text(info["task_id"]["value"]),
        command=parse_command(info["command"], of_image="docker" in info.get("container", {})),
        allocation_role=_text(resources[0].get("allocation_info", {}).get("role", "")),
        kill_grace_seconds=_grace(info.get("kill_policy")),
        max_completion_seconds=int(completion) / 1e9 if int(completion) > 0 else None,
        health_check=_health_check(health_check) if health_check else None,
        check=_check(check, command=check.get("command", {}).get("command")) if check else None,
        info=info,
    )


def parse_command(command: Json, *, of_image: bool = False) -> Command:
    """The command of a CommandInfo; secrets among the variables are left out, as Mesos does.

    `of_image`: there may be none, for the image of a container says what to start.
    """
    return Command(
        shell=bool(command.get("shell", True)),
        value=_text(command.get("value", "") if of_image else command["value"]),
        arguments=tuple(_text(each) for each in command.get("arguments", [])),
        environment=parse_environment(command.get("environment", {})),
    )


def parse_environment(environment: Json) -> dict[str, str]:
    """The variables of an Environment message; the last of several of one name wins."""
    return {
        _text(each["name"]): _text(each.get("value", ""))
        for each in environment.get("variables", [])
        if each.get("type", "VALUE") != "SECRET"
    }


def _health_check(health: Json) -> HealthCheck:
    return HealthCheck(
        check=_check(health, command=health.get("command")),
        statuses=frozenset(int(each) for each in health.get("http", {}).get("statuses", [])),
        consecutive_failures=int(health.get("consecutive_failures", 3)),
        grace_period_seconds=_seconds(health.get("grace_period_seconds", 10.0)),
    )


def _check(check: Json, command: Json | None) -> Check:
    kind = check.get("type", "UNKNOWN")
    if kind not in ("COMMAND", "HTTP", "TCP"):
        raise ValueError(f"a check of unknown type {kind!r}")
    target: Json = {} if kind == "COMMAND" else check[kind.lower()]
    port = int(target.get("port", 0))
    if kind != "COMMAND" and not 0 < port < 65536:
        raise ValueError(f"a check of port {port}")
    scheme = target.get("scheme", "http")
    if scheme not in ("http", "https"):
        raise ValueError(f"a check of scheme {scheme!r}")
    if kind == "COMMAND" and command is None:
        raise ValueError("a COMMAND check without a command")
    return Check(
        kind=kind,
        command=parse_command(command) if kind == "COMMAND" and command is not None else None,
        scheme=scheme,
        address=_LOOPBACK[target.get("protocol", "IPv4")],
        port=port,
        path=_text(target.get("path", "")) or "/",
        delay_seconds=_seconds(check.get("delay_seconds", 15.0)),
        interval_seconds=max(_MIN_INTERVAL_SECONDS, _seconds(check.get("interval_seconds", 10.0))),
        timeout_seconds=_seconds(check.get("timeout_seconds", 20.0)) or _LONG_SECONDS,
    )


def _grace(kill_policy: Json | None) -> float | None:
    if not kill_policy or "grace_period" not in kill_policy:
        return None
    return _seconds(int(kill_policy["grace_period"]["nanoseconds"]) / 1e9)


def _seconds(value: float) -> float:
    seconds = float(value)
    if not seconds >= 0:
        raise ValueError(f"a duration of {value}")
    return min(seconds, _LONG_SECONDS)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no string")
    return value
