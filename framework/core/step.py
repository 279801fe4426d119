"""The one door to the decisions: ``step(world, events, context) -> Step``.

Events are taken in order; then, once for all of them: apps that changed are resized, the turn's
offers are used or declined, deployments that are done end, and Mesos is asked for offers or not.
"""

from collections.abc import Callable, Iterable

from framework.core import (
    asking,
    backoff,
    commands,
    crashes,
    deployments,
    draining,
    edges,
    hand,
    health_storms,
    identity,
    kills,
    launches,
    moving,
    operations,
    placing,
    probing,
    proving,
    reconciling,
    replacements,
    rotation,
    sizing,
    statuses,
    trees,
    waiting,
)
from framework.core.deadlines import Due
from framework.core.policy import Context
from framework.core.turn import Step, Turn
from framework.core.world import World
from framework.domain.actions import Accept, Action, Decline, Halt, Kill, RemoveFramework
from framework.domain.clock import iso
from framework.domain.events import (
    AgentFailed,
    Asked,
    CallNotSent,
    CallUnanswered,
    Disconnected,
    Event,
    FrameworkRefused,
    InverseOfferRescinded,
    InverseOffersReceived,
    OfferRescinded,
    OffersReceived,
    OperationStatusReceived,
    Started,
    Subscribed,
    TaskStatusReceived,
    TimerFired,
)
from framework.domain.health import ProbesReported
from framework.domain.instance import Condition
from framework.domain.notices import SchedulerDisconnected, SchedulerRegistered
from framework.domain.records import replace
from framework.domain.rollout import Connection, Framework
from framework.domain.state import Kind


def step(world: World, events: Iterable[Event], context: Context) -> Step:
    """Decide what follows from these events, moving the world's state."""
    turn = Turn(world, context)
    for event in events:
        if crashes.begin(turn, event):
            _take(turn, event)
    for due, key in list(world.deadlines.pop_until(context.now_ms)):
        if crashes.begin(turn, (due, key)):
            _WHEN_DUE[due](turn, key)
    rotation.watch_touched(turn)
    _size_and_advance(turn)
    placing.place(turn)
    probing.watch_touched(turn)
    health_storms.look(turn)
    world.subject = None
    draining.answer(turn)
    asking.settle(turn)
    reconciling.finish_if_done(turn)
    waiting.refresh(turn)
    return turn.finish()


def _size_and_advance(turn: Turn) -> None:
    """Until nothing moves: size the apps that changed, let deployments go on, which may begin
    steps of other apps. Ends, since a deployment only ever goes forward. Apps that still wait for
    their step come last: it may begin in this very turn, and what was right before is not then."""
    if turn.advancing:
        deployments.advance(turn)
    while pending := [app_id for app_id in turn.dirty if app_id not in turn.resized]:
        begun = [app_id for app_id in pending if app_id not in turn.world.held]
        for app_id in begun or pending:
            turn.resized[app_id] = None
            if crashes.begin(turn, ("app", app_id)):
                sizing.resize(turn, app_id)
                proving.watch(turn, app_id)
                moving.watch(turn, app_id)
        deployments.advance(turn)


def _take(turn: Turn, event: Event) -> None:  # noqa: C901 - one line a kind of event
    match event:
        case TaskStatusReceived():
            hand.heard(turn, event.status)
            statuses.received(turn, event.status)
        case OperationStatusReceived():
            operations.received(turn, event.status)
        case OffersReceived():
            turn.world.offers.update((offer.id, offer) for offer in event.offers)
            draining.seen(turn, event.offers)
        case Asked():
            turn.replies.append((event.token, commands.carry_out(turn, event.command)))
        case ProbesReported():
            probing.reported(turn, event.results)
        case InverseOffersReceived():
            draining.offered(turn, event.inverse_offers)
        case InverseOfferRescinded():
            draining.rescinded(turn, event.offer_id)
        case OfferRescinded():
            turn.world.offers.pop(event.offer_id, None)
            turn.world.hand.pop(event.offer_id, None)
        case CallNotSent():
            _not_sent(turn, event.action, event.why)
        case Subscribed():
            _subscribed(turn, event)
        case Disconnected():
            _disconnected(turn, event)
        case FrameworkRefused():
            _refused(turn, event.message)
        case Started():
            _started(turn)
        case AgentFailed():
            turn.world.seen.forget(event.agent_id)
            hand.agent_gone(turn, event.agent_id)
            operations.reconcile(turn, event.agent_id)  # of its tasks updates follow
        case CallUnanswered() | TimerFired():
            pass  # reconciliation asks; deadlines do the rest


def _reconcile_all(turn: Turn, _key: str) -> None:
    if turn.world.subscribed:
        reconciling.begin(turn)


_WHEN_DUE: dict[Due, Callable[[Turn, str], None]] = {
    Due.CANARY: deployments.due,
    Due.DECLINE: asking.decline_due,
    Due.DELAY_OVER: backoff.due,
    Due.EDGE: edges.lapsed,
    Due.HAND: lambda _turn, _key: None,  # each step settles it
    Due.KILL_RETRY: kills.retry,
    Due.LAUNCH_CHECK: launches.check,
    Due.OPERATION_CHECK: operations.check,
    Due.MOVE: moving.due,
    Due.PLACE: lambda _turn, _key: None,  # each step places
    Due.SHOW: waiting.show,
    Due.DRAIN: draining.due,
    Due.RESCINDED: draining.rescinded_due,
    Due.PROGRESS: commands.give_up,
    Due.PROVED: proving.due,
    Due.RECONCILE_ALL: _reconcile_all,
    Due.RECOVERED: health_storms.recovered,
    Due.RECONCILE_ROUND: lambda turn, _key: reconciling.round_due(turn),
    Due.REPLACEMENT: replacements.due,
    Due.REVIVE: asking.revive_due,
    Due.ROTATION: rotation.due,
    Due.UNREACHABLE: statuses.unreachable_due,
    Due.WAIT: waiting.lasts,
}


def _started(turn: Turn) -> None:
    """The state is loaded: everything is looked at once, every deadline set anew."""
    state = turn.world.state
    halt = identity.missing(state)
    if halt is not None:
        turn.actions.append(halt)
        return
    framework = state.framework
    if framework is None:
        framework = Framework(state_id=turn.context.new_id(), created_at_ms=turn.now_ms)
    # By the clock as well: one that was restored from a backup is later than what ran before.
    epoch = max(framework.epoch + 1, turn.now_ms // 1000)
    turn.put(Kind.FRAMEWORK, "framework", replace(framework, epoch=epoch))
    trees.ensure_root(turn, iso(turn.now_ms))
    probing.watch_all(turn)
    health_storms.started(turn)
    replacements.started(turn)
    statuses.keep_fewer_failures(turn)
    for instance in list(state.instances.values()):
        gone = instance.condition in {Condition.UNREACHABLE, Condition.UNREACHABLE_INACTIVE}
        if gone and crashes.begin(turn, ("app", instance.app_id)):
            statuses.unreachable_for(turn, instance)
    backoff.watch_all(turn)
    edges.expect_all(turn)
    draining.look_at_all(turn)
    kept = filter(None, state.reservations_of)  # those of no app are orphans
    there = [*state.apps, *state.instances_of, *kept]
    # Of an app that a deployment removes nothing else may be left.
    turn.dirty.update(dict.fromkeys([*there, *turn.world.deploying]))


def _subscribed(turn: Turn, event: Subscribed) -> None:
    world = turn.world
    framework = world.state.framework
    halt = identity.differs(world.state, event.framework_id)
    if halt is not None:
        turn.actions.append(halt)
        return
    assert framework is not None, "Started comes before Subscribed"
    if not framework.framework_id:
        known = replace(framework, framework_id=event.framework_id)
        turn.put(Kind.FRAMEWORK, "framework", known)
    known_before = bool(framework.framework_id)
    turn.notices.append(SchedulerRegistered(event.framework_id, event.master, again=known_before))
    world.subscribed = True
    world.home_region = event.region
    world.forget_offers()
    world.seen.clear()
    world.kills_sent.clear()
    turn.put(Kind.CONNECTION, "connection", Connection(True, False, event.master, turn.now_ms))
    if world.tearing_down:  # while Mesos was away, or the call was lost on its way
        turn.actions.append(RemoveFramework())
    asking.subscribed(turn)
    reconciling.begin(turn)
    kills.resend_all(turn)
    launches.watch_all(turn)
    deployments.subscribed(turn)
    moving.wait_anew(turn)
    draining.subscribed(turn)
    turn.dirty.update((demand.app.id, None) for demand in world.demand.values())


def _torn_down(turn: Turn) -> None:
    """Mesos has forgotten us, as we asked: so do we, but for the definitions. Before the proof
    nothing is forgotten, so a crash in between loses no task."""
    for instance in list(turn.world.state.instances.values()):
        turn.remove_instance(instance)
    for key in identity.unanswered(turn.world.state):
        turn.put(Kind.RESERVATION, key, None)
    framework = turn.world.state.framework
    if framework is not None:
        turn.put(Kind.FRAMEWORK, "framework", identity.removed(framework))
    turn.actions.append(Halt(0, "the framework is removed from Mesos, its tasks are killed"))


def _disconnected(turn: Turn, event: Disconnected) -> None:
    """No proof of anything, even if we asked to be removed: what is true shows on our return."""
    if turn.world.subscribed:
        turn.notices.append(SchedulerDisconnected())
    if turn.world.subscribed and not turn.world.tearing_down:
        turn.remark("warning", f"disconnected from Mesos: {event.why}")
    turn.world.subscribed = False
    turn.world.forget_offers()
    draining.subscribed(turn)
    reconciling.disconnected(turn)
    turn.dirty.update((demand.app.id, None) for demand in turn.world.demand.values())


def _not_sent(turn: Turn, action: Action, why: str) -> None:
    """Nothing of this call happened. What is not named here is asked anew after the next
    subscription, or by Mesos itself."""
    if isinstance(action, Accept | Decline):
        asking.not_answered(turn, action.offer_ids)
    if isinstance(action, Accept):
        operations.not_sent(turn, action.operations)
        launches.not_sent(turn, action, why)
    elif isinstance(action, Kill):
        again_ms = turn.now_ms + min(1_000, turn.policy.kill_retry_timeout)
        turn.world.deadlines.set(again_ms, Due.KILL_RETRY, action.task_id)


def _refused(turn: Turn, message: str) -> None:
    turn.world.subscribed = False
    turn.world.forget_offers()  # nothing is launched under an id that Mesos does not know
    if identity.is_removed(message) and turn.world.tearing_down:
        _torn_down(turn)
    else:
        turn.actions.append(identity.refused(turn.world.state, message))
