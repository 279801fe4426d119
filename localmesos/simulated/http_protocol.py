"""HTTP/1.1 by hand: pipelined requests answered in order, and answers that never end.

A scheduler sends thousands of small calls a second with all but equal headers, so the parsed form
of a head is kept by its bytes, and all answers to one read go out in one write.
"""

import asyncio
import re
from collections.abc import Callable
from http import HTTPStatus

import msgspec

_MOST_HEAD_BYTES = 64 * 1024
_MOST_CHUNK_LINE_BYTES = 1024
_MOST_HEADS_KEPT = 1024
_LENGTH = re.compile(r"\d{1,12}")
_HEX = re.compile(rb"[0-9a-fA-F]{1,8}")


class HttpError(Exception):
    """A request that cannot be understood; after the answer the connection is closed."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Head(msgspec.Struct, frozen=True, gc=False):
    """Request line and the headers that matter, names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    length: int
    chunked: bool
    close: bool
    expects: bool


_heads: dict[bytes, Head] = {}


def parse_head(data: bytes) -> Head:
    """Parse a head without its final empty line. Raises HttpError."""
    head = _heads.get(data)
    if head is None:
        head = _parse_head(data)
        if len(_heads) >= _MOST_HEADS_KEPT:
            _heads.clear()
        _heads[data] = head
    return head


def _parse_head(data: bytes) -> Head:
    lines = data.decode("latin-1").split("\r\n")
    parts = lines[0].split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1.") or not parts[1].startswith("/"):
        raise HttpError(400, "cannot read the request line")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        key = name.lower()
        if not colon or name != name.strip() or not name:
            raise HttpError(400, "cannot read a header line")
        if key in ("content-length", "transfer-encoding") and key in headers:
            raise HttpError(400, f"{name} is given twice")
        headers[key] = value.strip()
    length = headers.get("content-length", "0")
    chunked = "transfer-encoding" in headers
    if not _LENGTH.fullmatch(length) or (chunked and "content-length" in headers):
        raise HttpError(400, "cannot tell the length of the body")
    if chunked and headers["transfer-encoding"].lower() != "chunked":
        raise HttpError(501, "the only transfer encoding known is chunked")
    close = headers.get("connection", "").lower() == "close" or parts[2] == "HTTP/1.0"
    expects = headers.get("expect", "").lower() == "100-continue"
    path = parts[1].partition("?")[0]
    return Head(parts[0], path, headers, int(length), chunked, close, expects)


def response(
    status: int,
    body: bytes = b"",
    content_type: str = "text/plain; charset=utf-8",
    *,
    headers: str = "",
    close: bool = False,
) -> bytes:
    """A whole answer. `headers` are ready lines, each with its line end."""
    content = f"Content-Type: {content_type}\r\n" if body else ""
    ending = "Connection: close\r\n" if close else ""
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{content}{headers}{ending}"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode("latin-1") + body


def chunk(records: list[bytes]) -> bytes:
    """RecordIO records ("<length>\\n<bytes>" each) in one chunk of a chunked answer."""
    data = b"".join([b"%d\n%b" % (len(record), record) for record in records])
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"


class Connection(asyncio.Protocol):
    """One client. `handle` gives the answer to a request; it may set `streaming` to go on."""

    def __init__(
        self,
        handle: "Callable[[Connection, Head, bytes], bytes]",
        lost: "Callable[[Connection], None]",
        most_body_bytes: int,
    ) -> None:
        self._handle = handle
        self._lost = lost
        self._most_body_bytes = most_body_bytes
        self._buffer = bytearray()
        self._chunks: _Chunks | None = None
        self._continued = False
        self._closing = False
        self.streaming = False
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        # A client that reads slowly is judged by the size of its buffer, never waited for.
        transport.set_write_buffer_limits(high=1 << 20)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc  # why a client went makes no difference
        self._closing = True
        self._lost(self)

    def data_received(self, data: bytes) -> None:
        if self.streaming or self._closing:
            return  # after SUBSCRIBE a client has nothing more to say on this connection
        self._buffer += data
        answers: list[bytes] = []
        try:
            at = self._requests(answers)
            del self._buffer[:at]
        except HttpError as error:
            text = str(error).encode()
            answers.append(response(error.status, text, close=True))
            self._closing = True
        if answers:
            self.write(b"".join(answers))
        if self._closing:
            self.close()

    def close_after_answer(self) -> None:
        """For `handle`: the answer that it gives is the last."""
        self._closing = True

    def write(self, data: bytes) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def waiting_bytes(self) -> int:
        return self.transport.get_write_buffer_size() if self.transport is not None else 0

    def close(self) -> None:
        """Close after what was written."""
        self._closing = True
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        """Break off at once, as a cut network or a killed master does."""
        self._closing = True
        if self.transport is not None:
            self.transport.abort()

    def _requests(self, answers: list[bytes]) -> int:
        """Answer all whole requests in the buffer; return where the first partial one begins."""
        at = 0
        while not (self._closing or self.streaming):
            end = self._buffer.find(b"\r\n\r\n", at)
            if end < 0:
                if len(self._buffer) - at > _MOST_HEAD_BYTES:
                    raise HttpError(431, "the head of the request is too long")
                break
            head = parse_head(bytes(self._buffer[at:end]))
            body, after = self._body(head, end + 4, answers)
            if body is None:
                break
            at = after
            self._continued = False
            answers.append(self._handle(self, head, body))
            self._closing = self._closing or (head.close and not self.streaming)
        return at

    def _body(self, head: Head, start: int, answers: list[bytes]) -> tuple[bytes | None, int]:
        """The body and where it ends; None while it is not all there."""
        if head.length > self._most_body_bytes:
            raise HttpError(413, "the body is too long")
        if not head.chunked:
            end = start + head.length
            if len(self._buffer) >= end:
                return bytes(self._buffer[start:end]), end
        else:
            if self._chunks is None:
                self._chunks = _Chunks(self._most_body_bytes)
            end = self._chunks.read(self._buffer, start)
            if end >= 0:
                body, self._chunks = bytes(self._chunks.body), None
                return body, end
        if head.expects and not self._continued:
            self._continued = True
            answers.append(b"HTTP/1.1 100 Continue\r\n\r\n")
        return None, start


class _Chunks:
    """A chunked request body as it arrives."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._read = 0
        self._trailer = False
        self.body = bytearray()

    def read(self, buffer: bytearray, start: int) -> int:
        """Take the chunks that are there; return where the body ends, or -1 when it goes on."""
        while True:
            at = start + self._read
            end = buffer.find(b"\r\n", at)
            if end < 0:
                if len(buffer) - at > _MOST_CHUNK_LINE_BYTES:
                    raise HttpError(400, "a chunk begins with too long a line")
                return -1
            line = bytes(buffer[at:end])
            if self._trailer:
                self._read = end + 2 - start
                if not line:
                    return end + 2
                continue
            size_text = line.partition(b";")[0].strip()
            if not _HEX.fullmatch(size_text):
                raise HttpError(400, "a chunk has no size")
            size = int(size_text, 16)
            if len(self.body) + size > self._most_bytes or self._read > 8 * self._most_bytes:
                raise HttpError(413, "the body is too long")
            if size == 0:
                self._trailer = True
                self._read = end + 2 - start
            elif not self._take(buffer, start, end + 2, size):
                return -1

    def _take(self, buffer: bytearray, start: int, at: int, size: int) -> bool:
        if len(buffer) < at + size + 2:
            return False
        if buffer[at + size : at + size + 2] != b"\r\n":
            raise HttpError(400, "a chunk is longer than it says")
        self.body += buffer[at : at + size]
        self._read = at + size + 2 - start
        return True
