"""The driver's bytes carried by pymesos, for those who want that library between them and Mesos.

pymesos connects, subscribes, reads the stream and sends each call; when to subscribe, to whom,
silence, back-off and what a call's fate means stay the driver's. Each subscription is a pymesos
driver of its own that is told to leave without a TEARDOWN, acknowledges nothing by itself, and
whose callbacks only put aside what came. What pymesos does to its process when it is imported (a
handler for SIGINT, one for its log) is undone, and what it does when its thread fails (it
interrupts the main thread) is left out: the driver sees that the stream ended.

pymesos knows no TLS and no IPv6, reads 4 KiB at a time, and waits for the answer to each call.
"""

import contextlib
import json
import logging
import re
import signal
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from http.client import HTTPException
from types import SimpleNamespace
from typing import Any

import msgspec

from framework.domain.actions import Action
from framework.mesos.http1 import MalformedResponseError
from framework.mesos.master import SCHEDULER_PATH, Endpoint, redirect_target
from framework.mesos.options import MesosOptions
from framework.mesos.pipeline import MAX_WAITING, Outcomes, Pipeline
from framework.mesos.subscription import (
    ANSWER_TIMEOUT_SECONDS,
    NotSubscribedError,
    RedirectedError,
    SilenceError,
    StreamEndedError,
    refusal,
)
from framework.mesos.transport import Calls, Encode, Report, Stream

# Only the main thread may set handlers, so this module is to be imported by it.
_on_interrupt = signal.getsignal(signal.SIGINT)
from pymesos import MesosSchedulerDriver  # noqa: E402 - the handler is to be read before
from pymesos import logger as _log_of_pymesos  # noqa: E402 - as above
from pymesos import process as _process  # noqa: E402 - as above

signal.signal(signal.SIGINT, _on_interrupt)
_log_of_pymesos.handlers.clear()
_log_of_pymesos.setLevel(logging.CRITICAL)  # the driver says what matters, without whole bodies

CALL_TIMEOUT_SECONDS = 60.0
_MAX_RECORDS = 10_000
_SUBSCRIBE_REFUSED = re.compile(r"Failed with HTTP (\d{3}): (.*)", re.DOTALL)
_CALL_REFUSED = re.compile(r"Failed to send request (\d{3}): (.*)")

_failures = threading.local()


def _note_failure() -> None:
    """Called by pymesos' thread in place of interrupting the main one, while it handles what
    ended it."""
    _failures.why = sys.exc_info()[1]


_process.thread = SimpleNamespace(interrupt_main=_note_failure)


class _NotConnectedError(Exception):
    """The call was not sent: there is no subscription."""


class _Inbox:
    """What pymesos' thread read and the driver's thread takes. Bounded: a reader that is slow
    stops the writer, and with it the master's connection, as a socket would."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._records: deque[bytes] = deque()
        self._end: Exception | None = None

    def put(self, record: bytes) -> None:
        with self._changed:
            self._changed.wait_for(lambda: len(self._records) < _MAX_RECORDS or self._end)
            if self._end is None:
                self._records.append(record)
                self._changed.notify_all()

    def end(self, why: Exception) -> None:
        """Nothing comes any more; the first reason counts."""
        with self._changed:
            if self._end is None:
                self._end = why
                self._changed.notify_all()

    def wait(self, deadline: float) -> bool:
        """Whether there are records at this moment at the latest; what ended it when there will
        be none."""
        with self._changed:
            left = deadline - self._clock()
            self._changed.wait_for(lambda: self._records or self._end, max(0.0, left))
            if not self._records and self._end is not None:
                raise self._end
            return bool(self._records)

    def take(self) -> list[bytes]:
        with self._changed:
            records = list(self._records)
            self._records.clear()
            self._changed.notify_all()
            return records


class _Session(MesosSchedulerDriver):  # type: ignore[misc]  # pymesos has no types
    """A pymesos driver that subscribes once, and whose events go to an inbox as they came."""

    def __init__(
        self, endpoint: Endpoint, credentials: tuple[str, str] | None, body: bytes, inbox: _Inbox
    ) -> None:
        principal, secret = credentials or (None, None)
        super().__init__(
            None,
            {},
            str(endpoint),
            implicit_acknowledgements=False,
            principal=principal,
            secret=secret,
            failover=True,  # no TEARDOWN when it ends, whatever ended it
            timeout=CALL_TIMEOUT_SECONDS,
        )
        self._endpoint = endpoint
        self._body: bytes | None = body
        self._inbox = inbox
        self._asked = False

    # Called by pymesos' own thread.

    def gen_request(self) -> bytes:
        """The SUBSCRIBE of the first connection; any other connection asks for nothing."""
        body, self._body = self._body, None
        if body is None:
            return b""
        lines = [
            f"POST {SCHEDULER_PATH} HTTP/1.1",
            f"Host: {self._endpoint}",
            "User-Agent: stayer",
            "Content-Type: application/json",
            "Accept: application/json",
            f"Content-Length: {len(body)}",
        ]
        if self._basic_credential:
            lines.append(f"Authorization: {self._basic_credential}")
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body

    def change_master(self, master: str) -> None:
        """First the master to ask, by `start`; later where that one sends us."""
        if not self._asked:
            self._asked = True
            _process.Process.change_master(self, master)
            return
        try:
            self._inbox.end(RedirectedError(redirect_target(f"//{master}", self._endpoint)))
        except ValueError as error:
            self._inbox.end(NotSubscribedError(str(error)))

    def on_event(self, event: dict[str, Any]) -> None:
        self._inbox.put(json.dumps(event).encode())

    def on_close(self) -> None:
        self._master = None  # without one pymesos does not connect again
        self._inbox.end(StreamEndedError("the master ended the stream"))

    def _shutdown(self) -> None:
        """The thread ends, perhaps because something failed in it."""
        self._inbox.end(self._meaning(getattr(_failures, "why", None)))

    def _meaning(self, error: BaseException | None) -> Exception:
        if error is None:
            return StreamEndedError("the driver stops")
        answer = _SUBSCRIBE_REFUSED.match(str(error))
        if answer is not None:
            return refusal(self._endpoint, int(answer[1]), _text(answer[2]))
        if isinstance(error, OSError):
            return error
        return MalformedResponseError(str(error))

    def _backoff(self, _retries: int) -> float:
        return 0.0  # the driver's own is between subscriptions

    # Called by the thread of the calls.

    def call(self, body: bytes, sending: Callable[[], None]) -> tuple[int, str]:
        """Send one call; the status and text of its answer. ``sending`` is called when bytes may
        leave. _NotConnectedError; OSError and HTTPException when its fate is unknown."""
        if not self.connected:
            raise _NotConnectedError
        sending()
        try:
            self._send(msgspec.json.decode(body), headers={})
        except RuntimeError as error:
            answer = _CALL_REFUSED.match(str(error))
            if answer is None:
                raise _NotConnectedError from None
            return int(answer[1]), _text(answer[2])
        return 202, ""

    def release(self) -> None:
        """Close the connection of the calls, when nobody uses it any more."""
        self._close()

    def cut(self) -> None:
        """From any thread: a call that waits for its answer waits no longer."""
        sock = getattr(self._conn, "sock", None)
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


def _text(printed: str) -> str:
    """The text of bytes that pymesos printed with their quotes."""
    return printed[2:-1] if printed[:2] in ("b'", 'b"') else printed


class _PymesosCalls:
    """``framework.mesos.transport.Calls``: one call at a time, by a thread of its own."""

    def __init__(
        self,
        session: _Session,
        pipeline: Pipeline,
        report: Report,
        on_end: Callable[[], None],
    ) -> None:
        self._session = session
        self._pipeline = pipeline
        self._report = report
        self._on_end = on_end
        self._changed = threading.Condition()
        self._handed: deque[Action] = deque()
        self._over = self._finishing = False
        self._sends = True
        self._why = ""
        self._left = Outcomes([], [])
        self._thread = threading.Thread(target=self._run, name="mesos-calls", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def perform(self, actions: Sequence[Action]) -> Sequence[Action]:
        with self._changed:
            if self._over or self._finishing:
                return actions
            room = max(0, MAX_WAITING - len(self._handed))
            self._handed.extend(actions[:room])
            self._changed.notify_all()
        return actions[room:]

    def finish(self, seconds: float, *, send: bool) -> tuple[str, Outcomes]:
        with self._changed:
            if not self._finishing:
                self._finishing, self._sends = True, send
                self._changed.notify_all()
        self._thread.join(seconds)
        if self._thread.is_alive():
            with self._changed:
                self._sends = False
            self._session.cut()
            self._thread.join()
        left, self._left = self._left, Outcomes([], [])
        return self._why, left

    def _run(self) -> None:
        try:
            while self._take():
                self._send_all()
        except _NotConnectedError:
            self._why = "calls: pymesos is not connected"
        except (OSError, HTTPException, MalformedResponseError) as error:
            self._why = f"calls: {error}" if str(error) else "calls: the connection broke"
        with self._changed:
            self._over = True
            handed = list(self._handed)
            self._handed.clear()
        surplus = self._pipeline.add(handed)
        abandoned = self._pipeline.abandon(self._why or "the subscription ended")
        self._left = Outcomes(
            surplus.events + abandoned.events, surplus.results + abandoned.results
        )
        if self._why:
            self._on_end()

    def _take(self) -> bool:
        """Wait for calls; False when it is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._handed or self._finishing)
            if not self._may_send() or not self._handed:
                return False
            surplus = self._pipeline.add(list(self._handed))
            self._handed.clear()
        self._tell(surplus)
        return True

    def _may_send(self) -> bool:
        return not self._finishing or self._sends

    def _send_all(self) -> None:
        while self._pipeline.can_send and self._may_send():
            body, impossible = self._pipeline.to_send()
            self._tell(impossible)
            if not body:
                continue
            status, text = self._session.call(body, partial(self._pipeline.sent, len(body)))
            outcomes = self._pipeline.answered(status, text)
            self._tell(outcomes)
            if outcomes.ends:
                raise MalformedResponseError(outcomes.ends)

    def _tell(self, outcomes: Outcomes) -> None:
        if outcomes.results or outcomes.events:
            self._report(outcomes)


class _PymesosStream:
    """``framework.mesos.transport.Stream``."""

    def __init__(
        self,
        endpoint: Endpoint,
        credentials: tuple[str, str] | None,
        clock: Callable[[], float],
    ) -> None:
        self.endpoint = endpoint
        self._credentials = credentials
        self._clock = clock
        self._inbox = _Inbox(clock)
        self._session: _Session | None = None
        self._silent_since = clock()

    def subscribe(self, body: bytes) -> None:
        self._session = _Session(self.endpoint, self._credentials, body, self._inbox)
        self._session.start()
        # pymesos does not tell of the head of an answer, but Mesos sends SUBSCRIBED with it.
        if not self._inbox.wait(self._clock() + ANSWER_TIMEOUT_SECONDS):
            raise NotSubscribedError(f"{self.endpoint} does not answer")

    def records(self, silence_seconds: float) -> list[bytes]:
        if not self._inbox.wait(self._silent_since + silence_seconds):
            raise SilenceError("no event in time")
        self._silent_since = self._clock()
        return self._inbox.take()

    def calls(self, encode: Encode, report: Report) -> Calls:
        assert self._session is not None, "calls come after the subscription"
        # Each call is a request of its own, so the next is taken when the last was answered.
        return _PymesosCalls(self._session, Pipeline(encode, window=1), report, self.interrupt)

    def interrupt(self, why: str = "") -> None:
        self._inbox.end(StreamEndedError(why or "the master ended the stream"))

    def close(self) -> None:
        self._inbox.end(StreamEndedError("the driver stops"))
        if self._session is not None:
            self._session.cut()
            self._session.stop(failover=True)
            self._session.join()
            self._session.release()


class PymesosTransport:
    """``framework.mesos.transport.Transport`` on pymesos. ValueError or OSError if the options ask
    for what pymesos can not do, or the secret is missing."""

    def __init__(self, options: MesosOptions, clock: Callable[[], float] = time.monotonic) -> None:
        if options.mesos_tls or options.mesos_ca_file:
            raise ValueError(
                "pymesos knows no TLS: leave mesos_driver, or mesos_tls and "
                "mesos_ca_file, at their defaults"
            )
        self._options = options
        self._clock = clock
        options.credentials()  # to find a missing secret now, not when it is needed

    def open(self, endpoint: Endpoint) -> Stream:
        """See ``Transport.open``; ValueError where pymesos can not go."""
        if endpoint.secure:
            raise ValueError("pymesos knows no TLS: leave mesos_driver at its default")
        if ":" in endpoint.host:
            raise ValueError("pymesos knows no IPv6: leave mesos_driver at its default")
        return _PymesosStream(endpoint, self._options.credentials(), self._clock)
