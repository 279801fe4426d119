"""The Protocol Store in ZooKeeper: opened to follow, a writer once it is given a fence."""

import threading
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from framework.domain.state import Change, State
from framework.interfaces import LeadershipLostError, StoreError
from framework.store.codec import Codec
from framework.store.zookeeper.checkpoints import Checkpoints, Due
from framework.store.zookeeper.following import Followed, News
from framework.store.zookeeper.layout import Layout
from framework.store.zookeeper.loading import load
from framework.store.zookeeper.log import Log, find_end
from framework.store.zookeeper.marking import raise_mark
from framework.store.zookeeper.requests import FencedWrites, Reads
from framework.store.zookeeper.segments import decode_pointer, encode_pointer
from framework.zookeeper.fence import Fence
from framework.zookeeper.session import Session

_PATIENCE_SECONDS = 60.0
_PAUSE_SECONDS = 0.05


class Counts(NamedTuple):
    """Of the writer, for the metrics; all 0 while it only follows. ``log_bytes`` is what the
    log on top of the last checkpoint counts, ``repeated_writes`` what lost connections cost."""

    log_bytes: int = 0
    log_segments: int = 0
    checkpoint_bytes: int = 0
    checkpoints: int = 0
    repeated_writes: int = 0


class _Writer(NamedTuple):
    writes: FencedWrites
    log: Log
    checkpoints: Checkpoints


class ZooKeeperStore:
    """On a started session, below its path. Any thread may call any method; appends are one at
    a time. ``codec`` and ``due`` are for tests; with ``owns_session`` it ends with the store."""

    def __init__(
        self,
        session: Session,
        codec: Codec | None = None,
        *,
        due: Due | None = None,
        owns_session: bool = False,
    ) -> None:
        """StateTooNewError if a newer release wrote it; StoreError if it can not be read."""
        self.codec = codec or Codec()
        self._session = session
        self._owns_session = owns_session
        self._due = due or Due()
        self._closed = threading.Event()
        self._layout = Layout(session.path("store"))
        self._reads = Reads(session, self._closed, _PATIENCE_SECONDS)
        self._patient = Reads(session, self._closed)
        self._news = News(session)
        self._lock = threading.Lock()
        self._writer: _Writer | None = None
        self._failure: Exception | None = None
        self._state: State | None = None
        self._read_to = 0
        self._made = False
        self._check_mark()

    def exists(self) -> bool:
        """Whether anything was ever written. StateTooNewError; StoreError."""
        return self._check_mark()

    def load(self) -> Iterator[Change]:
        """See Store.load."""
        self._check_open()
        whole = load(self._reads, self._layout, self.codec)
        self._read_to = max(self._read_to, whole.batches.number)
        return iter(whole.changes)

    def follow(self) -> Iterator[Sequence[Change]]:
        """See Store.follow. Waits while ZooKeeper is away, until the store is closed."""
        self._check_open()
        followed = Followed(self._patient, self._layout, self.codec)
        changes: Sequence[Change] | None = followed.whole()
        while changes is not None:
            self._read_to = max(self._read_to, followed.batches.number)
            yield changes
            self._check_open()
            changes = followed.news()

    def wait_for_news(self, timeout_seconds: float) -> None:
        """Return when there is something that ``follow`` has not read, when woken, or in time."""
        if not self._closed.is_set():
            self._news.wait(self._layout.segment(self._read_to), timeout_seconds)

    def wake(self) -> None:
        """End a ``wait_for_news`` under way, or the next one, at once."""
        self._news.wake()

    def write_under(self, fence: Fence) -> None:
        """Become the writer, for as long as the fence holds: no earlier leader can append any
        more. What they appended must be read to its end before the first append.
        StateTooNewError if a newer release wrote the store; StoreError."""
        with self._lock:
            self._check_open()
            assert self._writer is None, "a store writes under one fence"
            self._check_mark()
            pointer = decode_pointer(self._reads.get(self._layout.pointer))
            position = find_end(self._reads, self._layout, pointer)
            writes = FencedWrites(self._session, fence, self._patient, self._closed)
            self._writer = _Writer(
                writes,
                Log(self._layout, writes, fence.epoch, position),
                Checkpoints(
                    self._layout,
                    self._patient,
                    writes,
                    self.codec,
                    self._due,
                    fence.epoch,
                    pointer,
                ),
            )

    def append(self, changes: Sequence[Change]) -> None:
        """See Store.append. Waits through a short loss of the connection. LeadershipLostError if
        another process leads or the session ended, StoreReadOnlyError if ZooKeeper takes no
        writes of us; after an error of either kind every later append fails."""
        lines = [self.codec.encode(change) for change in self.codec.kept(changes)]
        with self._lock:
            writer = self._writing()
            if not lines:
                return
            try:
                self._make(writer)
                if self._state is not None:
                    writer.checkpoints.consider(self._state, writer.log.position)
                writer.log.append(lines)
            except BaseException as error:
                self._failure = error if isinstance(error, Exception) else StoreError("cut off")
                raise

    def raise_mark(self) -> None:
        """See MarkedStore.raise_mark. Also of a store that is open for following."""
        self._check_open()
        if self._writer is not None:
            with self._lock:
                self._make(self._writing())
        raise_mark(
            self._session, self._layout.mark, self.codec, lambda: self._closed.wait(_PAUSE_SECONDS)
        )

    @property
    def counts(self) -> Counts:
        """How much there is, and what was done."""
        if self._writer is None:
            return Counts()
        writes, log, checkpoints = self._writer
        position, pointer = log.position, checkpoints.pointer
        return Counts(
            position.weight - pointer.weight_before,
            position.number - pointer.first_segment,
            pointer.bytes,
            checkpoints.written,
            writes.repeated,
        )

    def checkpoint_from(self, state: State) -> None:
        """See Store.checkpoint_from."""
        self._state = state

    def close(self) -> None:
        """See Store.close."""
        self._closed.set()
        self._news.wake()
        writer = self._writer
        if writer is not None:
            writer.checkpoints.stop()
            writer.writes.release()
        if self._owns_session:
            self._session.close()

    def _writing(self) -> _Writer:
        """StoreError or LeadershipLostError unless we may write."""
        self._check_open()
        if self._writer is None:
            raise StoreError(f"{self._session.url} is open for following only")
        if isinstance(self._failure, LeadershipLostError):
            raise LeadershipLostError(str(self._failure))
        if self._failure is not None:
            raise StoreError(f"{self._session.url} failed before: {self._failure}")
        return self._writer

    def _make(self, writer: _Writer) -> None:
        """Before the first append: what every store has."""
        if self._made:
            return
        if writer.log.position.number > self._read_to:
            raise StoreError("the log was not read to its end before the first append")
        layout = self._layout
        writer.writes.make(layout.root)
        writer.writes.make(layout.mark, self.codec.mark())
        writer.writes.make(layout.pointer, encode_pointer(decode_pointer(None)))
        writer.writes.make(layout.checkpoints)
        writer.writes.make(layout.log)
        self._made = True

    def _check_mark(self) -> bool:
        """StateTooNewError. False: there is no mark yet."""
        mark = self._reads.get(self._layout.mark)
        if mark is not None:
            self.codec.check_mark(mark)
        return mark is not None

    def _check_open(self) -> None:
        if self._closed.is_set():
            raise StoreError(f"{self._session.url} is closed")
