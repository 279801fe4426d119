"""Launches that do not come off: never sent, refused, unanswered, or too slow.

A launch is stored before it is sent. From then on it is Provisioned until Mesos says otherwise;
what was surely never sent goes back to waiting at once, what is unsure is asked about.
"""

from collections.abc import Iterable

from framework.core import backoff, kills
from framework.core.freezing import frozen
from framework.core.statuses import (
    OVERDUE,
    remember_failure,
    starting_since_ms,
    watch_launch,
    without_task,
)
from framework.core.turn import Turn
from framework.domain.actions import Accept, Kill, Reconcile
from framework.domain.instance import NOT_LAUNCHED, STAGED, Condition, Goal, Instance

_TASKS_A_CALL = 1_000


def not_sent(turn: Turn, accept: Accept, why: str) -> None:
    """None of these launches happened. While subscribed that means Mesos refused the call: the
    apps wait a little longer before the next try."""
    for launch in accept.launches:
        instance = turn.world.instance_of(launch.task_id)
        if instance is None or instance.condition is not Condition.PROVISIONED:
            continue
        if instance.goal is Goal.DECOMMISSIONED:
            turn.remove_instance(instance)
            continue
        turn.forget_kill(instance.task_id)
        turn.put_instance(without_task(turn, instance, Condition.SCHEDULED, why[:1_000]))
        app = turn.world.effective(instance.app_id)
        if app is not None and turn.world.subscribed:
            backoff.failed(turn, app)
            by_mesos = why[:3].isdecimal()  # it begins with the status of an answer then
            who = "Mesos refused the launch" if by_mesos else "the launch is not possible"
            remember_failure(turn, instance, NOT_LAUNCHED, f"{who}: {why}")


def check(turn: Turn, task_id: str) -> None:
    """A starting task is due to be looked at; while unsubscribed there is nothing to see."""
    instance = turn.world.instance_of(task_id)
    if instance is None or instance.condition not in STAGED or not turn.world.subscribed:
        return
    waited_ms = turn.now_ms - starting_since_ms(turn, instance)
    if instance.condition is Condition.PROVISIONED:
        _without_status(turn, instance, waited_ms)
    elif waited_ms < turn.policy.task_launch_timeout:
        watch_launch(turn, instance)
    elif not frozen(turn, instance.app_id):
        seconds = turn.policy.task_launch_timeout / 1000
        state = instance.condition.value.lower()
        kills.kill(turn, instance, f"{OVERDUE}: {state} for more than {seconds:g} s")


def _without_status(turn: Turn, instance: Instance, waited_ms: int) -> None:
    """Mesos has said nothing of it: ask; after the time-out give it up, keeping the reason. A
    tombstone stays, so that it is killed should it appear."""
    policy = turn.policy
    if waited_ms < policy.task_launch_confirm_timeout or frozen(turn, instance.app_id):
        _ask(turn, instance)
        watch_launch(turn, instance)
        return
    seconds = policy.task_launch_confirm_timeout / 1000
    message = f"{OVERDUE}: no status from Mesos within {seconds:g} s"
    turn.actions.append(Kill(instance.task_id, instance.agent_id))
    turn.remark("warning", f"{instance.task_id}: {message}; it is given up and launched again")
    if instance.goal is Goal.DECOMMISSIONED:
        turn.remove_instance(instance, lost=message)
        return
    app = turn.world.effective(instance.app_id)
    if app is not None:
        backoff.failed(turn, app)
    remember_failure(turn, instance, "TASK_DROPPED", message)
    turn.bury(instance.task_id, message)
    turn.forget_kill(instance.task_id)
    turn.put_instance(without_task(turn, instance, Condition.DROPPED, message))


def _ask(turn: Turn, instance: Instance) -> None:
    """In one call with those before it."""
    before = turn.actions[-1] if turn.actions else None
    task = (instance.task_id, instance.agent_id)
    if isinstance(before, Reconcile) and 0 < len(before.tasks) < _TASKS_A_CALL:
        turn.actions[-1] = Reconcile((*before.tasks, task))
    else:
        turn.actions.append(Reconcile((task,)))


def watch_all(turn: Turn) -> None:
    """With a new subscription: every launch that is under way."""
    watch(turn, [one for one in turn.world.state.instances.values() if one.condition in STAGED])


def watch(turn: Turn, starting: Iterable[Instance]) -> None:
    """Look at these again when their time to start is up."""
    for instance in starting:
        watch_launch(turn, instance)
