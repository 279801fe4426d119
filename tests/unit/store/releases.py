"""A release of Stayer to come, as far as its codec tells."""

from typing import Any

from framework.domain.state import Kind
from framework.store.codec import SCHEMAS, Codec, InexpressibleError


def to_2(document: dict[str, Any]) -> dict[str, Any]:
    return {
        "task_id": document["task_id"],
        "at_ms": document["at_ms"] * 1000,
        "reason": document["why"],
    }


def back_to_1(document: dict[str, Any]) -> dict[str, Any]:
    seconds, rest = divmod(document["at_ms"], 1000)
    if rest:
        raise InexpressibleError("a time between two seconds")
    return {"task_id": document["task_id"], "at_ms": seconds, "why": document["reason"]}


def to_3(document: dict[str, Any]) -> dict[str, Any]:
    return {"task_id": document["task_id"], "at_ms": document["at_ms"], "why": document["reason"]}


def back_to_2(document: dict[str, Any]) -> dict[str, Any]:
    return {"task_id": document["task_id"], "at_ms": document["at_ms"], "reason": document["why"]}


def later() -> Codec:
    """Release 9.1.0: its tombstones have schema 3. It takes the moments of schema 1, which is
    today's, for seconds; schema 2 said ``reason`` instead of ``why``."""
    return Codec(
        schemas={**SCHEMAS, Kind.TOMBSTONE: 3},
        upgrades={(Kind.TOMBSTONE, 1): to_2, (Kind.TOMBSTONE, 2): to_3},
        downgrades={(Kind.TOMBSTONE, 1): back_to_1, (Kind.TOMBSTONE, 2): back_to_2},
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
