"""Probes: what the scheduler itself asks of running instances, and what it heard.

HTTP, HTTPS and TCP health checks and readiness checks are the scheduler's; COMMAND and MESOS_*
checks are the executor's and arrive with the task's status. A target says where and how to look;
its key names the task and the check, so an answer about an earlier incarnation is recognized.
"""

from enum import StrEnum

from msgspec import Struct

from framework.domain.ids import parse_task_id


class ProbeProtocol(StrEnum):
    """How a probe looks."""

    HTTP = "HTTP"
    HTTPS = "HTTPS"
    TCP = "TCP"


class ProbeTarget(Struct, frozen=True, gc=False, omit_defaults=True):
    """``hosts`` in order of preference: the first that resolves is asked (an agent's hostname,
    then its address). ``statuses`` empty: 200 to 399, redirects not followed. Certificates are
    not verified (as Marathon's). ``keep_answer``: hand back what was answered.
    ``first_after_seconds``: when to look first."""

    key: str
    protocol: ProbeProtocol
    hosts: tuple[str, ...]
    port: int
    path: str = "/"
    interval_seconds: float = 60
    timeout_seconds: float = 20
    first_after_seconds: float = 0
    statuses: tuple[int, ...] = ()
    ipv6: bool = False
    keep_answer: bool = False


class ProbeAnswer(Struct, frozen=True, gc=False, omit_defaults=True):
    """The start of what an HTTP probe was answered."""

    status: int
    content_type: str
    body: str


class ProbeResult(Struct, frozen=True, gc=False, omit_defaults=True):
    """One look. ``cause`` says in a sentence why it failed (empty: it did not)."""

    key: str
    at_ms: int
    alive: bool
    cause: str = ""
    answer: ProbeAnswer | None = None


class Watch(Struct, frozen=True, gc=False):
    """Look at this target from now on, at its interval."""

    target: ProbeTarget


class Unwatch(Struct, frozen=True, gc=False):
    """Look no more. An answer under way may still come."""

    key: str


ProbeAction = Watch | Unwatch


class CheckHealth(Struct, frozen=True, gc=False, omit_defaults=True):
    """What is known of one health check of an instance (not stored: the verdict is)."""

    alive: bool | None = None
    consecutive_failures: int = 0
    first_success_ms: int | None = None
    last_success_ms: int | None = None
    last_failure_ms: int | None = None
    cause: str = ""


class InstanceHealth(Struct, frozen=True, gc=False, omit_defaults=True):
    """What the scheduler's own probes found of an instance's present task: by index of the
    check, and the last readiness answer."""

    task_id: str
    checks: dict[int, CheckHealth] = {}
    readiness: ProbeResult | None = None


class ProbesReported(Struct, frozen=True, gc=False):
    """What probes found since the last report: every failure, every change, and a success of
    each target at least now and then."""

    results: tuple[ProbeResult, ...]


def health_key(task_id: str, check_index: int) -> str:
    """The key of an app's ``check_index``-th health check on a task."""
    return f"{task_id}/{check_index}"


def readiness_key(task_id: str) -> str:
    """The key of the readiness check on a task."""
    return f"{task_id}/ready"


def parse_key(key: str) -> tuple[str, str, int | None] | None:
    """(instance id, task id, check index; None: readiness), or None if it is no such key."""
    task_id, _, which = key.rpartition("/")
    parsed = parse_task_id(task_id)
    if parsed is None:
        return None
    if which == "ready":
        return parsed[0], task_id, None
    return (parsed[0], task_id, int(which)) if which.isdecimal() else None
