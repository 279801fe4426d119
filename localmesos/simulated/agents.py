"""Agents come, get lost, come back, and are marked gone; their tasks and offers with them."""

from localmesos.cluster import AgentSpec
from localmesos.simulated import allocation, events, inverse, operations, reserved, tasks
from localmesos.simulated.operator_wire import Schedule
from localmesos.simulated.resources import EMPTY, Bag, contains, minus, parse_text
from localmesos.simulated.state import Agent, AgentState, Cluster, Framework, Maintenance, Task


def add_agent(cluster: Cluster, now: float, spec: AgentSpec) -> Agent:
    """Register a new agent. Raises ValueError for resources or attributes it cannot read."""
    total = parse_text(spec.resources)
    index = cluster.agents_made
    agent = Agent(f"{cluster.id}-S{index}", index, spec, total, total, b"")
    unavailability = cluster.unavailability_of(spec)
    if unavailability is not None:
        agent.maintenance = Maintenance(unavailability)
        cluster.maintained[agent] = None
    agent.wire = events.agent_wire(agent, cluster.host, cluster.port)
    cluster.agents_made += 1
    cluster.agents[agent.id] = agent
    for name, milli in total.scalars.items():
        cluster.total[name] = cluster.total.get(name, 0) + milli
    allocation.mark(cluster, now, agent)
    cluster.allocation_due = now
    return agent


def add_tasks(cluster: Cluster, seat: allocation.Seat, agent: Agent, bags: dict[str, Bag]) -> None:
    """Let these run there, by id, as if launched long ago. Raises ValueError, and adds none, when
    one is known already or does not fit in what is free."""
    framework, role = seat
    free = agent.free if agent.state is AgentState.REGISTERED else EMPTY
    for task_id, bag in bags.items():
        if task_id in framework.tasks or task_id in framework.unreachable:
            raise ValueError(f"there is a task {task_id!r} already")
        if not contains(free, bag):
            raise ValueError(f"there is no room on {agent.spec.hostname} for {task_id!r}")
        free = minus(free, bag)
    for task_id, bag in bags.items():
        number = cluster.number()
        task = Task(task_id, task_id, framework, agent, bag, role, number, state="TASK_RUNNING")
        framework.tasks[task_id] = task
        agent.tasks[task] = None
        _take_back(agent, task)


def disconnect_agent(cluster: Cluster, now: float, agent: Agent) -> None:
    """Its connection breaks: no offers and no updates, but not given up yet.

    Tasks of frameworks that do not checkpoint are lost with the agent's process.
    """
    if agent.state is not AgentState.REGISTERED:
        return
    agent.state = AgentState.DISCONNECTED
    rescind(cluster, now, agent)
    for task in [each for each in agent.tasks if not each.framework.checkpoint]:
        if not task.ended:
            message = f"Agent {agent.spec.hostname} disconnected"
            reason = "REASON_AGENT_DISCONNECTED"
            tasks.answer(cluster, now, task, "TASK_LOST", reason, message)
        _shut_down(cluster, now, task, "TASK_LOST")


def lose_agent(cluster: Cluster, now: float, agent: Agent) -> None:
    """The master gives it up as unreachable: tasks become TASK_UNREACHABLE and may return."""
    if agent.state in (AgentState.GONE, AgentState.UNREACHABLE):
        return
    was_recovered = agent.state is AgentState.RECOVERED
    agent.state = AgentState.UNREACHABLE
    agent.unreachable_at = now
    for task in list(agent.tasks):
        framework = task.framework
        framework.tasks.pop(task.id, None)
        framework.unreachable[task.id] = task
        if not task.ended and not was_recovered:
            state = "TASK_UNREACHABLE" if framework.partition_aware else "TASK_LOST"
            message = "health check timed out"
            reason = "REASON_AGENT_REMOVED"
            tasks.answer(cluster, now, task, state, reason, message, unreachable_at=now)
    rescind(cluster, now, agent)
    _tell_failure(cluster, agent)


def return_agent(cluster: Cluster, now: float, agent: Agent) -> None:
    """It registers again with its id, its tasks still running."""
    if agent.state in (AgentState.GONE, AgentState.REGISTERED):
        return
    before, agent.state = agent.state, AgentState.REGISTERED
    for task in list(agent.tasks):
        framework = task.framework
        framework.unreachable.pop(task.id, None)
        framework.tasks[task.id] = task
        if before is AgentState.UNREACHABLE and not framework.partition_aware:
            # Mesos kills what it called lost before, and does not say so again.
            _shut_down(cluster, now, task, "TASK_KILLED")
        elif before is AgentState.UNREACHABLE and not task.ended:
            message = "Unreachable agent re-reregistered"
            reason = "REASON_AGENT_REREGISTERED"
            tasks.answer(cluster, now, task, task.state, reason, message, whole=True)
        tasks.send(cluster, now, task)
    for framework in cluster.frameworks.values():
        for operation in framework.operations.values():
            if operation.agent is agent:
                operations.send(cluster, now, operation)
    kills, agent.kills = agent.kills, []
    for task in kills if agent.drain is None else list(agent.tasks):
        tasks.kill(cluster, now, task)
    if agent.drain is not None:
        cluster.timers.at(now, agent.drain.look)
    allocation.mark(cluster, now, agent)
    cluster.allocation_due = now


def _shut_down(cluster: Cluster, now: float, task: Task, state: str) -> None:
    """End a task of which the framework gets no further update."""
    if not task.ended:
        task.state = state  # timers of the task look at it
        tasks.end_known(cluster, now, task)
    tasks.forget(cluster, now, task.framework, task)


def mark_gone(cluster: Cluster, now: float, agent: Agent) -> None:
    """The operator says that it never comes back."""
    if agent.state is AgentState.GONE:
        return
    agent.state = AgentState.GONE
    for task in list(agent.tasks):
        framework = task.framework
        if not task.ended:
            state = "TASK_GONE_BY_OPERATOR" if framework.partition_aware else "TASK_LOST"
            message = "Agent has been marked gone"
            reason = "REASON_AGENT_REMOVED_BY_OPERATOR"
            tasks.answer(cluster, now, task, state, reason, message)
        _shut_down(cluster, now, task, "TASK_GONE_BY_OPERATOR")
    _leave(cluster, now, agent)


def remove_agent(cluster: Cluster, now: float, agent: Agent, why: str) -> None:
    """The operator has it shut down: the master forgets it, and its tasks are lost."""
    agent.state = AgentState.GONE
    for task in list(agent.tasks):
        if not task.ended:
            message = f"Agent {agent.spec.hostname} removed: {why}"
            tasks.answer(cluster, now, task, "TASK_LOST", "REASON_AGENT_REMOVED", message)
        _shut_down(cluster, now, task, "TASK_LOST")
    for framework in cluster.frameworks.values():
        for operation in list(framework.operations.values()):
            if operation.agent is agent:
                del framework.operations[operation.id]
    _leave(cluster, now, agent)
    del cluster.agents[agent.id]


def _leave(cluster: Cluster, now: float, agent: Agent) -> None:
    rescind(cluster, now, agent)
    cluster.maintained.pop(agent, None)
    for name, milli in agent.total.scalars.items():
        cluster.total[reserved.base(name)] -= milli
    _tell_failure(cluster, agent)


def restart_master(cluster: Cluster, *, registry: bool) -> None:
    """What a new master knows: from the registry the agents, of frameworks and tasks nothing.

    The caller closes the streams. Agents keep their tasks and are away until `return_agent`;
    without a registry the master does not even know that they existed.
    """
    cluster.offers.clear()
    cluster.inverse_offers.clear()
    cluster.removed.clear()
    if not registry:
        cluster.schedule = Schedule()
        cluster.machines.clear()
        cluster.maintained.clear()
    for framework in cluster.frameworks.values():
        framework.tasks.clear()
        framework.unreachable.clear()
        framework.filters.clear()
        framework.allocated.clear()
    for agent in cluster.agents.values():
        if agent.state is AgentState.GONE:
            continue
        agent.state = AgentState.RECOVERED if registry else AgentState.UNKNOWN
        agent.kills.clear()
        agent.offers.clear()
        if not registry:
            agent.deactivated, agent.drain = False, None
        unavailability = cluster.unavailability_of(agent.spec)
        agent.maintenance = None if unavailability is None else Maintenance(unavailability)
        agent.wire = events.agent_wire(agent, cluster.host, cluster.port)
        agent.free = agent.total
        for task in agent.tasks:
            if not task.ended:
                _take_back(agent, task)


def _take_back(agent: Agent, task: Task) -> None:
    agent.free = minus(agent.free, task.bag)
    allocated = task.framework.allocated.setdefault(task.role, {})
    for name, milli in task.bag.scalars.items():
        allocated[name] = allocated.get(name, 0) + milli


def rescind(cluster: Cluster, now: float, agent: Agent) -> None:
    """Take its offers and inverse offers back."""
    for offer in list(agent.offers.values()):
        allocation.take(cluster, now, offer, rescind=True)
    inverse.withdraw(cluster, agent)


def _tell_failure(cluster: Cluster, agent: Agent) -> None:
    event = events.agent_failure(agent.id)
    for framework in cluster.frameworks.values():
        cluster.emit(framework, event)


def remove_tasks(cluster: Cluster, now: float, framework: Framework) -> None:
    """Kill all tasks of a framework without telling anybody: it is removed."""
    for agent in cluster.agents.values():
        for task in [each for each in agent.tasks if each.framework is framework]:
            _shut_down(cluster, now, task, "TASK_KILLED")
