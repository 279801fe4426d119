"""Reading one HTTP/1.x answer, as far as a check needs it: the status, perhaps some of the body.

Sans-I/O: bytes go in, in pieces of any size, never more than a limit in all. Only what comes
before the body can be malformed; a broken body just ends, because the status has been said.
Line ends may be bare line feeds, as the smallest servers send them.
"""

import codecs
import re

KEPT_BODY_BYTES = 4_096
HEAD_BYTES = 16_384  # of the head and of all interim (1xx) heads before it
_KEPT_TYPE_CHARS = 256
_START = b"HTTP/1."
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?: [^\n]*)?\Z")
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_SIZE_LINE = re.compile(rb"(?:\r?\n)?([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\n]*)?\r?\n")


class MalformedAnswerError(Exception):
    """What was answered is no HTTP; the text says what it is instead."""


class AnswerReader:
    """``status`` is 0 until a final head (not 1xx) was read; ``complete`` once nothing more is
    wanted."""

    __slots__ = (
        "_body", "_buffer", "_chunked", "_left", "_limit", "_read", "_searched", "complete",
        "content_type", "status",
    )  # fmt: skip

    def __init__(self, limit_bytes: int) -> None:
        self.status = 0
        self.content_type = ""
        self.complete = False
        self._limit = limit_bytes
        self._read = 0
        self._searched = 0  # where the end of the head can begin: a byte at a time costs no more
        self._buffer = b""
        self._body = b""
        self._chunked = False
        self._left: int | None = None  # bytes of the body or chunk to come; None: until the end

    @property
    def wanted_bytes(self) -> int:
        """How many bytes may be fed next, at most."""
        return self._limit - self._read

    @property
    def text(self) -> str:
        """The start of the body, as UTF-8; a character cut off at the end is left out."""
        kept = self._body[:KEPT_BODY_BYTES]
        return codecs.getincrementaldecoder("utf-8")("replace").decode(kept)

    def feed(self, data: bytes) -> None:
        """Read on; no data means that the connection was closed. MalformedAnswerError."""
        self._read += len(data)
        self._buffer += data
        while not self.status and self._head():
            pass
        if not self.status:
            self._must_go_on(ended=not data)
        elif not self.complete:
            self._read_body()
        if not data or self._read >= self._limit:
            self.complete = True

    def _must_go_on(self, *, ended: bool) -> None:
        buffer = self._buffer
        if not buffer.startswith(_START[: len(buffer)]):
            raise MalformedAnswerError(f"it begins with {_shown(buffer)}")
        if ended:
            raise MalformedAnswerError(
                "it ends within its head" if buffer else "it is empty: the connection was closed"
            )
        if self._read >= min(HEAD_BYTES, self._limit):
            raise MalformedAnswerError("its head is too long")

    def _head(self) -> bool:
        """Read a head if there is a whole one; whether there was."""
        end = _END_OF_HEAD.search(self._buffer, self._searched)
        if end is None:
            self._searched = max(0, len(self._buffer) - 3)  # the end may have begun there
            return False
        self._searched = 0
        status_line, *lines = self._buffer[: end.start()].split(b"\n")
        matched = _STATUS_LINE.match(status_line.rstrip(b"\r"))
        if matched is None:
            raise MalformedAnswerError(f"it begins with {_shown(status_line)}")
        self._buffer = self._buffer[end.end() :]
        if not matched[1].startswith(b"1"):
            self.status = int(matched[1])
            self._choose_body(_headers(lines))
        return True

    def _choose_body(self, headers: dict[bytes, bytes]) -> None:
        kind = headers.get(b"content-type", b"")
        self.content_type = kind.decode("latin-1")[:_KEPT_TYPE_CHARS]
        length = headers.get(b"content-length", b"")
        self._chunked = b"chunked" in headers.get(b"transfer-encoding", b"").lower()
        if self.status in (204, 304):
            self.complete = True
        elif self._chunked:
            self._left = 0
        elif length.isdigit() and len(length) <= 15:
            self._left = int(length)

    def _read_body(self) -> None:
        while self._chunked:
            self._take_piece()
            if self._left or not self._next_chunk():
                return
        self._take_piece()
        self.complete = self._left == 0

    def _take_piece(self) -> None:
        piece = self._buffer[: self._left]
        self._buffer = self._buffer[len(piece) :]
        if len(self._body) < KEPT_BODY_BYTES:
            self._body += piece
        if self._left is not None:
            self._left -= len(piece)

    def _next_chunk(self) -> bool:
        """Go on to the next chunk if its size is there; the last one, of size 0, is the end, and
        what is no size is taken for it."""
        matched = _SIZE_LINE.match(self._buffer)
        if matched is None:
            self.complete = b"\n" in self._buffer.lstrip()  # a whole line, and no size
            return False
        self._buffer = self._buffer[matched.end() :]
        self._left = int(matched[1], 16)
        self.complete = self._left == 0
        return not self.complete


def _headers(lines: list[bytes]) -> dict[bytes, bytes]:
    """By name in lower case; the last of equal names wins, and what is no header is ignored."""
    parted = (line.partition(b":") for line in lines)
    return {name.strip().lower(): value.strip() for name, _, value in parted}


def _shown(data: bytes) -> str:
    return repr(data[:40].decode("latin-1"))
