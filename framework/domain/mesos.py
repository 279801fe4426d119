"""What Mesos tells us: agents, offers with their resources, and task statuses.

These are the domain's own records, decoded from the wire by the driver; field names follow
Mesos. Scalars are integers of 1/1000, as Mesos' own fixed point arithmetic.
"""

from enum import StrEnum

from msgspec import Struct

from framework.domain.disks import DiskSource


class TaskState(StrEnum):
    """Every task state of the v1 scheduler API."""

    STAGING = "TASK_STAGING"
    STARTING = "TASK_STARTING"
    RUNNING = "TASK_RUNNING"
    KILLING = "TASK_KILLING"
    FINISHED = "TASK_FINISHED"
    FAILED = "TASK_FAILED"
    KILLED = "TASK_KILLED"
    ERROR = "TASK_ERROR"
    LOST = "TASK_LOST"
    DROPPED = "TASK_DROPPED"
    UNREACHABLE = "TASK_UNREACHABLE"
    GONE = "TASK_GONE"
    GONE_BY_OPERATOR = "TASK_GONE_BY_OPERATOR"
    UNKNOWN = "TASK_UNKNOWN"


class Attribute(Struct, frozen=True, gc=False, omit_defaults=True):
    """An agent attribute; exactly one of the values is set."""

    name: str
    text: str | None = None
    scalar: float | None = None
    ranges: tuple[tuple[int, int], ...] | None = None
    items: tuple[str, ...] | None = None


class Agent(Struct, frozen=True, gc=False, omit_defaults=True):
    """An agent as its last offer described it. ``address`` is the IP that Mesos knows it by,
    for hostnames that do not resolve; ``port`` the agent's own HTTP port."""

    id: str
    hostname: str
    attributes: tuple[Attribute, ...] = ()
    region: str | None = None
    zone: str | None = None
    address: str | None = None
    port: int = 5051


class OfferResource(Struct, frozen=True, gc=False, omit_defaults=True):
    """One entry of an offer. ``role`` is ``*`` for unreserved resources, else the role of the
    innermost reservation. ``reservations`` is the entry's reservation stack as JSON, to be
    echoed when the entry is used. ``plain`` is False for whatever must never be taken as an
    ordinary resource: volumes, MOUNT/BLOCK/RAW/PATH disks, labelled reservations, revocable or
    shared resources, resources of a provider. ``disk`` is the JSON that makes a disk a volume,
    to be echoed; ``volume_id`` and ``container_path`` are what it says of a persistent one.
    ``disk_source`` is the PATH or MOUNT disk that this is a part of, where volumes may be on it.
    ``owner`` is (framework id, instance id) as the innermost reservation's labels tell it, where
    it has them and could be ours."""

    name: str
    millis: int = 0
    ranges: tuple[tuple[int, int], ...] = ()
    items: tuple[str, ...] = ()
    role: str = "*"
    reservations: str = ""
    plain: bool = True
    disk: str = ""
    volume_id: str = ""
    container_path: str = ""
    disk_source: DiskSource | None = None
    owner: tuple[str, str] | None = None


class Offer(Struct, frozen=True, gc=False, omit_defaults=True):
    """An offer of one agent's resources, allocated to ``role``."""

    id: str
    agent: Agent
    role: str
    resources: tuple[OfferResource, ...]
    unavailable_from_ms: int | None = None
    unavailable_for_ms: int | None = None


class TaskStatus(Struct, frozen=True, gc=False, omit_defaults=True):
    """A status update or an answer to a reconciliation (then without ``uuid``).
    ``uuid`` is the text of the wire, echoed exactly in the acknowledgement."""

    task_id: str
    state: TaskState
    agent_id: str = ""
    uuid: str = ""
    reason: str = ""
    message: str = ""
    source: str = ""
    timestamp_ms: int = 0
    healthy: bool | None = None
    addresses: tuple[str, ...] = ()
    check_json: str = ""
    unreachable_since_ms: int | None = None


class OperationState(StrEnum):
    """Every state of an operation in the v1 scheduler API."""

    UNSUPPORTED = "OPERATION_UNSUPPORTED"
    PENDING = "OPERATION_PENDING"
    FINISHED = "OPERATION_FINISHED"
    FAILED = "OPERATION_FAILED"
    ERROR = "OPERATION_ERROR"
    DROPPED = "OPERATION_DROPPED"
    UNREACHABLE = "OPERATION_UNREACHABLE"
    GONE_BY_OPERATOR = "OPERATION_GONE_BY_OPERATOR"
    RECOVERING = "OPERATION_RECOVERING"
    UNKNOWN = "OPERATION_UNKNOWN"


class OperationStatus(Struct, frozen=True, gc=False, omit_defaults=True):
    """An update about an operation or an answer to a reconciliation (then without ``uuid``)."""

    operation_id: str
    state: OperationState
    agent_id: str = ""
    uuid: str = ""
    message: str = ""
