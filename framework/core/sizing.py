"""How many instances an app should have of which version, and what that means right now.

Level-triggered: looks at what there is and moves it one step towards what is wanted, so it
does not matter how things came to be, or whether the process died in between. Rolling upgrades
are nothing else: old instances leave as far as the health of the app allows, new ones start as
far as its capacity allows (behaviour.md, section 3.4, with its holes closed).
"""

import math
from dataclasses import dataclass

from constraints import balanced_victims
from framework.core.index import CURRENT_LIVE, OLD_LIVE, AppIndex, Slot
from framework.core.kills import decommission, youngest_or_oldest_first
from framework.core.turn import Turn
from framework.core.world import Demand
from framework.domain.app import App
from framework.domain.instance import Condition, Instance

_SCALE_DOWN = "the app was scaled down"
_REPLACED = "replaced by a newer version of the app"
_REMOVED = "the app was removed"


@dataclass(frozen=True, slots=True)
class Size:
    """What to do now: instances to launch, surplus ones to stop, old ready ones to stop.
    Old instances that are not ready are always stopped: they serve nobody."""

    launch: int
    surplus: int
    old_ready: int


@dataclass(frozen=True, slots=True)
class Sizes:
    """What there is: instances with a task that counts, by configuration (``current``, ``old``),
    those of them that serve (``ready``, ``old_ready``), and those on their way out, which still
    use resources (``leaving``, ``old_leaving``)."""

    current: int = 0
    ready: int = 0
    leaving: int = 0
    old: int = 0
    old_ready: int = 0
    old_leaving: int = 0


def size(app: App, now: Sizes) -> Size:
    """The arithmetic. An upgrade lasts until the last old task has ended.

    Never below ceil(n x minimumHealthCapacity) ready ones by our own kills, never above
    max(floor(n x (1 + maximumOverCapacity)), minimum + 1) tasks in all during an upgrade.
    """
    wanted = app.instances
    missing, surplus = max(0, wanted - now.current), max(0, now.current - wanted)
    if now.old + now.old_leaving == 0:
        return Size(missing, surplus, 0)
    strategy = app.upgrade_strategy
    minimum = math.ceil(round(wanted * strategy.minimum_health_capacity, 6))
    most = math.floor(round(wanted * (1 + strategy.maximum_over_capacity), 6))
    tasks = now.current + now.leaving + now.old + now.old_leaving
    room = max(most, minimum + 1) - tasks
    spare = now.ready + now.old_ready - minimum
    return Size(
        launch=max(0, min(missing, room)),
        surplus=surplus,
        old_ready=max(0, min(now.old_ready, spare)),
    )


def _sizes(index: AppIndex) -> Sizes:
    return Sizes(
        current=index.size(*CURRENT_LIVE),
        ready=index.size(Slot.READY),
        leaving=index.size(Slot.LEAVING),
        old=index.size(*OLD_LIVE),
        old_ready=index.size(Slot.OLD_READY),
        old_leaving=index.size(Slot.OLD_LEAVING),
    )


def resize(turn: Turn, app_id: str) -> None:
    """Move one app towards its wanted size and version; leaves its demand for offers behind."""
    world = turn.world
    index = world.apps.get(app_id)
    app = world.state.apps.get(app_id)
    if index is None or app is None:
        _remove_all(turn, app_id)
        world.demand.pop(app_id, None)
        return
    plan = size(app, _sizes(index))
    _stop_old(turn, app, index, plan.old_ready)
    if plan.surplus:
        _stop_surplus(turn, app, index, plan.surplus)
    _drop_waiting(turn, index, app.instances - index.size(*CURRENT_LIVE))
    # What was out of reach left at once and made room, and nothing else will bring us back here.
    _set_demand(turn, app_id, size(app, _sizes(index)).launch)


def _remove_all(turn: Turn, app_id: str) -> None:
    for instance in list(turn.world.state.instances_of.get(app_id, {}).values()):
        decommission(turn, instance, _REMOVED)


def _stop_old(turn: Turn, app: App, index: AppIndex, ready: int) -> None:
    for slot in (Slot.OLD_UNREADY, Slot.OLD_STAGED, Slot.OLD_LOST):
        for instance in _instances(turn, index, slot):
            decommission(turn, instance, _REPLACED)
    if ready:
        candidates = _instances(turn, index, Slot.OLD_READY)
        for instance in youngest_or_oldest_first(app, candidates)[:ready]:
            decommission(turn, instance, _REPLACED)


def _stop_surplus(turn: Turn, app: App, index: AppIndex, count: int) -> None:
    candidates: list[Instance] = []
    for slot in (Slot.LOST, Slot.STAGED, Slot.UNREADY, Slot.READY):
        candidates += youngest_or_oldest_first(app, _instances(turn, index, slot))
    for instance in choose_victims(turn, app, candidates, count):
        decommission(turn, instance, _SCALE_DOWN)


def choose_victims(turn: Turn, app: App, preferred: list[Instance], count: int) -> list[Instance]:
    """Which to stop: those that serve nobody, then whatever keeps GROUP_BY groups even, then in
    the order of preference."""
    useless = [one for one in preferred if one.condition is not Condition.RUNNING][:count]
    rest = [one for one in preferred if one.condition is Condition.RUNNING]
    count -= len(useless)
    fields = turn.world.compiled(app).group_by_fields
    if count and fields:
        even = set(balanced_victims([(one.id, _values(turn, one)) for one in rest], fields, count))
        rest = [one for one in rest if one.id in even] + [one for one in rest if one.id not in even]
    return useless + rest[:count]


def _values(turn: Turn, instance: Instance) -> dict[str, str]:
    agent = turn.world.state.agents.get(instance.agent_id)
    return {} if agent is None else turn.world.values(agent)


def _drop_waiting(turn: Turn, index: AppIndex, wanted: int) -> None:
    """Forget waiting instances beyond what is still to be launched."""
    for instance in _instances(turn, index, Slot.WAITING)[max(0, wanted) :]:
        decommission(turn, instance, _SCALE_DOWN)


def _instances(turn: Turn, index: AppIndex, slot: Slot) -> list[Instance]:
    instances = turn.world.state.instances
    return [instances[id_] for id_ in index.members[slot]]


def _set_demand(turn: Turn, app_id: str, launches: int) -> None:
    demands = turn.world.demand
    demand = demands.get(app_id)
    if launches <= 0:
        demands.pop(app_id, None)
    elif demand is None:
        demands[app_id] = Demand(wanted=launches, since_ms=turn.now_ms)
        turn.needs_offers(app_id)
    else:
        if launches > demand.wanted:
            turn.needs_offers(app_id)
        demand.wanted = launches
