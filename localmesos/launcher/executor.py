"""mesos-executor: runs one command task for an agent and reports on it (v1 executor API).

One loop waits for the agent, for children that ended, and for deadlines; nothing in it blocks.
States, messages and rules are those of Mesos' own command executor, so that a framework cannot
tell the difference. Two things are done better: whatever the task's process leaves behind when it
ends is killed, and a task that ends while the agent is away is still reported when it is back.
"""

import json
import os
import select
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from typing import NoReturn

from localmesos.launcher import log, process
from localmesos.launcher.checks import CheckStatus, Health, Schedule
from localmesos.launcher.events import (
    Acknowledged,
    AgentError,
    Event,
    Ignored,
    Json,
    Kill,
    Launch,
    Shutdown,
    Subscribed,
    Task,
    parse_environment,
)
from localmesos.launcher.probes import Result
from localmesos.launcher.run import Began, Ended, ProcessRun, Run
from localmesos.launcher.settings import Settings, environment_for_tasks, settings_from
from localmesos.launcher.subscription import Subscription
from localmesos.launcher.updates import TERMINAL_STATES, Updates

_DEFAULT_KILL_GRACE_SECONDS = 3.0
_REPORTING_SECONDS = 2.0  # of a shutdown's grace, kept to report TASK_KILLED, as Mesos does
_LAST_ACKNOWLEDGEMENT_SECONDS = 60.0
_LONGEST_WAIT_SECONDS = 3600.0
_IGNORED_FLAGS = frozenset({"launcher_dir"})


class Executor:
    """The life of one task, from LAUNCH to the acknowledgement of its last update."""

    def __init__(
        self, settings: Settings, environment: Mapping[str, str], task_run: Run | None = None
    ) -> None:
        self._settings = settings
        self._run: Run = task_run or ProcessRun()
        self._environment = environment_for_tasks(environment)
        self._updates = Updates(settings.executor_id)
        self._subscription = Subscription(settings, self._updates, time.monotonic())
        self._capabilities: frozenset[str] = frozenset()
        self._task: Task | None = None
        self._task_environment: Mapping[str, str] = {}
        self._ended = False
        self._killed = False
        self._killed_as_unhealthy = False
        self._took_too_long = False
        self._kill_began_at = 0.0
        self._escalate_at = float("inf")
        self._complete_by = float("inf")
        self._acknowledge_by = float("inf")
        self._health: tuple[Schedule, Health] | None = None
        self._check: tuple[Schedule, CheckStatus] | None = None
        self._exit_status: int | None = None

    def run(self) -> int:
        """Run until the task's end is acknowledged or nobody wants to know; the exit status."""
        wakeup = _wake_up_on_children()
        while self._exit_status is None:
            now = time.monotonic()
            self._subscription.tick(now)
            self._tick(now)
            if self._subscription.given_up:
                self._end_without_agent(now)
            if self._exit_status is None:
                self._wait(wakeup)
        self._subscription.close()
        process.kill()
        return self._exit_status

    def _wait(self, wakeup: int) -> None:
        poll = select.poll()
        poll.register(wakeup, select.POLLIN)
        of_the_run = self._run.wanted()
        for fd, mask in [*self._subscription.wanted(), *of_the_run]:
            poll.register(fd, mask)
        seconds = min(max(self._deadline() - time.monotonic(), 0), _LONGEST_WAIT_SECONDS)
        ready = poll.poll(seconds * 1000 + 1)
        now = time.monotonic()
        for fd, mask in ready:
            if fd == wakeup:
                os.read(wakeup, 4096)
                self._reap(now)
                continue
            if fd in dict(of_the_run):
                self._on_news(self._run.ready(fd), now)
                continue
            for event in self._subscription.ready(fd, mask, now):
                self._on_event(event, now)

    def _deadline(self) -> float:
        deadlines = [self._escalate_at, self._complete_by]
        if self._subscription.subscribed:
            deadlines.append(self._acknowledge_by)
        deadlines += [each[0].deadline() for each in (self._health, self._check) if each]
        link = self._subscription.deadline()
        return min(deadlines) if link is None else min(link, *deadlines)

    def _tick(self, now: float) -> None:
        """Do what is due."""
        if now >= self._complete_by:
            self._complete_by = float("inf")
            self._took_too_long = True
            log.info("Killing the task, which exceeded its maximum completion time")
            self._kill(0.0, now)
        if now >= self._escalate_at:
            self._escalate_at = float("inf")
            self._run.kill()
        if self._health and (result := self._health[0].tick(now)):
            self._on_health(result, now)
        if self._check and (result := self._check[0].tick(now)):
            self._on_check(result, now)
        if now >= self._acknowledge_by and self._subscription.subscribed:
            log.error("The agent did not acknowledge the terminal status update")
            self._exit_status = 1

    def _on_event(self, event: Event, now: float) -> None:
        if not isinstance(event, Acknowledged | Ignored):
            log.info(f"Received {type(event).__name__.upper()} event")
        match event:
            case Subscribed():
                self._on_subscribed(event, now)
            case Launch():
                self._launch(event.task, now)
            case Kill():
                self._on_kill(event, now)
            case Acknowledged():
                self._on_acknowledged(event)
            case Shutdown():
                self._shut_down(event.reason, now)
            case AgentError():
                log.error(f"The agent reports an error: {event.message}")
            case Ignored():
                pass

    def _on_subscribed(self, event: Subscribed, now: float) -> None:
        log.info(f"Subscribed executor on {event.hostname}")
        self._capabilities = event.framework_capabilities
        if self._ended:
            self._acknowledge_by = now + _LAST_ACKNOWLEDGEMENT_SECONDS

    def _launch(self, task: Task, now: float) -> None:
        if self._task is not None:
            if task.task_id != self._task.task_id:
                message = 'Attempted to run multiple tasks using a "command" executor'
                self._forward(task, "TASK_FAILED", now, message)
            return
        self._task = self._subscription.task = task
        self._forward(task, "TASK_STARTING", now)
        log.info(f"Starting task {task.task_id}")
        environment = {**self._environment, **task.command.environment}
        environment["MESOS_ALLOCATION_ROLE"] = task.allocation_role
        environment.setdefault("PATH", process.DEFAULT_PATH)
        try:
            began = self._run.start(task, environment)
        except (OSError, ValueError) as problem:
            log.error(str(problem))
            self._end("TASK_FAILED", str(problem), now)
            return
        self._task_environment = environment
        self._on_news(began, now)

    def _on_news(self, began: Began | None, now: float) -> None:
        """The task runs: from now on it is timed and checked."""
        task = self._task
        if began is None or task is None or self._killed:
            return
        if task.max_completion_seconds is not None:
            self._complete_by = now + task.max_completion_seconds
        environment = self._task_environment
        if task.health_check is not None:
            schedule = Schedule(self._run.check(task.health_check.check), environment, now)
            self._health = (schedule, Health(task.health_check, now))
        if task.check is not None:
            schedule = Schedule(self._run.check(task.check), environment, now)
            self._check = (schedule, CheckStatus(task.check))
        more: Json = {"container_status": began.container_status} if began.container_status else {}
        self._forward(task, "TASK_RUNNING", now, **more)

    def _on_kill(self, event: Kill, now: float) -> None:
        if self._task is None:
            log.error("Received a kill before the task was launched")
            self._exit_status = 1
            return
        self._kill(self._kill_grace_seconds(event.grace_seconds), now)

    def _kill_grace_seconds(self, override: float | None) -> float:
        if override is not None:
            return override
        if self._task is not None and self._task.kill_grace_seconds is not None:
            return self._task.kill_grace_seconds
        return _DEFAULT_KILL_GRACE_SECONDS

    def _kill(self, grace_seconds: float, now: float) -> None:
        """SIGTERM to the task's tree now, SIGKILL after the grace period.

        A repeated kill may shorten the grace period, never lengthen it.
        """
        if self._task is None or self._ended:
            return
        if self._killed:
            self._escalate_at = min(self._escalate_at, self._kill_began_at + grace_seconds)
            return
        self._killed = True
        self._kill_began_at = now
        self._escalate_at = now + grace_seconds
        if "TASK_KILLING_STATE" in self._capabilities and not self._took_too_long:
            self._forward(self._task, "TASK_KILLING", now)
        self._stop_checks()
        self._run.stop()
        log.info(f"Scheduling escalation to SIGKILL in {grace_seconds:g} seconds from now")

    def _shut_down(self, reason: str, now: float) -> None:
        log.info(f"Shutting down: {reason}")
        if self._task is None:
            self._exit_status = 0
            return
        self._kill(max(0.0, self._settings.shutdown_grace_seconds - _REPORTING_SECONDS), now)

    def _end_without_agent(self, now: float) -> None:
        """The agent is given up: end the task, then this process."""
        if self._task is None:
            self._exit_status = 1
        elif self._ended:
            self._exit_status = 0
        elif not self._killed:
            self._shut_down("the agent is gone", now)

    def _reap(self, now: float) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._run.pid:
                self._stop_checks()
                if ended := self._run.reaped(status):
                    self._on_task_ended(ended, now)
            elif self._health and (result := self._health[0].reaped(pid, status, now)):
                self._on_health(result, now)
            elif self._check and (result := self._check[0].reaped(pid, status, now)):
                self._on_check(result, now)

    def _on_task_ended(self, ended: Ended, now: float) -> None:
        message = ended.message
        if self._took_too_long:
            reason = "REASON_MAX_COMPLETION_TIME_REACHED"
            self._end("TASK_FAILED", message, now, reason=reason)
        elif self._killed_as_unhealthy:
            self._end("TASK_KILLED", message, now, healthy=False)
        elif self._killed:
            self._end("TASK_KILLED", message, now)
        else:
            more = {"reason": ended.reason} if ended.reason else {}
            self._end("TASK_FINISHED" if ended.succeeded else "TASK_FAILED", message, now, **more)

    def _end(self, state: str, message: str, now: float, **more: object) -> None:
        assert self._task is not None
        self._ended = True
        self._escalate_at = self._complete_by = float("inf")
        self._acknowledge_by = now + _LAST_ACKNOWLEDGEMENT_SECONDS
        self._forward(self._task, state, now, message, **more)

    def _on_acknowledged(self, event: Acknowledged) -> None:
        status = self._updates.acknowledge(event.uuid)
        if status is None:
            log.warning("Received an acknowledgement of an unknown status update")
        elif self._ended and status["state"] in TERMINAL_STATES:
            self._exit_status = 0

    def _on_health(self, result: Result, now: float) -> None:
        assert self._health is not None
        verdict = self._health[1].observe(result, now)
        if verdict is None or self._killed or self._ended:
            return
        log.info(f"Received task health update, healthy: {str(verdict.healthy).lower()}")
        reason = "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED"
        self._subscription.send(self._updates.changed(reason, healthy=verdict.healthy), now)
        if verdict.kill:
            self._killed_as_unhealthy = True
            self._kill(self._kill_grace_seconds(None), now)

    def _on_check(self, result: Result, now: float) -> None:
        assert self._check is not None
        status = self._check[1].observe(result)
        if status is None or self._killed or self._ended:
            return
        log.info(f"Received check update {json.dumps(status)}")
        reason = "REASON_TASK_CHECK_STATUS_UPDATED"
        self._subscription.send(self._updates.changed(reason, check_status=status), now)

    def _stop_checks(self) -> None:
        for each in (self._health, self._check):
            if each is not None:
                each[0].stop()
        self._health = self._check = None

    def _forward(
        self, task: Task, state: str, now: float, message: str = "", **more: object
    ) -> None:
        self._subscription.send(self._updates.new(task, state, message, **more), now)


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run the executor with its flags and environment; its exit status."""
    try:
        settings = settings_from(environment)
        variables = {**environment, **_task_environment(arguments)}
        process.lead_session()
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as problem:
        log.error(f"Cannot start the executor: {problem}")
        return 1
    return Executor(settings, variables).run()


def _task_environment(arguments: Sequence[str]) -> dict[str, str]:
    """The variables that isolators add for the task, from the flags.

    Raises ValueError for a flag that asks for an isolation which the posix launcher hasn't.
    """
    variables: dict[str, str] = {}
    for argument in arguments:
        name, _, value = argument.lstrip("-").partition("=")
        if name == "task_environment":
            variables.update(parse_environment(json.loads(value)))
        elif name not in _IGNORED_FLAGS:
            raise ValueError(f"the flag --{name} is not supported by this executor")
    return variables


def _wake_up_on_children() -> int:
    """A file descriptor that becomes readable whenever a child ends."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    return reading


def main() -> NoReturn:
    """The program `mesos-executor`."""
    sys.exit(run(sys.argv[1:], os.environ))
