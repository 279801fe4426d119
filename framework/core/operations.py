"""Operations that Mesos was asked for: what became of them, and asking when nobody says.

Each is stored with its reservation before it is sent, and its last word is acknowledged once what
follows from it is stored. One that never came about leaves things as they were before it.
"""

from collections.abc import Iterable

from framework.core.deadlines import Due
from framework.core.freezing import over
from framework.core.turn import Turn
from framework.domain.actions import AcknowledgeOperation, Operation, ReconcileOperations
from framework.domain.events import RemoveVolume
from framework.domain.instance import WAITING
from framework.domain.mesos import OperationState, OperationStatus
from framework.domain.records import replace
from framework.domain.replies import Done, Refused, Reply, Why
from framework.domain.state import Kind
from framework.domain.volumes import (
    OperationKind,
    PendingOperation,
    Reservation,
    ReservationState,
    instance_of_operation,
    operation_id,
)

_OPERATIONS_A_CALL = 1_000
# What never comes about any more. UNKNOWN: the master does not know it, so it never arrived.
_FAILED = frozenset(
    {
        OperationState.UNSUPPORTED,
        OperationState.FAILED,
        OperationState.ERROR,
        OperationState.DROPPED,
        OperationState.UNKNOWN,
    }
)


def received(turn: Turn, status: OperationStatus) -> None:
    """Take in an update or an answer to a reconciliation."""
    known = turn.world.state.reservations.get(instance_of_operation(status.operation_id))
    if known is not None and status.state is OperationState.GONE_BY_OPERATOR:
        if status.agent_id == known.agent_id:
            lost(turn, known)
    elif known is not None:
        pending = [one for one in known.pending if one.id == status.operation_id]
        if pending and status.state is OperationState.FINISHED:
            _finished(turn, known, pending[0])
        elif pending and status.state in _FAILED and not _may_still_arrive(turn, known, status):
            _failed(turn, known, pending[0], status.message or status.state.value)
    if status.uuid:
        turn.actions.append(AcknowledgeOperation(status.operation_id, status.agent_id, status.uuid))


def _may_still_arrive(turn: Turn, known: Reservation, status: OperationStatus) -> bool:
    """While nobody knows what became of the launch in the same call, that the master does not
    know an operation is no proof: it may be on its way."""
    instance = turn.world.state.instances.get(known.instance_id)
    launching = instance is not None and instance.condition not in WAITING
    reserving = known.state is ReservationState.RESERVING
    return status.state is OperationState.UNKNOWN and reserving and launching


def _finished(turn: Turn, reservation: Reservation, operation: PendingOperation) -> None:
    if operation.kind is OperationKind.UNRESERVE:
        _forget(turn, reservation)
        return
    left = tuple(one for one in reservation.pending if one != operation)
    new = replace(reservation, pending=left)
    if not left and new.state is ReservationState.RESERVING:
        new = replace(new, state=ReservationState.READY)
    _put(turn, new)


def _failed(turn: Turn, reservation: Reservation, operation: PendingOperation, why: str) -> None:
    turn.remark(
        "warning",
        f"{operation.kind.value} of {reservation.instance_id} on {reservation.host} failed: {why}",
    )
    if operation.kind is OperationKind.RESERVE:
        _forget(turn, reservation)  # what was to follow it had nothing to stand on
        return
    left = tuple(one for one in reservation.pending if one != operation)
    new = replace(reservation, pending=left)
    if new.state is ReservationState.RESERVING:  # reserved, and not what the instance needs
        new = replace(
            new,
            state=ReservationState.DESTROYING,
            since_ms=turn.now_ms,
            why=f"its volumes could not be made: {why}"[:1_000],
        )
    _put(turn, new)


def proved(turn: Turn, reservation: Reservation) -> None:
    """It is seen to be there, whatever became of the messages about it."""
    if reservation.state is ReservationState.RESERVING:
        _put(turn, replace(reservation, state=ReservationState.READY, pending=()))


def not_sent(turn: Turn, operations: Iterable[Operation]) -> None:
    """None of these happened."""
    for operation in operations:
        known = turn.world.state.reservations.get(instance_of_operation(operation.id))
        if known is None or all(one.id != operation.id for one in known.pending):
            continue
        if operation.kind is OperationKind.RESERVE:
            _forget(turn, known)
        else:
            left = tuple(one for one in known.pending if one.id != operation.id)
            _put(turn, replace(known, pending=left))


def lost(turn: Turn, reservation: Reservation) -> None:
    """Its agent is gone for good, by an operator's word, and the data with it."""
    paths = ", ".join(one.container_path for one in reservation.volumes)
    turn.remark(
        "error",
        f"the volumes {paths} of {reservation.instance_id} are lost: agent {reservation.host} "
        "was marked gone",
    )
    destroying = reservation.state is ReservationState.DESTROYING
    if destroying or reservation.instance_id not in turn.world.state.instances:
        _forget(turn, reservation)
    elif reservation.state is not ReservationState.LOST:
        gone = replace(reservation, state=ReservationState.LOST, since_ms=turn.now_ms, pending=())
        _put(turn, gone)


def give_back(turn: Turn, reservation: Reservation, why: str) -> None:
    """Destroy the volumes and return the resources, as soon as they are offered."""
    if reservation.state is ReservationState.LOST:
        _forget(turn, reservation)
    elif reservation.state is not ReservationState.DESTROYING:
        leaving = replace(
            reservation, state=ReservationState.DESTROYING, since_ms=turn.now_ms, why=why
        )
        _put(turn, leaving)


def give_back_of(turn: Turn, instance_id: str, why: str) -> None:
    """The same of an instance that may have none."""
    known = turn.world.state.reservations.get(instance_id)
    if known is not None:
        give_back(turn, known, why)


def remove(turn: Turn, command: RemoveVolume) -> Reply:
    """An operator wants a kept or orphaned reservation to be given back, or forgotten."""
    known = turn.world.state.reservations.get(command.instance_id)
    if known is None:
        return Refused(Why.VOLUME_UNKNOWN, command.instance_id)
    instance = turn.world.state.instances.get(command.instance_id)
    if instance is not None and not (command.forget and instance.condition in WAITING):
        message = f"instance {instance.id} uses it; kill its task with wipe=true to be rid of both"
        return Refused(Why.VOLUME_IN_USE, command.instance_id, message)
    if command.forget:
        _forget(turn, known)
        return Done()
    freeze = over(turn, known.app_id)
    if freeze is not None:
        message = f"frozen ({freeze.reason}): nothing is destroyed"
        return Refused(Why.FROZEN, freeze.app_id, message)
    give_back(turn, known, "removed on request")
    return Done()


def _put(turn: Turn, reservation: Reservation) -> None:
    """Store it; what it is now may be a reason to look at offers again."""
    turn.put(Kind.RESERVATION, reservation.instance_id, reservation)
    _look_again(turn, reservation)


def _forget(turn: Turn, reservation: Reservation) -> None:
    turn.put(Kind.RESERVATION, reservation.instance_id, None)
    _look_again(turn, reservation)


def _look_again(turn: Turn, reservation: Reservation) -> None:
    turn.revive.add(reservation.role)
    if reservation.app_id:
        turn.dirty[reservation.app_id] = None


# Asking.


def watch(turn: Turn, reservation: Reservation) -> None:
    """Ask about its operations if nothing is heard of them for a while."""
    at_ms = turn.now_ms + turn.policy.task_launch_reconcile_interval
    turn.world.deadlines.set(at_ms, Due.OPERATION_CHECK, reservation.instance_id)


def check(turn: Turn, instance_id: str) -> None:
    """If something is still pending, ask, and again later."""
    known = turn.world.state.reservations.get(instance_id)
    if known is not None and known.pending and turn.world.subscribed:
        asked = tuple((one.id, known.agent_id) for one in known.pending)
        turn.actions.append(ReconcileOperations(asked))
        watch(turn, known)


def reconcile(turn: Turn, agent_id: str | None = None) -> None:
    """Ask about all that is pending (on one agent, or on any). Of a reservation with nothing
    pending its last operation is asked about: the answer tells whether its agent is gone."""
    asked: list[tuple[str, str]] = []
    for one in turn.world.state.reservations.values():
        if agent_id not in {None, one.agent_id} or not one.operations_made:
            continue
        if one.pending:
            asked += ((pending.id, one.agent_id) for pending in one.pending)
            watch(turn, one)
        elif one.state is not ReservationState.LOST:
            asked.append((operation_id(one.instance_id, one.operations_made), one.agent_id))
    for start in range(0, len(asked), _OPERATIONS_A_CALL):
        turn.actions.append(ReconcileOperations(tuple(asked[start : start + _OPERATIONS_A_CALL])))
