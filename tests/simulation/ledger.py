"""The master's part in reservations: what it thinks agents hold, and which operations it knows."""

from collections.abc import Callable, Iterable
from functools import partial

from framework.domain.actions import AcknowledgeOperation, Operation, ReconcileOperations
from framework.domain.events import OperationStatusReceived
from framework.domain.mesos import OperationState, OperationStatus
from tests.simulation import reserving
from tests.simulation.bundles import Bundle
from tests.simulation.machines import Machine

_REFUSED = 0.04
Later = Callable[[Machine, Callable[[], None]], None]


class Ledger:
    """``tell`` reaches the scheduler; ``later`` an agent, if it is connected by then. What is said
    of operations that nobody knows depends on the ``whereabouts`` of their agent."""

    def __init__(
        self,
        tell: Callable[[OperationStatusReceived], None],
        later: Later,
        whereabouts: Callable[[str], OperationState],
        happens: Callable[[float], bool],
    ) -> None:
        self._tell = tell
        self._later = later
        self._whereabouts = whereabouts
        self._happens = happens
        self.totals: dict[str, Bundle] = {}
        self.known: dict[str, str] = {}  # operation -> agent
        self.finished = 0
        self.refused = 0

    def carry_out(self, operations: Iterable[Operation], rest: Bundle, machine: Machine) -> Bundle:
        """Apply them in order to what was offered, in our books, and on the agent. After one that
        is refused those for the same instance fail too, for it made nothing to stand on."""
        failed: set[str] = set()
        for operation in operations:
            instance_id = operation.id.rpartition(".op-")[0]
            if instance_id in failed or self._happens(_REFUSED):
                failed.add(instance_id)
                self.refused += 1
                self.say(operation.id, OperationState.ERROR, machine.info.id)
                continue
            agent_id = machine.info.id
            rest = reserving.applied(rest, operation)
            self.totals[agent_id] = reserving.applied(self.totals[agent_id], operation)
            self.known[operation.id] = agent_id
            self.finished += 1
            self._later(machine, partial(machine.apply, operation))
        return rest

    def say(self, operation_id: str, state: OperationState, agent_id: str, uuid: str = "") -> None:
        """Tell the scheduler."""
        status = OperationStatus(operation_id, state, agent_id, uuid, "simulated")
        self._tell(OperationStatusReceived(status))

    def heard(self, status: OperationStatus) -> None:
        """An agent says what became of one."""
        self._tell(OperationStatusReceived(status))

    def acknowledge(self, action: AcknowledgeOperation, machine: Machine) -> None:
        """The agent need not say it again; nobody knows the operation from then on."""

        def arrive() -> None:
            machine.operation_acknowledged(action.operation_id, action.uuid)
            self.known.pop(action.operation_id, None)

        self._later(machine, arrive)

    def reconcile(self, asked: ReconcileOperations, machines: dict[str, Machine]) -> None:
        """Say what we know of each."""
        for operation_id, agent_id in asked.operations:
            machine = machines.get(agent_id)
            there = self._whereabouts(agent_id)
            if there is OperationState.UNKNOWN and machine is not None:
                status = machine.operations.get(operation_id)
                if status is not None:
                    self.heard(_as_answer(status))
                elif operation_id in self.known:
                    self.say(operation_id, OperationState.PENDING, agent_id)
                else:
                    self.say(operation_id, there, agent_id)
            else:
                self.say(operation_id, there, agent_id)

    def registered(self, machine: Machine) -> None:
        """The agent's word is right about what it holds; what never arrived there is dropped."""
        agent_id = machine.info.id
        self.totals[agent_id] = machine.total
        machine.tells = self.heard
        for operation_id in [one for one, agent in self.known.items() if agent == agent_id]:
            if operation_id not in machine.operations:
                machine.say(operation_id, OperationState.DROPPED)

    def left(self, agent_id: str, state: OperationState) -> None:
        """An agent is unreachable, or gone."""
        for operation_id in [one for one, agent in self.known.items() if agent == agent_id]:
            del self.known[operation_id]
            self.say(operation_id, state, agent_id)


def _as_answer(status: OperationStatus) -> OperationStatus:
    """As an answer to a reconciliation, which is not acknowledged."""
    return OperationStatus(status.operation_id, status.state, status.agent_id)
