"""Removing what no load needs any more: old segments, old checkpoints, and what a leader left
behind that died while it wrote or removed some.

In ascending order and small steps, so that a follower sees the log end and never a hole, and
appends need not wait long behind it.
"""

from collections.abc import Callable, Iterable, Sequence

from framework.store.zookeeper.layout import BUCKET_NODES, Layout, numbers
from framework.store.zookeeper.requests import FencedWrites, Reads
from framework.store.zookeeper.segments import Pointer

_NODES_A_STEP = 100
_ATTEMPTS = 20


class Collection:
    """Under the fence: only the leader removes anything."""

    def __init__(self, layout: Layout, reads: Reads, writes: FencedWrites) -> None:
        self._layout = layout
        self._reads = reads
        self._writes = writes

    def collect(self, pointer: Pointer) -> None:
        """Leave only this checkpoint, the segments that it needs, and the one before them: that
        may still be the last one, which the next append and the next leader look for. For errors
        see FencedWrites."""
        for id_ in self._reads.children(self._layout.checkpoints):
            if id_ != pointer.id:
                self._remove_checkpoint(self._layout.checkpoint(id_))
        for bucket in numbers(self._reads.children(self._layout.log)):
            if not self._remove_segments(bucket, pointer.first_segment - 1):
                return

    def _remove_checkpoint(self, path: str) -> None:
        for bucket in sorted(self._reads.children(path)):
            bucket_path = f"{path}/{bucket}"
            self._remove(lambda at=bucket_path: self._below(at, self._reads.children(at)))  # type: ignore[misc]  # mypy can not infer a default
            self._remove_node(bucket_path)
        self._remove_node(path)

    def _remove_segments(self, bucket: int, first_kept: int) -> bool:
        """Of one bucket; the bucket too, if all of it is old. False: there is no more to do."""
        path = self._layout.log_bucket(bucket * BUCKET_NODES)

        def old() -> list[str]:
            found = numbers(self._reads.children(path))
            return [self._layout.segment(number) for number in found if number < first_kept]

        self._remove(old)
        all_old = (bucket + 1) * BUCKET_NODES <= first_kept
        if all_old:
            self._remove_node(path)
        return all_old

    def _remove_node(self, path: str) -> None:
        self._remove(lambda: [] if self._reads.get(path) is None else [path])

    def _remove(self, list_paths: Callable[[], Sequence[str]]) -> None:
        """Whatever is listed, again until nothing is."""
        for _ in range(_ATTEMPTS):
            paths = list_paths()
            if all(self._writes.delete(step) for step in _steps(paths)):
                return

    @staticmethod
    def _below(path: str, names: Iterable[str]) -> list[str]:
        return [f"{path}/{name}" for name in sorted(names)]


def _steps(paths: Sequence[str]) -> Iterable[Sequence[str]]:
    return (paths[begin : begin + _NODES_A_STEP] for begin in range(0, len(paths), _NODES_A_STEP))
