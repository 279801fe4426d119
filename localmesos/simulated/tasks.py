"""The life of tasks: their states, the updates about them, acknowledgements and kills.

An update stays with the agent until it is acknowledged with its own uuid; only the oldest of a
task is on its way, and it is sent again after 10, 20, 40, ... seconds. A task that ended gives
its resources back at once, but is known until its last update is acknowledged.
"""

import msgspec

from localmesos.simulated import allocation, events
from localmesos.simulated.state import (
    TERMINAL,
    AgentState,
    Cluster,
    Framework,
    Task,
    Update,
)

_KILLS = frozenset({"TASK_KILLING", "TASK_KILLED"})
HEALTH_REASON = "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED"


def start(cluster: Cluster, now: float, task: Task) -> None:
    """The executor has the task: TASK_STARTING, then at once or later TASK_RUNNING."""
    if cluster.options.send_starting:
        report(cluster, now, task, "TASK_STARTING")
    delay = cluster.options.start_delay_seconds
    if task.behaviour is not None and task.behaviour.start_delay_seconds is not None:
        delay = task.behaviour.start_delay_seconds
    if delay > 0:
        cluster.timers.at(now + delay, lambda later: run(cluster, later, task))
    else:
        run(cluster, now, task)


def run(cluster: Cluster, now: float, task: Task) -> None:
    if task.state in TERMINAL or task.kill_asked:
        return
    report(cluster, now, task, "TASK_RUNNING")
    behaviour = task.behaviour
    if behaviour is None:
        return
    if behaviour.healthy is not None:
        report_health(cluster, now, task, healthy=behaviour.healthy)
    state, message = behaviour.end_state, behaviour.end_message
    if state is None:
        return
    if behaviour.run_seconds > 0:
        due = now + behaviour.run_seconds
        cluster.timers.at(due, lambda later: end(cluster, later, task, state, message))
    else:
        end(cluster, now, task, state, message)


def end(cluster: Cluster, now: float, task: Task, state: str, message: str | None) -> None:
    """Report a terminal state, unless the task has ended already."""
    if task.state not in TERMINAL:
        report(cluster, now, task, state, message=message)


def report_health(cluster: Cluster, now: float, task: Task, *, healthy: bool) -> None:
    if task.state in TERMINAL:
        return
    report(cluster, now, task, task.state, reason=HEALTH_REASON, healthy=healthy)


def report(
    cluster: Cluster,
    now: float,
    task: Task,
    state: str,
    *,
    message: str | None = None,
    reason: str | None = None,
    healthy: bool | None = None,
) -> None:
    """The executor says how the task is."""
    wall = now + cluster.wall_offset
    if task.agent.drain is not None and state in _KILLS:
        state, reason = _drained(task, state)
    update = Update(cluster.uuid(), state, wall, reason, message, healthy)
    task.state, task.healthy = state, healthy
    if task.pending is None:
        task.pending = [update]
        send(cluster, now, task)
    else:
        task.pending.append(update)


def _drained(task: Task, state: str) -> tuple[str, str]:
    """State and reason that a draining agent tells of a task that it kills."""
    drain = task.agent.drain
    gone = drain is not None and drain.mark_gone and task.framework.partition_aware
    return "TASK_GONE_BY_OPERATOR" if gone else state, "REASON_AGENT_DRAINING"


def send(cluster: Cluster, now: float, task: Task, attempt: int = 0) -> None:
    """Send the oldest update of a task, and plan to send it again.

    With each update the agent tells the master the latest state too: only then, and not when a
    later update joins the queue, does the master learn that a task has ended.
    """
    if task.pending is None:
        return
    update = task.pending[0]
    cluster.retries.add(now, (task, update), attempt)
    if task.agent.state is AgentState.REGISTERED:
        if task.state in TERMINAL and not task.ended:
            end_known(cluster, now, task)
        if cluster.faults.held is not None:
            cluster.faults.held.append((task, update))
        else:
            forward(cluster, task, update)


def end_known(cluster: Cluster, now: float, task: Task) -> None:
    """The master learns that a task has ended: its resources are free."""
    task.ended = True
    cluster.counters.ended += 1
    allocation.recover(cluster, now, (task.framework, task.role), task.agent, task.bag)


def forward(cluster: Cluster, task: Task, update: Update) -> None:
    if task.framework.stream is None:
        return
    event = events.update(cluster, task, update)
    cluster.emit(task.framework, event)
    cluster.counters.updates += 1
    if cluster.faults.duplicates:
        cluster.faults.duplicates -= 1
        cluster.emit(task.framework, event)


def is_waiting(task: Task, update: Update) -> bool:
    """Whether the update is the one of its task that is to be acknowledged next."""
    return task.pending is not None and task.pending[0] is update


def resend(cluster: Cluster, now: float) -> None:
    """Send again what was not acknowledged in time."""
    for attempt, (task, update) in cluster.retries.take(now):
        if is_waiting(task, update):
            cluster.counters.resent += 1
            send(cluster, now, task, attempt)


def acknowledge(
    cluster: Cluster, now: float, framework: Framework, agent_id: str, task_id: str, uuid: str
) -> None:
    """Take back the oldest update and send the next. What does not fit is ignored."""
    task = framework.tasks.get(task_id)
    if task is None or task.pending is None or task.agent.id != agent_id:
        return
    waited = task.pending[0].uuid
    if task.agent.state is not AgentState.REGISTERED or (uuid != waited and uuid + "==" != waited):
        return
    cluster.counters.acknowledged += 1
    acknowledged = task.pending.pop(0)
    if task.pending:
        send(cluster, now, task)
        return
    task.pending = None
    if acknowledged.state in TERMINAL:
        forget(cluster, now, framework, task)


def forget(cluster: Cluster, now: float, framework: Framework, task: Task) -> None:
    framework.tasks.pop(task.id, None)
    framework.unreachable.pop(task.id, None)
    task.agent.tasks.pop(task, None)
    task.pending = None
    framework.completed.append((task.id, task.name, task.agent.id, task.state))
    drain = task.agent.drain
    if drain is not None and not task.agent.tasks:
        cluster.timers.at(now, drain.look)


def kill(cluster: Cluster, now: float, task: Task, grace_seconds: float | None = None) -> None:
    """Kill a task; on an agent that is away it happens when the agent is back.

    What ends slower than the grace that it has is ended by force.
    """
    if task.agent.state is not AgentState.REGISTERED:
        task.agent.kills.append(task)
        return
    if task.state in TERMINAL:
        return
    if not task.kill_asked:
        task.kill_asked = True
        if "TASK_KILLING_STATE" in task.framework.capabilities:
            report(cluster, now, task, "TASK_KILLING")
    seconds, message = _ending(cluster, task, grace_seconds)
    if seconds > 0:
        due = now + seconds
        cluster.timers.at(due, lambda later: end(cluster, later, task, "TASK_KILLED", message))
    else:
        end(cluster, now, task, "TASK_KILLED", message)


def _ending(cluster: Cluster, task: Task, asked: float | None) -> tuple[float, str]:
    """How long it takes until a task that is told to end has ended, and what is said then."""
    seconds = cluster.options.kill_delay_seconds
    limits = [] if asked is None else [asked]
    behaviour, drain = task.behaviour, task.agent.drain
    if behaviour is not None and behaviour.kill_seconds is not None:
        seconds = behaviour.kill_seconds
    if not limits and behaviour is not None and behaviour.grace_seconds is not None:
        limits = [behaviour.grace_seconds]
    if drain is not None and drain.grace_nanoseconds is not None:
        limits.append(drain.grace_nanoseconds / 1e9)
    if limits and min(limits) < seconds:
        return min(limits), "Command terminated with signal Killed"
    return seconds, "Command terminated with signal Terminated"


def answer(
    cluster: Cluster,
    now: float,
    task: Task,
    state: str,
    reason: str,
    message: str,
    *,
    whole: bool = False,
    unreachable_at: float | None = None,
) -> None:
    """The master itself tells how a known task is; nothing to acknowledge.

    A `whole` answer repeats what the last status said of health and container.
    """
    healthy = task.pending[0].healthy if task.pending else task.healthy
    nanoseconds = None
    if unreachable_at is not None:
        nanoseconds = {"nanoseconds": int((unreachable_at + cluster.wall_offset) * 1e9)}
    status = events.Answer(
        {"value": task.id},
        state,
        reason,
        message,
        now + cluster.wall_offset,
        {"value": task.agent.id},
        None if task.executor is None else {"value": task.executor},
        healthy if whole else None,
        nanoseconds,
        msgspec.Raw(events.container_status(cluster, task)) if whole else None,
    )
    cluster.emit(task.framework, events.master_update(status))
