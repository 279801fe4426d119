"""No task is killed unless somebody or something asked for it.

The reasons, decided anew from commands and records: a kill by id; the app is gone, smaller or of
a newer configuration; the task did not start in time; it was given up and has returned. A kill
that was right once may be repeated. A task that is not ours is killed only by its own command.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from framework.core.health_storms import ALARM
from framework.core.policy import Policy
from framework.core.transitions import condition_of
from framework.core.turn import Step
from framework.domain.actions import Kill, Launch
from framework.domain.events import (
    AdoptOrphan,
    Asked,
    Disconnected,
    DrainAgent,
    Event,
    KillOrphan,
    KillTasks,
    Started,
    Subscribed,
    TaskStatusReceived,
)
from framework.domain.health import ProbesReported, parse_key
from framework.domain.ids import parse_task_id
from framework.domain.instance import TERMINAL, Goal, Instance
from framework.domain.state import State
from tests.simulation import oracle
from tests.simulation.apps import CHECK
from tests.simulation.oracle import current, live, starting
from tests.simulation.stage import Violation


@dataclass(frozen=True, slots=True)
class _Awaited:
    """An instance that was killed for its health with nothing in its place; ``ended_ms``: when its
    task was seen to be over."""

    instance_id: str
    task_id: str
    ended_ms: int | None = None


class JustifiedKills:
    """Remembers what was asked, and every kill that was right."""

    def __init__(self, policy: Policy, launched: Mapping[str, Launch]) -> None:
        self.policy = policy
        self._launched = launched
        self._adopted: set[str] = set()
        self._asked: set[str] = set()  # instance ids
        self._asked_tasks: set[str] = set()
        self._right: set[str] = set()
        self._before: dict[str, Instance] = {}
        self._subscribed_ms: int | None = None
        self._failures: dict[str, int] = {}
        self._sick: set[str] = set()
        self._deadlines: list[tuple[str, int]] = []  # of drains
        self._lost_ms: dict[str, int] = {}  # app -> when a sick one was killed without more ado
        self._awaited: dict[str, _Awaited] = {}  # app -> which one that was
        self._buried: set[str] = set()
        self._ended: set[str] = set()  # as Mesos tells in this step

    def before(self, state: State, events: Sequence[Event], now_ms: int) -> None:
        """A step is about to be taken."""
        self._before = dict(state.instances)
        self._look_at_awaited(state, now_ms)
        self._buried = {*state.tombstones}
        told = [one.status for one in events if isinstance(one, TaskStatusReceived)]
        self._ended = {one.task_id for one in told if condition_of(one) in TERMINAL}
        for event in events:
            if isinstance(event, Subscribed):
                self._subscribed_ms = now_ms
            elif isinstance(event, Started | Disconnected):
                self._subscribed_ms = None
            elif isinstance(event, ProbesReported):
                self._note(event)
            if not isinstance(event, Asked):
                continue
            command = event.command
            if isinstance(command, DrainAgent) and command.deadline_seconds:
                self._deadlines.append((command.agent, now_ms + command.deadline_seconds * 1000))
            if isinstance(command, KillTasks):
                self._asked.update(command.instance_ids)
            elif isinstance(command, KillOrphan):
                self._asked_tasks.add(command.task_id)
            elif isinstance(command, AdoptOrphan):
                self._adopted.add(command.task_id)

    def _note(self, report: ProbesReported) -> None:
        """Which instances failed a check of ours as often as they may, one time after the other."""
        for result in report.results:
            parsed = parse_key(result.key)
            if parsed is None or parsed[2] is None:
                continue
            failures = 0 if result.alive else self._failures.get(result.key, 0) + 1
            self._failures[result.key] = failures
            if failures >= CHECK.max_consecutive_failures:
                self._sick.add(parsed[0])

    def check(self, state: State, decided: Step, now_ms: int) -> None:
        """Each kill of this step has a reason."""
        shrunk: set[str] = set()
        killed = [action.task_id for action in decided.actions if isinstance(action, Kill)]
        for task_id in (*killed, *self._planned(state)):
            if task_id not in self._right:
                self._check(state, task_id, now_ms, shrunk)
                self._right.add(task_id)
        for app_id in shrunk:
            app = oracle.effective(state, app_id)
            assert app is not None
            kept = sum(
                live(one) and current(app, one) and one.goal is Goal.RUNNING
                for one in state.instances.values()
                if one.app_id == app_id
            )
            if kept < app.instances:
                raise Violation(f"{app_id} is scaled down to {kept}, not {app.instances}")

    def _planned(self, state: State) -> list[str]:
        """Tasks whose kill was decided in this step and leaves later, when they have drained."""
        return [
            one.task_id
            for one in state.instances.values()
            if one.draining_until_ms and one.id in self._before
            if one.kill_reason and not self._before[one.id].kill_reason
        ]

    def _check(self, state: State, task_id: str, now_ms: int, shrunk: set[str]) -> None:
        if task_id in self._asked_tasks:
            return
        if task_id not in self._launched and task_id not in self._adopted:
            raise Violation(f"{task_id} is not ours and nobody asked to kill it")
        parsed = parse_task_id(task_id)
        assert parsed is not None
        before = self._before.get(parsed[0]) or state.instances.get(parsed[0])
        if before is None or before.incarnation > parsed[1]:
            if before is None and task_id not in self._buried:
                raise Violation(f"{task_id} has no tombstone and is killed")
            return
        given_up = oracle.unreachable(before) and before.id not in state.instances
        if given_up or task_id in self._ended:
            return  # in this very step, and back: older news of it may come behind
        if before.id in self._asked or self._overdue(before, now_ms):
            return
        if self._to_be_empty(state, before, now_ms):
            return
        if before.id in self._sick and self._sick_may_go(state, before, now_ms):
            return
        app = oracle.effective(state, before.app_id)
        if app is None or not current(app, before):
            return
        shrunk.add(app.id)

    def _sick_may_go(self, state: State, before: Instance, now_ms: int) -> bool:
        """Replaced, which ``capacity`` looks at; or nothing took its place for long enough, and
        the app has lost no other one to that lately."""
        now = state.instances.get(before.id)
        if now is None or now.goal is Goal.DECOMMISSIONED:
            return True
        patience_ms = self.policy.unhealthy_kill_patience
        alarm = state.alarms.get(ALARM)
        if alarm is not None and alarm.since_ms < now_ms:  # one of now may be for want of this task
            return False
        if before.app_id in self._awaited:
            return False
        self._awaited[before.app_id] = _Awaited(before.id, before.task_id)
        definition = state.versions_of.get(before.app_id, {}).get(before.version)
        if definition is not None and definition.persistent_volumes:
            return True  # nothing can take its place but itself
        if before.mark is None or now_ms - before.mark.since_ms < patience_ms:
            return False
        last_ms = self._lost_ms.get(before.app_id)
        self._lost_ms[before.app_id] = now_ms
        return last_ms is None or not 0 <= now_ms - last_ms < patience_ms

    def _look_at_awaited(self, state: State, now_ms: int) -> None:
        """Those that were killed with nothing in their place are waited for until they serve again,
        turn out no better, are wanted no more, or have had all the time there is to start."""
        policy = self.policy
        patience_ms = policy.unhealthy_kill_patience + policy.task_launch_timeout
        patience_ms += CHECK.grace_period_seconds * 1000
        for app_id, awaited in list(self._awaited.items()):
            now = state.instances.get(awaited.instance_id)
            if now is None or now.app_id != app_id:
                del self._awaited[app_id]
            elif now.task_id == awaited.task_id and live(now) and not oracle.unreachable(now):
                continue  # it has not ended
            elif awaited.ended_ms is None:
                self._awaited[app_id] = replace(awaited, ended_ms=now_ms)
            elif now.mark or oracle.serving(state, now) or now_ms - awaited.ended_ms >= patience_ms:
                del self._awaited[app_id]

    def _to_be_empty(self, state: State, before: Instance, now_ms: int) -> bool:
        """Its agent is drained or comes up for maintenance: it was replaced, which ``capacity``
        looks at, or the deadline of the drain has passed."""
        agent = state.agents.get(before.agent_id)
        names = {before.agent_id} | ({agent.hostname} if agent else set())
        now = state.instances.get(before.id)
        if now is None or now.goal is Goal.DECOMMISSIONED:
            marks = (before.mark, None if now is None else now.mark)
            return any(mark is not None for mark in marks)
        return any(name in names and at_ms <= now_ms for name, at_ms in self._deadlines)

    def _overdue(self, before: Instance, now_ms: int) -> bool:
        """Whether its time to start is up, and Mesos could have told us all that time."""
        patience_ms = min(self.policy.task_launch_confirm_timeout, self.policy.task_launch_timeout)
        if self._subscribed_ms is None or not starting(before):
            return False
        return now_ms - max(before.since_ms, self._subscribed_ms) >= patience_ms
