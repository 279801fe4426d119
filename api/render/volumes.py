"""The inventory of ``/v3/volumes``: what instances keep on agents, wanted or not."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from api.render.app import thousandths
from framework.domain.clock import iso
from framework.domain.state import State
from framework.domain.volumes import Reservation, ReservationState, Volume


class Kept(NamedTuple):
    """A volume with the reservation it belongs to; None: a reservation without any."""

    reservation: Reservation
    volume: Volume | None

    @property
    def id(self) -> str:
        """Mesos' name of the volume, else the instance that it is reserved for."""
        return self.reservation.instance_id if self.volume is None else self.volume.persistence_id


def kept_volumes(view: State) -> Iterator[Kept]:
    """Every volume that a record knows."""
    for reservation in list(view.reservations.values()):
        if not reservation.volumes:
            yield Kept(reservation, None)
        for volume in reservation.volumes:
            yield Kept(reservation, volume)


def find_volume(view: State, volume_id: str) -> Kept | None:
    """The one with this id."""
    return next((one for one in kept_volumes(view) if one.id == volume_id), None)


def volume_object(kept: Kept, view: State) -> dict[str, Any]:
    """A volume with all that is known of it."""
    reservation, volume = kept
    fields: dict[str, Any] = {
        "id": kept.id,
        "instanceId": reservation.instance_id,
        "agentId": reservation.agent_id,
        "host": reservation.host,
        "role": reservation.role,
        "state": _state(reservation, view),
        "since": iso(reservation.since_ms),
        "operations": [
            {"id": operation.id, "kind": operation.kind.value} for operation in reservation.pending
        ],
    }
    if volume is not None:
        fields["containerPath"] = volume.container_path
        fields["size"] = thousandths(volume.size_millis)
        fields["type"] = volume.type.value
        if volume.root:
            fields["path"] = volume.root
    if reservation.app_id:
        fields["appId"] = reservation.app_id
    if reservation.why:
        fields["why"] = reservation.why
    return fields


def _state(reservation: Reservation, view: State) -> str:
    """Of one that is ready: in use, waiting for its agent's next offer, or kept for later."""
    if reservation.state is not ReservationState.READY:
        return reservation.state.value
    instance = view.instances.get(reservation.instance_id)
    if instance is None:
        return "kept"
    return "waiting" if instance.waits else "in use"
