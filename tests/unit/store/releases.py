"""A release of Stayer to come, as far as its codec tells."""

from typing import Any

from framework.domain.state import Kind
from framework.store.codec import SCHEMAS, Codec, InexpressibleError


def seconds_to_ms(document: dict[str, Any]) -> dict[str, Any]:
    return {**document, "at_ms": document["at_ms"] * 1000}


def ms_to_seconds(document: dict[str, Any]) -> dict[str, Any]:
    seconds, rest = divmod(document["at_ms"], 1000)
    if rest:
        raise InexpressibleError("a time between two seconds")
    return {**document, "at_ms": seconds}


def reason_to_why(document: dict[str, Any]) -> dict[str, Any]:
    return {"task_id": document["task_id"], "at_ms": document["at_ms"], "why": document["reason"]}


def why_to_reason(document: dict[str, Any]) -> dict[str, Any]:
    return {"task_id": document["task_id"], "at_ms": document["at_ms"], "reason": document["why"]}


def later() -> Codec:
    """Release 9.1.0: its tombstones have schema 3. In schema 1 they said ``reason`` instead of
    ``why``, and seconds."""
    return Codec(
        schemas={**SCHEMAS, Kind.TOMBSTONE: 3},
        upgrades={(Kind.TOMBSTONE, 1): seconds_to_ms, (Kind.TOMBSTONE, 2): reason_to_why},
        downgrades={(Kind.TOMBSTONE, 1): ms_to_seconds, (Kind.TOMBSTONE, 2): why_to_reason},
        release="9.1.0",
    )


def next_release() -> Codec:
    """Release 9.0.0: its tombstones have schema 2, and say what those of schema 1 say."""
    return Codec(
        schemas={**SCHEMAS, Kind.TOMBSTONE: 2},
        upgrades={(Kind.TOMBSTONE, 1): lambda document: document},
        downgrades={(Kind.TOMBSTONE, 1): lambda document: document},
        release="9.0.0",
    )
