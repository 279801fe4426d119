"""A record of the event stream as events for the core.

Besides events a record may call for answers that the core can not give, because it can not be
told the question: an unreadable offer is declined, an update that can not be expressed is
acknowledged; otherwise the one keeps resources from everybody, and the other holds up every
later update of its task.
"""

from collections.abc import Callable

import msgspec
from msgspec import Struct

from framework.domain.actions import Acknowledge, AcknowledgeOperation, Action, Decline
from framework.domain.events import (
    AgentFailed,
    Event,
    FrameworkRefused,
    InverseOfferRescinded,
    InverseOffersReceived,
    OfferRescinded,
    OffersReceived,
    OperationStatusReceived,
    TaskStatusReceived,
)
from framework.domain.mesos import Offer
from framework.mesos.offers import to_inverse_offer, to_offer
from framework.mesos.statuses import UnknownStateError, to_operation_status, to_status
from framework.mesos.wire import (
    AcknowledgeableEvent,
    EventType,
    OfferId,
    OperationBody,
    RawOffersEvent,
    SubscribedBody,
    WireEvent,
    WireOffer,
)

UNREADABLE_OFFER_REFUSE_SECONDS = 600.0

_EVENT = msgspec.json.Decoder(WireEvent)
_EVENT_TYPE = msgspec.json.Decoder(EventType)
_RAW_OFFERS = msgspec.json.Decoder(RawOffersEvent)
_OFFER = msgspec.json.Decoder(WireOffer)
_OFFER_ID = msgspec.json.Decoder(OfferId)
_ACKNOWLEDGEABLE = msgspec.json.Decoder(AcknowledgeableEvent)

# Events that ask nothing of a framework like ours: messages come from custom executors.
IGNORED = frozenset(
    {
        "HEARTBEAT",
        "MESSAGE",
    }
)


class Decoded(Struct, frozen=True):
    """What a record means. ``type`` is Mesos' own ("" if it could not be read); ``unknown`` that
    it, or the state in it, is none we know; ``problems`` say what could not be understood."""

    type: str
    events: tuple[Event, ...] = ()
    answers: tuple[Action, ...] = ()
    problems: tuple[str, ...] = ()
    subscribed: SubscribedBody | None = None
    unknown: bool = False


def decode(record: bytes) -> Decoded:
    """Understand one record as well as possible; never raises for what is in it."""
    try:
        event = _EVENT.decode(record)
        handler = _HANDLERS.get(event.type)
        if handler is not None:
            return handler(event)
    except UnknownStateError as error:
        return Decoded("UPDATE", (), _acknowledgement(record), (str(error),), unknown=True)
    except (ValueError, RecursionError) as error:
        return _decode_what_is_left(record, str(error))
    if event.type in IGNORED:
        return Decoded(event.type)
    return Decoded(
        event.type, (), (), (f"the event type {event.type[:80]!r} is unknown",), None, True
    )


def _subscribed(event: WireEvent) -> Decoded:
    if event.subscribed is None:
        raise ValueError("SUBSCRIBED without a body")
    return Decoded(event.type, subscribed=event.subscribed)


def _offers(event: WireEvent) -> Decoded:
    if event.offers is None:
        raise ValueError("OFFERS without a body")
    offers = tuple([to_offer(offer) for offer in event.offers.offers])
    return Decoded(event.type, (OffersReceived(offers),))


def _update(event: WireEvent) -> Decoded:
    if event.update is None:
        raise ValueError("UPDATE without a body")
    return Decoded(event.type, (TaskStatusReceived(to_status(event.update.status)),))


def _operation(event: WireEvent) -> Decoded:
    body = event.update_operation_status
    if body is None:
        raise ValueError("UPDATE_OPERATION_STATUS without a body")
    try:
        status = to_operation_status(body.status)
    except UnknownStateError as error:
        answers = _operation_acknowledgement(body)
        return Decoded(event.type, (), answers, (str(error),), unknown=True)
    return Decoded(event.type, (OperationStatusReceived(status),))


def _operation_acknowledgement(body: OperationBody) -> tuple[Action, ...]:
    status = body.status
    if status.uuid is None or status.operation_id is None or status.agent_id is None:
        return ()
    return (
        AcknowledgeOperation(status.operation_id.value, status.agent_id.value, status.uuid.value),
    )


def _rescind(event: WireEvent) -> Decoded:
    if event.rescind is None:
        raise ValueError("RESCIND without a body")
    return Decoded(event.type, (OfferRescinded(event.rescind.offer_id.value),))


def _inverse_offers(event: WireEvent) -> Decoded:
    if event.inverse_offers is None:
        raise ValueError("INVERSE_OFFERS without a body")
    offers = tuple([to_inverse_offer(one) for one in event.inverse_offers.inverse_offers])
    return Decoded(event.type, (InverseOffersReceived(offers),))


def _rescind_inverse(event: WireEvent) -> Decoded:
    body = event.rescind_inverse_offer
    if body is None:
        raise ValueError("RESCIND_INVERSE_OFFER without a body")
    return Decoded(event.type, (InverseOfferRescinded(body.inverse_offer_id.value),))


def _failure(event: WireEvent) -> Decoded:
    failure = event.failure
    if failure is None or failure.agent_id is None or failure.executor_id is not None:
        return Decoded(event.type)  # an executor's end; the task's own update says what it means
    return Decoded(event.type, (AgentFailed(failure.agent_id.value),))


def _error(event: WireEvent) -> Decoded:
    message = event.error.message if event.error is not None else ""
    return Decoded(event.type, (FrameworkRefused(message or "Mesos reports an unnamed error"),))


_HANDLERS: dict[str, Callable[[WireEvent], Decoded]] = {
    "SUBSCRIBED": _subscribed,
    "OFFERS": _offers,
    "UPDATE": _update,
    "UPDATE_OPERATION_STATUS": _operation,
    "RESCIND": _rescind,
    "INVERSE_OFFERS": _inverse_offers,
    "RESCIND_INVERSE_OFFER": _rescind_inverse,
    "FAILURE": _failure,
    "ERROR": _error,
}


def _decode_what_is_left(record: bytes, problem: str) -> Decoded:
    """The second look at a record that is wrong somewhere."""
    try:
        type_ = _EVENT_TYPE.decode(record).type
    except (ValueError, RecursionError):
        return Decoded("", problems=(problem,))
    if type_ == "OFFERS":
        return _readable_offers(record, problem)
    if type_ == "UPDATE":
        return Decoded(type_, (), _acknowledgement(record), (problem,))
    return Decoded(type_, problems=(problem,))


def _readable_offers(record: bytes, problem: str) -> Decoded:
    offers: list[Offer] = []
    unreadable: list[str] = []
    problems: list[str] = []
    try:
        raws = _RAW_OFFERS.decode(record).offers.offers
    except (ValueError, RecursionError):
        return Decoded("OFFERS", problems=(problem,))
    for raw in raws:
        try:
            offers.append(to_offer(_OFFER.decode(raw)))
        except (ValueError, RecursionError) as error:
            problems.append(str(error))
            unreadable.extend(_offer_id(bytes(raw)))
    answers = (Decline(tuple(unreadable), UNREADABLE_OFFER_REFUSE_SECONDS),) if unreadable else ()
    return Decoded("OFFERS", (OffersReceived(tuple(offers)),), answers, tuple(problems))


def _offer_id(raw: bytes) -> tuple[str, ...]:
    try:
        return (_OFFER_ID.decode(raw).id.value,)
    except (ValueError, RecursionError):
        return ()


def _acknowledgement(record: bytes) -> tuple[Action, ...]:
    try:
        status = _ACKNOWLEDGEABLE.decode(record).update.status
    except (ValueError, RecursionError):
        return ()
    return (Acknowledge(status.task_id.value, status.agent_id.value, status.uuid),)
