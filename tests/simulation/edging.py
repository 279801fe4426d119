"""Edges in a run: load balancers that follow, are done soon, late or never, fall silent and leave.

A planned kill of what they send something may leave only once every daemon whose lease runs has
said that it is done, or the time for that is over; and what waits for them to send it something
counts no sooner. Both are recounted from commands and records.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from framework.core.policy import Policy
from framework.core.turn import Step
from framework.domain.actions import Kill
from framework.domain.edges import EdgeKind
from framework.domain.events import (
    AcknowledgeDrained,
    Asked,
    Command,
    Event,
    ForgetEdge,
    KillTasks,
    RenewEdge,
)
from framework.domain.ids import parse_task_id
from framework.domain.instance import Condition, Goal, Instance
from framework.domain.state import State
from tests.simulation import drains, oracle
from tests.simulation.stage import Stage, Violation

_NEVER_MS = 10_000_000
_LOOK_MS = (100, 1_500)


@dataclass
class _Balancer:
    """One of them; ``slow_ms``: what it needs to be done with a task."""

    name: str
    kind: EdgeKind
    lease_seconds: int
    slow_ms: int
    silent_until_ms: int = 0
    seen_ms: dict[str, int] = field(default_factory=dict)
    new_ms: dict[str, int] = field(default_factory=dict)


class Balancers:
    """Acts for all edges of a run."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._all = [self._made(number) for number in range(stage.between(1, 3))]

    def _made(self, number: int) -> _Balancer:
        stage = self._stage
        kind = stage.pick((EdgeKind.DAEMON, EdgeKind.DAEMON, EdgeKind.CRON))
        slow_ms = stage.pick((0, 500, 3_000, _NEVER_MS))
        return _Balancer(f"edge{number}", kind, stage.pick((5, 15)), slow_ms)

    def commands(self, view: State) -> Iterable[Command]:
        """What they say now, of what they see."""
        for one in self._all:
            if self._stage.now_ms >= one.silent_until_ms:
                yield from self._said(one, view)

    def pause_ms(self) -> int:
        """Until they act again."""
        return self._stage.between(*_LOOK_MS)

    def _said(self, one: _Balancer, view: State) -> list[Command]:
        now_ms = self._stage.now_ms
        if self._stage.happens(0.01):
            return [ForgetEdge(one.name)]
        if self._stage.happens(0.02):
            one.silent_until_ms = now_ms + self._stage.between(1_000, 20_000)
        draining = [i.task_id for i in view.instances.values() if i.draining_until_ms]
        one.seen_ms = {task: one.seen_ms.get(task, now_ms) for task in draining}
        done = [task for task, at_ms in one.seen_ms.items() if now_ms - at_ms >= one.slow_ms]
        if view.instances and self._stage.happens(0.1):  # of what nobody asked it to leave
            done.append(self._stage.pick([*view.instances.values()]).task_id)
        said: list[Command] = [RenewEdge(one.name, one.kind, one.lease_seconds)]
        new = [i.task_id for i in view.instances.values() if i.awaits_edges and i.started_at_ms]
        one.new_ms = {task: one.new_ms.get(task, now_ms) for task in new}
        rotated = [task for task, at_ms in one.new_ms.items() if now_ms - at_ms >= one.slow_ms]
        if done or rotated:
            said.append(AcknowledgeDrained(one.name, tuple(done), tuple(rotated)))
        return said


class Drained:
    """Watches every step for a kill that should have waited."""

    def __init__(self, policy: Policy) -> None:
        self.waited = 0
        self.in_time = 0
        self.rotated = 0
        self._policy = policy
        self._leases: dict[str, tuple[EdgeKind, int]] = {}  # until when, in ms
        self._live: set[str] = set()  # daemons, before the step
        self._said: dict[str, set[str]] = {}  # task -> who is done with it
        self._said_now: dict[str, set[str]] = {}  # in this step
        self._rotated: dict[str, set[str]] = {}  # task -> who sends it something
        self._serving_ms: dict[str, int] = {}  # task that waits for that -> since when it serves
        self._until_ms: dict[str, int] = {}  # task -> when its kill may leave at the latest
        self._asked: set[str] = set()
        self._before: dict[str, Instance] = {}

    def loaded(self, state: State) -> None:
        """A new life: every edge has a whole lease to find it, and has to say all again."""
        self._said.clear()
        self._rotated.clear()
        self._serving_ms.clear()
        self._leases.clear()
        killed = {one.task_id for one in state.instances.values() if one.kill_reason}
        self._until_ms = {task: ms for task, ms in self._until_ms.items() if task in killed}

    def before(self, state: State, events: Sequence[Event], now_ms: int) -> None:
        """A step is about to be taken."""
        self._before = dict(state.instances)
        for edge in state.edges.values():
            lease = (edge.kind, now_ms + edge.lease_seconds * 1000)
            self._leases.setdefault(edge.name, lease)
        self._live = self._daemons(now_ms)
        self._asked, self._said_now = set(), {}
        for event in events:
            if isinstance(event, Asked):
                self._note(event.command, now_ms)

    def _note(self, command: Command, now_ms: int) -> None:
        if isinstance(command, RenewEdge):
            until_ms = now_ms + command.lease_seconds * 1000
            self._leases[command.name] = (command.kind, until_ms)
        elif isinstance(command, ForgetEdge):
            self._leases.pop(command.name, None)
        elif isinstance(command, AcknowledgeDrained):
            for task_id in command.rotated:
                self._rotated.setdefault(task_id, set()).add(command.name)
            for task_id in command.task_ids:
                self._said.setdefault(task_id, set()).add(command.name)
                self._said_now.setdefault(task_id, set()).add(command.name)
        elif isinstance(command, KillTasks):
            self._asked.update(command.instance_ids)

    def _daemons(self, now_ms: int) -> set[str]:
        return {
            name
            for name, (kind, until_ms) in self._leases.items()
            if kind is EdgeKind.DAEMON and until_ms > now_ms
        }

    def check(self, state: State, decided: Step, now_ms: int) -> None:
        """No kill leaves too early."""
        live = self._live & self._daemons(now_ms)
        for instance in state.instances.values():
            self._plan(state, instance, live, now_ms)
            self._counted(instance, live, now_ms)
        self._waits(state, now_ms)
        for action in decided.actions:
            if isinstance(action, Kill):
                self._left(state, action.task_id, live, now_ms)

    def _plan(self, state: State, now: Instance, live: set[str], now_ms: int) -> None:
        before = self._before.get(now.id)
        begun = now.kill_reason and before is not None and not before.kill_reason
        planned = now.goal is Goal.DECOMMISSIONED or now.id in self._asked
        definition = state.versions_of.get(now.app_id, {}).get(now.version)
        served = now.condition is Condition.RUNNING and now.healthy is not False
        if not (begun and planned and live and served and definition is not None):
            return
        if drains.is_over(state, now, now_ms):
            return  # also of what would have left anyway
        if any(definition.service_ports):
            # What was said before means nothing.
            self._said[now.task_id] = self._said_now.get(now.task_id, set())
            self._until_ms[now.task_id] = now_ms + self._policy.drain_timeout

    def _counted(self, now: Instance, live: set[str], now_ms: int) -> None:
        before = self._before.get(now.id)
        if before is None or before.task_id != now.task_id:
            return
        if not before.awaits_edges or now.awaits_edges:
            return
        missing = live - self._rotated.get(now.task_id, set())
        until_ms = self._serving_ms.get(now.task_id, now_ms) + self._policy.edge_rotation_timeout
        if missing and now_ms < until_ms:
            raise Violation(f"{now.task_id} counts while {sorted(missing)} send it nothing")
        self.rotated += not missing

    def _waits(self, state: State, now_ms: int) -> None:
        """Nothing waits for nobody, or for longer than it may."""
        waiting = [
            one.task_id
            for one in state.instances.values()
            if one.awaits_edges and oracle.serving(state, one)
        ]
        self._serving_ms = {task: self._serving_ms.get(task, now_ms) for task in waiting}
        followed = any(edge.kind is EdgeKind.DAEMON for edge in state.edges.values())
        for task_id, since_ms in self._serving_ms.items():
            if not followed or now_ms >= since_ms + self._policy.edge_rotation_timeout:
                raise Violation(f"{task_id} still waits for edges")

    def _left(self, state: State, task_id: str, live: set[str], now_ms: int) -> None:
        until_ms = self._until_ms.pop(task_id, None)
        parsed = parse_task_id(task_id)
        if until_ms is None or parsed is None or parsed[0] not in state.instances:
            return  # not planned, or given up meanwhile
        missing = live - self._said.get(task_id, set())
        if missing and now_ms < until_ms:
            raise Violation(f"{task_id} is killed while {sorted(missing)} send it something")
        self.waited += now_ms >= until_ms
        self.in_time += now_ms < until_ms
