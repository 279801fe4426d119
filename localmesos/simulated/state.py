"""What the simulated master knows: agents, frameworks, offers, tasks, and who listens.

The records change in place, by one thread only. The rules are in the modules beside: allocation,
frameworks, tasks, reconciliation, agents and faults. Nothing here reads a clock or does I/O.
"""

import os
from base64 import b64encode
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from uuid import uuid4

import msgspec

from localmesos.cluster import AgentSpec
from localmesos.simulated.operator_wire import Machine, Schedule, Unavailability
from localmesos.simulated.options import Options
from localmesos.simulated.resources import Bag
from localmesos.simulated.timers import Retries, Timers

TERMINAL = frozenset(
    {
        "TASK_FINISHED",
        "TASK_FAILED",
        "TASK_KILLED",
        "TASK_ERROR",
        "TASK_LOST",
        "TASK_DROPPED",
        "TASK_GONE",
        "TASK_GONE_BY_OPERATOR",
    }
)


class AgentState(Enum):
    """What the master thinks of an agent."""

    REGISTERED = "registered"
    DISCONNECTED = "disconnected"  # its connection broke; not yet given up
    RECOVERED = "recovered"  # known from the registry after a restart, not yet back
    UNREACHABLE = "unreachable"
    GONE = "gone"  # marked so by the operator: its id never comes back
    UNKNOWN = "unknown"  # lives, but the master has lost its registry and waits for nobody


PRESENT = frozenset({AgentState.REGISTERED, AgentState.DISCONNECTED})
"""Those of which the master says that they are registered."""


class Update(msgspec.Struct, frozen=True, gc=False):
    """A status update as the agent keeps it until it is acknowledged."""

    uuid: str
    state: str
    timestamp: float
    reason: str | None = None
    message: str | None = None
    healthy: bool | None = None


class Behaviour(msgspec.Struct, frozen=True, gc=False):
    """What a task does by itself, read from its command and labels."""

    start_delay_seconds: float | None = None
    run_seconds: float = 0.0
    end_state: str | None = None
    end_message: str | None = None
    healthy: bool | None = None
    kill_seconds: float | None = None
    """How long it takes to end when it is told to."""
    grace_seconds: float | None = None
    """Of its kill policy: it is ended by force after that."""


@dataclass(slots=True, eq=False)
class Drain:
    """What DRAIN_AGENT asked of an agent."""

    grace_nanoseconds: int | None
    mark_gone: bool
    began: float
    look: Callable[[float], None]
    """To be called with the time when a task or an operation of the agent is forgotten."""
    done: bool = False
    """DRAINED: nothing is left there."""


@dataclass(slots=True, eq=False)
class Maintenance:
    """What frameworks are told and asked about an agent that will be away."""

    unavailability: Unavailability
    asked: dict["Framework", "InverseOffer"] = field(default_factory=dict)
    answers: dict[str, tuple[str, float]] = field(default_factory=dict)
    """By framework id: ACCEPT or DECLINE, and the second since 1970."""
    refused_until: dict["Framework", float] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class PlannedMachine:
    """A machine of the maintenance schedule: it drains, or is down."""

    id: Machine
    unavailability: Unavailability
    down: bool = False
    absent: list[AgentSpec] = field(default_factory=list)
    """The agents that were removed when it went down."""


@dataclass(slots=True, eq=False)
class Agent:
    id: str
    index: int
    spec: AgentSpec
    total: Bag
    free: Bag
    """Neither used nor offered."""
    wire: bytes
    """The part of an offer's JSON that never changes."""
    state: AgentState = AgentState.REGISTERED
    tasks: dict["Task", None] = field(default_factory=dict)
    wakes_at: float = 0.0
    """When an expiring filter makes it worth offering again; 0 for not planned."""
    kills: list["Task"] = field(default_factory=list)
    """Killed while it was disconnected: carried out when it is back."""
    unreachable_at: float = 0.0
    rendered: tuple[Bag, str, bytes] | None = None
    """The last offered resources with their role and JSON."""
    offers: dict[str, "Offer"] = field(default_factory=dict)
    deactivated: bool = False
    """By an operator: it runs on, but gets no offers."""
    drain: Drain | None = None
    maintenance: Maintenance | None = None

    @property
    def active(self) -> bool:
        """Whether it may be offered."""
        return self.state is AgentState.REGISTERED and not self.deactivated


@dataclass(slots=True, eq=False)
class Task:
    id: str
    name: str
    framework: "Framework"
    agent: Agent
    bag: Bag
    role: str
    number: int
    behaviour: Behaviour | None = None
    executor: str | None = None
    """None for the command executor, whose id is the task's."""
    state: str = "TASK_STAGING"
    """The latest, which neither the master nor the scheduler may have been told yet."""
    ended: bool = False
    """The master knows that its state is terminal, so its resources are free."""
    pending: list[Update] | None = None
    """Not yet acknowledged, in order; only the first has been sent."""
    healthy: bool | None = None
    """As the latest update said: only those of the health check say it."""
    kill_asked: bool = False


@dataclass(slots=True, eq=False)
class Operation:
    """A change of an agent's resources that was carried out, until that is acknowledged."""

    id: str
    framework: "Framework"
    agent: Agent
    uuid: str
    state: str


@dataclass(slots=True, eq=False)
class Stream:
    """One subscription: the records that still have to be written to its connection."""

    id: str
    framework: "Framework | None" = None
    records: list[bytes] = field(default_factory=list)
    closed: bool = False
    """Ends after what was emitted."""
    aborted: bool = False
    """Breaks off at once, as a killed master or a cut network does."""
    touched: bool = False
    waiting_bytes: Callable[[], int] = int
    """What its scheduler has not read yet of what was written; 0 where nothing is written."""


@dataclass(slots=True, eq=False)
class Framework:
    id: str
    name: str
    user: str
    roles: tuple[str, ...]
    capabilities: frozenset[str]
    failover_timeout: float
    checkpoint: bool
    principal: str | None
    info: dict[str, object]
    """FrameworkInfo as it was sent, for the operator API."""
    stream: Stream | None = None
    suppressed: set[str] = field(default_factory=set)
    filters: dict[str, dict[Agent, list[tuple[float, Bag]]]] = field(default_factory=dict)
    """By role: until when which resources of an agent are refused."""
    allocated: dict[str, dict[str, int]] = field(default_factory=dict)
    """By role: scalars offered or used, for fair shares."""
    tasks: dict[str, Task] = field(default_factory=dict)
    unreachable: dict[str, Task] = field(default_factory=dict)
    operations: dict[str, Operation] = field(default_factory=dict)
    completed: deque[tuple[str, str, str, str]] = field(default_factory=deque)
    """(task id, name, agent id, state) of the last tasks that ended."""
    disconnections: int = 0

    @property
    def partition_aware(self) -> bool:
        return "PARTITION_AWARE" in self.capabilities


class Offer(msgspec.Struct, frozen=True):
    id: str
    framework: Framework
    role: str
    agent: Agent
    bag: Bag


class InverseOffer(msgspec.Struct, frozen=True):
    """A framework is asked to leave an agent."""

    id: str
    framework: Framework
    agent: Agent


@dataclass(slots=True)
class Outage:
    """Calls are answered with a status instead of being carried out."""

    status: int
    remaining: int | None = None
    """How many calls; None means until told otherwise."""
    location: str | None = None
    """For a redirect: where the leading master is."""


@dataclass(slots=True)
class Faults:
    """What is asked to go wrong until told otherwise."""

    outage: Outage | None = None

    held: list[tuple[Task, Update]] | None = None
    """Updates that wait for their release; None when they flow."""
    duplicates: int = 0
    """So many of the next updates are sent twice."""
    drawing: object = None
    """What lets tasks fail and agents be lost by chance (see ``chance``)."""


@dataclass(slots=True)
class Counters:
    calls: int = 0
    offers: int = 0
    launched: int = 0
    updates: int = 0
    resent: int = 0
    acknowledged: int = 0
    ended: int = 0
    allocations: int = 0


class Cluster:
    """The whole state, and the few operations that every rule needs."""

    def __init__(self, options: Options, address: tuple[str, int], wall_offset: float) -> None:
        """`wall_offset` added to any given time is the time since 1970."""
        self.options = options
        self.masters: tuple[tuple[str, int], ...] = (address,)
        """All masters of this Mesos; they share this state, and only the leading one answers."""
        self.leading: int | None = 0
        self.host, self.port = address
        self.wall_offset = wall_offset
        self._uuid_start = _version_4(os.urandom(9))
        self.id = new_master_id()
        self.agents: dict[str, Agent] = {}
        self.frameworks: dict[str, Framework] = {}
        self.removed: dict[str, Framework] = {}
        self.offers: dict[str, Offer] = {}
        self.inverse_offers: dict[str, InverseOffer] = {}
        self.schedule = Schedule()
        self.machines: dict[Machine, PlannedMachine] = {}
        """Those of the schedule, by their keys."""
        self.maintained: dict[Agent, None] = {}
        """The agents on them."""
        self.total: dict[str, int] = {}
        self.timers = Timers()
        self.retries: Retries[tuple[Task, Update]] = Retries(
            options.update_retry_seconds, options.update_retry_most_seconds
        )
        self.operation_retries: Retries[Operation] = Retries(
            options.update_retry_seconds, options.update_retry_most_seconds
        )
        self.faults = Faults()
        self.counters = Counters()
        self.touched: list[Stream] = []
        self.dirty: dict[Agent, None] = {}
        self.allocation_due: float | None = None
        self.last_allocation = 0.0
        self.agents_made = 0
        self.frameworks_made = 0
        self._numbers = 0
        self._offer_ids = 0

    def lead(self, master: int | None) -> None:
        """Let this master lead, or none."""
        self.leading = master
        if master is not None:
            self.host, self.port = self.masters[master]

    @property
    def ip(self) -> str:
        """The address that all of this Mesos has."""
        return self.host if self.host[:1].isdigit() else "127.0.0.1"

    def machine_of(self, spec: AgentSpec) -> Machine:
        """The key of the machine on which such an agent is."""
        return Machine(spec.hostname.lower(), self.ip)

    def unavailability_of(self, spec: AgentSpec) -> Unavailability | None:
        """When such an agent will be away."""
        machine = self.machines.get(self.machine_of(spec)) if self.machines else None
        return None if machine is None else machine.unavailability

    def offer_id(self) -> str:
        """For an offer or an inverse offer."""
        self._offer_ids += 1
        return f"{self.id}-O{self._offer_ids - 1}"

    def number(self) -> int:
        """Count up: for ids that are unique in this run."""
        self._numbers += 1
        return self._numbers

    def uuid(self) -> str:
        """16 bytes in base64, as status updates carry them."""
        return b64encode(self._uuid_start + self.number().to_bytes(7, "big")).decode()

    def new_stream_id(self) -> str:
        return str(uuid4())

    def emit(self, framework: Framework, event: bytes) -> None:
        """Append an event to the framework's stream, if it is connected."""
        if framework.stream is not None:
            self.emit_to(framework.stream, event)

    def emit_to(self, stream: Stream, event: bytes) -> None:
        stream.records.append(event)
        if not stream.touched:
            stream.touched = True
            self.touched.append(stream)

    def close(self, stream: Stream) -> None:
        """End a stream after what was emitted to it."""
        stream.closed = True
        self._touch(stream)

    def abort(self, stream: Stream) -> None:
        """Break a stream off; what was not yet written is lost."""
        stream.aborted = True
        self._touch(stream)

    def _touch(self, stream: Stream) -> None:
        if not stream.touched:
            stream.touched = True
            self.touched.append(stream)

    def take_touched(self) -> list[Stream]:
        streams, self.touched = self.touched, []
        for stream in streams:
            stream.touched = False
        return streams


def _version_4(start: bytes) -> bytes:
    """Make the first 9 bytes of a UUID say that the rest was drawn by chance."""
    return start[:6] + bytes((0x40 | start[6] & 0x0F, start[7], 0x80 | start[8] & 0x3F))


def new_master_id() -> str:
    return str(uuid4())
