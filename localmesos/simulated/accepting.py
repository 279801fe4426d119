"""ACCEPT: the checks of the master, and the launch of tasks on what was offered.

Wrong offers drop all tasks of the call, a wrong task errs alone, and what is left of the offers
goes back with the filter of the call: the order and the messages are those of Mesos 1.11.
"""

import sys

from localmesos.simulated import allocation, events, operations, tasks, wire
from localmesos.simulated.behaviour import behaviour_of
from localmesos.simulated.resources import (
    EMPTY,
    Bag,
    contains,
    from_wire,
    minus,
    plus,
    to_text,
)
from localmesos.simulated.state import Agent, Cluster, Framework, Offer, Task

_MOST_TASK_ID_BYTES = 255
_COMMAND_OR_EXECUTOR = (
    "Task should have at least one (but not both) of CommandInfo or ExecutorInfo present"
)
_INVALID_OFFERS = "Operation attempted with invalid offers: "


def accept(cluster: Cluster, now: float, framework: Framework, call: wire.Accept) -> None:
    """Launch on the offers, which all must be of one agent and one role."""
    ids = [each.value for each in call.offer_ids]
    error = _offers_error(cluster, framework, ids)
    offers = _take_offers(cluster, framework, ids)
    if error is not None:
        for offer in offers:
            seat = (framework, offer.role)
            allocation.recover(cluster, now, seat, offer.agent, offer.bag)
        _drop_all(cluster, now, framework, call, error)
        return
    agent, role = offers[0].agent, offers[0].role
    left = EMPTY
    for offer in offers:
        left = plus(left, offer.bag)
    for operation in call.operations:
        left = _operate(cluster, now, (framework, role), agent, operation, left)
    allocation.recover(cluster, now, (framework, role), agent, left)
    seconds = call.filters.refuse_seconds
    allocation.refuse(cluster, now, (framework, role), agent, left, seconds)


def _offers_error(cluster: Cluster, framework: Framework, ids: list[str]) -> str | None:
    if not ids:
        return "No offers specified"
    first: Offer | None = None
    seen: set[str] = set()
    for offer_id in ids:
        offer = cluster.offers.get(offer_id)
        if offer_id in seen:
            return f"Duplicate offer {offer_id} in offer list"
        if offer is None or offer.framework is not framework:
            return f"Offer {offer_id} is no longer valid"
        seen.add(offer_id)
        first = first or offer
        if offer.role != first.role:
            return (
                "Aggregated offers must be allocated to the same role. "
                f"Offer {offer_id} is allocated to {offer.role}"
            )
        if offer.agent is not first.agent:
            return (
                "Aggregated offers must belong to one single agent. "
                f"Offer {offer_id} uses agent {offer.agent.id} and agent {first.agent.id}"
            )
    return None


def _take_offers(cluster: Cluster, framework: Framework, ids: list[str]) -> list[Offer]:
    taken = []
    for offer_id in ids:
        offer = cluster.offers.get(offer_id)
        if offer is not None and offer.framework is framework:
            allocation.forget(cluster, offer)
            taken.append(offer)
    return taken


def _infos(operation: wire.Operation) -> list[wire.Task]:
    if operation.launch is not None:
        return operation.launch.task_infos
    if operation.launch_group is not None:
        return operation.launch_group.task_group.tasks
    return []


def _drop_all(
    cluster: Cluster, now: float, framework: Framework, call: wire.Accept, error: str
) -> None:
    state = "TASK_DROPPED" if framework.partition_aware else "TASK_LOST"
    message = f"Task launched with invalid offers: {error}"
    for operation in call.operations:
        for info in _infos(operation):
            _refuse_task(cluster, now, framework, info, state, "REASON_INVALID_OFFERS", message)
        if operations.is_operation(operation.type):
            operations.refuse(cluster, framework, operation, f"{_INVALID_OFFERS}{error}")


def _refuse_task(
    cluster: Cluster,
    now: float,
    framework: Framework,
    info: wire.Task,
    state: str,
    reason: str,
    message: str,
) -> None:
    status = events.Answer(
        {"value": info.task_id.value},
        state,
        reason,
        message,
        now + cluster.wall_offset,
        {"value": info.agent_id.value},
    )
    cluster.emit(framework, events.master_update(status))


def _operate(
    cluster: Cluster,
    now: float,
    seat: allocation.Seat,
    agent: Agent,
    operation: wire.Operation,
    left: Bag,
) -> Bag:
    """Carry out one operation and return what it leaves of the offered resources."""
    framework, role = seat
    if operations.is_operation(operation.type):
        return operations.carry_out(cluster, now, framework, role, agent, operation, left)
    infos = _infos(operation)
    try:
        wanted = [(info, _bag(info)) for info in infos]
    except ValueError as wrong:  # Mesos then refuses all tasks of the operation
        for info in infos:
            _err(cluster, now, framework, info, str(wrong))
        return left
    if operation.launch_group is not None:
        executor = operation.launch_group.executor
        return _launch_group(cluster, now, seat, agent, executor, wanted, left)
    for info, bag in wanted:
        error = _task_error(seat, agent, info, bag, left)
        if error is None and (info.command is None) == (info.executor is None):
            error = _COMMAND_OR_EXECUTOR
        if error is None:
            left = minus(left, bag)
            _begin(cluster, now, seat, agent, info, bag)
        else:
            _err(cluster, now, framework, info, error)
    return left


def _bag(info: wire.Task) -> Bag:
    bag = from_wire(info.resources)
    return bag if info.executor is None else plus(bag, from_wire(info.executor.resources))


def _err(cluster: Cluster, now: float, framework: Framework, info: wire.Task, message: str) -> None:
    _refuse_task(cluster, now, framework, info, "TASK_ERROR", "REASON_TASK_INVALID", message)


def _launch_group(
    cluster: Cluster,
    now: float,
    seat: allocation.Seat,
    agent: Agent,
    executor: wire.Executor,
    wanted: list[tuple[wire.Task, Bag]],
    left: Bag,
) -> Bag:
    """All tasks of the group or none."""
    framework, rest = seat[0], left
    for info, bag in wanted:
        error = _task_error(seat, agent, info, bag, rest)
        if error is not None:
            reason = "REASON_TASK_GROUP_INVALID"
            for each, _ in wanted:
                _refuse_task(cluster, now, framework, each, "TASK_ERROR", reason, error)
            return left
        rest = minus(rest, bag)
    for info, bag in wanted:
        info.executor = executor
        _begin(cluster, now, seat, agent, info, bag)
    return rest


def _begin(
    cluster: Cluster, now: float, seat: allocation.Seat, agent: Agent, info: wire.Task, bag: Bag
) -> None:
    framework, role = seat
    task = Task(
        info.task_id.value,
        sys.intern(info.name),  # all tasks of an app have the same
        framework,
        agent,
        bag,
        role,
        cluster.number(),
        behaviour_of(info),
        info.executor.executor_id.value if info.executor is not None else None,
    )
    framework.tasks[task.id] = task
    agent.tasks[task] = None
    cluster.counters.launched += 1
    tasks.start(cluster, now, task)


def _task_error(
    seat: allocation.Seat, agent: Agent, info: wire.Task, bag: Bag, left: Bag
) -> str | None:
    """Why a task may not be launched, in the order in which the master looks."""
    framework, role = seat
    error = _identity_error(framework, agent, info)
    if error is not None:
        return error
    if not info.resources:
        return "Task uses no resources"
    if not contains(left, bag):
        return (
            f"Total resources {to_text(bag, role)} required by task and its executor is more than "
            f"available {to_text(left, role)}"
        )
    return None


def _identity_error(framework: Framework, agent: Agent, info: wire.Task) -> str | None:
    task_id = info.task_id.value
    if not task_id:
        return "ID must not be empty"
    if len(task_id) > _MOST_TASK_ID_BYTES or len(task_id.encode()) > _MOST_TASK_ID_BYTES:
        return f"ID must not be greater than {_MOST_TASK_ID_BYTES} characters"
    if task_id in (".", ".."):
        return f"'{task_id}' is disallowed"
    if "/" in task_id or "\\" in task_id or not task_id.isprintable():
        return f"'{task_id}' contains invalid characters"
    if task_id in framework.tasks or task_id in framework.unreachable:
        return f"Task has duplicate ID: {task_id}"
    if info.agent_id.value != agent.id:
        return f"Task uses invalid agent {info.agent_id.value} while agent {agent.id} is expected"
    return None
