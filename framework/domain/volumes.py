"""Reservations: what an instance keeps on its agent from task to task, and the volumes on it.

An instance of an app with persistent volumes has one reservation: its resources on one agent,
labelled with our framework id and the instance's id, and the volumes made of the disk in it. The
record lives on when the instance is scaled away, and until Mesos has said that all is given back.
"""

from enum import StrEnum

from msgspec import Struct

from framework.domain.disks import DiskType


class ReservationState(StrEnum):
    """What is known of a reservation."""

    RESERVING = "reserving"  # asked of Mesos together with the first launch; no answer yet
    READY = "ready"
    DESTROYING = "destroying"  # to be given back as soon as it is offered, again until it is
    LOST = "lost"  # its agent is gone for good; the instance gets a new one
    ORPHAN = "orphan"  # labelled as ours and in none of our records


class OperationKind(StrEnum):
    """Mesos' operations on reserved resources."""

    RESERVE = "RESERVE"
    CREATE = "CREATE"
    DESTROY = "DESTROY"
    UNRESERVE = "UNRESERVE"


class Volume(Struct, frozen=True, gc=False, omit_defaults=True):
    """``persistence_id`` is Mesos' name of it, unique on its agent; ``root`` the place of the disk
    that it is on, unless that is the agent's own."""

    persistence_id: str
    container_path: str
    size_millis: int
    type: DiskType = DiskType.ROOT
    root: str = ""


class PendingOperation(Struct, frozen=True, gc=False, omit_defaults=True):
    """An operation that Mesos was asked for, until its last word on it."""

    id: str
    kind: OperationKind


class Reservation(Struct, frozen=True, gc=False, omit_defaults=True):
    """``framework_id`` and ``instance_id`` are the labels it carries in Mesos. ``scalars`` are
    reserved beside the volumes, in thousandths; ``ports`` in the order of the app's.
    ``incarnation`` is that of the last task launched on it; ``operations_made`` counts, so that
    no operation id is used twice; ``why`` says why it is given back."""

    instance_id: str
    app_id: str
    agent_id: str
    host: str
    role: str
    framework_id: str
    state: ReservationState = ReservationState.RESERVING
    since_ms: int = 0
    volumes: tuple[Volume, ...] = ()
    scalars: tuple[tuple[str, int], ...] = ()
    ports: tuple[int, ...] = ()
    incarnation: int = 0
    pending: tuple[PendingOperation, ...] = ()
    operations_made: int = 0
    why: str = ""


def operation_id(instance_id: str, number: int) -> str:
    """The id of the ``number``-th operation on an instance's reservation; not longer than the id
    of a task."""
    return f"{instance_id}.op-{number}"


def instance_of_operation(operation: str) -> str:
    """The instance id that an operation id was made from; empty for one that is not ours."""
    instance, separator, number = operation.rpartition(".op-")
    return instance if separator and number.isascii() and number.isdigit() else ""
