"""Data is kept: destroyed only after a wipe, a removal or an operator's word; nothing is asked of
Mesos that is not stored."""

from collections.abc import Iterable, Mapping, Sequence

from framework.core.turn import Step
from framework.domain.actions import Accept, AcknowledgeOperation, Action
from framework.domain.events import (
    Asked,
    Event,
    KillTasks,
    OperationStatusReceived,
    RemoveVolume,
)
from framework.domain.mesos import OperationState
from framework.domain.replies import Done
from framework.domain.state import State
from framework.domain.volumes import (
    OperationKind,
    Reservation,
    ReservationState,
    instance_of_operation,
)
from tests.simulation.stage import Violation

_GIVING_BACK = (OperationKind.DESTROY, OperationKind.UNRESERVE)


class Kept:
    """Remembers whose data may go, in all lives of the scheduler in one run."""

    def __init__(self) -> None:
        self._may_go: set[str] = set()  # instances
        self._final: dict[str, str] = {}  # uuid -> operation that is over
        self._before: Mapping[str, Reservation] = {}
        self._events: Sequence[Event] = ()
        self.torn_down = False  # then what was on its way may be in no record
        self.destroyed = 0
        self.reserved = 0

    def before(self, state: State, events: Sequence[Event]) -> None:
        """A step is about to be taken."""
        self._before = dict(state.reservations)
        self._events = events
        for event in events:
            if isinstance(event, OperationStatusReceived):
                self._note(event)

    def _note(self, event: OperationStatusReceived) -> None:
        status = event.status
        if status.uuid:
            self._final[status.uuid] = status.operation_id
        if status.state is OperationState.FINISHED:
            return
        instance_id = instance_of_operation(status.operation_id)
        held = self._before.get(instance_id)
        if held is not None and held.state is ReservationState.RESERVING:
            self._may_go.add(instance_id)  # its volumes may not have been made

    def check(self, state: State, decided: Step) -> None:
        """A step was taken."""
        done = {token for token, reply in decided.replies if isinstance(reply, Done)}
        for event in self._events:
            if not isinstance(event, Asked) or event.token not in done:
                continue
            command = event.command
            if isinstance(command, KillTasks) and command.wipe:
                self._may_go.update(command.instance_ids)
            elif isinstance(command, RemoveVolume):
                self._may_go.add(command.instance_id)
        for held in self._before.values():
            if held.app_id not in state.apps:
                self._may_go.add(held.instance_id)
        for held in state.reservations.values():
            leaves = held.state is ReservationState.DESTROYING
            if leaves and held.instance_id not in self._may_go:
                raise Violation(f"{held.instance_id} is to be destroyed and nobody asked for that")
            if held.state is ReservationState.ORPHAN and not self.torn_down:
                raise Violation(f"{held.instance_id} was reserved by us and is in no record")

    def performing(self, calls: Iterable[Action], durable: State) -> None:
        """These calls are about to leave."""
        for call in calls:
            if isinstance(call, Accept):
                for operation in call.operations:
                    self._stored(operation.id, operation.kind, durable)
            elif isinstance(call, AcknowledgeOperation):
                held = durable.reservations.get(instance_of_operation(call.operation_id))
                pending = () if held is None else held.pending
                if any(one.id == self._final[call.uuid] for one in pending):
                    raise Violation(f"{call.operation_id} is acknowledged and not stored")

    def _stored(self, operation: str, kind: OperationKind, durable: State) -> None:
        instance_id = instance_of_operation(operation)
        held = durable.reservations.get(instance_id)
        if held is None or all(one.id != operation for one in held.pending):
            raise Violation(f"{kind} {operation} is asked for and not stored")
        if kind in _GIVING_BACK:
            self.destroyed += kind is OperationKind.DESTROY
            if instance_id not in self._may_go:
                raise Violation(f"{kind} {operation} and nobody asked for that")
        else:
            self.reserved += kind is OperationKind.RESERVE
