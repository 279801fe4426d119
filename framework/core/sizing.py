"""How many instances an app should have of which configuration, and what that means right now.

Level-triggered: looks at what there is and moves it one step towards what is wanted, so it
does not matter how things came to be, or whether the process died in between. Rolling upgrades
are nothing else: old instances leave as far as the health of the app allows, new ones start as
far as its capacity allows (behaviour.md, section 3.4, with its holes closed).
"""

import math
from dataclasses import dataclass

from constraints import balanced_victims
from framework.core import trees, waiting
from framework.core.freezing import frozen
from framework.core.index import CURRENT_LIVE, OLD_LIVE, AppIndex, Slot
from framework.core.kills import decommission, youngest_or_oldest_first
from framework.core.turn import Turn
from framework.core.world import old_key
from framework.domain.app import App
from framework.domain.instance import Condition, Instance

_SCALE_DOWN = "the app was scaled down"
_REPLACED = "replaced by a newer version of the app"
_REMOVED = "the app was removed"


@dataclass(frozen=True, slots=True)
class Have:
    """Instances of an app by what they are. ``current`` and ``old`` have a task that counts, by
    configuration; ``ready`` and ``old_ready`` are those of them that serve; ``leaving`` and
    ``old_leaving`` are on their way out and still use resources."""

    current: int = 0
    ready: int = 0
    old: int = 0
    old_ready: int = 0
    leaving: int = 0
    old_leaving: int = 0


@dataclass(frozen=True, slots=True)
class Size:
    """What to do now: instances to launch of the present and of the old configuration, surplus
    ones of the present one to stop, and old ones to stop that do not serve, and that do."""

    launch: int = 0
    launch_old: int = 0
    surplus: int = 0
    old_unready: int = 0
    old_ready: int = 0


def size(app: App, have: Have, share: int | None = None) -> Size:
    """The arithmetic. ``share``: how many instances are to be of the present configuration (None:
    all of them); the others stay old, for canaries and pauses.

    Never below ceil(n x minimumHealthCapacity) serving ones by our own kills, never above
    max(floor(n x (1 + maximumOverCapacity)), minimum + 1) tasks in all during an upgrade; what
    drains, is being killed or starts counts against the bound and never as serving. An upgrade
    lasts until the last old task has ended.
    """
    wanted = app.instances
    new = wanted if share is None else min(share, wanted)
    stay_old = wanted - new
    if have.old + have.old_leaving + stay_old == 0:
        missing = wanted - have.current
        return Size(launch=max(0, missing), surplus=max(0, -missing))
    minimum, most = bounds(app)
    leaving = have.leaving + have.old_leaving
    room = max(0, most - have.current - have.old - leaving)
    launch = min(max(0, new - have.current), room)
    leave = max(0, have.old - stay_old)
    old_unready = min(leave, have.old - have.old_ready)
    spare = max(0, have.ready + have.old_ready - minimum)
    old_ready = min(leave - old_unready, have.old_ready, spare)
    batch = app.upgrade_strategy.batch_size
    if batch:
        starting = have.current - have.ready
        missing = max(0, wanted - have.ready - have.old_ready)
        launch = min(launch, max(0, batch - starting - leaving))
        old_ready = min(old_ready, max(0, batch - leaving - missing))
    return Size(
        launch=launch,
        launch_old=min(max(0, stay_old - have.old), room - launch),
        surplus=max(0, have.current - wanted),
        old_unready=old_unready,
        old_ready=old_ready,
    )


def bounds(app: App) -> tuple[int, int]:
    """(fewest serving instances, most tasks in all) while an upgrade of the app goes on."""
    wanted, strategy = app.instances, app.upgrade_strategy
    # Rounded first: 0.1 x 3 x 10 must be 3 and not the 4 that binary fractions make of it.
    minimum = math.ceil(round(wanted * strategy.minimum_health_capacity, 6))
    most = math.floor(round(wanted * (1 + strategy.maximum_over_capacity), 6))
    return minimum, max(most, minimum + 1)


def resize(turn: Turn, app_id: str) -> None:
    """Move one app towards its wanted size and version; leaves its demand for offers behind."""
    world = turn.world
    index = world.apps.get(app_id)
    app = world.effective(app_id)
    if index is None or app is None:
        if not frozen(turn, app_id):
            _remove_all(turn, app_id)
        _set_demand(turn, app_id, None, 0)
        _set_demand(turn, old_key(app_id), None, 0)
        return
    share = share_of(turn, app, index)
    plan = size(app, have(index), share)
    if not frozen(turn, app_id):
        _stop_old(turn, app, index, plan)
        if plan.surplus:
            _stop_surplus(turn, app, index, plan.surplus)
        _drop_waiting(turn, app, index, share)
        # What was out of reach left at once and made room: nothing else brings us back here.
        plan = size(app, have(index), share)
    _set_demand(turn, app_id, app, plan.launch)
    _set_demand(turn, old_key(app_id), world.replaced.get(app_id), plan.launch_old)


def have(index: AppIndex) -> Have:
    """What an app has now."""
    return Have(
        current=index.size(*CURRENT_LIVE),
        ready=index.size(Slot.READY),
        old=index.size(*OLD_LIVE),
        old_ready=index.size(Slot.OLD_READY),
        leaving=index.size(Slot.LEAVING),
        old_leaving=index.size(Slot.OLD_LEAVING),
    )


def share_of(turn: Turn, app: App, index: AppIndex) -> int | None:
    """How many instances may be of the present configuration: all (None), those there are while
    paused, and before canaries are promoted as many as those at least."""
    world = turn.world
    if app.id not in world.replaced or app.id in world.held:
        return None  # nothing to stay with: a new app, a scaling
    deployment = world.state.deployments[world.deploying[app.id]]
    canary = app.upgrade_strategy.canary
    paused = deployment.paused and not deployment.canary
    if not paused and (not canary or deployment.promoted):
        return None
    there = index.size(*CURRENT_LIVE, Slot.WAITING)
    return there if paused else max(canary, there)


def _remove_all(turn: Turn, app_id: str) -> None:
    for instance in list(turn.world.state.instances_of.get(app_id, {}).values()):
        decommission(turn, instance, _REMOVED)
    trees.forget_unmentioned(turn, app_id)


def _stop_old(turn: Turn, app: App, index: AppIndex, plan: Size) -> None:
    useless: list[Instance] = []
    if plan.old_unready:
        for slot in (Slot.OLD_LOST, Slot.OLD_STAGED, Slot.OLD_UNREADY):
            useless += youngest_or_oldest_first(app, _instances(turn, index, slot))
    serving: list[Instance] = []
    if plan.old_ready:
        serving = youngest_or_oldest_first(app, _instances(turn, index, Slot.OLD_READY))
    for instance in useless[: plan.old_unready] + serving[: plan.old_ready]:
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


def _drop_waiting(turn: Turn, app: App, index: AppIndex, share: int | None) -> None:
    """Forget waiting instances beyond what may still be launched of each configuration."""
    new = app.instances if share is None else min(share, app.instances)
    missing = max(0, new - index.size(*CURRENT_LIVE))
    for instance in _instances(turn, index, Slot.WAITING)[missing:]:
        decommission(turn, instance, _SCALE_DOWN)
    missing = max(0, missing - index.size(Slot.WAITING))  # old ones come back as new ones, or old
    stay_old = app.instances - new
    missing += max(0, stay_old - index.size(*OLD_LIVE))
    for instance in _instances(turn, index, Slot.OLD_WAITING)[missing:]:
        decommission(turn, instance, _REPLACED)


def _instances(turn: Turn, index: AppIndex, slot: Slot) -> list[Instance]:
    instances = turn.world.state.instances
    return [instances[key] for key in index.members[slot]]


def _set_demand(turn: Turn, key: str, app: App | None, launches: int) -> None:
    demands = turn.world.demand
    demand = demands.get(key)
    if launches <= 0 or app is None:
        demands.pop(key, None)
        return
    if demand is None:
        demand = demands[key] = waiting.begin(turn, key, app)
    if launches > demand.wanted or demand.app is not app:
        turn.revive.add(app.role)
    demand.app = app
    demand.wanted = launches
