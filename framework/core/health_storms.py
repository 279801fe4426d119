"""Storms: most checks of the whole cluster fail at once. Then the fault is ours.

When so many of all instances that our prober watches began to fail within a short time, nothing is
marked or killed for its health and an alarm stands. All goes on by itself once enough are well.
"""

from framework.core import moving
from framework.core.alarms import clear_alarm, raise_alarm
from framework.core.deadlines import Due
from framework.core.turn import Turn
from framework.domain.instance import Instance

ALARM = "health-checks"
_FEWEST_APPS = 2


def turned(turn: Turn, instance: Instance, *, well: bool) -> None:
    """A watched instance turned well, or began to fail after it had been well."""
    failing = turn.world.failing
    if well:
        failing.remove(instance.id)
    else:
        failing.add(instance.id, instance.app_id, turn.now_ms)
    look(turn)


def watched(turn: Turn, instance: Instance) -> None:
    """It is looked at from now on; an earlier process may have found it failing."""
    if instance.healthy is False and instance.id not in turn.world.failing:
        turn.world.failing.add(instance.id, instance.app_id, instance.health_since_ms)


def started(turn: Turn) -> None:
    """What an earlier process held back is held until enough are found well."""
    turn.world.failing.holds = ALARM in turn.world.state.alarms


def look(turn: Turn) -> None:
    """Whether to hold back from now on. That it ends is a step of its own: this one may have
    sized its apps already."""
    failing, policy, all_ = turn.world.failing, turn.policy, len(turn.world.watched)
    lately = failing.lately(turn.now_ms - policy.health_storm_window)
    if failing.holds:
        if _enough_are_well(turn):
            turn.world.deadlines.set(turn.now_ms, Due.RECOVERED)
        return
    most = lately * 100 > all_ * policy.health_storm_percent
    if most and lately >= policy.health_storm_fewest and failing.apps >= _FEWEST_APPS:
        failing.holds = True
        raise_alarm(
            turn,
            ALARM,
            f"{lately} of {all_} watched instances, of {failing.apps} apps, began to fail their "
            "health checks at once: nothing is killed for that until they recover; look at the "
            "network between this scheduler and the agents",
        )


def _enough_are_well(turn: Turn) -> bool:
    all_ = len(turn.world.watched)
    return len(turn.world.failing) * 100 <= all_ * turn.policy.health_storm_percent


def recovered(turn: Turn, _key: str) -> None:
    """Go on as ever, unless more fail again by now."""
    if not turn.world.failing.holds or not _enough_are_well(turn):
        return
    turn.world.failing.holds = False
    clear_alarm(turn, ALARM)
    turn.dirty.update(dict.fromkeys(turn.world.deploying))
    moving.wait_anew(turn)
