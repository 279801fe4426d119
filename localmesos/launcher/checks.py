"""When a task's checks run, and what their results mean.

Two kinds, as in Mesos: a health check whose failures count and may kill the task, and a general
check that only reports. Neither knows the clock or the processes of the other.
"""

from collections.abc import Mapping
from typing import NamedTuple

from localmesos.launcher import log
from localmesos.launcher.events import Check, HealthCheck, Json
from localmesos.launcher.probes import Probe, Result
from localmesos.launcher.updates import empty_check_status

_HEALTHY_HTTP = range(200, 400)


class HealthVerdict(NamedTuple):
    """News about a task's health, to be reported; `kill` when it has failed too often."""

    healthy: bool
    kill: bool


class Schedule:
    """Runs one check again and again: first after its delay, then an interval after each end."""

    def __init__(self, check: Check, environment: Mapping[str, str], now: float) -> None:
        self._check = check
        self._environment = environment
        self._next_at = now + check.delay_seconds
        self._probe: Probe | None = None
        self._timed_out = False

    def deadline(self) -> float:
        """When `tick` has something to do."""
        return self._next_at if self._probe is None else self._probe.deadline

    def tick(self, now: float) -> Result | None:
        """Start the check, or end it at its time-out. A result only if it could not start."""
        if now < self.deadline():
            return None
        if self._probe is not None:
            self._timed_out = True
            self._probe.deadline = float("inf")
            self._probe.cancel()
            return None
        self._timed_out = False
        try:
            self._probe = Probe(self._check, self._environment, now + self._check.timeout_seconds)
        except (OSError, ValueError) as problem:
            self._next_at = now + self._check.interval_seconds
            return Result(None, f"cannot start the check: {problem}")
        return None

    def reaped(self, pid: int, wait_status: int, now: float) -> Result | None:
        """The result, if the process that ended was this check's."""
        if self._probe is None or self._probe.pid != pid:
            return None
        probe, self._probe = self._probe, None
        self._next_at = now + self._check.interval_seconds
        if self._timed_out:
            return Result(None, f"timed out after {self._check.timeout_seconds:g} seconds")
        return probe.result(wait_status)

    def stop(self) -> None:
        """Kill what runs. The schedule must not be used any more."""
        if self._probe is not None:
            self._probe.cancel()
            self._probe = None


class Health:
    """Counts the failures of a health check by Mesos' rules."""

    def __init__(self, health_check: HealthCheck, now: float) -> None:
        self._health_check = health_check
        self._grace_ends_at = now + health_check.grace_period_seconds
        self._failures = 0
        self._ever_healthy = False

    def observe(self, result: Result, now: float) -> HealthVerdict | None:
        """Take a result; what is to be reported, if anything is."""
        problem = self._problem(result)
        if not problem:
            news = not self._ever_healthy or self._failures > 0
            self._ever_healthy, self._failures = True, 0
            return HealthVerdict(healthy=True, kill=False) if news else None
        kind = self._health_check.check.kind
        if not self._ever_healthy and now <= self._grace_ends_at:
            log.info(f"Ignoring failure of {kind} health check in its grace period: {problem}")
            return None
        self._failures += 1
        log.warning(f"{kind} health check failed {self._failures} times consecutively: {problem}")
        kill = self._failures >= self._health_check.consecutive_failures
        return HealthVerdict(healthy=False, kill=kill)

    def _problem(self, result: Result) -> str:
        """Why a result means unhealthy; empty when it is healthy."""
        if result.status is None:
            return result.problem
        if "command" in result.status:
            exit_code = result.status["command"]["exit_code"]
            return f"command exited with status {exit_code}" if exit_code else ""
        if "tcp" in result.status:
            return "" if result.status["tcp"]["succeeded"] else "TCP connection failed"
        code = result.status["http"]["status_code"]
        healthy = code in (self._health_check.statuses or _HEALTHY_HTTP)
        return "" if healthy else f"unexpected HTTP response code {code}"


class CheckStatus:
    """Remembers the last result of a general check, so that only changes are reported."""

    def __init__(self, check: Check) -> None:
        self._empty = self._last = empty_check_status(check)

    def observe(self, result: Result) -> Json | None:
        """Take a result; the new CheckStatusInfo if it differs from the last."""
        if result.status is None:
            log.warning(f"{self._empty['type']} check failed: {result.problem}")
        status = self._empty if result.status is None else result.status
        if status == self._last:
            return None
        self._last = status
        return status
