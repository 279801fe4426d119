"""Storms in a run: what is lost, many at once, is given up in turn, or not while it is held.

Counted once more from the records before and after each step: how many were lost within the
window, and how many that wait were given up within a second.
"""

from collections import deque
from collections.abc import Mapping, Sequence

from framework.core.policy import Policy
from framework.domain.events import Asked, Command, Event, PaceReplacements
from framework.domain.instance import Condition, Goal, Instance
from framework.domain.state import State
from framework.domain.storm import Pace
from tests.simulation.stage import Stage, Violation

_THERE = {Condition.STAGING, Condition.STARTING, Condition.RUNNING, Condition.KILLING}
_FORGOTTEN = {Condition.GONE, Condition.UNKNOWN}
_GIVEN_UP = "unreachable for longer than the app allows"
_LAUNCH_ERRORS = ("REASON_TASK_INVALID", "REASON_TASK_UNAUTHORIZED", "REASON_CONTAINER_LAUNCH_")


def choose(stage: Stage) -> Command:
    """Any pace."""
    return PaceReplacements(stage.pick(tuple(Pace)), "simulated")


class InTurn:
    """Watches every step of one run; ``turns`` counts what it saw."""

    def __init__(self, policy: Policy) -> None:
        self.turns = 0
        self.storms = 0
        self._policy = policy
        self._lost: deque[tuple[int, int, int]] = deque()
        self._given_ms: deque[int] = deque()
        self._pace: Pace | None = None

    def loaded(self) -> None:
        """A new life knows only what is stored; its clock may be another one."""
        self._lost.clear()
        self._given_ms.clear()

    def before(self, state: State, events: Sequence[Event]) -> None:
        """A step is about to be taken."""
        asked = any(
            isinstance(one, Asked) and isinstance(one.command, PaceReplacements) for one in events
        )
        self._pace = None if state.storm is None or asked else state.storm.pace

    def check(self, before: Mapping[str, Instance], state: State, now_ms: int) -> None:
        """Nobody is given up out of turn, and many that are lost are a storm."""
        changed = [
            (old, state.instances.get(old.id))
            for old in before.values()
            if old.goal is Goal.RUNNING and state.instances.get(old.id) is not old
        ]
        given = sum(_waited(old) and _given_up(old, new, state) for old, new in changed)
        lost = sum(old.condition in _THERE and _lost(old, new, state) for old, new in changed)
        if self._pace is Pace.HELD and given:
            raise Violation(f"{given} were given up while replacements are held")
        if self._pace is Pace.PACED:
            self._in_turn(given, now_ms)
        self._noticed(lost, len(before), state, now_ms)

    def _in_turn(self, given: int, now_ms: int) -> None:
        self.turns += given
        self._given_ms.extend([now_ms] * given)
        while self._given_ms and self._given_ms[0] <= now_ms - 1_000:
            self._given_ms.popleft()
        if len(self._given_ms) > self._policy.storm_replacements_per_second + 1:
            raise Violation(f"{len(self._given_ms)} were given up within a second of a storm")

    def _noticed(self, lost: int, total: int, state: State, now_ms: int) -> None:
        if not lost:
            return
        self._lost.append((now_ms, lost, total))
        while self._lost[0][0] <= now_ms - self._policy.storm_window:
            self._lost.popleft()
        number = sum(one for _, one, _ in self._lost)
        most = max(of for _, _, of in self._lost)
        many = number >= self._policy.storm_min_instances
        if many and number * 100 > most * self._policy.storm_share:
            self.storms += 1
            if state.storm is None:
                raise Violation(f"{number} of {most} were lost, and that is no storm")
            if "replacements" not in state.alarms:
                raise Violation("a storm without an alarm")


def _waited(old: Instance) -> bool:
    return old.held_back or old.condition is Condition.UNREACHABLE


def _given_up(old: Instance, new: Instance | None, state: State) -> bool:
    """By itself; what a person or a deployment no longer wants is another matter."""
    if new is None:
        buried = state.tombstones.get(old.task_id)
        return buried is not None and buried.why == _GIVEN_UP
    if new.incarnation > old.incarnation:
        return True
    inactive = new.condition is Condition.UNREACHABLE_INACTIVE
    return inactive or (new.condition in _FORGOTTEN and not new.held_back)


def _lost(old: Instance, new: Instance | None, state: State) -> bool:
    if new is None:
        buried = state.tombstones.get(old.task_id)
        return buried is not None and buried.why == _GIVEN_UP
    if new.incarnation > old.incarnation or new.reason.startswith(_LAUNCH_ERRORS):
        return False
    return new.condition in _FORGOTTEN | {Condition.UNREACHABLE}
