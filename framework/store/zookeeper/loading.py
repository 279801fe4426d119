"""Reading the whole state: the checkpoint that counts, then the log on top of it.

A leader may switch to another checkpoint meanwhile and remove what is being read; then all of it
is read again.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from framework.domain.state import Change, Kind
from framework.interfaces import StoreError
from framework.store.codec import Codec
from framework.store.zookeeper.layout import Layout
from framework.store.zookeeper.requests import READS_IN_FLIGHT, Reads
from framework.store.zookeeper.segments import Batches, Pointer, decode_piece, decode_pointer

_ATTEMPTS = 20


class Whole(NamedTuple):
    """Every record, and the log behind them, read to its end."""

    changes: list[Change]
    batches: Batches


def load(reads: Reads, layout: Layout, codec: Codec) -> Whole:
    """All that was acknowledged before this call, at least. StoreError, StoreUnusableError."""
    reads.sync()
    for _ in range(_ATTEMPTS):
        mark = reads.get(layout.mark)
        if mark is not None:
            codec.check_mark(mark)
        whole = _read(reads, layout, codec, decode_pointer(reads.get(layout.pointer)))
        if whole is not None:
            return whole
    raise StoreError(f"the store was switched to other checkpoints {_ATTEMPTS} times in a row")


def tail(reads: Reads, layout: Layout, batches: Batches, at_least: int = 1) -> Iterator[bytes]:
    """The lines of every batch that is finished, up to the log's end; ``at_least`` so many
    segments are expected."""
    depth = at_least
    while True:
        some = range(batches.number, batches.number + depth)
        for data in reads.get_all(map(layout.segment, some)):
            if data is None:
                return
            yield from batches.take(data)
        depth = min(2 * depth, READS_IN_FLIGHT)


def is_forgotten(reads: Reads, layout: Layout, batches: Batches) -> bool:
    """Whether the segment that was not there had been collected: asked after the fact."""
    return decode_pointer(reads.get(layout.pointer)).first_segment > batches.number


def _read(reads: Reads, layout: Layout, codec: Codec, pointer: Pointer) -> Whole | None:
    """None if it was collected while it was read."""
    records: dict[tuple[Kind, str], Change] = {}
    paths = (layout.piece(pointer.id, number) for number in range(pointer.pieces))
    for number, data in enumerate(reads.get_all(paths)):
        if data is None:
            return None
        _put(records, codec, decode_piece(data, pointer.id, number))
    batches = Batches(pointer.first_segment)
    _put(records, codec, tail(reads, layout, batches, READS_IN_FLIGHT))
    if is_forgotten(reads, layout, batches):
        return None
    return Whole(list(records.values()), batches)


def _put(records: dict[tuple[Kind, str], Change], codec: Codec, lines: Iterable[bytes]) -> None:
    for line in lines:
        change = codec.decode(line)
        if change.record is None:
            records.pop((change.kind, change.id), None)
        else:
            records[change.kind, change.id] = change
