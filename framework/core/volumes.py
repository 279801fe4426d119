"""Persistent volumes in offers: reserved with a first launch, used by the next, given back.

A first launch takes plain resources and asks, in the one ACCEPT, to reserve them for the instance
and to make the volumes: Mesos carries these out in order, so the task never starts without them.
Later launches only take what is labelled for their instance. Nothing is destroyed but what a
record calls DESTROYING, and that record stays until Mesos has said that all of it is given back.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from framework.core import identity, moving, operations
from framework.core.freezing import frozen
from framework.core.matching import Remainder, Request, in_maintenance, starting_too_many
from framework.core.ports import as_ranges
from framework.core.reservations import idle, scalars_of
from framework.core.starting import start
from framework.core.turn import Turn
from framework.domain.actions import Operation, TaskResource
from framework.domain.app import App, PersistentVolume
from framework.domain.disks import DiskType
from framework.domain.ids import MESOS_TASK_ID_MAX_BYTES, safe_id
from framework.domain.mesos import Offer, OfferResource
from framework.domain.records import replace
from framework.domain.state import Kind
from framework.domain.volumes import (
    OperationKind,
    PendingOperation,
    Reservation,
    ReservationState,
    Volume,
    operation_id,
)

_Taken = tuple[tuple[TaskResource, ...], tuple[int, ...]]
_Asked = Sequence[tuple[OperationKind, tuple[TaskResource, ...]]]


def reserve(
    turn: Turn, request: Request, rest: Remainder, task: tuple[str, int], taken: _Taken
) -> _Taken:
    """Reserve for a new instance what was taken for it, and make its volumes of the disk in it;
    returns the same resources as the task will have them."""
    app = request.app
    instance_id, incarnation = task
    framework = turn.world.state.framework
    assert framework is not None, "offers come after the registration"
    known = turn.world.state.reservations.get(instance_id)
    agent = rest.offer.agent
    disks = rest.disks.take(request.disks)
    volumes = tuple(
        _new_volume(turn, app, one, disks.get(one.container_path)) for one in app.persistent_volumes
    )
    owner = (framework.framework_id, instance_id)
    of_root = _with_volumes(taken[0], [one for one in volumes if one.type is DiskType.ROOT])
    of_disks = (
        replace(disks[one.container_path], volume=one)
        for one in volumes
        if one.container_path in disks
    )
    resources = tuple(
        replace(one, owner=owner, reserved_role=rest.offer.role) for one in (*of_root, *of_disks)
    )
    reservation = Reservation(
        instance_id=instance_id,
        app_id=app.id,
        agent_id=agent.id,
        host=agent.hostname,
        role=rest.offer.role,
        framework_id=framework.framework_id,
        since_ms=turn.now_ms,
        volumes=volumes,
        scalars=scalars_of(app),
        ports=taken[1],
        incarnation=incarnation,
        operations_made=0 if known is None else known.operations_made,
    )
    made = tuple(one for one in resources if one.volume is not None)
    asked = ((OperationKind.RESERVE, resources), (OperationKind.CREATE, made))
    _ask(turn, rest, reservation, asked)
    return resources, taken[1]


def _new_volume(
    turn: Turn, app: App, wanted: PersistentVolume, part: TaskResource | None
) -> Volume:
    """``part``: what it is made of, if that is not the agent's own disk."""
    path = wanted.container_path
    identity = f"{safe_id(app.id)}#{path}#{turn.context.new_id()}"
    source = None if part is None else part.source.disk_source
    if part is None or source is None:
        return Volume(identity, path, wanted.size_mib * 1000)
    return Volume(identity, path, part.millis, source.type, source.root)


def _with_volumes(
    resources: tuple[TaskResource, ...], waiting: list[Volume]
) -> Iterable[TaskResource]:
    """The same, with the volumes cut out of the agent's disk, after all else."""
    made: list[TaskResource] = []
    for one in resources:
        left = one.millis
        if one.source.name == "disk":
            while waiting and waiting[0].size_millis <= left:
                volume = waiting.pop(0)
                left -= volume.size_millis
                made.append(replace(one, millis=volume.size_millis, volume=volume))
        if left or one.ranges:
            yield replace(one, millis=left)
    yield from made
    assert not waiting, "unreserved disk comes in one entry, and it was enough"


def _ask(turn: Turn, rest: Remainder, reservation: Reservation, asked: _Asked) -> None:
    """Let these operations join the offer's answer, and store that they were asked for."""
    number = reservation.operations_made
    pending = []
    for kind, resources in asked:
        number += 1
        operation = operation_id(reservation.instance_id, number)
        pending.append(PendingOperation(operation, kind))
        rest.operations += (Operation(operation, kind, resources),)
    new = replace(reservation, pending=tuple(pending), operations_made=number)
    turn.put(Kind.RESERVATION, reservation.instance_id, new)
    operations.watch(turn, new)


def look_at(turn: Turn, rest: Remainder) -> None:
    """What the offer holds of reservations labelled as ours."""
    for owner, entries in list(rest.owned.items()):
        known = turn.world.state.reservations.get(owner[1])
        if known is None:
            if identity.is_ours(turn.world.state, owner[0]):
                _list_orphan(turn, rest.offer, owner, entries)
        elif (known.framework_id, known.agent_id) != (owner[0], rest.offer.agent.id):
            del rest.owned[owner]  # of a namesake, which is nobody's
        elif known.state is ReservationState.DESTROYING:
            del rest.owned[owner]
            if not known.pending and not frozen(turn, known.app_id):
                _give_back(turn, rest, known, entries)
        elif known.state is ReservationState.RESERVING and _complete(known, entries):
            operations.proved(turn, known)


def _give_back(
    turn: Turn, rest: Remainder, reservation: Reservation, entries: list[OfferResource]
) -> None:
    """Destroy its volumes and unreserve all of it; what is offered in part has to wait for the
    rest, or nobody would know any more what the rest is."""
    if not _complete(reservation, entries, without_volumes=True):
        return
    parts = tuple(_whole(entry) for entry in entries)
    volumes = tuple(one for one in parts if one.source.volume_id)
    destroy = ((OperationKind.DESTROY, volumes),) if volumes else ()
    _ask(turn, rest, reservation, (*destroy, (OperationKind.UNRESERVE, parts)))


def _whole(entry: OfferResource) -> TaskResource:
    return TaskResource(entry, entry.millis, entry.ranges)


def _complete(
    reservation: Reservation, entries: list[OfferResource], *, without_volumes: bool = False
) -> bool:
    """Whether these entries are all of the reservation. ``without_volumes``: even if some volume
    is destroyed already, and plain disk again."""
    there = {entry.volume_id for entry in entries}
    missing = [one for one in reservation.volumes if one.persistence_id not in there]
    if missing and not without_volumes:
        return False
    needed = Counter({(name, ""): millis for name, millis in reservation.scalars})
    for one in missing:
        needed["disk", one.root] += one.size_millis
    amounts = Counter[tuple[str, str]]()
    for entry in entries:
        if not entry.volume_id:
            amounts[entry.name, _root(entry)] += entry.millis
    if any(amounts[key] < millis for key, millis in needed.items()):
        return False
    return all(_port_entry(entries, port) is not None for port in reservation.ports)


def _root(entry: OfferResource) -> str:
    """The place of its disk; empty for the agent's own."""
    return "" if entry.disk_source is None else entry.disk_source.root


def _port_entry(entries: list[OfferResource], port: int) -> OfferResource | None:
    for entry in entries:
        if any(begin <= port <= end for begin, end in entry.ranges):
            return entry
    return None


def _list_orphan(
    turn: Turn, offer: Offer, owner: tuple[str, str], entries: list[OfferResource]
) -> None:
    """A reservation that no record knows: kept as it is, and shown to the operator."""
    state = turn.world.state
    if len(owner[1].encode()) > MESOS_TASK_ID_MAX_BYTES:
        return
    if len(state.reservations_of.get("", {})) >= turn.policy.max_orphans:
        return
    scalars: dict[str, int] = {}
    for entry in entries:
        if entry.millis and not entry.volume_id:
            scalars[entry.name] = scalars.get(entry.name, 0) + entry.millis
    volumes = [_found_volume(one) for one in entries if one.volume_id]
    ports = (port for one in entries for begin, end in one.ranges for port in (begin, end))
    orphan = Reservation(
        instance_id=owner[1],
        app_id="",
        agent_id=offer.agent.id,
        host=offer.agent.hostname,
        role=entries[0].role,
        framework_id=owner[0],
        state=ReservationState.ORPHAN,
        since_ms=turn.now_ms,
        volumes=tuple(volumes),
        scalars=tuple(sorted(scalars.items())),
        ports=tuple(sorted({*ports})),
    )
    turn.put(Kind.RESERVATION, orphan.instance_id, orphan)
    turn.remark(
        "warning",
        f"agent {offer.agent.hostname} holds a reservation for {owner[1]} that is in none of our "
        "records; it is left alone: see /v3/volumes",
    )


def _found_volume(entry: OfferResource) -> Volume:
    source = entry.disk_source
    kind = DiskType.ROOT if source is None else source.type
    return Volume(entry.volume_id, entry.container_path, entry.millis, kind, _root(entry))


def relaunch(turn: Turn, app: App, wanted: int, pool: list[Remainder]) -> int:
    """Start waiting instances of the app where their volumes are offered, at most so many; how
    many. They come before all others: these resources fit nobody else."""
    started = 0
    instances = turn.world.state.instances
    waiting = sorted(
        idle(turn, app),
        key=lambda one: (
            one.instance_id in instances and instances[one.instance_id].config != app.config
        ),
    )
    for reservation in waiting:
        if started == wanted:
            break
        if any(_relaunch_on(turn, app, reservation, rest) for rest in pool):
            started += 1
    return started


def _relaunch_on(turn: Turn, app: App, reservation: Reservation, rest: Remainder) -> bool:
    owner = (reservation.framework_id, reservation.instance_id)
    entries = rest.owned.get(owner)
    if entries is None or not _complete(reservation, entries):
        return False
    if in_maintenance(turn, rest.offer) or moving.leaving(turn, rest.offer.agent):
        return False
    if starting_too_many(turn, rest):
        return False
    del rest.owned[owner]
    incarnation = reservation.incarnation + 1
    used = replace(
        reservation,
        state=ReservationState.READY,
        pending=(),
        incarnation=incarnation,
        host=rest.offer.agent.hostname,
    )
    turn.put(Kind.RESERVATION, used.instance_id, used)
    taken = (tuple(_taken(reservation, entries)), reservation.ports)
    start(turn, app, rest, (used.instance_id, incarnation), taken)
    return True


def _taken(reservation: Reservation, entries: list[OfferResource]) -> Iterable[TaskResource]:
    """All of the reservation, out of entries that are complete."""
    for name, needed in reservation.scalars:
        left = needed
        for entry in entries:
            is_plain = entry.name == name and not entry.volume_id and entry.disk_source is None
            part = min(left, entry.millis) if is_plain else 0
            if part:
                yield TaskResource(entry, millis=part)
                left -= part
    for entry in entries:
        if entry.volume_id:
            yield _whole(entry)
        mine = [port for port in reservation.ports if _port_entry([entry], port) is not None]
        if mine:
            yield TaskResource(entry, ranges=as_ranges(mine))
