"""RESERVE, CREATE and their opposites: carried out at once, told to whoever gave them an id.

As in Mesos 1.11 the master takes them for done when it has checked them, so that a task of the
same call can use what they make; the agent reports OPERATION_FINISHED, and again until that is
acknowledged. An operation without an id is answered by nothing, even if it is wrong.
"""

from collections.abc import Callable

from localmesos.simulated import events, reserved, wire
from localmesos.simulated.resources import Bag, contains, from_wire, minus, plus, renamed, to_text
from localmesos.simulated.state import Agent, AgentState, Cluster, Framework, Operation

FINISHED = "OPERATION_FINISHED"
_UNKNOWN = "OPERATION_UNKNOWN"


def is_operation(kind: str) -> bool:
    """Whether it changes resources, and is answered."""
    return kind in _RULES


def carry_out(
    cluster: Cluster,
    now: float,
    framework: Framework,
    role: str,
    agent: Agent,
    asked: wire.Operation,
    left: Bag,
) -> Bag:
    """One operation on what an ACCEPT has left; returns what is left after it."""
    try:
        before, after = _RULES[asked.type](asked, agent, role)
        if not contains(left, before):
            raise ValueError(f"{to_text(left, role)} does not contain {to_text(before, role)}")
    except ValueError as error:
        refuse(cluster, framework, asked, str(error))
        return left
    agent.total = plus(minus(agent.total, before), after)
    if asked.id is not None:
        operation = Operation(asked.id.value, framework, agent, cluster.uuid(), FINISHED)
        framework.operations[operation.id] = operation
        send(cluster, now, operation)
    return plus(minus(left, before), after)


def refuse(cluster: Cluster, framework: Framework, asked: wire.Operation, error: str) -> None:
    """Say why it is not done; only to one that has an id."""
    if asked.id is not None:
        cluster.emit(framework, events.operation_update(asked.id.value, "OPERATION_ERROR", error))


def _amounts(part: wire.Amounts | wire.Volumes | None) -> Bag:
    if part is None:
        raise ValueError("the operation lacks its resources")
    return from_wire(part.resources if isinstance(part, wire.Amounts) else part.volumes)


def _reserve(asked: wire.Operation, _agent: Agent, role: str) -> tuple[Bag, Bag]:
    after = _amounts(asked.reserve)
    for name in (*after.scalars, *after.ranges, *after.sets):
        if reserved.role_of(name) != role:
            raise ValueError(
                f"A reserve operation was attempted for resources of role "
                f"'{reserved.role_of(name)}', but they are allocated to role '{role}'"
            )
    return renamed(after, reserved.unreserved), after


def _unreserve(asked: wire.Operation, _agent: Agent, _role: str) -> tuple[Bag, Bag]:
    before = _amounts(asked.unreserve)
    return before, renamed(before, reserved.unreserved)


def _create(asked: wire.Operation, agent: Agent, _role: str) -> tuple[Bag, Bag]:
    after = _amounts(asked.create)
    there = {reserved.volume_id(name) for name in agent.total.scalars}
    for name in after.scalars:
        if reserved.volume_id(name) in there:
            raise ValueError(f"Persistence ID '{reserved.volume_id(name)}' already exists")
    return renamed(after, reserved.without_volume), after


def _destroy(asked: wire.Operation, agent: Agent, _role: str) -> tuple[Bag, Bag]:
    before = _amounts(asked.destroy)
    if not before.scalars.keys() <= agent.total.scalars.keys():
        raise ValueError(f"Persistent volumes not found; on agent {agent.id}")
    return before, renamed(before, reserved.without_volume)


_RULES: dict[str, Callable[[wire.Operation, Agent, str], tuple[Bag, Bag]]] = {
    "RESERVE": _reserve,
    "UNRESERVE": _unreserve,
    "CREATE": _create,
    "DESTROY": _destroy,
}


def send(cluster: Cluster, now: float, operation: Operation, attempt: int = 0) -> None:
    """Tell the framework, and plan to tell it again."""
    cluster.operation_retries.add(now, operation, attempt)
    if operation.agent.state is AgentState.REGISTERED:
        event = events.operation_update(
            operation.id, operation.state, uuid=operation.uuid, agent_id=operation.agent.id
        )
        cluster.emit(operation.framework, event)


def resend(cluster: Cluster, now: float) -> None:
    """Send again what was not acknowledged in time."""
    for attempt, operation in cluster.operation_retries.take(now):
        if operation.framework.operations.get(operation.id) is operation:
            send(cluster, now, operation, attempt)


def acknowledge(
    cluster: Cluster, now: float, framework: Framework, call: wire.AcknowledgeOperation
) -> None:
    """It is known to the framework, so the agent forgets it."""
    operation = framework.operations.get(call.operation_id.value)
    if operation is not None and operation.uuid == call.uuid:
        del framework.operations[operation.id]
        drain = operation.agent.drain
        if drain is not None:
            cluster.timers.at(now, drain.look)


def reconcile(cluster: Cluster, framework: Framework, asked: list[wire.ReconcileOperation]) -> None:
    """Answer for the asked operations, or for all known ones when none is asked for."""
    if not asked:
        for operation in framework.operations.values():
            _answer(cluster, operation)
    for each in asked:
        operation_id = each.operation_id.value
        known = framework.operations.get(operation_id)
        agent_id = each.agent_id.value if each.agent_id is not None else None
        if known is not None and known.agent.state is AgentState.REGISTERED:
            _answer(cluster, known)
            continue
        state, why = _verdict(cluster, agent_id)
        message = f"Reconciliation: {why}"
        event = events.operation_update(operation_id, state, message, agent_id=agent_id)
        cluster.emit(framework, event)


def _answer(cluster: Cluster, operation: Operation) -> None:
    event = events.operation_update(operation.id, operation.state, agent_id=operation.agent.id)
    cluster.emit(operation.framework, event)


def _verdict(cluster: Cluster, agent_id: str | None) -> tuple[str, str]:
    """(state, message) of an operation that the master does not know."""
    if agent_id is None:
        return _UNKNOWN, "Operation is unknown and no 'agent_id' was provided"
    agent = cluster.agents.get(agent_id)
    state = None if agent is None else agent.state
    if state in (AgentState.REGISTERED, AgentState.DISCONNECTED):
        return _UNKNOWN, "Operation is unknown"
    if state is AgentState.RECOVERED:
        return "OPERATION_RECOVERING", "Agent is recovering"
    if state is AgentState.UNREACHABLE:
        return "OPERATION_UNREACHABLE", "Agent is unreachable"
    if state is AgentState.GONE:
        return "OPERATION_GONE_BY_OPERATOR", "Agent is marked gone"
    return _UNKNOWN, "Both operation and agent are unknown"
