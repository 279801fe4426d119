"""RecordIO, the framing of Mesos' event streams: ``<length in decimal>\\n<that many bytes>``.

Sans-I/O: bytes go in, in pieces of any size, whole records come out. A length that is no number
or beyond the limit ends the stream, because nothing after it can be found again.
"""

MAX_RECORD_BYTES = 256 * 1024 * 1024
"""Offers of 100,000 agents in one event are about 85 MB."""

_MAX_LENGTH_DIGITS = 20


class MalformedStreamError(Exception):
    """The bytes can not be cut into records any more: the connection is of no further use."""


class RecordDecoder:
    """Cuts a byte stream into records; feed it everything that arrives, in order."""

    __slots__ = ("_buffer", "_length", "_max_record_bytes")

    def __init__(self, max_record_bytes: int = MAX_RECORD_BYTES) -> None:
        self._buffer = bytearray()
        self._length: int | None = None  # of the record that is arriving, once it is known
        self._max_record_bytes = max_record_bytes

    def feed(self, data: bytes) -> list[bytes]:
        """The records that ``data`` completes, in order. Raises MalformedStreamError, but not
        before the records ahead of the wrong bytes were returned: one may be an ERROR."""
        self._buffer += data
        records: list[bytes] = []
        position = 0
        try:
            while True:
                if self._length is None:
                    position = self._read_length(position)
                    if self._length is None:
                        break
                end = position + self._length
                if len(self._buffer) < end:
                    break
                records.append(bytes(self._buffer[position:end]))
                position, self._length = end, None
        except MalformedStreamError:
            if not records:
                raise
        del self._buffer[:position]
        return records

    def _read_length(self, position: int) -> int:
        """Set the length if it is there whole; returns the position after it."""
        end = self._buffer.find(b"\n", position, position + _MAX_LENGTH_DIGITS + 1)
        if end < 0:
            if len(self._buffer) - position > _MAX_LENGTH_DIGITS:
                raise MalformedStreamError(
                    f"a record begins without a length in its first {_MAX_LENGTH_DIGITS} bytes"
                )
            return position
        digits = bytes(self._buffer[position:end])
        if not digits.isdigit():
            raise MalformedStreamError(f"a record's length is {digits!r}, which is no number")
        if int(digits) > self._max_record_bytes:
            raise MalformedStreamError(
                f"a record of {int(digits)} bytes is announced; "
                f"{self._max_record_bytes} are allowed"
            )
        self._length = int(digits)
        return end + 1
