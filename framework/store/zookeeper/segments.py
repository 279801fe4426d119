"""The form of what the store writes: an append as segments, a checkpoint as pieces, the pointer.

Each is a line of JSON that says what it is, then lines of the codec. An append is one batch of
one or more segments; the last one carries the end mark. A batch whose end is missing was never
acknowledged and is void, also when a later leader appended behind it.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec
from msgspec import Struct

from framework.interfaces import StateTooNewError, StoreUnusableError

# Lines of one znode put together; its header comes on top. ZooKeeper takes 1 MiB a request.
SEGMENT_MAX_BYTES = 512 * 1024
# What a segment counts at least in the log's size: many small ones take long to read as well.
_LEAST_WEIGHT = 1024
_FORM = 1


class Header(Struct, frozen=True, gc=False, array_like=True):
    """The first line of a segment: of which leader (``epoch``), its own number, that of the
    first segment of its ``batch``, whether it ends the batch, and the log's weight before it,
    counted from the log's beginning."""

    what: str
    form: int
    epoch: int
    number: int
    batch: int
    end: bool
    weight_before: int


class _PieceHeader(Struct, frozen=True, gc=False, array_like=True):
    what: str
    form: int
    checkpoint: str
    number: int


class Pointer(Struct, frozen=True, gc=False):
    """The checkpoint that counts (none: an empty ``id``), and the first segment that is needed
    on top of it, with the log's weight before that one. ``bytes`` is the size of its pieces."""

    form: int = _FORM
    id: str = ""
    pieces: int = 0
    bytes: int = 0
    first_segment: int = 0
    weight_before: int = 0


class Segment(NamedTuple):
    """A segment as it is read."""

    header: Header
    lines: list[bytes]


class Position(NamedTuple):
    """Where the next segment goes: its number, and the log's weight before it."""

    number: int = 0
    weight: int = 0


_encode = msgspec.json.Encoder().encode
_header = msgspec.json.Decoder(Header).decode
_piece_header = msgspec.json.Decoder(_PieceHeader).decode
_pointer = msgspec.json.Decoder(Pointer).decode


def weight(data: bytes) -> int:
    """How much a segment adds to the log's size."""
    return max(len(data), _LEAST_WEIGHT)


def segments_of(lines: Sequence[bytes], epoch: int, position: Position) -> list[bytes]:
    """The batch of these lines (one at least), to be written from ``position`` on."""
    packs = list(_packed(lines))
    made = []
    before = position.weight
    for index, pack in enumerate(packs):
        number, end = position.number + index, index + 1 == len(packs)
        header = Header("segment", _FORM, epoch, number, position.number, end, before)
        made.append(b"\n".join((_encode(header), *pack)))
        before += weight(made[-1])
    return made


def pieces_of(lines: Iterable[bytes], checkpoint: str) -> Iterator[bytes]:
    """A checkpoint's pieces, one after the other."""
    for number, pack in enumerate(_packed(lines)):
        yield b"\n".join((_encode(_PieceHeader("piece", _FORM, checkpoint, number)), *pack))


def encode_pointer(pointer: Pointer) -> bytes:
    """The pointer's data."""
    return _encode(pointer)


def decode_pointer(data: bytes | None) -> Pointer:
    """Of the pointer's data; without any there is no checkpoint. StoreUnusableError."""
    if data is None:
        return Pointer()
    try:
        pointer = _pointer(data)
    except msgspec.MsgspecError as error:
        raise damaged(f"its pointer to the checkpoint is malformed ({error})") from error
    if pointer.form > _FORM:
        raise _too_new("its checkpoint")
    return pointer


def decode_piece(data: bytes, checkpoint: str, number: int) -> list[bytes]:
    """The lines of a piece. StoreUnusableError."""
    head, *lines = data.split(b"\n")
    try:
        header = _piece_header(head)
    except msgspec.MsgspecError as error:
        raise damaged(f"piece {number} of checkpoint {checkpoint} is malformed") from error
    if header.form > _FORM:
        raise _too_new(f"checkpoint {checkpoint}")
    if header != _PieceHeader("piece", _FORM, checkpoint, number):
        raise damaged(f"piece {number} of checkpoint {checkpoint} is another one")
    return lines


def decode_segment(data: bytes, number: int) -> Segment:
    """The segment of this number. StoreUnusableError."""
    head, *lines = data.split(b"\n")
    try:
        header = _header(head)
    except msgspec.MsgspecError as error:
        raise damaged(f"segment {number} of its log is malformed") from error
    if header.form > _FORM:
        raise _too_new(f"segment {number} of its log")
    if header.what != "segment" or header.number != number or not 0 <= header.batch <= number:
        raise damaged(f"segment {number} of its log is another one")
    return Segment(header, lines)


def damaged(what: str) -> StoreUnusableError:
    """A damaged store, to be raised."""
    return StoreUnusableError(
        f"the store in ZooKeeper is damaged: {what}. Restore a backup of the store; nothing was"
        " changed."
    )


class Batches:
    """Puts the log together again, segment by segment, from ``number`` on."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._unfinished: list[bytes] = []
        self._last: Header | None = None

    def take(self, data: bytes) -> list[bytes]:
        """The next segment; the lines of the batch that it ends, none if it ends none.
        StoreUnusableError."""
        header, lines = decode_segment(data, self.number)
        last = self._last
        if header.batch == header.number:
            self._unfinished = []  # whoever left it died, or was no leader any more
        elif last is None or last.end or (last.epoch, last.batch) != (header.epoch, header.batch):
            raise damaged(f"segment {self.number} of its log begins in the middle")
        self._unfinished += lines
        self._last = header
        self.number += 1
        if not header.end:
            return []
        whole, self._unfinished = self._unfinished, []
        return whole


def _packed(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    """As many lines at a time as a znode takes."""
    pack: list[bytes] = []
    size = 0
    for line in lines:
        if pack and size + len(line) + 1 > SEGMENT_MAX_BYTES:
            yield pack
            pack, size = [], 0
        pack.append(line)
        size += len(line) + 1
    if pack:
        yield pack


def _too_new(what: str) -> StateTooNewError:
    return StateTooNewError(
        f"a newer release of Stayer wrote the store in ZooKeeper: {what} has a form that this"
        " release does not know. Start that release or a later one; nothing was changed."
    )
