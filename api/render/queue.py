"""What waits, and why: Marathon's queue items and our own explanation."""

from typing import Any

from api.render.app import app_object, number, thousandths
from framework.domain.app import App
from framework.domain.clock import iso
from framework.domain.mesos import Attribute, Offer, OfferResource
from framework.domain.rollout import Delay, LaunchStats, UnusedOffer

FUNNEL = (
    "UnfulfilledRole",
    "UnfulfilledConstraint",
    "NoCorrespondingReservationFound",
    "AgentMaintenance",
    "InsufficientCpus",
    "InsufficientMemory",
    "InsufficientDisk",
    "InsufficientGpus",
    "InsufficientPorts",
    "DeclinedScarceResources",
)
"""Marathon's reasons in the order in which it looks at an offer."""


def queue_item(
    app: App,
    stats: LaunchStats,
    delay: Delay | None,
    *,
    provisioned: int,
    now_ms: int,
    unused_offers: bool,
) -> dict[str, Any]:
    """One app that waits; ``provisioned`` of its instances were sent and have no status yet.

    The role is only told where it says something: marathon-python breaks on the field.
    """
    fields: dict[str, Any] = {
        "count": stats.waiting + provisioned,
        "delay": delay_object(delay, now_ms),
        "since": iso(stats.since_ms),
        "processedOffersSummary": _summary(stats),
        "app": app_object(app),
    }
    if stats.role != "*":
        fields["role"] = stats.role
    if unused_offers:
        fields["lastUnusedOffers"] = [_unused(item) for item in stats.last_unused_offers]
    return fields


def delay_object(delay: Delay | None, now_ms: int) -> dict[str, Any]:
    """The rest of a back-off, in whole seconds, none lost."""
    left_ms = 0 if delay is None else max(0, delay.until_ms - now_ms)
    return {"timeLeftSeconds": -(-left_ms // 1000), "overdue": left_ms == 0}


def _summary(stats: LaunchStats) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "processedOffersCount": stats.processed,
        "unusedOffersCount": stats.unused,
        "rejectSummaryLastOffers": _funnel(stats.refused_last, stats.processed_last),
        "rejectSummaryLaunchAttempt": _funnel(stats.refused_attempt, stats.processed),
    }
    if stats.last_unused_at_ms is not None:
        fields["lastUnusedOfferAt"] = iso(stats.last_unused_at_ms)
    if stats.last_used_at_ms is not None:
        fields["lastUsedOfferAt"] = iso(stats.last_used_at_ms)
    return fields


def _funnel(declined: dict[str, int], processed: int) -> list[dict[str, Any]]:
    """Each reason sees the offers that the reasons before it let pass."""
    rows = []
    for reason in FUNNEL:
        count = declined.get(reason, 0)
        rows.append({"reason": reason, "declined": count, "processed": processed})
        processed = max(0, processed - count)
    return rows


def _unused(item: UnusedOffer) -> dict[str, Any]:
    return {
        "offer": _offer(item.offer),
        "reason": list(item.reasons),
        "timestamp": iso(item.at_ms),
    }


def _offer(offer: Offer) -> dict[str, Any]:
    return {
        "id": offer.id,
        "hostname": offer.agent.hostname,
        "agentId": offer.agent.id,
        "resources": [_resource(entry) for entry in offer.resources],
        "attributes": [_attribute(one) for one in offer.agent.attributes],
    }


def _resource(entry: OfferResource) -> dict[str, Any]:
    fields: dict[str, Any] = {"name": entry.name, "role": entry.role}
    if entry.ranges:
        fields["ranges"] = _ranges(entry.ranges)
    elif entry.items:
        fields["set"] = list(entry.items)
    else:
        fields["scalar"] = thousandths(entry.millis)
    return fields


def _attribute(attribute: Attribute) -> dict[str, Any]:
    fields: dict[str, Any] = {"name": attribute.name}
    if attribute.scalar is not None:
        fields["scalar"] = number(attribute.scalar)
    elif attribute.ranges is not None:
        fields["ranges"] = _ranges(attribute.ranges)
    elif attribute.items is not None:
        fields["set"] = list(attribute.items)
    else:
        fields["text"] = attribute.text or ""
    return fields


def _ranges(pairs: tuple[tuple[int, int], ...]) -> list[dict[str, int]]:
    return [{"begin": begin, "end": end} for begin, end in pairs]


def waiting_object(
    app: App, stats: LaunchStats | None, delay: Delay | None, now_ms: int
) -> dict[str, Any]:
    """Why an app waits, in numbers and sentences; ours, so it may say what Marathon can not."""
    fields: dict[str, Any] = {
        "appId": app.id,
        "role": app.role,
        "waiting": 0 if stats is None else stats.waiting,
        "delay": delay_object(delay, now_ms),
        "explanation": [] if stats is None else list(stats.explanation),
    }
    if stats is None:
        return fields
    offers: dict[str, Any] = {"processed": stats.processed, "unused": stats.unused}
    if stats.last_used_at_ms is not None:
        offers["lastUsedAt"] = iso(stats.last_used_at_ms)
    if stats.last_unused_at_ms is not None:
        offers["lastUnusedAt"] = iso(stats.last_unused_at_ms)
    return {
        **fields,
        "since": iso(stats.since_ms),
        "offers": offers,
        "refused": {
            "sinceWaiting": _largest_first(stats.refused_attempt),
            "lastOfferOfEachAgent": _largest_first(stats.refused_last),
            "agents": stats.processed_last,
        },
        "lastUnusedOffers": [_unused(item) for item in stats.last_unused_offers],
    }


def _largest_first(numbers: dict[str, int]) -> dict[str, int]:
    return dict(sorted(numbers.items(), key=lambda item: (-item[1], item[0])))
