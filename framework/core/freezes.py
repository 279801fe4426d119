"""How a freeze begins and ends.

Nothing is undone by a freeze and nothing is remembered of what it held back: when it ends, its
apps are looked at anew, as after a start, and move to what is wanted by then.
"""

from collections.abc import Collection, Iterable

from framework.core import draining, kills, launches, moving, reconciling, statuses, waiting
from framework.core.freezing import frozen
from framework.core.turn import Turn
from framework.core.world import old_key
from framework.domain.events import FreezeApps, LiftFreeze
from framework.domain.freezing import EVERYTHING, Freeze
from framework.domain.instance import STAGED, Instance
from framework.domain.records import replace
from framework.domain.replies import Done, Refused, Reply, Why
from framework.domain.state import Kind


def freeze(turn: Turn, command: FreezeApps) -> Reply:
    """Freeze some apps, or everything; the same again only changes the reason."""
    unknown = [app_id for app_id in command.app_ids if not _known(turn, app_id)]
    if unknown:
        return Refused(Why.APP_UNKNOWN, unknown[0])
    _forget_gone(turn)
    for key in command.app_ids or (EVERYTHING,):
        put(turn, key, command.reason)
    named = ", ".join(command.app_ids[:_APPS_NAMED]) or "everything"
    why = f": {command.reason}" if command.reason else ""
    turn.remark("warning", f"frozen on request, nothing is launched or killed: {named}{why}")
    return Done()


_APPS_NAMED = 5


def put(turn: Turn, key: str, reason: str, crash: str = "") -> None:
    """Store a freeze and tell it to whoever asks why something waits."""
    known = turn.world.state.freezes.get(key)
    since_ms = turn.now_ms if known is None else known.since_ms
    app_id = "" if key == EVERYTHING else key
    turn.put(Kind.FREEZE, key, Freeze(app_id, reason, since_ms, crash))
    for covered in _covered(turn, [key]):
        _explain(turn, covered)


def lift(turn: Turn, command: LiftFreeze) -> Reply:
    """End freezes; what is not frozen needs none ended."""
    freezes = turn.world.state.freezes
    for app_id in command.app_ids:
        if app_id not in freezes and not _known(turn, app_id):
            return Refused(Why.APP_UNKNOWN, app_id)
    keys = [key for key in command.app_ids or (EVERYTHING,) if key in freezes]
    for crash in list(turn.world.state.crashes.values()):
        if crash.set_aside_ms and crash.app_id in keys:  # to be handled again, and its app with it
            turn.put(Kind.CRASH, crash.id, None)
    thaw(turn, keys)
    return Done()


def thaw(turn: Turn, keys: Collection[str]) -> None:
    """End these freezes. Whatever they held back is decided now, from what there is."""
    for key in keys:
        turn.put(Kind.FREEZE, key, None)
    app_ids = [app_id for app_id in _covered(turn, keys) if not frozen(turn, app_id)]
    if not app_ids:
        return
    named = "everything" if EVERYTHING in keys else ", ".join(app_ids[:_APPS_NAMED])
    turn.remark("info", f"no longer frozen: {named}")
    for app_id in app_ids:
        turn.look_at(app_id)
        _explain(turn, app_id)
        app = turn.world.state.apps.get(app_id)
        if app is not None:
            turn.revive.add(app.role)
    _resume(turn, list(_instances(turn, app_ids)))
    _restart_deadlines(turn, {*app_ids})
    moving.wait_anew(turn)
    draining.look_at_all(turn)
    if turn.world.subscribed:
        reconciling.begin(turn)  # given-up tasks that came back meanwhile show themselves


def _resume(turn: Turn, instances: list[Instance]) -> None:
    """Owed kills, launches under way, agents that are away: as after a new subscription."""
    for instance in instances:
        if instance.condition in kills.LOST:
            statuses.unreachable_for(turn, instance)
    if not turn.world.subscribed:
        return  # the next subscription does it
    kills.resend(turn, instances)
    launches.watch(turn, [one for one in instances if one.condition in STAGED])


def _restart_deadlines(turn: Turn, app_ids: set[str]) -> None:
    """While frozen, a deployment could not make progress."""
    world = turn.world
    deploying = (world.deploying.get(app_id) for app_id in app_ids)
    for deployment_id in sorted({one for one in deploying if one is not None}):
        deployment = world.state.deployments[deployment_id]
        fresh = replace(deployment, progress_at_ms=turn.now_ms)
        turn.put(Kind.DEPLOYMENT, deployment_id, fresh)
        turn.advancing[deployment_id] = None


def _covered(turn: Turn, keys: Collection[str]) -> Iterable[str]:
    """The apps that these freezes are about, and instances of removed apps with them."""
    if EVERYTHING in keys:
        state = turn.world.state
        kept = filter(None, state.reservations_of)
        return dict.fromkeys([*state.apps, *state.instances_of, *kept])
    return keys


def _instances(turn: Turn, app_ids: Iterable[str]) -> Iterable[Instance]:
    for app_id in app_ids:
        yield from turn.world.state.instances_of.get(app_id, {}).values()


def _explain(turn: Turn, app_id: str) -> None:
    for key in (app_id, old_key(app_id)):
        demand = turn.world.demand.get(key)
        if demand is not None:
            waiting.publish(turn, key, demand)


def _known(turn: Turn, app_id: str) -> bool:
    state = turn.world.state
    return any(app_id in one for one in (state.apps, state.instances_of, state.reservations_of))


def _forget_gone(turn: Turn) -> None:
    """Freezes of apps of which nothing is left, so that they never pile up."""
    for key in list(turn.world.state.freezes):
        if key != EVERYTHING and not _known(turn, key):
            turn.put(Kind.FREEZE, key, None)
