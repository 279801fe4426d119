"""The client's half of HTTP/1.1, as far as Mesos needs it: reading responses.

Sans-I/O: bytes of one connection go in, in pieces of any size; heads, pieces of bodies and ends
of responses come out, for a stream that never ends as for the short answers of pipelined calls.
A head equal to the previous one is not parsed again, which makes an answer cheap.
"""

from collections.abc import Callable
from dataclasses import dataclass

MAX_HEAD_BYTES = 64 * 1024
_MAX_CHUNK_LINE_BYTES = 1024
_HEX_DIGITS = frozenset(b"0123456789abcdefABCDEF")
_MAX_SIZE_DIGITS = 15


class MalformedResponseError(Exception):
    """The peer does not speak HTTP/1.1 as understood here: the connection is of no use."""


@dataclass(frozen=True, slots=True)
class Head:
    """Status line and headers; names in lower case, the last of equal names wins."""

    status: int
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Body:
    """A piece of the present response's body."""

    data: bytes


@dataclass(frozen=True, slots=True)
class End:
    """The present response is complete."""


Part = Head | Body | End
Step = Callable[[bytes, int], int]
_END = End()


class ResponseParser:
    """Splits the bytes of one connection into the parts of its responses."""

    __slots__ = ("_buffer", "_last_head", "_last_head_bytes", "_left", "_parts", "_step")

    def __init__(self) -> None:
        self._buffer = b""
        self._parts: list[Part] = []
        self._left = 0  # bytes of the present body or chunk still to come
        self._step: Step = self._head
        self._last_head_bytes = b""
        self._last_head = Head(0, {})

    def feed(self, data: bytes) -> list[Part]:
        """The parts that ``data`` brings, in order. Raises MalformedResponseError."""
        data = self._buffer + data if self._buffer else data
        self._parts = []
        position, next_position = 0, 0
        while next_position >= 0:
            position = next_position
            next_position = self._step(data, position)
        self._buffer = data[position:]
        return self._parts

    # Each step below takes what it can from ``data`` at ``position``, adds parts, sets the next
    # step and returns the new position, or -1 when it needs more bytes.

    def _head(self, data: bytes, position: int) -> int:
        end = data.find(b"\r\n\r\n", position, position + MAX_HEAD_BYTES)
        if end < 0:
            return _need_more(data, position, MAX_HEAD_BYTES, "a response's head")
        head_bytes = data[position:end]
        if head_bytes != self._last_head_bytes:
            self._last_head, self._last_head_bytes = _parse_head(head_bytes), head_bytes
        head = self._last_head
        if head.status >= 200:  # interim responses say nothing about the request
            self._parts.append(head)
            self._choose_body(head)
        return end + 4

    def _choose_body(self, head: Head) -> None:
        if "chunked" in head.headers.get("transfer-encoding", "").lower():
            self._step = self._chunk_size
        elif head.status in (204, 304):
            self._parts.append(_END)
        elif (length := head.headers.get("content-length")) is not None:
            self._left = _decimal(length)
            if self._left:
                self._step = self._sized_body
            else:
                self._parts.append(_END)
        else:
            self._step = self._endless_body

    def _sized_body(self, data: bytes, position: int) -> int:
        position = self._piece(data, position)
        if not self._left:
            self._parts.append(_END)
            self._step = self._head
        return position

    def _endless_body(self, data: bytes, position: int) -> int:
        if position == len(data):
            return -1
        self._parts.append(Body(data[position:]))
        return len(data)

    def _chunk_size(self, data: bytes, position: int) -> int:
        end = data.find(b"\r\n", position, position + _MAX_CHUNK_LINE_BYTES)
        if end < 0:
            return _need_more(data, position, _MAX_CHUNK_LINE_BYTES, "the line of a chunk's size")
        digits = data[position:end].partition(b";")[0].strip()
        if not 0 < len(digits) <= _MAX_SIZE_DIGITS or not _HEX_DIGITS.issuperset(digits):
            raise MalformedResponseError(f"a chunk's size is {digits[:40]!r}")
        self._left = int(digits, 16)
        self._step = self._chunk if self._left else self._trailers
        return end + 2

    def _chunk(self, data: bytes, position: int) -> int:
        position = self._piece(data, position)
        if not self._left:
            self._step = self._end_of_chunk
        return position

    def _end_of_chunk(self, data: bytes, position: int) -> int:
        if len(data) - position < 2:
            return -1
        if data[position : position + 2] != b"\r\n":
            raise MalformedResponseError("a chunk is longer than its size")
        self._step = self._chunk_size
        return position + 2

    def _trailers(self, data: bytes, position: int) -> int:
        end = data.find(b"\r\n", position, position + _MAX_CHUNK_LINE_BYTES)
        if end < 0:
            return _need_more(data, position, _MAX_CHUNK_LINE_BYTES, "a trailer")
        if end == position:
            self._parts.append(_END)
            self._step = self._head
        return end + 2

    def _piece(self, data: bytes, position: int) -> int:
        if position == len(data):
            return -1
        piece = data[position : position + self._left]
        self._parts.append(Body(piece))
        self._left -= len(piece)
        return position + len(piece)


def _need_more(data: bytes, position: int, limit: int, what: str) -> int:
    if len(data) - position >= limit:
        raise MalformedResponseError(f"{what} exceeds {limit} bytes")
    return -1


def _parse_head(data: bytes) -> Head:
    status_line, _, rest = data.decode("latin-1").partition("\r\n")
    version, _, status_and_reason = status_line.partition(" ")
    status = status_and_reason[:3]
    if version not in ("HTTP/1.1", "HTTP/1.0") or not (status.isascii() and status.isdigit()):
        raise MalformedResponseError(f"the answer begins with {status_line[:80]!r}")
    headers: dict[str, str] = {}
    for line in rest.split("\r\n") if rest else ():
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise MalformedResponseError(f"a header line is {line[:80]!r}")
        headers[name.strip().lower()] = value.strip()
    return Head(int(status), headers)


def _decimal(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > _MAX_SIZE_DIGITS:
        raise MalformedResponseError(f"Content-Length is {text[:40]!r}")
    return int(text)
