"""Replacements in a storm: whose turn it is, what an operator asks, and when a storm is over.

``storms`` says when one begins and who has to wait. What waits is not stored: it is found again
from the instances, so a new process goes on where the last one was.
"""

import math

from framework.core import crashes, statuses, storms
from framework.core.alarms import clear_alarm
from framework.core.deadlines import Due
from framework.core.turn import Turn
from framework.domain.events import PaceReplacements
from framework.domain.instance import Condition, Goal, Instance
from framework.domain.records import replace
from framework.domain.replies import Done, Reply
from framework.domain.state import Kind
from framework.domain.storm import Pace, Storm

_LOOK_AGAIN_MS = 1_000
_LOOK_AT_ALL_AGAIN_MS = 5_000


def started(turn: Turn) -> None:
    """The state is loaded: find who waits, and what was lost a moment ago. Turns begin anew."""
    losses = turn.world.losses
    losses.next_ms = turn.now_ms + storms.pause_ms(turn)
    recent = 0
    for instance in turn.world.state.instances.values():
        if instance.held_back:
            losses.waiting[instance.id] = None
        gone = instance.condition in storms.FORGOTTEN | {Condition.UNREACHABLE}
        lately = turn.now_ms - instance.since_ms < turn.policy.storm_window
        recent += gone and lately and instance.goal is Goal.RUNNING
    storm = turn.world.state.storm
    if recent:
        storms.count(turn, recent)
    if storm is not None:
        losses.unsaid = 0  # they were counted when they were lost
        turn.world.deadlines.set(turn.now_ms, Due.REPLACEMENT)
    else:
        storms.begin_if_many(turn)


def pace(turn: Turn, command: PaceReplacements) -> Reply:
    """Hold replacements, bound them, or let them go. Without a storm only a hold has a meaning:
    what is lost from then on is not replaced."""
    storm = turn.world.state.storm
    if storm is None and command.pace is not Pace.HELD:
        return Done()
    storm = storm or Storm(turn.now_ms)
    storms.put(turn, replace(storm, pace=command.pace, reason=command.reason))
    return Done()


def due(turn: Turn, _key: str) -> None:
    """Give turns to those that wait; end the storm when it is over."""
    storm = turn.world.state.storm
    if storm is None:
        return
    replaced = 0
    for instance in storms.next_turns(turn, storm):
        if crashes.begin(turn, (Due.UNREACHABLE, instance.id)):
            replaced += 1
            _give_up(turn, instance)
    if not _over(turn, storm):
        _note(turn, storm, replaced)
        return
    turn.put(Kind.STORM, storms.KEY, None)
    turn.world.losses.unsaid = 0
    clear_alarm(turn, storms.ALARM)


def _give_up(turn: Turn, instance: Instance) -> None:
    if instance.held_back:
        turn.put_instance(replace(instance, held_back=False))
    else:
        statuses.unreachable_for(turn, instance, its_turn=True)


def _over(turn: Turn, storm: Storm) -> bool:
    """Whether nothing waits, and what is still out of reach, to be replaced later, is no storm."""
    losses = turn.world.losses
    later_ms = turn.now_ms + _LOOK_AGAIN_MS
    if storm.pace is Pace.PACED and losses.waiting:
        later_ms = max(turn.now_ms, math.ceil(losses.next_ms))
    elif storm.pace is not Pace.HELD and not storms.many_lost(turn):
        away = sum(_comes_later(turn, one) for one in turn.world.state.instances.values())
        if not storms.is_storm(turn, away, len(turn.world.state.instances)):
            return True
        later_ms = turn.now_ms + _LOOK_AT_ALL_AGAIN_MS
    turn.world.deadlines.set(later_ms, Due.REPLACEMENT)
    return False


def _comes_later(turn: Turn, instance: Instance) -> bool:
    """Whether it is out of reach, and to be replaced should it stay so."""
    if instance.condition is not Condition.UNREACHABLE or instance.goal is not Goal.RUNNING:
        return False
    app = turn.world.effective(instance.app_id)
    return app is not None and not app.unreachable_strategy.disabled


def _note(turn: Turn, storm: Storm, replaced: int) -> None:
    """Keep the numbers that people are shown."""
    losses, instances = turn.world.losses, turn.world.state.instances
    if storm.pace is Pace.HELD:
        for key in list(losses.waiting):
            if key not in instances or not storms.waits_for_its_turn(instances[key]):
                del losses.waiting[key]
    now = replace(
        storm,
        lost=storm.lost + losses.unsaid,
        replaced=storm.replaced + replaced,
        waiting=len(losses.waiting),
    )
    losses.unsaid = 0
    if now != storm:
        turn.put(Kind.STORM, storms.KEY, now)
