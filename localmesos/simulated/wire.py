"""The messages of Mesos' v1 scheduler API that a scheduler sends, as typed records.

Only the fields that this Mesos acts upon are named; all others are skipped while decoding, which
costs next to nothing. Names are those of mesos/v1/mesos.proto and scheduler.proto.
"""

from typing import Literal

import msgspec
from msgspec import Struct

CALLS = frozenset(
    {
        "SUBSCRIBE",
        "TEARDOWN",
        "ACCEPT",
        "DECLINE",
        "ACCEPT_INVERSE_OFFERS",
        "DECLINE_INVERSE_OFFERS",
        "REVIVE",
        "SUPPRESS",
        "KILL",
        "SHUTDOWN",
        "ACKNOWLEDGE",
        "ACKNOWLEDGE_OPERATION_STATUS",
        "RECONCILE",
        "RECONCILE_OPERATIONS",
        "MESSAGE",
        "REQUEST",
        "UPDATE_FRAMEWORK",
    }
)


ABSENT = msgspec.Raw(b"")
"""In place of a part that is not looked into and was not given."""


class Id(Struct, frozen=True, gc=False):
    value: str


class Scalar(Struct, gc=False):
    value: float


class Range(Struct, gc=False):
    begin: int
    end: int


class Ranges(Struct, gc=False):
    range: list[Range] = []


class Items(Struct, gc=False):
    item: list[str] = []


class Resource(Struct, gc=False):
    name: str
    type: Literal["SCALAR", "RANGES", "SET"]
    scalar: Scalar | None = None
    ranges: Ranges | None = None
    set: Items | None = None
    reservations: list[msgspec.Raw] = []
    disk: msgspec.Raw = ABSENT


class Label(Struct, gc=False):
    key: str
    value: str = ""


class Labels(Struct, gc=False):
    labels: list[Label] = []


class Command(Struct, gc=False):
    value: str = ""


class Executor(Struct, gc=False):
    executor_id: Id
    resources: list[Resource] = []


class GracePeriod(Struct, frozen=True, gc=False):
    nanoseconds: int


class KillPolicy(Struct, frozen=True, gc=False):
    grace_period: GracePeriod | None = None


class Task(Struct, gc=False):
    """TaskInfo."""

    name: str
    task_id: Id
    agent_id: Id
    resources: list[Resource] = []
    command: Command | None = None
    executor: Executor | None = None
    health_check: msgspec.Raw = ABSENT
    labels: Labels | None = None
    kill_policy: KillPolicy | None = None


class Launch(Struct, gc=False):
    task_infos: list[Task] = []


class TaskGroup(Struct, gc=False):
    tasks: list[Task] = []


class LaunchGroup(Struct, gc=False):
    executor: Executor
    task_group: TaskGroup


class Amounts(Struct, gc=False):
    """Reserve and Unreserve."""

    resources: list[Resource] = []


class Volumes(Struct, gc=False):
    """Create and Destroy."""

    volumes: list[Resource] = []


class Operation(Struct, gc=False):
    type: str
    id: Id | None = None
    reserve: Amounts | None = None
    unreserve: Amounts | None = None
    create: Volumes | None = None
    destroy: Volumes | None = None
    launch: Launch | None = None
    launch_group: LaunchGroup | None = None


class Filters(Struct, frozen=True, gc=False):
    refuse_seconds: float = 5.0
    """Mesos' own default."""


class Capability(Struct, gc=False):
    type: str = "UNKNOWN"


class FrameworkInfo(Struct, gc=False):
    user: str
    name: str
    id: Id | None = None
    role: str = "*"
    roles: list[str] = []
    capabilities: list[Capability] = []
    failover_timeout: float = 0.0
    checkpoint: bool = False
    principal: str | None = None
    hostname: str = ""
    webui_url: str = ""


class Subscribe(Struct, gc=False):
    framework_info: FrameworkInfo
    suppressed_roles: list[str] = []


class Accept(Struct, gc=False):
    offer_ids: list[Id] = []
    operations: list[Operation] = []
    filters: Filters = Filters()


class Decline(Struct, gc=False):
    offer_ids: list[Id] = []
    filters: Filters = Filters()


class Roles(Struct, gc=False):
    """Revive and Suppress: no roles mean all of the framework's."""

    roles: list[str] = []


class InverseAnswer(Struct, gc=False):
    """AcceptInverseOffers and DeclineInverseOffers."""

    inverse_offer_ids: list[Id] = []
    filters: Filters = Filters()


class Kill(Struct, gc=False):
    task_id: Id
    agent_id: Id | None = None
    kill_policy: KillPolicy | None = None


class Acknowledge(Struct, gc=False):
    agent_id: Id
    task_id: Id
    uuid: str
    """Base64 of 16 bytes."""


class ReconcileTask(Struct, gc=False):
    task_id: Id
    agent_id: Id | None = None


class Reconcile(Struct, gc=False):
    tasks: list[ReconcileTask] = []


class AcknowledgeOperation(Struct, gc=False):
    """Acknowledge_Operation_Status."""

    operation_id: Id
    uuid: str
    """Base64 of 16 bytes."""
    agent_id: Id | None = None


class ReconcileOperation(Struct, gc=False):
    operation_id: Id
    agent_id: Id | None = None


class ReconcileOperations(Struct, gc=False):
    operations: list[ReconcileOperation] = []


class Call(Struct, gc=False):
    type: str = ""
    framework_id: Id | None = None
    subscribe: Subscribe | None = None
    accept: Accept | None = None
    decline: Decline | None = None
    accept_inverse_offers: InverseAnswer | None = None
    decline_inverse_offers: InverseAnswer | None = None
    revive: Roles | None = None
    suppress: Roles | None = None
    kill: Kill | None = None
    acknowledge: Acknowledge | None = None
    acknowledge_operation_status: AcknowledgeOperation | None = None
    reconcile: Reconcile | None = None
    reconcile_operations: ReconcileOperations | None = None
    update_framework: Subscribe | None = None


decode_call = msgspec.json.Decoder(Call).decode
