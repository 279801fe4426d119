"""Checkpoints: the whole state written anew in the background, so that the log can be short.

They are fuzzy. Pieces are made while the state moves on, but none earlier than a position of the
log that was noted before an append; the log from there on brings every record to its last form.
One transaction makes a checkpoint the one that counts, and until then nothing refers to it.
"""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from framework.domain.state import VOLATILE, Change, State
from framework.store.codec import Codec
from framework.store.zookeeper.collection import Collection
from framework.store.zookeeper.layout import Layout, begins_bucket
from framework.store.zookeeper.requests import Creation, FencedWrites, Reads
from framework.store.zookeeper.segments import Pointer, Position, encode_pointer, pieces_of

_STOP_SECONDS = 5.0
_IN_FLIGHT = 2  # an append waits behind them on the same connection


@dataclass(frozen=True, slots=True)
class Due:
    """A checkpoint is due when the log on top of the last one weighs more than ``log_bytes``
    and than this share of the checkpoint."""

    log_bytes: int = 16 * 1024 * 1024
    share: float = 0.5

    def at(self, position: Position, pointer: Pointer) -> bool:
        """Whether the log, which ends there, is long enough."""
        log = position.weight - pointer.weight_before
        return log > max(self.log_bytes, self.share * pointer.bytes)


class Checkpoints:
    """Writes in a thread of its own, one after the other, and collects. What goes wrong there
    fails the next append."""

    def __init__(
        self,
        layout: Layout,
        reads: Reads,
        writes: FencedWrites,
        codec: Codec,
        due: Due,
        epoch: int,
        pointer: Pointer,
    ) -> None:
        self.pointer = pointer
        self.written = 0
        self._layout = layout
        self._writes = writes
        self._codec = codec
        self._due = due
        self._epoch = epoch
        self._collection = Collection(layout, reads, writes)
        self._condition = threading.Condition()
        self._wanted: Position | None = None
        self._busy = False
        self._stopped = threading.Event()
        self._failure: Exception | None = None
        self._thread: threading.Thread | None = None

    def consider(self, state: State, position: Position) -> None:
        """Begin a checkpoint if one is due. Called before each append, while ``state`` holds
        all that lies before ``position`` and nothing later. Raises what went wrong since."""
        if self._failure is not None:
            raise self._failure
        if self._thread is None:
            self._busy = True  # with what earlier leaders left
            self._thread = threading.Thread(
                target=self._run, args=(state,), name="checkpoints", daemon=True
            )
            self._thread.start()
        with self._condition:
            if not self._busy and self._due.at(position, self.pointer):
                self._busy, self._wanted = True, position
                self._condition.notify()

    def wait_until_idle(self, timeout_seconds: float) -> bool:
        """Whether nothing is written or removed any more, in time."""
        with self._condition:
            return self._condition.wait_for(lambda: not self._busy, timeout_seconds)

    def stop(self) -> None:
        """Write no more; waits a while for the operation under way."""
        self._stopped.set()
        with self._condition:
            self._condition.notify_all()
        if self._thread is not None:
            self._thread.join(_STOP_SECONDS)

    def _run(self, state: State) -> None:
        try:
            self._collection.collect(self.pointer)
            self._end()
            while (position := self._next()) is not None:
                self._checkpoint(state, position)
                self._collection.collect(self.pointer)
                self._end()
        except Exception as error:  # noqa: BLE001 - the next append raises it
            self._failure = error
            self._end()

    def _next(self) -> Position | None:
        with self._condition:
            self._condition.wait_for(lambda: self._stopped.is_set() or self._wanted is not None)
            wanted, self._wanted = self._wanted, None
            return None if self._stopped.is_set() else wanted

    def _end(self) -> None:
        with self._condition:
            self._busy = False
            self._condition.notify_all()

    def _checkpoint(self, state: State, position: Position) -> None:
        id_ = f"{self._epoch}-{position.number}"
        sizes: list[int] = []
        self._writes.create_all(self._creations(state, id_, sizes), _IN_FLIGHT)
        pointer = Pointer(
            id=id_,
            pieces=len(sizes),
            bytes=sum(sizes),
            first_segment=position.number,
            weight_before=position.weight,
        )
        self._writes.put(self._layout.pointer, encode_pointer(pointer))
        self.pointer = pointer
        self.written += 1

    def _creations(self, state: State, id_: str, sizes: list[int]) -> Iterator[Creation]:
        """One piece after the other. Making one keeps Python's lock from the other threads, so
        as much time is left to them in between."""
        layout = self._layout
        began = time.thread_time()
        for number, data in enumerate(pieces_of(self._lines(state), id_)):
            sizes.append(len(data))
            parents = (layout.piece_bucket(id_, number),) if begins_bucket(number) else ()
            if number == 0:
                parents = (layout.checkpoint(id_), *parents)
            yield Creation(layout.piece(id_, number), data, parents)
            self._stopped.wait(time.thread_time() - began)
            began = time.thread_time()

    def _lines(self, state: State) -> Iterator[bytes]:
        """Every record's, each as it is when its turn comes. What comes later is in the log."""
        for kind, table in state.tables.items():
            if kind in VOLATILE:
                continue
            for id_ in list(table):  # one call: the table moves meanwhile
                record = table.get(id_)
                if record is not None:
                    for change in self._codec.kept([Change(kind, id_, record)]):
                        yield self._codec.encode(change)
