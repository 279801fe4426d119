"""What a task's status means for its instance.

Every status is acknowledged once what follows from it is stored. One of a task that we do not
know goes to ``orphans``; everything else moves an instance along the tables of ``transitions``.
"""

from framework.core import backoff, kills, operations, orphans, storms, verdicts
from framework.core.deadlines import Due
from framework.core.freezing import frozen
from framework.core.transitions import (
    condition_of,
    is_failure,
    is_last_word,
    may_follow,
)
from framework.core.turn import Turn
from framework.domain.actions import Acknowledge
from framework.domain.app import App
from framework.domain.ids import parse_task_id
from framework.domain.instance import (
    MOST_FAILURES,
    STAGED,
    TERMINAL,
    WAITING,
    Condition,
    Goal,
    Instance,
    TaskFailure,
    failure_key,
)
from framework.domain.mesos import TaskState, TaskStatus
from framework.domain.notices import InstanceChanged, StatusUpdated
from framework.domain.records import replace
from framework.domain.state import Kind


def received(turn: Turn, status: TaskStatus) -> None:
    """Take in one status update or answer to a reconciliation."""
    turn.world.reconciliation.pending.pop(status.task_id, None)
    parsed = parse_task_id(status.task_id)
    instance = None if parsed is None else turn.world.state.instances.get(parsed[0])
    if instance is None:
        orphans.stranger(turn, status)
    elif instance.task_id != status.task_id:
        _other_incarnation(turn, instance, parsed[1] if parsed else 0, status)
    else:
        _update(turn, instance, status)
    if status.uuid:
        turn.actions.append(Acknowledge(status.task_id, status.agent_id, status.uuid))


def _other_incarnation(turn: Turn, instance: Instance, number: int, status: TaskStatus) -> None:
    """The record proves that an earlier incarnation was replaced; a later one than we know of
    (state restored from a backup) is nobody's."""
    if number > instance.incarnation:
        orphans.stranger(turn, status)
    else:
        orphans.given_up(turn, status)


def _update(turn: Turn, instance: Instance, status: TaskStatus) -> None:
    condition = condition_of(status)
    if not may_follow(instance.condition, condition):
        return
    if condition is Condition.UNREACHABLE:
        _unreachable(turn, instance, status)
    elif condition in TERMINAL:
        _ended(turn, instance, condition, status)
    else:
        _alive(turn, instance, condition, status)


def _alive(turn: Turn, instance: Instance, condition: Condition, status: TaskStatus) -> None:
    new = _with_condition(turn, instance, condition)
    if status.healthy is not None:
        new = _with_health(turn, new, verdicts.told_by_executor(turn, instance, status.healthy))
    if condition is Condition.RUNNING and not new.started_at_ms:
        new = replace(new, started_at_ms=_started_at_ms(turn, new, status))
    if status.addresses:
        new = replace(new, addresses=status.addresses)
    if status.check_json:
        new = replace(new, check_json=status.check_json)
    if status.agent_id and status.agent_id != new.agent_id:
        new = replace(new, agent_id=status.agent_id)
    if new == instance:
        return
    if _drained_by_mesos(new, status):
        new = replace(new, goal=Goal.DECOMMISSIONED)
    turn.put_instance(new)
    turn.put(Kind.TOMBSTONE, new.task_id, None)  # one given up too soon
    if instance.condition in _NOT_THERE or new.agent_id != instance.agent_id:
        turn.look_at_agent(new.agent_id)
    _has_its_volumes(turn, new)
    _tell(turn, instance, new, status)
    if new.kill_reason and instance.condition in kills.LOST and not kills.held(turn, new):
        kills.send_kill(turn, new.task_id, new.agent_id)  # the one before can not have arrived
    _watch_start(turn, instance, new)


def _watch_start(turn: Turn, before: Instance, now: Instance) -> None:
    if now.condition in STAGED:
        watch_launch(turn, now)
    elif before.condition in STAGED:
        turn.world.deadlines.clear(Due.LAUNCH_CHECK, now.task_id)


_NOT_THERE = WAITING | kills.LOST  # until it turns out to live


def _started_at_ms(turn: Turn, instance: Instance, status: TaskStatus) -> int:
    """As the agent's clock says, if that can be: after its launch and not later than now. The
    grace period of health checks is counted from here."""
    told_ms = status.timestamp_ms or turn.now_ms
    return min(max(told_ms, instance.staged_at_ms), turn.now_ms)


def _has_its_volumes(turn: Turn, instance: Instance) -> None:
    """A task that started has what was reserved in the same call. That it is staging the master
    says before its agent has heard of either."""
    reservation = turn.world.state.reservations.get(instance.id)
    if reservation is None or instance.condition is Condition.STAGING:
        return
    if reservation.incarnation == instance.incarnation:
        operations.proved(turn, reservation)


def _drained_by_mesos(instance: Instance, status: TaskStatus) -> bool:
    """Whether Mesos ends it because its agent is drained, which nothing can prevent: it is wanted
    no more, so another one starts at once, and nobody has failed."""
    killing = instance.condition is Condition.KILLING and not instance.kill_reason
    return killing and status.reason == "REASON_AGENT_DRAINING"


def _with_condition(turn: Turn, instance: Instance, condition: Condition) -> Instance:
    if instance.condition is condition:
        return instance
    return replace(
        instance, condition=condition, since_ms=turn.now_ms, reason="", message="", held_back=False
    )


def without_task(
    turn: Turn, instance: Instance, condition: Condition, message: str, reason: str = ""
) -> Instance:
    """The instance without its task, which ended, was given up or never sent: nothing is left of
    what was planned for that. If that was killed for its health, the next one is awaited now."""
    awaited = instance.awaited_since_ms
    return replace(
        _with_condition(turn, instance, condition),
        reason=reason,
        message=message,
        kill_reason="",
        draining_until_ms=0,
        mark=None,
        awaited_since_ms=turn.now_ms if awaited and instance.mark else awaited,
    )


def _with_health(turn: Turn, instance: Instance, healthy: bool | None) -> Instance:
    if healthy is instance.healthy:
        return instance
    return replace(instance, healthy=healthy, health_since_ms=turn.now_ms)


def _unreachable(turn: Turn, instance: Instance, status: TaskStatus) -> None:
    if instance.goal is Goal.DECOMMISSIONED:
        turn.remove_instance(instance, lost="unreachable while it was being stopped")
        return
    if instance.condition is Condition.UNREACHABLE_INACTIVE:
        return
    since_ms = status.unreachable_since_ms or turn.now_ms
    new = instance
    if instance.condition is not Condition.UNREACHABLE:
        new = replace(
            instance,
            condition=Condition.UNREACHABLE,
            since_ms=min(since_ms, turn.now_ms),
            reason=status.reason,
            message=status.message,
            held_back=False,
        )
        turn.put_instance(new)
        turn.put(Kind.TOMBSTONE, new.task_id, None)  # one given up too soon, as it seems
        _tell(turn, instance, new, status)
        storms.lost(turn, instance)
    unreachable_for(turn, new)


def unreachable_for(turn: Turn, instance: Instance, *, its_turn: bool = False) -> None:
    """Follow the app's unreachableStrategy: replace, later forget. Until an agent returns or is
    given up by Mesos there is no proof of anything, hence the tombstone. ``its_turn``: in a storm
    it has waited for this long enough."""
    app = turn.world.effective(instance.app_id)
    strategy = None if app is None else app.unreachable_strategy
    if strategy is None or strategy.disabled or frozen(turn, instance.app_id):
        return
    inactive_ms = instance.since_ms + strategy.inactive_after_seconds * 1000
    expunge_ms = instance.since_ms + strategy.expunge_after_seconds * 1000
    counts = instance.condition is Condition.UNREACHABLE
    late = turn.now_ms >= min(inactive_ms, expunge_ms)
    if late and counts and not its_turn and not storms.may_replace(turn, instance):
        return
    if turn.now_ms >= expunge_ms:
        turn.remove_instance(instance, lost="unreachable for longer than the app allows")
        return
    if turn.now_ms >= inactive_ms and counts:
        turn.put_instance(replace(instance, condition=Condition.UNREACHABLE_INACTIVE))
    due_ms = inactive_ms if turn.now_ms < inactive_ms else expunge_ms
    turn.world.deadlines.set(due_ms, Due.UNREACHABLE, instance.id)


def unreachable_due(turn: Turn, instance_id: str) -> None:
    """The moment to look at an unreachable instance again has come."""
    instance = turn.world.state.instances.get(instance_id)
    if instance is not None and instance.condition in _OUT_OF_REACH:
        unreachable_for(turn, instance)


_OUT_OF_REACH = frozenset({Condition.UNREACHABLE, Condition.UNREACHABLE_INACTIVE})


def _ended(turn: Turn, instance: Instance, condition: Condition, status: TaskStatus) -> None:
    """The task is over, proven or given up."""
    app = turn.world.effective(instance.app_id)
    ended = without_task(turn, instance, condition, status.message, status.reason)
    ended = ended if status.healthy is None else _with_health(turn, ended, status.healthy)
    if condition in storms.FORGOTTEN and not is_failure(condition, status.reason):
        storms.lost(turn, instance)
        ended = replace(ended, held_back=storms.holds_back(turn, instance, condition))
    definition = turn.world.definition_of(instance)
    told_before = instance.condition is condition
    if app is not None and definition is not None and not told_before:
        _learn(turn, definition, instance, ended, status)
    _tell(turn, instance, ended, status)
    if is_last_word(status):
        turn.put(Kind.TOMBSTONE, instance.task_id, None)
    else:
        turn.bury(instance.task_id, f"ended without proof: {status.state}")
    reservation = turn.world.state.reservations.get(instance.id)
    if status.state is TaskState.GONE_BY_OPERATOR and reservation is not None:
        operations.lost(turn, reservation)
    if instance.goal is Goal.DECOMMISSIONED or instance.condition is (
        Condition.UNREACHABLE_INACTIVE
    ):
        turn.remove_instance(instance)
    else:
        turn.forget_kill(instance.task_id)
        turn.put_instance(ended)


def _learn(turn: Turn, app: App, before: Instance, ended: Instance, status: TaskStatus) -> None:
    """Remember the failure and lengthen the back-off, where the app is to blame."""
    overdue = before.kill_reason.startswith(OVERDUE)
    unhealthy = ended.condition is Condition.KILLED and ended.healthy is False
    failure = is_failure(ended.condition, status.reason)
    if failure or overdue:
        backoff.failed(turn, app)
    shown = failure and ended.condition is not Condition.FINISHED
    if shown or overdue or (unhealthy and not before.kill_reason):
        message = before.kill_reason if overdue else status.message
        if unhealthy:  # the executor's own words tell only how the process ended
            message = f"the executor killed it because its health check failed: {message}"
        remember_failure(turn, ended, str(status.state), message)


def remember_failure(turn: Turn, instance: Instance, state: str, message: str) -> None:
    """Store what clients see in ``lastTaskFailure``, and in the list of the last failures."""
    last = turn.world.state.failures.get(instance.app_id)
    failure = TaskFailure(
        app_id=instance.app_id,
        task_id=instance.task_id,
        instance_id=instance.id,
        state=state,
        message=message,
        host=turn.host(instance.agent_id),
        agent_id=instance.agent_id,
        timestamp_ms=turn.now_ms,
        version=instance.version,
        reason=instance.reason,
        staged_at_ms=instance.staged_at_ms,
        started_at_ms=instance.started_at_ms,
        number=1 if last is None else last.number + 1,
    )
    turn.put(Kind.FAILURE, instance.app_id, failure)
    slot = failure.number % _slots(turn)
    shorter = replace(failure, message=message[:_KEPT_CHARACTERS])
    turn.put(Kind.PAST_FAILURE, failure_key(instance.app_id, slot), shorter)


def keep_fewer_failures(turn: Turn) -> None:
    """At start: drop what has no slot any more, should fewer be wanted than before."""
    slots = _slots(turn)
    for key in list(turn.world.state.past_failures):
        if int(key.rpartition("@")[2]) >= slots:
            turn.put(Kind.PAST_FAILURE, key, None)


def _slots(turn: Turn) -> int:
    return max(1, min(turn.policy.max_task_failures, MOST_FAILURES))


_KEPT_CHARACTERS = 1_000  # of a message; the last failure has all of it


OVERDUE = "the task did not start in time"


def starting_since_ms(turn: Turn, instance: Instance) -> int:
    """Since when Mesos owes us the next status of a starting task: while we were away, silence
    meant nothing."""
    return max(instance.since_ms, turn.world.state.connection.since_ms)


def watch_launch(turn: Turn, instance: Instance) -> None:
    """Look at a starting task again: soon while Mesos has said nothing of it, else when its time
    to start is up."""
    if instance.condition is Condition.PROVISIONED:
        at_ms = turn.now_ms + turn.policy.task_launch_reconcile_interval
    else:
        at_ms = starting_since_ms(turn, instance) + turn.policy.task_launch_timeout
    turn.world.deadlines.reset(at_ms, Due.LAUNCH_CHECK, instance.task_id)


def _tell(turn: Turn, old: Instance, new: Instance, status: TaskStatus) -> None:
    host = turn.host(new.agent_id)
    if old.condition is not new.condition:
        turn.notices.append(InstanceChanged(new, host))
        turn.notices.append(StatusUpdated(status, new, host))
