"""The one thread that writes to all readers of events.

It waits for sockets and for news at once, so a thousand readers cost a thousand sockets and no
thread. A reader that does not keep up is told so and closed: its queue is bounded, and nobody
waits for it.
"""

import contextlib
import logging
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from api.events.happening import Happening
from api.events.log import Event, EventLog
from api.events.reader import BLOCKED, LabelsOf, Reader

_log = logging.getLogger("stayer.api")
_HEARTBEAT_SECONDS = 10.0
_LAST_WORD_SECONDS = 5.0  # how long a reader that is to be closed may take for its last frame
_NEWS_LIMIT = 100_000
_READ_BYTES = 4096
_STOP_SECONDS = 5.0


@dataclass(slots=True)
class EventCounts:
    """Read by the metrics."""

    readers: int = 0
    events: int = 0
    sent_bytes: int = 0
    too_slow: int = 0


class Writer:
    """See the module. ``submit`` and ``join`` are for any thread; the rest is its own."""

    def __init__(
        self,
        log: EventLog,
        labels_of: LabelsOf,
        *,
        now_ms: Callable[[], int],
        max_outstanding: int,
        max_readers: int,
    ) -> None:
        self.counts = EventCounts()
        self._log = log
        self._labels_of = labels_of
        self._now_ms = now_ms
        self._max_outstanding = max_outstanding
        self._max_readers = max_readers
        self._news: deque[tuple[int, Happening]] = deque()
        self._joining: deque[Reader] = deque()
        self._readers: dict[Reader, float] = {}  # and by when one that is closing must be closed
        self._overflowed = False
        self._told = False  # a byte is on its way to the thread
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._selector = selectors.DefaultSelector()
        self._wake_reads, self._wake_writes = socket.socketpair()
        for end in (self._wake_reads, self._wake_writes):
            end.setblocking(False)
        self._selector.register(self._wake_reads, selectors.EVENT_READ)
        self._thread.start()
        self._wake()  # for what came before

    def stop(self) -> None:
        """Close every stream and end."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        if self._thread.is_alive():
            self._wake()
            self._thread.join(_STOP_SECONDS)

    @property
    def full(self) -> bool:
        """Whether no further reader is taken."""
        return len(self._readers) + len(self._joining) >= self._max_readers

    def submit(self, moment_ms: int, happening: Happening) -> None:
        """Number, keep and tell this to those who want it."""
        if len(self._news) < _NEWS_LIMIT:
            self._news.append((moment_ms, happening))
        else:
            self._overflowed = True
        if not self._told and self._thread.is_alive():
            self._wake()

    def join(self, reader: Reader) -> None:
        """Write to this reader too."""
        self._joining.append(reader)
        if self._thread.is_alive():
            self._wake()
        else:
            reader.close()

    def _wake(self) -> None:
        """After something was queued: one that is told already looks at all that is there. So
        what comes while it is busy wakes nobody: that would cost more than to tell it."""
        if self._told:
            return
        self._told = True
        with contextlib.suppress(OSError):  # full: it is awake; closed: it has ended
            self._wake_writes.send(b"\0")

    def _run(self) -> None:
        beat_at = time.monotonic() + _HEARTBEAT_SECONDS
        try:
            while not self._stopping.is_set():
                queued = bool(self._joining or self._news)
                self._look(0.0 if queued else max(0.0, beat_at - time.monotonic()))
                while self._joining:
                    self._admit(self._joining[0])
                    self._joining.popleft()  # only now: ``full`` counts it all the time
                for _ in range(len(self._news)):
                    self._publish(*self._news.popleft())
                self._told = False  # and then the queues are looked at once more
                if self._overflowed:
                    self._tell_of_loss()
                if time.monotonic() >= beat_at:
                    beat_at = time.monotonic() + _HEARTBEAT_SECONDS
                    self._beat()
        finally:
            self._close_all()

    def _look(self, timeout_seconds: float) -> None:
        """Wait for news, for room in a socket, and for readers that go."""
        for key, _ in self._selector.select(timeout_seconds):
            if key.data is None:
                with contextlib.suppress(BlockingIOError):
                    while self._wake_reads.recv(_READ_BYTES):
                        pass
            elif _has_left(key.data):
                self._drop(key.data)
            else:
                self._send(key.data)

    def _admit(self, reader: Reader) -> None:
        """Its first frames: what it missed if it says so, then the news that it has come."""
        reader.connection.setblocking(False)
        self._selector.register(reader.connection, selectors.EVENT_READ, reader)
        if reader.after is not None:
            self._replay(reader, reader.after)
        self._readers[reader] = 0.0
        self.counts.readers = len(self._readers)
        self._send(reader)
        self._publish(self._now_ms(), _attached("event_stream_attached", reader))

    def _replay(self, reader: Reader, after: str) -> None:
        events = self._log.after(after)
        if events is None:
            reader.add(_GAP)
            return
        for event in events:
            if reader.wants.takes(event, self._labels_of):
                reader.add(self._frame(event, reader))
        reader.replayed = reader.outstanding

    def _publish(self, moment_ms: int, happening: Happening) -> None:
        event = self._log.add(moment_ms, happening)
        self.counts.events += 1
        for reader in list(self._readers):
            if reader.wants.takes(event, self._labels_of):
                reader.add(self._frame(event, reader))
                self._check_pace(reader)
                self._send(reader)

    def _frame(self, event: Event, reader: Reader) -> bytes:
        wants = reader.wants
        body = event.body(whole_plans=wants.whole_plans, with_request=wants.numbered)
        frame = b"event: %b\r\ndata: %b\r\n\r\n" % (event.kind.encode(), body)
        if not wants.numbered:
            return frame
        return b"id: %b\r\n%b" % (self._log.position(event.number).encode(), frame)

    def _tell_of_loss(self) -> None:
        """More happened at once than is kept: nobody may take what follows for all there was."""
        self._overflowed = False
        _log.warning("events were lost: their readers are told to read everything anew")
        self._log.skip()
        for reader in list(self._readers):
            self._end(reader, _GAP)
            self._send(reader)

    def _check_pace(self, reader: Reader) -> None:
        if not reader.lags(self._max_outstanding):
            return
        self.counts.too_slow += 1
        _log.warning("event stream of %s closed: it reads too slowly", reader.address)
        self._end(reader, _TOO_SLOW)

    def _end(self, reader: Reader, last_word: bytes) -> None:
        reader.end(last_word if reader.wants.numbered else b"")
        self._readers[reader] = time.monotonic() + _LAST_WORD_SECONDS

    def _send(self, reader: Reader) -> None:
        before = reader.sent_bytes
        try:
            left = reader.send()
        except OSError:
            self._drop(reader)
            return
        finally:
            self.counts.sent_bytes += reader.sent_bytes - before
        if not left and reader.closing:
            self._drop(reader)
            return
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if left else 0)
        if self._selector.get_key(reader.connection).events != wanted:
            self._selector.modify(reader.connection, wanted, reader)

    def _drop(self, reader: Reader) -> None:
        if self._readers.pop(reader, None) is None:
            return
        self.counts.readers = len(self._readers)
        self._selector.unregister(reader.connection)
        reader.close()
        if not self._stopping.is_set():
            self.submit(self._now_ms(), _attached("event_stream_detached", reader))

    def _beat(self) -> None:
        """A sign of life, and the end of those who did not take their last word."""
        now = time.monotonic()
        for reader, close_by in list(self._readers.items()):
            if close_by and now >= close_by:
                self._drop(reader)
            elif not reader.outstanding:  # bytes are on their way to it otherwise
                reader.add(b": \r\n\r\n" if reader.wants.numbered else b"\r\n")
                self._send(reader)

    def _close_all(self) -> None:
        for reader in [*self._readers, *self._joining]:
            reader.end()
            with contextlib.suppress(OSError):
                reader.send()
            reader.close()
        self._readers.clear()
        self._selector.close()
        self._wake_reads.close()
        self._wake_writes.close()


def _last_word(kind: bytes, message: bytes) -> bytes:
    return b'event: %b\r\ndata: {"eventType":"%b","message":"%b"}\r\n\r\n' % (kind, kind, message)


_GAP = _last_word(b"gap", b"what came in between is not kept any more: read everything anew")
_TOO_SLOW = _last_word(b"too_slow", b"closed, because events were read too slowly")


def _attached(kind: str, reader: Reader) -> Happening:
    fields = {"remoteAddress": reader.address}
    return Happening(kind, (), lambda: fields)


def _has_left(reader: Reader) -> bool:
    """Whether the other side closed; what it says is of no interest."""
    try:
        return not reader.connection.recv(_READ_BYTES)
    except BLOCKED:
        return False
    except OSError:
        return True
