"""What the agent tells an executor through its environment, checked once and made typed.

Names and formats are those of Mesos 1.11 (`MESOS_SLAVE_PID`, durations such as "15mins").
"""

from collections.abc import Mapping
from typing import NamedTuple

_SECONDS_PER_UNIT = {
    "ns": 1e-9,
    "us": 1e-6,
    "ms": 1e-3,
    "secs": 1.0,
    "mins": 60.0,
    "hrs": 3600.0,
    "days": 86400.0,
    "weeks": 604800.0,
}
_DEFAULT_SHUTDOWN_GRACE = "5secs"  # Mesos' own defaults, should the agent not say
_DEFAULT_RECOVERY_TIMEOUT = "15mins"
_DEFAULT_BACKOFF_MAX = "2secs"

# Of no use to a task, or not for its eyes.
_NOT_FOR_TASKS = frozenset(
    {"LIBPROCESS_IP", "LIBPROCESS_PORT", "MESOS_EXECUTOR_AUTHENTICATION_TOKEN"}
)
_NOT_FOR_TASKS_PREFIX = "MESOS_CONTAINERIZER_"


class Settings(NamedTuple):
    """An executor's place in the cluster. Durations in seconds.

    `agent` is (address, port), `path` the executor API of this agent.
    """

    agent: tuple[str, int]
    path: str
    framework_id: str
    executor_id: str
    checkpoint: bool
    recovery_timeout_seconds: float
    backoff_max_seconds: float
    shutdown_grace_seconds: float
    authentication_token: str


def settings_from(environment: Mapping[str, str]) -> Settings:
    """Read the settings; raises ValueError that names the variable that is missing or wrong."""
    name, at, address = _required(environment, "MESOS_SLAVE_PID").rpartition("@")
    host, colon, port = environment.get("MESOS_AGENT_ENDPOINT", address).rpartition(":")
    if not (at and name and colon and host and port.isdecimal()):
        raise ValueError(f"MESOS_SLAVE_PID is not of the form name@address:port: {name}@{address}")
    return Settings(
        agent=(host, int(port)),
        path=f"/{name}/api/v1/executor",
        framework_id=_required(environment, "MESOS_FRAMEWORK_ID"),
        executor_id=_required(environment, "MESOS_EXECUTOR_ID"),
        checkpoint=environment.get("MESOS_CHECKPOINT") == "1",
        recovery_timeout_seconds=_duration(
            environment, "MESOS_RECOVERY_TIMEOUT", _DEFAULT_RECOVERY_TIMEOUT
        ),
        backoff_max_seconds=_duration(
            environment, "MESOS_SUBSCRIPTION_BACKOFF_MAX", _DEFAULT_BACKOFF_MAX
        ),
        shutdown_grace_seconds=_duration(
            environment, "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", _DEFAULT_SHUTDOWN_GRACE
        ),
        authentication_token=environment.get("MESOS_EXECUTOR_AUTHENTICATION_TOKEN", ""),
    )


def duration_seconds(text: str) -> float:
    """Seconds of a duration as Mesos writes it ("15mins", "1.5secs"). Raises ValueError."""
    number = text.rstrip("abcdefghijklmnopqrstuvwxyz")
    unit = _SECONDS_PER_UNIT.get(text[len(number) :])
    if unit is None:
        raise ValueError(f"{text!r} is no duration: it must end with one of {[*_SECONDS_PER_UNIT]}")
    seconds = float(number) * unit
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"{text!r} is no duration: it must be a number that is not negative")
    return seconds


def environment_for_tasks(environment: Mapping[str, str]) -> dict[str, str]:
    """The part of an executor's environment that its task inherits."""
    return {
        name: value
        for name, value in environment.items()
        if name not in _NOT_FOR_TASKS and not name.startswith(_NOT_FOR_TASKS_PREFIX)
    }


def _required(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name, "")
    if not value:
        raise ValueError(f"expecting {name} to be set in the environment")
    return value


def _duration(environment: Mapping[str, str], name: str, default: str) -> float:
    try:
        return duration_seconds(environment.get(name, default))
    except ValueError as problem:
        raise ValueError(f"{name}: {problem}") from None
