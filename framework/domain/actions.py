"""Everything the scheduler can do to the world, as values; the shell carries them out.

They leave only after the changes of their step are durable, in the order they are listed.
"""

from msgspec import Struct

from framework.domain.app import App
from framework.domain.mesos import Agent, OfferResource
from framework.domain.volumes import OperationKind, Volume


class TaskResource(Struct, frozen=True, gc=False):
    """A part of an offered entry that a task takes: scalar ``millis`` or port ``ranges``.
    ``owner`` (framework id, instance id): as it is once it is reserved with these labels for
    ``reserved_role``; ``volume``: once that is made of it; both by operations of the same call."""

    source: OfferResource
    millis: int = 0
    ranges: tuple[tuple[int, int], ...] = ()
    owner: tuple[str, str] | None = None
    reserved_role: str = ""
    volume: Volume | None = None


class Launch(Struct, frozen=True, gc=False):
    """One task to start: everything its TaskInfo is made from. ``host_ports`` are those taken
    from the offer, in the order of the app's ports that have one; ``effective_ports`` is the
    number each declared port shows to the task (``PORT0``...), in declared order;
    ``enforce_role`` is the group's setting, shown to the task."""

    task_id: str
    instance_id: str
    app: App
    agent: Agent
    role: str
    host_ports: tuple[int, ...]
    effective_ports: tuple[int, ...]
    resources: tuple[TaskResource, ...]
    enforce_role: bool = False


class Operation(Struct, frozen=True, gc=False):
    """A change of offered resources. RESERVE and UNRESERVE take resources without their volumes,
    CREATE and DESTROY only those that are one."""

    id: str
    kind: OperationKind
    resources: tuple[TaskResource, ...]


class Accept(Struct, frozen=True, gc=False):
    """On one agent's offers: carry out the operations in their order, then launch these on what
    they made; what remains is refused for ``refuse_seconds``."""

    offer_ids: tuple[str, ...]
    launches: tuple[Launch, ...]
    refuse_seconds: float
    operations: tuple[Operation, ...] = ()


class Decline(Struct, frozen=True, gc=False):
    offer_ids: tuple[str, ...]
    refuse_seconds: float


class AcceptInverseOffer(Struct, frozen=True, gc=False):
    """Give an agent back: nothing of ours is there any more. Not asked for again for
    ``refuse_seconds``."""

    offer_ids: tuple[str, ...]
    refuse_seconds: float


class DeclineInverseOffer(Struct, frozen=True, gc=False):
    """Something of ours is still there."""

    offer_ids: tuple[str, ...]
    refuse_seconds: float


class Kill(Struct, frozen=True, gc=False):
    """``grace_seconds`` None: as the task's own kill policy says."""

    task_id: str
    agent_id: str
    grace_seconds: int | None = None


class Acknowledge(Struct, frozen=True, gc=False):
    task_id: str
    agent_id: str
    uuid: str


class AcknowledgeOperation(Struct, frozen=True, gc=False):
    operation_id: str
    agent_id: str
    uuid: str


class ReconcileOperations(Struct, frozen=True, gc=False):
    """Ask for the state of these (operation id, agent id)."""

    operations: tuple[tuple[str, str], ...]


class Reconcile(Struct, frozen=True, gc=False):
    """Ask for the state of these (task id, agent id); none: of all that Mesos knows."""

    tasks: tuple[tuple[str, str], ...] = ()


class Revive(Struct, frozen=True, gc=False):
    roles: tuple[str, ...]


class Suppress(Struct, frozen=True, gc=False):
    roles: tuple[str, ...]


class UpdateRoles(Struct, frozen=True, gc=False):
    """Subscribe to exactly these roles from now on; ``suppressed`` get no offers."""

    roles: tuple[str, ...]
    suppressed: tuple[str, ...]


class RemoveFramework(Struct, frozen=True, gc=False):
    """TEARDOWN: Mesos kills every task of ours and forgets us."""


class Halt(Struct, frozen=True, gc=False):
    """Stop this process with ``exit_code`` after printing ``message``; tasks keep running."""

    exit_code: int
    message: str


Action = (
    Accept
    | Decline
    | AcceptInverseOffer
    | DeclineInverseOffer
    | Kill
    | Acknowledge
    | AcknowledgeOperation
    | Reconcile
    | ReconcileOperations
    | Revive
    | Suppress
    | UpdateRoles
    | RemoveFramework
    | Halt
)
