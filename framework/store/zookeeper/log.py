"""The writer's end of the log: an append becomes segments, each created once and in order.

Each creation also demands that the segment before it exists, so the log has no holes whatever
is lost on the way. The last segment is never collected (collection.py).
"""

from collections.abc import Iterator, Sequence

from framework.store.zookeeper.layout import Layout, begins_bucket, numbers
from framework.store.zookeeper.requests import Creation, FencedWrites, Reads
from framework.store.zookeeper.segments import (
    Pointer,
    Position,
    damaged,
    decode_segment,
    segments_of,
    weight,
)


class Log:
    """``position`` is where the next append begins. After a failure it is not known any more."""

    def __init__(
        self, layout: Layout, writes: FencedWrites, epoch: int, position: Position
    ) -> None:
        self.position = position
        self._layout = layout
        self._writes = writes
        self._epoch = epoch

    def append(self, lines: Sequence[bytes]) -> None:
        """Durable as one batch when it returns. For errors see FencedWrites."""
        segments = segments_of(lines, self._epoch, self.position)
        self._writes.create_all(self._creations(segments))
        number, before = self.position
        self.position = Position(number + len(segments), before + sum(map(weight, segments)))

    def _creations(self, segments: Sequence[bytes]) -> Iterator[Creation]:
        layout = self._layout
        for number, data in enumerate(segments, self.position.number):
            bucket = (layout.log_bucket(number),) if begins_bucket(number) else ()
            last = layout.segment(number - 1) if number else ""
            yield Creation(layout.segment(number), data, bucket, last)


def find_end(reads: Reads, layout: Layout, pointer: Pointer) -> Position:
    """Where a new writer goes on. Nobody else may write any more."""
    for bucket in sorted(reads.children(layout.log), reverse=True):
        found = numbers(reads.children(f"{layout.log}/{bucket}"))
        if found:
            data = reads.get(layout.segment(found[-1]))
            if data is None:
                raise damaged(f"segment {found[-1]} of its log vanished")
            before = decode_segment(data, found[-1]).header.weight_before
            return Position(found[-1] + 1, before + weight(data))
    if pointer.first_segment:
        raise damaged("its log is gone")
    return Position()
