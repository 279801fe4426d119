"""A store that lives as long as its process: for tests, simulations and trials.

It encodes and decodes like the durable ones, so what they can not store fails here too. The
MemoryDisk outlives the store, so a simulated crash can be followed by a load.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from threading import Lock
from typing import NamedTuple

from framework.domain.state import Change, State
from framework.interfaces import StoreError, StoreUnusableError
from framework.store.codec import Codec

_Key = tuple[str, str]
# How many changes a follower may fall behind before it has to start over.
_KEPT_CHANGES = 100_000


class _Appended(NamedTuple):
    sequence: int
    keys: tuple[_Key, ...]


class MemoryDisk:
    """What a MemoryStore keeps; hand it to the next one to open the same store again."""

    __slots__ = ("appended", "kept", "lines", "lock", "mark", "owned", "sequence")

    def __init__(self) -> None:
        self.lock = Lock()
        self.owned = False
        self.mark = b""  # until a writer opens it
        self.lines: dict[_Key, bytes] = {}
        self.sequence = 0
        self.appended: deque[_Appended] = deque()
        self.kept = 0

    def write(self, lines: dict[_Key, bytes | None]) -> None:
        """Put or remove each line, as one numbered append."""
        with self.lock:
            for key, line in lines.items():
                if line is None:
                    self.lines.pop(key, None)
                else:
                    self.lines[key] = line
            self.sequence += 1
            self.appended.append(_Appended(self.sequence, tuple(lines)))
            self.kept += len(lines)
            while self.kept > _KEPT_CHANGES and len(self.appended) > 1:
                self.kept -= len(self.appended.popleft().keys)

    def whole(self) -> tuple[int, dict[_Key, bytes | None]]:
        """The number of the latest append, and every line."""
        with self.lock:
            return self.sequence, dict(self.lines)

    def since(self, sequence: int) -> tuple[int, dict[_Key, bytes | None]] | None:
        """The same of what was appended after ``sequence``; None if that is forgotten."""
        with self.lock:
            oldest = self.appended[0].sequence if self.appended else self.sequence + 1
            if sequence + 1 < oldest:
                return None
            keys = [key for one in self.appended if one.sequence > sequence for key in one.keys]
            return self.sequence, {key: self.lines.get(key) for key in keys}


class MemoryStore:
    """The Protocol Store on a MemoryDisk (its own unless given). StoreUnusableError if another
    store writes to that disk; with ``follow_only`` it never writes and any number may be open."""

    def __init__(
        self,
        disk: MemoryDisk | None = None,
        *,
        follow_only: bool = False,
        codec: Codec | None = None,
    ) -> None:
        self.disk = MemoryDisk() if disk is None else disk
        self.codec = codec or Codec()
        self._writable = not follow_only
        self._closed = False
        with self.disk.lock:
            if self.disk.owned and self._writable:
                raise StoreUnusableError("the store in memory is in use by another writer")
            if self.disk.mark:
                self.codec.check_mark(self.disk.mark)
            if self._writable:
                self.disk.owned = True
                self.disk.mark = self.codec.mark()

    def load(self) -> Iterator[Change]:
        """See Store.load."""
        self._check_open()
        return iter(self._decoded(self.disk.whole()[1]))

    def append(self, changes: Sequence[Change]) -> None:
        """See Store.append."""
        self._check_open()
        if not self._writable:
            raise StoreError("the store in memory was opened for following only")
        lines: dict[_Key, bytes | None] = {}
        for change in self.codec.kept(changes):
            line = self.codec.encode(change)
            lines[change.kind, change.id] = None if change.record is None else line
        if lines:
            self.disk.write(lines)

    def raise_mark(self) -> None:
        """See MarkedStore.raise_mark."""
        self._check_open()
        if not self._writable:
            raise StoreError("the store in memory was opened for following only")
        with self.disk.lock:
            self.disk.mark = self.codec.raised_mark()
        self.codec.check_mark(self.disk.mark)

    def follow(self) -> Iterator[Sequence[Change]]:
        """See Store.follow."""
        self._check_open()
        sequence, lines = self.disk.whole()
        yield self._decoded(lines)
        while True:
            self._check_open()
            news = self.disk.since(sequence)
            if news is None:
                return
            sequence, lines = news
            yield self._decoded(lines)

    def checkpoint_from(self, state: State) -> None:
        """See Store.checkpoint_from: each append leaves the whole state."""

    def close(self) -> None:
        """See Store.close."""
        if self._writable and not self._closed:
            with self.disk.lock:
                self.disk.owned = False
        self._closed = True

    def _decoded(self, lines: dict[_Key, bytes | None]) -> list[Change]:
        return [
            self.codec.gone(*key) if line is None else self.codec.decode(line, key)
            for key, line in lines.items()
        ]

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError("the store in memory is closed")
