"""Reading what the agent answers: HTTP/1.1 answers, chunked bodies, RecordIO records.

Everything is incremental (bytes come as they come) and bounded: a header, a body that nobody
takes, or a record beyond the limits raises `ProtocolError` and the connection is given up.
"""

MAX_RECORD_BYTES = 16 * 1024 * 1024
_MAX_HEAD_BYTES = 64 * 1024
_MAX_BODY_BYTES = MAX_RECORD_BYTES + 1024
_MAX_LINE_BYTES = 1024
_MAX_LENGTH_DIGITS = 20

_HEAD, _COUNTED, _CHUNK_SIZE, _CHUNK, _CHUNK_END, _TRAILER, _TO_THE_END, _DONE = range(8)


class ProtocolError(Exception):
    """The peer sent something that is no HTTP answer or no record stream, or is too large."""


class AnswerReader:
    """The answers that arrive on one connection, one after the other.

    `status` is 0 until the head of the present answer is read; `body` grows and may be taken from
    its front at any time; `complete` says that the present answer has ended.
    """

    def __init__(self) -> None:
        self.body = bytearray()
        self.status = 0
        self._raw = bytearray()
        self._state = _HEAD
        self._remaining = 0

    @property
    def complete(self) -> bool:
        return self._state == _DONE

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the connection."""
        self._raw += data
        while self._raw and self._advance():
            if len(self.body) > _MAX_BODY_BYTES:
                raise ProtocolError(f"an answer of more than {_MAX_BODY_BYTES} bytes")

    def next_answer(self) -> None:
        """Forget the present, complete answer and begin to read the next."""
        self.body.clear()
        self.status, self._state = 0, _HEAD
        self.feed(b"")

    def _advance(self) -> bool:
        """Read one part; False when more bytes are needed or nothing more is expected."""
        if self._state == _HEAD:
            return self._read_head()
        if self._state in (_COUNTED, _CHUNK):
            return self._read_counted()
        if self._state == _TO_THE_END:
            self.body += self._raw
            self._raw.clear()
            return True
        if self._state == _DONE:
            return False
        return self._read_line()

    def _read_head(self) -> bool:
        end = self._raw.find(b"\r\n\r\n")
        if max(end, len(self._raw) if end < 0 else 0) > _MAX_HEAD_BYTES:
            raise ProtocolError("the head of an answer is too long")
        if end < 0:
            return False
        first, *lines = bytes(self._raw[:end]).decode("latin-1").split("\r\n")
        del self._raw[: end + 4]
        words = first.split(None, 2)
        if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].isdecimal():
            raise ProtocolError("the answer is not HTTP")
        self.status = int(words[1])
        headers = {name.strip().lower(): value.strip() for name, _, value in map(_split, lines)}
        self._expect_body(headers)
        return True

    def _expect_body(self, headers: dict[str, str]) -> None:
        length = headers.get("content-length", "")
        if "chunked" in headers.get("transfer-encoding", "").lower():
            self._state = _CHUNK_SIZE
        elif length:
            if not length.isdecimal():
                raise ProtocolError("the answer has a wrong Content-Length")
            self._remaining = int(length)
            self._state = _COUNTED if self._remaining else _DONE
        elif self.status in (202, 204, 304):
            self._state = _DONE
        else:
            self._state = _TO_THE_END

    def _read_counted(self) -> bool:
        part = self._raw[: self._remaining]
        self.body += part
        del self._raw[: len(part)]
        self._remaining -= len(part)
        if not self._remaining:
            self._state = _DONE if self._state == _COUNTED else _CHUNK_END
        return True

    def _read_line(self) -> bool:
        end = self._raw.find(b"\r\n")
        if max(end, len(self._raw) if end < 0 else 0) > _MAX_LINE_BYTES:
            raise ProtocolError("a line between chunks is too long")
        if end < 0:
            return False
        line = bytes(self._raw[:end])
        del self._raw[: end + 2]
        if self._state == _CHUNK_SIZE:
            self._expect_chunk(line.partition(b";")[0].strip())
        elif self._state == _CHUNK_END:
            if line:
                raise ProtocolError("a chunk is longer than its length says")
            self._state = _CHUNK_SIZE
        elif not line:  # the end of the trailers
            self._state = _DONE
        return True

    def _expect_chunk(self, size: bytes) -> None:
        try:
            self._remaining = int(size, 16)
        except ValueError:
            raise ProtocolError("a chunk has a wrong length") from None
        if self._remaining < 0:
            raise ProtocolError("a chunk has a wrong length")
        self._state = _CHUNK if self._remaining else _TRAILER


def take_records(data: bytearray) -> list[bytes]:
    """Remove the complete records ("length, newline, bytes") from the front of `data`."""
    records: list[bytes] = []
    while True:
        newline = data.find(b"\n", 0, _MAX_LENGTH_DIGITS + 1)
        if newline < 0:
            if len(data) > _MAX_LENGTH_DIGITS:
                raise ProtocolError("a record does not begin with its length")
            return records
        digits = bytes(data[:newline])
        if not digits.isdigit():
            raise ProtocolError("a record does not begin with its length")
        end = newline + 1 + int(digits)
        if end - newline > MAX_RECORD_BYTES:
            raise ProtocolError(f"a record of more than {MAX_RECORD_BYTES} bytes")
        if len(data) < end:
            return records
        records.append(bytes(data[newline + 1 : end]))
        del data[:end]


def _split(line: str) -> tuple[str, str, str]:
    return line.partition(":")
