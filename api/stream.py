"""Event streams as a client reads them: frames of server-sent events out of bytes.

Bytes come in pieces of any size; lines end as the other side likes. A frame has a limit, because
what streams for days must not grow.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

MAX_FRAME_BYTES = 32 * 1024 * 1024


class BadFrameError(Exception):
    """A frame that is too large or holds no JSON object."""


@dataclass(frozen=True, slots=True)
class StreamedEvent:
    """One event. ``id`` is empty where events are not numbered; ``fields`` are its JSON object."""

    kind: str
    id: str
    fields: dict[str, Any]


def events(pieces: Iterable[bytes]) -> Iterator[StreamedEvent]:
    """Each event when its frame is whole; comments (heartbeats) are passed over. BadFrameError."""
    kind, event_id, data, size = "", "", b"", 0
    for line in _lines(pieces):
        size += len(line)
        if size > MAX_FRAME_BYTES:
            raise BadFrameError(f"an event has more than {MAX_FRAME_BYTES} bytes")
        if not line:
            if data:
                yield StreamedEvent(kind, event_id, _decoded(data))
            kind, event_id, data, size = "", "", b"", 0
            continue
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"event":
            kind = value.decode(errors="replace")
        elif name == b"id":
            event_id = value.decode(errors="replace")
        elif name == b"data":
            data = data + b"\n" + value if data else value


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Lines without their ends; what follows the last end is no line yet."""
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        *whole, rest = piece.split(b"\n")
        for line in whole:
            yield b"".join([*waiting, line]).removesuffix(b"\r")
            waiting, size = [], 0
        waiting.append(rest)
        size += len(rest)
        if size > MAX_FRAME_BYTES:
            raise BadFrameError(f"a line of an event has more than {MAX_FRAME_BYTES} bytes")


def _decoded(data: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(data, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadFrameError(f"an event is no JSON object ({error})") from error
