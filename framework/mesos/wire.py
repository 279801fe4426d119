"""Events of the v1 scheduler API as they come over the wire, decoded in one pass.

The structs name only what we use; everything else is skipped by the decoder. Offers and statuses
are turned into the domain's own records by ``offers`` and ``statuses``. Nothing that Mesos sends
may stop the scheduler: what can not be understood is counted, said once, and where Mesos waits
for an answer (an offer, an acknowledgement) the driver gives it itself.
"""

from typing import Annotated

from msgspec import Meta, Raw, Struct

RAW_NOTHING = Raw(b"")
"""What a Raw field holds when the wire did not name it."""

Amount = Annotated[float, Meta(ge=0, le=1e12)]
Moment = Annotated[float, Meta(ge=0, le=1e11)]  # seconds; beyond it no date exists
Nanoseconds = Annotated[int, Meta(ge=-(2**62), le=2**62)]  # until the year 2116


class Value(Struct, frozen=True, gc=False):
    """An id, or the text of an attribute."""

    value: str


class Scalar(Struct, frozen=True, gc=False):
    value: Amount


class SignedScalar(Struct, frozen=True, gc=False):
    value: float


class Range(Struct, frozen=True, gc=False):
    begin: Annotated[int, Meta(ge=0)]
    end: Annotated[int, Meta(ge=0)]


class Ranges(Struct, frozen=True, gc=False):
    range: tuple[Range, ...] = ()


class TextSet(Struct, frozen=True, gc=False):
    item: tuple[str, ...] = ()


class WireAttribute(Struct, frozen=True, gc=False):
    name: str
    text: Value | None = None
    scalar: SignedScalar | None = None
    ranges: Ranges | None = None
    set: TextSet | None = None


class Label(Struct, frozen=True, gc=False):
    key: str
    value: str = ""


class Labels(Struct, frozen=True, gc=False):
    labels: tuple[Label, ...] = ()


class Persistence(Struct, frozen=True, gc=False):
    id: str


class DiskVolume(Struct, frozen=True, gc=False):
    container_path: str = ""


class DiskPlace(Struct, frozen=True, gc=False):
    root: str = ""


class SourceOfDisk(Struct, frozen=True, gc=False):
    """Which disk it is. Those with a profile, and other types, are those of storage providers."""

    type: str = ""
    path: DiskPlace = DiskPlace()
    mount: DiskPlace = DiskPlace()
    profile: str = ""


class Disk(Struct, frozen=True, gc=False):
    """What makes a disk a volume, or one of its own."""

    persistence: Persistence | None = None
    volume: DiskVolume | None = None
    source: Raw = RAW_NOTHING


class Reservation(Struct, frozen=True, gc=False):
    """One layer of a reservation stack."""

    role: str = "*"
    labels: Raw = RAW_NOTHING


class WireResource(Struct, frozen=True, gc=False):
    name: str
    scalar: Scalar | None = None
    ranges: Ranges | None = None
    set: TextSet | None = None
    role: str = "*"
    reservations: Raw = RAW_NOTHING
    reservation: Raw = RAW_NOTHING
    disk: Raw = RAW_NOTHING
    revocable: Raw = RAW_NOTHING
    shared: Raw = RAW_NOTHING
    provider_id: Raw = RAW_NOTHING


class AllocationInfo(Struct, frozen=True, gc=False):
    role: str = "*"


class Named(Struct, frozen=True, gc=False):
    name: str


class FaultDomain(Struct, frozen=True, gc=False):
    region: Named
    zone: Named


class DomainInfo(Struct, frozen=True, gc=False):
    fault_domain: FaultDomain | None = None


class Address(Struct, frozen=True, gc=False):
    hostname: str = ""
    ip: str = ""
    port: int = 5051


class Url(Struct, frozen=True, gc=False):
    address: Address = Address()


class Time(Struct, frozen=True, gc=False):
    nanoseconds: Nanoseconds


class Unavailability(Struct, frozen=True, gc=False):
    start: Time
    duration: Time | None = None


class WireOffer(Struct, frozen=True, gc=False):
    id: Value
    agent_id: Value
    hostname: str
    resources: tuple[WireResource, ...] = ()
    attributes: tuple[WireAttribute, ...] = ()
    allocation_info: AllocationInfo | None = None
    domain: DomainInfo | None = None
    url: Url | None = None
    unavailability: Unavailability | None = None


class IpAddress(Struct, frozen=True, gc=False):
    ip_address: str = ""


class NetworkInfo(Struct, frozen=True, gc=False):
    ip_addresses: tuple[IpAddress, ...] = ()


class ContainerStatus(Struct, frozen=True, gc=False):
    network_infos: tuple[NetworkInfo, ...] = ()


class WireStatus(Struct, frozen=True, gc=False):
    task_id: Value
    state: str
    agent_id: Value | None = None
    uuid: str = ""
    reason: str = ""
    message: str = ""
    source: str = ""
    timestamp: Moment = 0.0
    healthy: bool | None = None
    container_status: ContainerStatus | None = None
    check_status: Raw = RAW_NOTHING
    unreachable_time: Time | None = None


class OperationUuid(Struct, frozen=True, gc=False):
    value: str


class WireOperationStatus(Struct, frozen=True, gc=False):
    state: str
    operation_id: Value | None = None
    agent_id: Value | None = None
    uuid: OperationUuid | None = None
    message: str = ""


class OperationBody(Struct, frozen=True, gc=False):
    status: WireOperationStatus


class MasterInfo(Struct, frozen=True, gc=False):
    domain: DomainInfo | None = None


class SubscribedBody(Struct, frozen=True, gc=False):
    framework_id: Value
    master_info: MasterInfo = MasterInfo()
    heartbeat_interval_seconds: float | None = None


class OffersBody(Struct, frozen=True, gc=False):
    offers: tuple[WireOffer, ...] = ()


class WireInverseOffer(Struct, frozen=True, gc=False):
    id: Value
    unavailability: Unavailability
    agent_id: Value | None = None


class InverseOffersBody(Struct, frozen=True, gc=False):
    inverse_offers: tuple[WireInverseOffer, ...] = ()


class RescindInverseBody(Struct, frozen=True, gc=False):
    inverse_offer_id: Value


class UpdateBody(Struct, frozen=True, gc=False):
    status: WireStatus


class RescindBody(Struct, frozen=True, gc=False):
    offer_id: Value


class FailureBody(Struct, frozen=True, gc=False):
    agent_id: Value | None = None
    executor_id: Value | None = None


class ErrorBody(Struct, frozen=True, gc=False):
    message: str = ""


class WireEvent(Struct, frozen=True, gc=False):
    """Any event: ``type`` says which of the bodies is there."""

    type: str
    subscribed: SubscribedBody | None = None
    offers: OffersBody | None = None
    update: UpdateBody | None = None
    update_operation_status: OperationBody | None = None
    rescind: RescindBody | None = None
    inverse_offers: InverseOffersBody | None = None
    rescind_inverse_offer: RescindInverseBody | None = None
    failure: FailureBody | None = None
    error: ErrorBody | None = None


# The second, slower look at an event that did not decode as a whole: one bad offer must not
# lose the others, and what Mesos waits for must still be answered.


class RawOffersBody(Struct, frozen=True, gc=False):
    offers: tuple[Raw, ...] = ()


class RawOffersEvent(Struct, frozen=True, gc=False):
    offers: RawOffersBody


class OfferId(Struct, frozen=True, gc=False):
    id: Value


class Acknowledgeable(Struct, frozen=True, gc=False):
    """The part of a status that its acknowledgement is made from."""

    task_id: Value
    agent_id: Value
    uuid: str


class AcknowledgeableBody(Struct, frozen=True, gc=False):
    status: Acknowledgeable


class AcknowledgeableEvent(Struct, frozen=True, gc=False):
    update: AcknowledgeableBody


class EventType(Struct, frozen=True, gc=False):
    type: str


def is_present(raw: Raw) -> bool:
    """Whether the wire named the field with anything but null."""
    return raw is not RAW_NOTHING and bytes(raw) not in (b"", b"null")


def text(raw: Raw) -> str:
    """A Raw field's JSON as text; empty when absent."""
    return bytes(raw).decode("utf-8") if is_present(raw) else ""
