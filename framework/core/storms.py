"""Storms: whether many instances are lost at once, and what may be replaced meanwhile.

A lost instance (out of reach, or unknown to the master after it was there) is given up when its
app's strategy says so; in a storm it has to wait for its turn as well. Until then it counts as
lost and not as missing: nothing is launched in its place, and should it return it goes on as it
was. Only giving up is bounded; offers, deployments and relaunches of what failed know of no storm.
``replacements`` gives the turns and ends the storm.
"""

import math
from collections.abc import Iterator

from framework.core.alarms import raise_alarm
from framework.core.deadlines import Due
from framework.core.turn import Turn
from framework.domain.instance import Condition, Goal, Instance
from framework.domain.records import replace
from framework.domain.state import Kind
from framework.domain.storm import Pace, Storm

KEY = "storm"
ALARM = "replacements"
"""The key of the alarm that stands while replacements are bounded or held."""

FORGOTTEN = frozenset({Condition.GONE, Condition.UNKNOWN})
_THERE = frozenset({Condition.STAGING, Condition.STARTING, Condition.RUNNING, Condition.KILLING})
_AT_ONCE_MS = 100  # turns of so long are given together, when there are many a second


def lost(turn: Turn, before: Instance) -> None:
    """This instance was there and is lost; so many of them in a short time are a storm."""
    if before.condition not in _THERE or before.goal is not Goal.RUNNING:
        return
    count(turn, 1)
    begin_if_many(turn)


def count(turn: Turn, number: int) -> None:
    """So many were lost at this moment."""
    losses, total = turn.world.losses, len(turn.world.state.instances)
    _forget_past(turn)
    losses.unsaid += number
    if losses.recent and losses.recent[-1][0] == turn.now_ms:
        _, earlier, of = losses.recent.pop()
        number, total = number + earlier, max(total, of)
    losses.recent.append((turn.now_ms, number, total))


def begin_if_many(turn: Turn) -> None:
    """Let a storm begin, if what was lost lately is one; it may meet a hold."""
    storm = turn.world.state.storm
    if (storm is not None and storm.instances) or not many_lost(turn):
        return
    losses = turn.world.losses
    storm = storm or Storm(turn.now_ms)
    storm = replace(storm, lost=storm.lost + losses.unsaid, instances=_total(turn))
    losses.unsaid = 0
    put(turn, storm)


def put(turn: Turn, storm: Storm) -> None:
    """Store what is known of it, tell the operator, and look at what waits."""
    turn.put(Kind.STORM, KEY, storm)
    raise_alarm(turn, ALARM, _message(turn, storm))
    turn.world.deadlines.set(turn.now_ms, Due.REPLACEMENT)


def _message(turn: Turn, storm: Storm) -> str:
    why = "instances that are lost from now on"
    if storm.instances:  # no number that grows: a message that changes is a new one
        seconds = turn.policy.storm_window / 1000
        share = turn.policy.storm_share
        why = f"more than {share} % of all instances were lost within {seconds:g} s; they"
    if storm.pace is Pace.HELD:
        reason = f" ({storm.reason})" if storm.reason else ""
        how = f"are not replaced, on request{reason}: `stayer replacements release` lets them go"
    elif storm.pace is Pace.RELEASED:
        how = "are replaced without a bound, on request"
    else:
        how = (
            f"are replaced at {_rate(turn)} a second: `stayer replacements hold` stops that,"
            " `release` lets all go at once"
        )
    return f"{why} {how}"


def many_lost(turn: Turn) -> bool:
    """Whether what was lost within the window is a storm."""
    _forget_past(turn)
    recent = turn.world.losses.recent
    return is_storm(turn, sum(number for _, number, _ in recent), _total(turn))


def _forget_past(turn: Turn) -> None:
    """What was lost before the window counts no more, whether a storm lasts or not."""
    recent, window_ms = turn.world.losses.recent, turn.policy.storm_window
    while recent and not 0 <= turn.now_ms - recent[0][0] < window_ms:
        recent.popleft()


def is_storm(turn: Turn, number: int, total: int) -> bool:
    """Whether so many of all instances are too many. A few are none, whatever their share."""
    policy = turn.policy
    return number >= policy.storm_min_instances and number * 100 > total * policy.storm_share


def _total(turn: Turn) -> int:
    """How many instances there were before: what was given up meanwhile has no record any more."""
    recent = turn.world.losses.recent
    return max(recent[0][2] if recent else 0, len(turn.world.state.instances))


def may_replace(turn: Turn, instance: Instance) -> bool:
    """Whether a lost instance may be given up now; else it is asked again when its turn comes."""
    storm = turn.world.state.storm
    if storm is None or storm.pace is Pace.RELEASED:
        return True
    turn.world.losses.waiting[instance.id] = None
    if storm.pace is Pace.PACED:
        due_ms = max(turn.now_ms, math.ceil(turn.world.losses.next_ms))
        turn.world.deadlines.set(due_ms, Due.REPLACEMENT)
    return False


def holds_back(turn: Turn, before: Instance, condition: Condition) -> bool:
    """Whether an instance that ends this way has to wait for its turn: Mesos forgot it, and it
    was there before, out of reach, or waits already."""
    if condition not in FORGOTTEN or before.goal is not Goal.RUNNING:
        return False
    known = before.condition in _THERE or before.condition is Condition.UNREACHABLE
    return (known or before.held_back) and not may_replace(turn, before)


def waits_for_its_turn(instance: Instance) -> bool:
    """Whether it is still lost and not given up."""
    return instance.goal is Goal.RUNNING and (
        instance.held_back or instance.condition is Condition.UNREACHABLE
    )


def next_turns(turn: Turn, storm: Storm) -> Iterator[Instance]:
    """The instances whose turn it is, the longest waiting first; those that returned or went
    meanwhile have none."""
    losses, instances = turn.world.losses, turn.world.state.instances
    pause = pause_ms(turn)
    losses.next_ms = min(losses.next_ms, turn.now_ms + pause)  # the clock may have gone back
    while losses.waiting and storm.pace is not Pace.HELD:
        bounded = storm.pace is Pace.PACED
        if bounded and losses.next_ms > turn.now_ms:
            return
        instance_id = next(iter(losses.waiting))
        del losses.waiting[instance_id]
        instance = instances.get(instance_id)
        if instance is not None and waits_for_its_turn(instance):
            if bounded:
                losses.next_ms = max(losses.next_ms, turn.now_ms - _AT_ONCE_MS) + pause
            yield instance


def pause_ms(turn: Turn) -> float:
    """How long after one turn the next one is."""
    return 1000 / _rate(turn)


def _rate(turn: Turn) -> int:
    return max(1, turn.policy.storm_replacements_per_second)
