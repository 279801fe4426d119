"""What the HTTP server counts and tells of each request, around everything that answers it.

It stands before the check of credentials, so that calls which are turned away are seen too. A
request is over when its body is sent; what the server itself refuses before there is a request
comes through ``refused``.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from api import request_id
from api.access_log import AccessLog, Entry, entry_of
from api.durations import Durations
from api.events.handover import HANDOVER

if TYPE_CHECKING:
    from _typeshed import OptExcInfo
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

EXCHANGE = "stayer.exchange"
TIMED_METHODS = ("GET", "POST", "PUT", "DELETE")
"""Those that have a duration of their own, as in Marathon; others count among all."""

_FAILED = 500


@dataclass(slots=True)
class HttpCounts:
    """Totals since the start, but for ``active``: that is now. Sizes are of bodies, in bytes;
    ``sent_compressed`` is the part of ``sent`` that was compressed. ``by_class``: answers by the
    first digit of their status."""

    active: int = 0
    received: int = 0
    sent: int = 0
    sent_compressed: int = 0
    by_class: list[int] = field(default_factory=lambda: [0] * 6)
    durations: Durations = field(default_factory=Durations)
    by_method: dict[str, Durations] = field(
        default_factory=lambda: {method: Durations() for method in TIMED_METHODS}
    )
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)


class Accounted:
    """A WSGI application behind counts and the access log. ``clock`` is steady, in seconds."""

    def __init__(
        self,
        application: "WSGIApplication",
        log: AccessLog,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.counts = HttpCounts()
        self.log = log
        self.clock = clock
        self._application = application

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        exchange = Exchange(self, environ, start_response)
        try:
            exchange.body = self._application(environ, exchange.start_response)
        except BaseException:
            exchange.status = _FAILED
            exchange.count()  # what is logged of it still has its id
            raise
        return exchange

    def refused(self, status: int, remote: str, method: str, uri: str) -> str:
        """The server refused something that is no proper request; the id to tell."""
        refused_id = request_id.accepted_or_new(None)
        counts = self.counts
        with counts.lock:
            counts.by_class[status // 100] += 1
        if self.log.wants(method, status):
            self.log.note(
                Entry(
                    request_id=refused_id,
                    status=status,
                    remote=remote,
                    method=method,
                    uri=uri,
                    at_seconds=time.time(),
                )
            )
        return refused_id


class Exchange:
    """A request and its answer; the body of the answer, for the server."""

    __slots__ = (
        "_accounted",
        "_compressed",
        "_environ",
        "_sent",
        "_start_response",
        "_started",
        "_whole",
        "body",
        "forwarded_to",
        "id",
        "status",
    )

    def __init__(
        self,
        accounted: Accounted,
        environ: "WSGIEnvironment",
        start_response: "StartResponse",
    ) -> None:
        self.id = request_id.accepted_or_new(environ.get(request_id.KEY))
        self.body: Iterable[bytes] = ()
        self.forwarded_to = ""
        self.status = _FAILED
        self._accounted = accounted
        self._environ = environ
        self._start_response = start_response
        self._started = accounted.clock()
        self._sent = 0
        self._whole = False
        self._compressed = False
        environ[request_id.KEY] = self.id  # also for whom it is forwarded to
        environ[EXCHANGE] = self
        request_id.serve(self.id)
        counts = accounted.counts
        with counts.lock:
            counts.active += 1

    def start_response(
        self,
        status: str,
        headers: list[tuple[str, str]],
        exc_info: "OptExcInfo | None" = None,
        /,
    ) -> Callable[[bytes], object]:
        """The application's answer begins."""
        self.status = int(status[:3])
        self._compressed = ("Content-Encoding", "gzip") in headers
        headers = [*headers, (request_id.HEADER, self.id)]
        return self._start_response(status, headers, exc_info)

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.body:
            self._sent += len(piece)
            yield piece
        self._whole = True

    def close(self) -> None:
        """Called once by the server, whatever happened."""
        try:
            close = getattr(self.body, "close", None)
            if close is not None:
                close()
        finally:
            self.count()
            request_id.serve("")

    def count(self) -> None:
        """The request is over."""
        accounted, environ = self._accounted, self._environ
        now = accounted.clock()
        seconds = now - self._started
        method = environ["REQUEST_METHOD"]
        received = _received(environ)
        counts = accounted.counts
        with counts.lock:
            counts.active -= 1
            counts.received += received
            counts.sent += self._sent
            if self._compressed:
                counts.sent_compressed += self._sent
            counts.by_class[self.status // 100] += 1
            counts.durations.add(seconds, now)
            own = counts.by_method.get(method)
            if own is not None:
                own.add(seconds, now)
        stream = HANDOVER in environ
        if not (stream or accounted.log.wants(method, self.status)):
            return
        entry = entry_of(
            environ,
            request_id=self.id,
            status=self.status,
            received=received,
            sent=self._sent,
            seconds=seconds,
            forwarded_to=self.forwarded_to,
            stream="opened" if stream else "",
            cut=not self._whole,
        )
        accounted.log.note(entry)

    def stream_closer(self) -> Callable[[int, int], None]:
        """To be called when the event stream that this exchange opened is closed, with the
        events and bytes that went out on it. It keeps nothing of the request but its text."""
        opened = entry_of(self._environ, request_id=self.id, status=200, stream="closed")
        clock, log, started = self._accounted.clock, self._accounted.log, self._started

        def closed(events: int, sent: int) -> None:
            seconds = clock() - started
            log.note(opened.ended(seconds=seconds, events=events, sent=sent))

        return closed


def exchange_of(environ: "WSGIEnvironment") -> Exchange | None:
    """The exchange that this request belongs to; None where nobody keeps account."""
    found: Any = environ.get(EXCHANGE)
    return found if isinstance(found, Exchange) else None


def _received(environ: "WSGIEnvironment") -> int:
    """The size of the request's body; of one in chunks as far as it was read."""
    length = environ.get("CONTENT_LENGTH") or ""
    if length.isdecimal() and len(length) < 19:
        return int(length)
    if environ.get("wsgi.input_terminated"):
        return int(getattr(environ.get("wsgi.input"), "bytes_read", 0))
    return 0
