"""The one connection that carries calls, and the one thread that writes and reads it.

It lives as long as its subscription. If it breaks while answers are missing, the subscription
ends with it: the next one has another stream id, so that a call still on its way in the old
connection can not take effect after (and never a RECONCILE before an ACCEPT) what the new one
sends. A connection that the master closes while nothing is unanswered is simply opened again.
"""

import contextlib
import selectors
import socket
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from threading import Lock, Thread

from framework.domain.actions import Action
from framework.mesos.http1 import MalformedResponseError
from framework.mesos.pipeline import MAX_WAITING, Outcomes, Pipeline

_READ_BYTES = 256 * 1024
ANSWER_TIMEOUT_SECONDS = 60.0
_WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class _BrokenError(Exception):
    """The connection, and with it the subscription, is of no more use."""


class CallConnection:
    """``open_socket`` connects to the master; ``report`` gets what became of calls; ``on_end``
    is told once when the connection breaks by itself. Both are called by its thread."""

    def __init__(
        self,
        open_socket: Callable[[], socket.socket],
        pipeline: Pipeline,
        report: Callable[[Outcomes], None],
        on_end: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        self._open_socket = open_socket
        self._pipeline = pipeline
        self._report = report
        self._on_end = on_end
        self._clock = clock
        self._lock = Lock()  # of what other threads touch: the four below
        self._handed: deque[Action] = deque()
        self._closed = False
        self._finish_at: float | None = None
        self._sends = True
        self._wake_up, self._woken = socket.socketpair()
        self._woken.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._connection: socket.socket | None = None
        self._events = 0
        self._output = memoryview(b"")
        self._heard_at = clock()
        self._why = ""
        self._left = Outcomes([], [])
        self._thread = Thread(target=self._run, name="mesos-calls", daemon=True)

    def start(self) -> None:
        """Begin to carry calls; the connection is opened with the first."""
        self._thread.start()

    def perform(self, actions: Sequence[Action]) -> Sequence[Action]:
        """Take the calls, from any thread, without waiting; returns those not taken, because
        the connection is over or too many wait."""
        with self._lock:
            if self._closed or self._finish_at is not None:
                return actions
            room = max(0, MAX_WAITING - len(self._handed))
            sleeping = not self._handed
            self._handed.extend(actions[:room])
            if sleeping:
                self._wake_up.send(b"x")
        return actions[room:]

    def finish(self, seconds: float, *, send: bool) -> tuple[str, Outcomes]:
        """End it, from any other thread: wait at most so long for the missing answers, and with
        ``send`` for the calls still waiting. Returns why it had broken by itself ("" if it had
        not), and what became of the calls that were left."""
        with self._lock:
            if self._finish_at is None:
                self._sends = send
                self._finish_at = self._clock() + seconds
                with contextlib.suppress(OSError):
                    self._wake_up.send(b"x")
        self._thread.join()
        left, self._left = self._left, Outcomes([], [])
        return self._why, left

    def _run(self) -> None:
        try:
            while self._goes_on():
                self._turn()
        except (_BrokenError, OSError, MalformedResponseError) as error:
            self._why = f"calls: {error}" if str(error) else "calls: the connection broke"
        with self._lock:
            self._closed = True
            handed = list(self._handed)
            self._handed.clear()
        surplus = self._pipeline.add(handed)
        abandoned = self._pipeline.abandon(self._why or "the subscription ended")
        self._left = Outcomes(
            surplus.events + abandoned.events, surplus.results + abandoned.results
        )
        self._close_sockets()
        if self._why:
            self._on_end()

    def _goes_on(self) -> bool:
        with self._lock:
            finish_at, sends, handed = self._finish_at, self._sends, bool(self._handed)
        if finish_at is None:
            return True
        done = not self._pipeline.unanswered
        if sends:
            done = self._pipeline.idle and not handed
        return not done and self._clock() < finish_at

    def _turn(self) -> None:
        """Take what was handed over, write what fits, wait, read what came."""
        self._take_handed()
        self._write()
        self._watch()
        ready = self._selector.select(self._patience())
        for key, events in ready:
            if key.fileobj is self._woken:
                with contextlib.suppress(BlockingIOError):
                    self._woken.recv(4096)
            elif events & selectors.EVENT_READ:
                self._read()
        if self._pipeline.unanswered and self._clock() - self._heard_at > ANSWER_TIMEOUT_SECONDS:
            raise _BrokenError(f"no answer within {ANSWER_TIMEOUT_SECONDS:g} s")

    def _patience(self) -> float | None:
        """How long to wait for something to happen at most."""
        if self._finish_at is not None:
            return max(0.0, self._finish_at - self._clock())
        return ANSWER_TIMEOUT_SECONDS / 4 if self._pipeline.unanswered else None

    def _take_handed(self) -> None:
        with self._lock:
            if not self._handed:
                return
            handed = list(self._handed)
            self._handed.clear()
        self._tell(self._pipeline.add(handed))

    def _write(self) -> None:
        while True:
            if not self._output:
                if not (self._sends and self._pipeline.can_send):
                    return
                if not self._pipeline.unanswered:
                    self._heard_at = self._clock()  # the wait for an answer begins here
                output, outcomes = self._pipeline.to_send()
                self._output = memoryview(output)
                self._tell(outcomes)
                continue
            try:
                size = self._opened().send(self._output)
            except _WOULD_BLOCK:
                return
            self._pipeline.sent(size)
            self._output = self._output[size:]

    def _read(self) -> None:
        while self._connection is not None:
            try:
                data = self._connection.recv(_READ_BYTES)
            except _WOULD_BLOCK:
                return
            if not data:
                self._closed_by_master()
                return
            self._heard_at = self._clock()
            outcomes = self._pipeline.received(data)
            self._tell(outcomes)
            if outcomes.ends:
                raise _BrokenError(outcomes.ends)

    def _closed_by_master(self) -> None:
        if self._pipeline.unanswered:
            raise _BrokenError("the master closed the connection while answers were missing")
        self._close_connection()

    def _opened(self) -> socket.socket:
        if self._connection is None:
            self._connection = self._open_socket()
            self._connection.setblocking(False)
            self._events = 0
        return self._connection

    def _watch(self) -> None:
        """Have the selector look out for what is needed now."""
        if self._connection is None:
            return
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._output else 0)
        if not self._events:
            self._selector.register(self._connection, events)
        elif events != self._events:
            self._selector.modify(self._connection, events)
        self._events = events

    def _tell(self, outcomes: Outcomes) -> None:
        if outcomes.results or outcomes.events:
            self._report(outcomes)

    def _close_connection(self) -> None:
        if self._connection is not None:
            if self._events:
                self._selector.unregister(self._connection)
            self._connection.close()
            self._connection = None

    def _close_sockets(self) -> None:
        self._close_connection()
        self._selector.close()
        self._woken.close()
        with self._lock:
            self._wake_up.close()
