"""The messages of Mesos' v1 operator API that are answered, as typed records.

Names are those of mesos/v1/master/master.proto and maintenance.proto. A machine is told by its
hostname and its address together, the hostname in any case of letters.
"""

import msgspec
from msgspec import Struct

from localmesos.simulated.wire import Id

_NANOSECONDS = 1_000_000_000


class Machine(Struct, frozen=True, gc=False, omit_defaults=True):
    """MachineID."""

    hostname: str = ""
    ip: str = ""

    def key(self) -> "Machine":
        """The form that is compared."""
        return Machine(self.hostname.lower(), self.ip)


class Moment(Struct, frozen=True, gc=False):
    """TimeInfo and DurationInfo."""

    nanoseconds: int


class Unavailability(Struct, frozen=True, gc=False, omit_defaults=True):
    start: Moment
    duration: Moment | None = None
    """None: for ever."""


class Window(Struct, frozen=True):
    machine_ids: tuple[Machine, ...]
    unavailability: Unavailability


class Schedule(Struct, frozen=True, omit_defaults=True):
    windows: tuple[Window, ...] = ()


class UpdateSchedule(Struct, frozen=True):
    schedule: Schedule


class Machines(Struct, frozen=True):
    """StartMaintenance and StopMaintenance."""

    machines: tuple[Machine, ...] = ()


class Duration(Struct, frozen=True, gc=False):
    """google.protobuf.Duration as Mesos reads it."""

    seconds: int = 0
    nanos: int = 0

    def nanoseconds(self) -> int:
        return self.seconds * _NANOSECONDS + self.nanos


class AgentReference(Struct, frozen=True):
    """MarkAgentGone, DeactivateAgent and ReactivateAgent."""

    agent_id: Id


class DrainAgent(Struct, frozen=True):
    agent_id: Id
    max_grace_period: Duration | None = None
    mark_gone: bool = False


class OperatorCall(Struct, frozen=True):
    """`type` says which of the parts is there."""

    type: str
    mark_agent_gone: AgentReference | None = None
    drain_agent: DrainAgent | None = None
    deactivate_agent: AgentReference | None = None
    reactivate_agent: AgentReference | None = None
    update_maintenance_schedule: UpdateSchedule | None = None
    start_maintenance: Machines | None = None
    stop_maintenance: Machines | None = None


decode_operator_call = msgspec.json.Decoder(OperatorCall).decode
