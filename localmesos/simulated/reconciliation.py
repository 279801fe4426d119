"""RECONCILE: what the master answers about tasks that it knows and tasks that it does not.

The order of the questions is that of Mesos' master: the task, the agent, whether the agent is
just coming or going (then it says nothing), and at last whether it is unreachable or gone.

A million tasks make half a gigabyte of answers. They are given as the scheduler reads them, so that
neither they wait in memory nor everybody else for them.
"""

from collections import deque

from localmesos.simulated import events, tasks, wire
from localmesos.simulated.state import AgentState, Cluster, Framework, Stream, Task

_AT_ONCE = 1_000
_PAUSE_SECONDS, _WAITING_SECONDS = 0.001, 0.02
_WAITING_SHARE = 16  # of the bytes that may wait in a stream

_REASON = "REASON_RECONCILIATION"


def reconcile(
    cluster: Cluster, now: float, framework: Framework, asked: list[wire.ReconcileTask]
) -> None:
    """Answer for the asked tasks, or for all known ones when none is asked for."""
    if not asked:
        if framework.stream is not None:
            left = deque(framework.tasks.values())
            _answer_some(cluster, now, framework, framework.stream, left)
        return
    for each in asked:
        agent_id = each.agent_id.value if each.agent_id is not None else None
        _explicit(cluster, now, framework, each.task_id.value, agent_id)


def _answer_some(
    cluster: Cluster, now: float, framework: Framework, stream: Stream, left: deque[Task]
) -> None:
    """Answer for the first ones, unless what was said before still waits; for the others soon."""
    if framework.stream is not stream:
        return  # nobody listens any more
    pause = _WAITING_SECONDS
    if stream.waiting_bytes() <= cluster.options.max_stream_bytes // _WAITING_SHARE:
        pause = _PAUSE_SECONDS
        for _ in range(min(_AT_ONCE, len(left))):
            task = left.popleft()
            if framework.tasks.get(task.id) is task:
                _answer_latest(cluster, now, task)
    if left:
        cluster.timers.at(
            now + pause,
            lambda later: _answer_some(cluster, later, framework, stream, left),
        )


def _explicit(
    cluster: Cluster, now: float, framework: Framework, task_id: str, agent_id: str | None
) -> None:
    task = framework.tasks.get(task_id)
    if task is not None:
        _answer_latest(cluster, now, task)
        return
    verdict = _unknown(cluster, agent_id)
    if verdict is None:
        return
    state, message, unreachable_at = verdict
    if not framework.partition_aware:
        state = "TASK_LOST"
    nanoseconds = None
    if unreachable_at is not None:
        nanoseconds = {"nanoseconds": int((unreachable_at + cluster.wall_offset) * 1e9)}
    status = events.Answer(
        {"value": task_id},
        state,
        _REASON,
        f"Reconciliation: {message}",
        now + cluster.wall_offset,
        {"value": agent_id} if agent_id is not None else None,
        unreachable_time=nanoseconds,
    )
    cluster.emit(framework, events.master_update(status))


def _answer_latest(cluster: Cluster, now: float, task: Task) -> None:
    """The state last sent, not the last reported: updates must not seem to overtake each other."""
    state = task.pending[0].state if task.pending else task.state
    message = "Reconciliation: Latest task state"
    tasks.answer(cluster, now, task, state, _REASON, message, whole=True)


def _unknown(cluster: Cluster, agent_id: str | None) -> tuple[str, str, float | None] | None:
    """(state, message, since when unreachable), or None for silence: the agent alone decides."""
    agent = cluster.agents.get(agent_id) if agent_id is not None else None
    state = agent.state if agent is not None else None
    if state in (AgentState.REGISTERED, AgentState.DISCONNECTED):
        return "TASK_GONE", "Task is unknown to the agent", None
    if state is AgentState.RECOVERED or (agent_id is None and _any_recovered(cluster)):
        return None
    if agent is not None and state is AgentState.UNREACHABLE:
        return "TASK_UNREACHABLE", "Task is unreachable", agent.unreachable_at
    if state is AgentState.GONE:
        return "TASK_GONE_BY_OPERATOR", "Task is gone", None
    return "TASK_UNKNOWN", "Task is unknown", None


def _any_recovered(cluster: Cluster) -> bool:
    return any(agent.state is AgentState.RECOVERED for agent in cluster.agents.values())
