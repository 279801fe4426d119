"""Agents that get no more offers: deactivated, or drained of their tasks by an operator.

DRAIN_AGENT kills all tasks at once, with the reason REASON_AGENT_DRAINING; the agent is drained
when the last end of a task and of an operation is acknowledged. It stays without offers until it
is reactivated, or is gone then if that was asked for.
"""

from localmesos.simulated import agents, allocation, tasks
from localmesos.simulated.operator_wire import DrainAgent
from localmesos.simulated.state import PRESENT, Agent, AgentState, Cluster, Drain

_KNOWN = PRESENT | {AgentState.RECOVERED, AgentState.UNREACHABLE}


def _known(cluster: Cluster, agent_id: str) -> Agent:
    agent = cluster.agents.get(agent_id)
    if agent is None or agent.state not in _KNOWN:
        raise ValueError("Unknown agent")
    return agent


def deactivate(cluster: Cluster, now: float, agent_id: str) -> None:
    """End its offers, and let its tasks run. Raises ValueError for an unknown one."""
    _deactivate(cluster, now, _known(cluster, agent_id))


def _deactivate(cluster: Cluster, now: float, agent: Agent) -> None:
    agent.deactivated = True
    agents.rescind(cluster, now, agent)


def drain(cluster: Cluster, now: float, call: DrainAgent) -> None:
    """Kill its tasks, also when it is away and comes back. Raises ValueError for an unknown one,
    and for one whose machine is in the maintenance schedule."""
    agent_id = call.agent_id.value
    agent = cluster.agents.get(agent_id)
    if agent is not None and agent.state in PRESENT:
        machine = cluster.machines.get(cluster.machine_of(agent.spec))
        if machine is not None:
            name = f"{machine.id.hostname} ({machine.id.ip})"
            raise ValueError(
                f"Agent {agent_id} is part of a maintenance schedule under Machine {name}"
            )
    agent = _known(cluster, agent_id)
    grace = call.max_grace_period
    agent.drain = Drain(
        None if grace is None else grace.nanoseconds(),
        call.mark_gone,
        now + cluster.wall_offset,
        lambda later: _look(cluster, later, agent),
    )
    _deactivate(cluster, now, agent)
    if agent.state is AgentState.REGISTERED:  # else when it is back
        for task in list(agent.tasks):
            tasks.kill(cluster, now, task)
    cluster.timers.at(now, agent.drain.look)


def _look(cluster: Cluster, now: float, agent: Agent) -> None:
    """Whether nothing is left there."""
    asked = agent.drain
    if asked is None or asked.done or agent.state not in PRESENT or agent.tasks:
        return
    for framework in cluster.frameworks.values():
        if any(operation.agent is agent for operation in framework.operations.values()):
            return
    asked.done = True
    if asked.mark_gone:
        agents.mark_gone(cluster, now, agent)


def reactivate(cluster: Cluster, now: float, agent_id: str) -> None:
    """Offer it again. Raises ValueError for one that is not deactivated, or still draining."""
    agent = cluster.agents.get(agent_id)
    if agent is None or agent.state is AgentState.GONE or not agent.deactivated:
        raise ValueError("Agent is not deactivated")
    if agent.drain is not None and not agent.drain.done:
        raise ValueError("Agent is still in the DRAINING state")
    agent.drain, agent.deactivated = None, False
    allocation.mark(cluster, now, agent)
