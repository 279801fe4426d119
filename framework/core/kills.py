"""Kills: asking Mesos to end a task, again and again until its end is known.

Only three things lead here: somebody asked (scale down, new version, delete, a kill by id), a
task did not start in time, or a task returned that a record or tombstone proves to be given up.
"""

from collections.abc import Iterable

from framework.core import retiring
from framework.core.deadlines import Due
from framework.core.freezing import frozen, over_task
from framework.core.turn import Turn
from framework.core.world import KillSent
from framework.domain.actions import Kill
from framework.domain.app import App
from framework.domain.instance import WAITING, Condition, Goal, Instance
from framework.domain.records import replace

FORCED = ", in spite of a freeze"
"""Ends the reason of a kill that a person asked for in spite of a freeze."""

LOST = frozenset({Condition.UNREACHABLE, Condition.UNREACHABLE_INACTIVE})


def kill(turn: Turn, instance: Instance, why: str, *, planned: bool = False) -> None:
    """End the instance's task; the instance itself stays wanted and is relaunched. ``planned``:
    nothing is wrong with it, so it drains first."""
    if instance.condition in WAITING or (instance.kill_reason and not why.endswith(FORCED)):
        return
    drained_ms = retiring.until_ms(turn, instance) if planned else turn.now_ms
    leaving = replace(instance, kill_reason=why, draining_until_ms=drained_ms if planned else 0)
    turn.put_instance(leaving)
    _drain_or_kill(turn, leaving)


def decommission(turn: Turn, instance: Instance, why: str) -> None:
    """Want the instance no more. One that waits or is out of reach is forgotten at once; any
    other drains first, and is killed when that time is over."""
    if instance.condition in WAITING:
        turn.remove_instance(instance)
    elif instance.condition in LOST:
        turn.remove_instance(instance, lost=why)
    elif not (instance.goal is Goal.DECOMMISSIONED and instance.kill_reason) or (
        why.endswith(FORCED)
    ):  # without a reason it is only Mesos that ends it
        asked = bool(instance.kill_reason) and not why.endswith(FORCED)
        drained_ms = instance.draining_until_ms if asked else retiring.until_ms(turn, instance)
        leaving = replace(
            instance, goal=Goal.DECOMMISSIONED, kill_reason=why, draining_until_ms=drained_ms
        )
        turn.put_instance(leaving)
        if not asked:
            _drain_or_kill(turn, leaving)


def _drain_or_kill(turn: Turn, instance: Instance) -> None:
    if instance.draining_until_ms > turn.now_ms:
        retiring.begin(turn, instance)
        turn.world.deadlines.set(instance.draining_until_ms, Due.KILL_RETRY, instance.task_id)
    else:
        send_kill(turn, instance.task_id, instance.agent_id)


def send_kill(turn: Turn, task_id: str, agent_id: str, *, given_up: bool = False) -> None:
    """Ask Mesos, and look again after the retry interval. ``given_up``: no record is there."""
    turn.world.draining.pop(task_id, None)
    turn.actions.append(Kill(task_id, agent_id))
    before = turn.world.kills_sent.get(task_id)
    attempts = 1 if before is None else before.attempts + 1
    turn.world.kills_sent[task_id] = KillSent(turn.now_ms, attempts, agent_id if given_up else "")
    turn.world.deadlines.set(turn.now_ms + turn.policy.kill_retry_timeout, Due.KILL_RETRY, task_id)


def retry(turn: Turn, task_id: str) -> None:
    """Send a kill again if its task has not ended meanwhile."""
    instance = _to_be_killed(turn, task_id)
    if instance is None and _returned(turn, task_id):
        send_kill(turn, task_id, turn.world.kills_sent[task_id].agent_id, given_up=True)
    elif instance is None or not turn.world.subscribed or held(turn, instance):
        turn.world.kills_sent.pop(task_id, None)
    elif instance.condition not in LOST:
        send_kill(turn, task_id, instance.agent_id)


def resend_all(turn: Turn) -> None:
    """After a new subscription: every kill that is still owed."""
    resend(turn, list(turn.world.state.instances.values()))


def resend(turn: Turn, instances: Iterable[Instance]) -> None:
    """The kills that are owed to these and that no freeze holds back."""
    for instance in instances:
        if instance.kill_reason and instance.condition not in WAITING | LOST:
            if held(turn, instance):
                continue
            if instance.draining_until_ms > turn.now_ms:
                retiring.follow(turn, instance)
                due_ms = instance.draining_until_ms
                turn.world.deadlines.set(due_ms, Due.KILL_RETRY, instance.task_id)
            else:
                send_kill(turn, instance.task_id, instance.agent_id)


def owed(turn: Turn, instance: Instance) -> None:
    """Send a kill whose drain is over before its time, unless it has to wait for Mesos or for the
    end of a freeze: those send what is owed."""
    if turn.world.subscribed and not held(turn, instance) and instance.condition not in LOST:
        send_kill(turn, instance.task_id, instance.agent_id)


def held(turn: Turn, instance: Instance) -> bool:
    """Whether a freeze holds its kill back; not one that was asked for in spite of it."""
    return frozen(turn, instance.app_id) and not instance.kill_reason.endswith(FORCED)


_GIVEN_UP_ATTEMPTS = 10  # afterwards reconciliation shows whether it still lives


def _returned(turn: Turn, task_id: str) -> bool:
    """Whether a task that was given up lives, for all we know, and is to be killed again."""
    sent = turn.world.kills_sent.get(task_id)
    return (
        sent is not None
        and sent.agent_id != ""
        and sent.attempts < _GIVEN_UP_ATTEMPTS
        and turn.world.subscribed
        and turn.world.instance_of(task_id) is None
        and over_task(turn, task_id) is None
    )


def _to_be_killed(turn: Turn, task_id: str) -> Instance | None:
    instance = turn.world.instance_of(task_id)
    if instance is None or not instance.kill_reason:
        return None
    return None if instance.condition in WAITING else instance


def youngest_or_oldest_first(app: App | None, instances: list[Instance]) -> list[Instance]:
    """In the order of the app's killSelection; equals by id, so that a decision can be
    repeated."""
    oldest = app is not None and app.kill_selection.value == "OLDEST_FIRST"
    return sorted(
        instances,
        key=lambda one: (one.staged_at_ms if oldest else -one.staged_at_ms, one.id),
    )
