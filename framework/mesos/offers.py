"""Offers of the wire as offers of the domain.

What matters here is ``plain``: whatever must not be taken like any other resource (volumes, whole
disks, labelled or unreadable reservations, revocable and shared resources, resources of a
provider) is marked, so that the core can not take it by mistake. What a scheduler like ours has
reserved for an instance says so by its labels.
"""

import msgspec

from framework.domain.disks import DiskSource, DiskType
from framework.domain.draining import InverseOffer
from framework.domain.mesos import Agent, Attribute, Offer, OfferResource
from framework.mesos.wire import (
    RAW_NOTHING,
    Disk,
    Labels,
    Ranges,
    Reservation,
    SourceOfDisk,
    Unavailability,
    WireAttribute,
    WireInverseOffer,
    WireOffer,
    WireResource,
    is_present,
    text,
)

FRAMEWORK_LABEL = "marathon_framework_id"
INSTANCE_LABEL = "marathon_task_id"
"""The labels of a reservation: Marathon's, whose values are ids of a framework and an instance."""

_LABELS = msgspec.json.Decoder(Labels)
_DISK = msgspec.json.Decoder(Disk)
_SOURCE = msgspec.json.Decoder(SourceOfDisk)
_RESERVATIONS = msgspec.json.Decoder(tuple[Reservation, ...])
_NANOSECONDS_PER_MS = 1_000_000
_UNMARKED = (RAW_NOTHING,) * 5


def to_offer(wire: WireOffer) -> Offer:
    """The domain's offer. Raises ValueError (msgspec's, too) for what can not be right."""
    role = wire.allocation_info.role if wire.allocation_info else "*"
    start_ms = duration_ms = None
    if wire.unavailability is not None:
        start_ms, duration_ms = _window(wire.unavailability)
    return Offer(
        wire.id.value,
        _agent(wire),
        role,
        tuple([_resource(resource) for resource in wire.resources]),
        start_ms,
        duration_ms,
    )


def to_inverse_offer(wire: WireInverseOffer) -> InverseOffer:
    """The domain's inverse offer. Raises ValueError for one of no agent: none is made so."""
    if wire.agent_id is None:
        raise ValueError("an inverse offer names no agent")
    start_ms, duration_ms = _window(wire.unavailability)
    return InverseOffer(wire.id.value, wire.agent_id.value, start_ms, duration_ms)


def _window(wire: Unavailability) -> tuple[int, int | None]:
    """(from, for) in ms; for None: for good."""
    start_ms = wire.start.nanoseconds // _NANOSECONDS_PER_MS
    if wire.duration is None:
        return start_ms, None
    return start_ms, wire.duration.nanoseconds // _NANOSECONDS_PER_MS


def _agent(wire: WireOffer) -> Agent:
    fault_domain = wire.domain.fault_domain if wire.domain else None
    address = wire.url.address if wire.url else None
    return Agent(
        wire.agent_id.value,
        wire.hostname,
        tuple([_attribute(attribute) for attribute in wire.attributes]),
        fault_domain.region.name if fault_domain else None,
        fault_domain.zone.name if fault_domain else None,
        address.ip or None if address else None,
        address.port if address else 5051,
    )


def _attribute(wire: WireAttribute) -> Attribute:
    if wire.text is not None:
        return Attribute(wire.name, wire.text.value)
    if wire.scalar is not None:
        return Attribute(wire.name, scalar=wire.scalar.value)
    if wire.ranges is not None:
        return Attribute(wire.name, ranges=_ranges(wire.ranges))
    if wire.set is not None:
        return Attribute(wire.name, items=wire.set.item)
    raise ValueError(f"the attribute {wire.name!r} has no value")


def _resource(wire: WireResource) -> OfferResource:
    role, plain = "*", True
    owner = None
    if is_present(wire.reservations):
        role, plain, owner = _reserved(wire)
    elif wire.role != "*":
        # The form before reservation refinement, which we ask Mesos not to use: its
        # reservation could not be echoed as it came.
        role, plain = wire.role, False
    if owner is not None:
        return _owned(wire, role, owner)
    special = _special(wire)
    return OfferResource(
        wire.name,
        0 if wire.scalar is None else round(wire.scalar.value * 1000),
        () if wire.ranges is None else _ranges(wire.ranges),
        () if wire.set is None else wire.set.item,
        role,
        "" if role == "*" else text(wire.reservations),
        plain and not special,
        disk_source=_free_disk(wire) if special and plain else None,
    )


def _free_disk(wire: WireResource) -> DiskSource | None:
    """The PATH or MOUNT disk that this is a free part of."""
    disk = _DISK.decode(wire.disk) if is_present(wire.disk) else Disk()
    if disk.persistence or disk.volume or _foreign(wire):
        return None
    return _source(disk)


def _source(disk: Disk) -> DiskSource | None:
    if not is_present(disk.source):
        return None
    source = _SOURCE.decode(disk.source)
    places = {"PATH": (DiskType.PATH, source.path), "MOUNT": (DiskType.MOUNT, source.mount)}
    kind, place = places.get(source.type, (DiskType.ROOT, None))
    if place is None or not place.root or source.profile:
        return None
    return DiskSource(kind, place.root, text(disk.source))


def _foreign(wire: WireResource) -> bool:
    """Whether it is lent, shared, or a resource provider's."""
    others = (wire.revocable, wire.shared, wire.provider_id, wire.reservation)
    return any(is_present(other) for other in others)


def _owned(wire: WireResource, role: str, owner: tuple[str, str]) -> OfferResource:
    """A part of an instance's reservation, and of a volume if it is one."""
    disk = _DISK.decode(wire.disk) if is_present(wire.disk) else Disk()
    source = _source(disk)
    foreign = _foreign(wire) or (source is None and is_present(disk.source))
    return OfferResource(
        wire.name,
        0 if wire.scalar is None else round(wire.scalar.value * 1000),
        () if wire.ranges is None else _ranges(wire.ranges),
        () if wire.set is None else wire.set.item,
        role,
        text(wire.reservations),
        plain=False,
        disk=text(wire.disk) if disk.persistence or disk.volume else "",
        volume_id="" if disk.persistence is None else disk.persistence.id,
        container_path="" if disk.volume is None else disk.volume.container_path,
        disk_source=source,
        owner=None if foreign else owner,
    )


def _reserved(wire: WireResource) -> tuple[str, bool, tuple[str, str] | None]:
    """The innermost role, whether the stack is an ordinary one, without labels, and whose it is
    by the labels."""
    stack = _RESERVATIONS.decode(wire.reservations)
    if not stack:
        return "*", True, None
    if not any(is_present(layer.labels) for layer in stack):
        return stack[-1].role, True, None
    labels = _LABELS.decode(stack[-1].labels) if is_present(stack[-1].labels) else Labels()
    named = {label.key: label.value for label in labels.labels}
    framework, instance = named.get(FRAMEWORK_LABEL, ""), named.get(INSTANCE_LABEL, "")
    return stack[-1].role, False, (framework, instance) if framework and instance else None


def _special(wire: WireResource) -> bool:
    marks = (wire.disk, wire.revocable, wire.shared, wire.provider_id, wire.reservation)
    if marks == _UNMARKED:  # nearly always, and quick: the wire named none of them
        return False
    is_volume = is_present(wire.disk) and bytes(wire.disk) != b"{}"
    return is_volume or _foreign(wire)


def _ranges(wire: Ranges) -> tuple[tuple[int, int], ...]:
    ranges = tuple([(each.begin, each.end) for each in wire.range])
    for begin, end in ranges:
        if begin > end:
            raise ValueError("a range ends before it begins")
    return ranges
