"""How many instances an app should have of which configuration, and what that means right now.

Level-triggered: looks at what there is and moves it one step towards what is wanted, so it
does not matter how things came to be, or whether the process died in between. Rolling upgrades
are nothing else: old instances leave as far as the health of the app allows, new ones start as
far as its capacity allows (behaviour.md, section 3.4, with its holes closed).
"""

import math
from typing import NamedTuple

from constraints import balanced_victims
from framework.core import moving, operations, trees, waiting
from framework.core.freezing import frozen
from framework.core.index import CURRENT_LIVE, MARKED, OLD_LIVE, OLD_MARKED, AppIndex, Slot
from framework.core.kills import decommission, youngest_or_oldest_first
from framework.core.turn import Turn
from framework.core.world import old_key
from framework.domain.app import App
from framework.domain.instance import Condition, Instance

_SCALE_DOWN = "the app was scaled down"
_REPLACED = "replaced by a newer version of the app"
_REMOVED = "the app was removed"


class Have(NamedTuple):
    """Instances of an app by what they are. ``current`` and ``old`` have a task that counts, by
    configuration; ``ready`` and ``old_ready`` are those of them that serve; ``marked`` ones are to
    be replaced by others beside them and in none of these; ``leaving`` and ``old_leaving`` are on
    their way out and still use resources. ``idle``: how many of ``current`` have not served since
    before any was marked, so that nobody waits for them."""

    current: int = 0
    ready: int = 0
    old: int = 0
    old_ready: int = 0
    leaving: int = 0
    old_leaving: int = 0
    marked: int = 0
    marked_ready: int = 0
    old_marked: int = 0
    old_marked_ready: int = 0
    idle: int = 0


class Size(NamedTuple):
    """What to do now: instances to launch of the present and of the old configuration, surplus
    ones of the present one to stop, old ones to stop that do not serve, and that do, and marked
    ones to stop because others serve in their place."""

    launch: int = 0
    launch_old: int = 0
    surplus: int = 0
    old_unready: int = 0
    old_ready: int = 0
    marked: int = 0
    old_marked: int = 0


def size(app: App, have: Have, share: int | None = None, *, divided: bool = False) -> Size:
    """The arithmetic. ``share``: how many instances are to be of the present configuration (None:
    all of them); the others stay old, for canaries and pauses. ``divided``: what traffic each
    configuration gets is said, whatever their numbers, so that old ones leave only where the new
    ones find no room beside them.

    Never below ceil(n x minimumHealthCapacity) serving ones by our own kills, never above
    max(floor(n x (1 + maximumOverCapacity)), minimum + 1) tasks in all during an upgrade; what
    drains, is being killed or starts counts against the bound and never as serving. An upgrade
    lasts until the last old task has ended. For a marked instance one more than wanted may run,
    and it leaves when so many others serve as are wanted.
    """
    wanted = app.instances
    new = wanted if share is None else min(share, wanted)
    stay_old = wanted - new
    if not stay_old and have.old_marked:  # it leaves as any other old one does
        have = _marked_as_old(have)
    minimum, most = bounds(app)
    marked, old_marked = _replaced(have, new, stay_old, minimum)
    beside_it = not app.persistent_volumes  # else it has to start again where its volumes are
    if beside_it and (have.marked or have.old_marked):
        most = max(most, wanted + 1)
    leaving = have.leaving + have.old_leaving
    there = have.current + have.marked + have.old + have.old_marked
    room = max(0, most - there - leaving)
    if have.old + have.old_leaving + stay_old == 0:
        missing = wanted - have.current
        beside = min(missing, room) if beside_it and have.marked else 0
        launch = max(0, missing - have.marked, beside)
        return Size(launch=launch, surplus=max(0, -missing), marked=marked)
    old_marked = _spared(have, marked, old_marked, minimum)
    serving = have.ready + have.old_ready + _serve_on(have, marked, old_marked)
    keep, keep_old = (0, 0) if beside_it else (have.marked, have.old_marked)
    launch = min(max(0, new - have.current - keep), room)
    leave = max(0, have.old - stay_old)
    if divided:
        # A marked one has its place until it is killed: no old one leaves for what is to stand in.
        leave = min(leave, max(0, new - have.current - have.marked - launch - leaving))
    old_unready = min(leave, have.old - have.old_ready)
    surplus = max(0, have.current - wanted)
    spare = max(0, serving - surplus - minimum)  # any of the surplus may serve
    old_ready = min(leave - old_unready, have.old_ready, spare)
    batch = app.upgrade_strategy.batch_size
    if batch:
        starting = have.current - have.ready
        missing = max(0, wanted - serving)
        launch = min(launch, max(0, batch - starting - leaving))
        old_ready = min(old_ready, max(0, batch - leaving - missing))
    return Size(
        launch=launch,
        launch_old=min(max(0, stay_old - have.old - keep_old), room - launch),
        surplus=surplus,
        old_unready=old_unready,
        old_ready=old_ready,
        marked=marked,
        old_marked=old_marked,
    )


def _marked_as_old(have: Have) -> Have:
    return have._replace(
        old=have.old + have.old_marked,
        old_ready=have.old_ready + have.old_marked_ready,
        old_marked=0,
        old_marked_ready=0,
    )


def _replaced(have: Have, new: int, stay_old: int, minimum: int) -> tuple[int, int]:
    """How many marked instances of each configuration others serve in the place of. Among those
    that stay old no more than an upgrade may stop: new ones may not serve yet."""
    in_place = have.ready + have.idle + (0 if stay_old else have.old_ready)
    keep = max(0, new - in_place)
    marked = max(0, have.marked - keep)
    keep_old = max(0, stay_old - have.old_ready)
    old_marked = max(0, have.old_marked - keep_old)
    serving = have.ready + have.old_ready + _serve_on(have, marked, 0)
    unready = have.old_marked - have.old_marked_ready
    return marked, min(old_marked, unready + max(0, serving - minimum))


def _spared(have: Have, marked: int, old_marked: int, minimum: int) -> int:
    """How many marked old instances may be stopped during an upgrade: as of all old ones, those
    that serve only beyond the minimum."""
    unready = have.old_marked - have.old_marked_ready
    serving = have.ready + have.old_ready + _serve_on(have, marked, 0)
    return min(old_marked, unready + max(0, serving - minimum))


def _serve_on(have: Have, marked: int, old_marked: int) -> int:
    """How many marked instances serve that are not stopped now; those that do not go first."""
    unready = have.marked - have.marked_ready
    old_unready = have.old_marked - have.old_marked_ready
    stopped = max(0, marked - unready) + max(0, old_marked - old_unready)
    return have.marked_ready + have.old_marked_ready - stopped


def bounds(app: App) -> tuple[int, int]:
    """(fewest serving instances, most tasks in all) while an upgrade of the app goes on."""
    wanted, strategy = app.instances, app.upgrade_strategy
    # Rounded first: 0.1 x 3 x 10 must be 3 and not the 4 that binary fractions make of it.
    minimum = math.ceil(round(wanted * strategy.minimum_health_capacity, 6))
    most = math.floor(round(wanted * (1 + strategy.maximum_over_capacity), 6))
    if app.persistent_volumes:  # a new instance starts where an old one left its volumes
        return min(minimum, max(0, most - 1)), most
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
    divided = share is not None and _is_divided(turn, app_id)
    plan = size(app, have(turn, index), share, divided=divided)
    before = world.state.revision
    if not frozen(turn, app_id):
        _stop_replaced(turn, app, index, plan)
        _stop_old(turn, app, index, plan, some_stay=_some_stay(app, share))
        if plan.surplus:
            _stop_surplus(turn, app, index, plan.surplus)
        _drop_waiting(turn, app, index, share)
    if world.state.revision != before:
        # What was out of reach left at once and made room: nothing else brings us back here.
        plan = size(app, have(turn, index), share, divided=divided)
    _set_demand(turn, app_id, app, plan.launch)
    _set_demand(turn, old_key(app_id), world.replaced.get(app_id), plan.launch_old)


def _is_divided(turn: Turn, app_id: str) -> bool:
    """Whether the deployment of an app says what traffic its new instances get."""
    world = turn.world
    deployment = world.state.deployments.get(world.deploying.get(app_id, ""))
    return deployment is not None and deployment.share is not None


def _some_stay(app: App, share: int | None) -> bool:
    return share is not None and share < app.instances


def have(turn: Turn, index: AppIndex) -> Have:
    """What an app has now."""
    current, ready = index.size(*CURRENT_LIVE), index.size(Slot.READY)
    if index.total == current:  # nearly always
        return Have(current=current, ready=ready)
    marked = index.size(*MARKED, *OLD_MARKED)
    return Have(
        current=current,
        ready=ready,
        old=index.size(*OLD_LIVE),
        old_ready=index.size(Slot.OLD_READY),
        leaving=index.size(Slot.LEAVING),
        old_leaving=index.size(Slot.OLD_LEAVING),
        marked=index.size(*MARKED),
        marked_ready=index.size(Slot.MARKED_READY),
        old_marked=index.size(*OLD_MARKED),
        old_marked_ready=index.size(Slot.OLD_MARKED_READY),
        idle=_idle(turn, index) if marked and not _resident(index) else 0,
    )


def _resident(index: AppIndex) -> bool:
    """Whether nothing stands in for anything here: what is idle keeps data of its own."""
    return index.app is not None and bool(index.app.persistent_volumes)


def _idle(turn: Turn, index: AppIndex) -> int:
    """Instances that have not served since before any was marked."""
    marked = [one for slot in (*MARKED, *OLD_MARKED) for one in _instances(turn, index, slot)]
    first_ms = min(one.mark.since_ms for one in marked if one.mark is not None)
    others = [*_instances(turn, index, Slot.LOST), *_instances(turn, index, Slot.UNREADY)]
    return sum(
        max(one.since_ms, one.health_since_ms) < first_ms and not one.kill_reason for one in others
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
    there = index.size(*CURRENT_LIVE, *MARKED, Slot.WAITING) - _standing_in(turn, index)
    return there if paused else max(canary, there)


def _standing_in(turn: Turn, index: AppIndex) -> int:
    """Instances that are there only until the marked ones they stand in for have left."""
    marked = {*index.members[Slot.MARKED], *index.members[Slot.MARKED_READY]}
    if not marked:
        return 0
    slots = (*CURRENT_LIVE, Slot.WAITING)
    there = [one for slot in slots for one in _instances(turn, index, slot)]
    return sum(one.stands_in_for in marked for one in there)


def _remove_all(turn: Turn, app_id: str) -> None:
    for instance in list(turn.world.state.instances_of.get(app_id, {}).values()):
        decommission(turn, instance, _REMOVED)
    if app_id and app_id not in turn.world.state.apps:
        for reservation in list(turn.world.state.reservations_of.get(app_id, {}).values()):
            operations.give_back(turn, reservation, _REMOVED)
    trees.forget_unmentioned(turn, app_id)


def _stop_replaced(turn: Turn, app: App, index: AppIndex, plan: Size) -> None:
    """Stop marked instances that others serve in the place of."""
    for count, slots in ((plan.marked, MARKED), (plan.old_marked, OLD_MARKED)):
        candidates: list[Instance] = []
        for slot in slots if count else ():
            candidates += youngest_or_oldest_first(app, _instances(turn, index, slot))
        for instance in candidates[:count]:
            moving.replaced(turn, instance)


def _stop_old(turn: Turn, app: App, index: AppIndex, plan: Size, *, some_stay: bool) -> None:
    """Of those that are to leave the marked ones go first; while some stay, marked ones are to
    be replaced as any other."""
    marked = () if some_stay else OLD_MARKED
    useless: list[Instance] = []
    if plan.old_unready:
        for slot in (*marked[:1], Slot.OLD_LOST, Slot.OLD_STAGED, Slot.OLD_UNREADY):
            useless += youngest_or_oldest_first(app, _instances(turn, index, slot))
    if turn.world.failing.holds:  # what seems to be of no use may well serve
        useless = [one for one in useless if one.condition is not Condition.RUNNING]
    serving: list[Instance] = []
    if plan.old_ready:
        for slot in (*marked[1:], Slot.OLD_READY):
            serving += youngest_or_oldest_first(app, _instances(turn, index, slot))
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
    if not index.size(Slot.WAITING, Slot.OLD_WAITING):
        return
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
