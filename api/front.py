"""What a process of several answers: its own API while it leads, else what the leader says.

The server is started with it before anybody leads; whoever composes the process says by three
callables how things stand. A standby never acts: it forwards, sends watchers of events to the
leader, and says when there is none.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

from api.accounting import exchange_of
from api.answers import Headers, answer, plain_path
from api.exposition import OwnMetrics
from api.guard import FOREIGN_PAGE, is_foreign, on_loopback_only
from api.options import ApiOptions
from api.proxy import (
    VIA,
    BadCallError,
    Call,
    CutOffError,
    NotSentError,
    Proxy,
    TooManyConnectionsError,
    call_of,
    leader_url,
    loops,
    via,
)
from api.request_id import HEADER
from framework.interfaces import Leader

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_log = logging.getLogger("stayer.api")

LOOP = "Detected proxying loop."
REFUSED = "Connection to leader refused."
NO_LEADER = "Could not determine the current leader"
PREPARING = "The leader is still loading its state"
BUSY = "Too many calls are being forwarded to the leader; try again."
CUT_OFF = "The leader did not answer: {why}."
OUTCOME_UNKNOWN = (
    "The leader did not answer: {why}. The change may have been made: look before repeating it."
)
OUTCOME_HEADER = ("Stayer-Outcome", "unknown")
RETRY_AFTER = ("Retry-After", "1")
WAIT_SECONDS = 2.5

_LOOK_SECONDS = 0.05
_EVENTS = ("/v2/events", "/v3/events")


class Front:
    """The WSGI application of a process that may lead or stand by.

    ``own`` is where others reach this process (asked with each call, so it may be known only
    once the server is bound); ``leader`` who leads as far as this process knows, at once (that
    may be itself); ``inner`` the application to serve while this process leads, None while it
    does not or still prepares. All three are called from the server's threads, often: they
    return at once. To compose: ``front = Front(options, ...)``, ``server = ApiServer(front,
    options)``, ``server.start()``, stand for election, and when leadership is gained and the
    state is loaded let ``inner`` give ``create_app(scheduler, options, compile_pattern)``.
    """

    def __init__(
        self,
        options: ApiOptions,
        *,
        own: Callable[[], Leader],
        leader: Callable[[], Leader | None],
        inner: Callable[[], "WSGIApplication | None"],
        metrics: Callable[[], bytes] = lambda: b"",
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        """``metrics`` are those of this process while it does not lead; ``wait_seconds`` is how
        long a call waits for somebody to lead. OSError or ValueError for a bad file of
        certificates."""
        self._own = own
        self._leader = leader
        self._inner = inner
        self._metrics = OwnMetrics(metrics)
        self._wait_seconds = wait_seconds
        self._max_body_bytes = options.http_max_body_bytes
        self._on_loopback = on_loopback_only(options)
        self._proxy = Proxy(options)
        # Those that wait for a leader must leave threads to those that need none.
        self._waiting = threading.BoundedSemaphore(max(1, options.http_threads // 4))

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        inner = self._inner()
        if inner is not None:
            return inner(environ, start_response)
        if self._metrics.asked_for(environ):
            return self._metrics(environ, start_response)
        try:
            return self._stand_by(environ, start_response)
        except _RefusedError as refused:
            return answer(environ, start_response, refused.status, refused.message, refused.headers)

    def _stand_by(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Forward; and once more, to who leads next, what certainly did nothing or may be
        repeated."""
        call = self._call(environ)
        target = self._look(None) or self._wait(None)
        if target is None:
            message = NO_LEADER if self._leader() is None else PREPARING
            raise _RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, message, RETRY_AFTER)
        try:
            return self._hand(call, target, environ, start_response)
        except (NotSentError, CutOffError) as error:
            _log.warning("no answer from the leader: %s", error)
            # A leader that steps down is followed by another one in a moment.
            successor = self._successor(target) if _may_be_repeated(call, error) else None
            if successor is None:
                raise _given_up(call, error) from error
        try:
            return self._hand(call, successor, environ, start_response)
        except (NotSentError, CutOffError) as error:
            raise _given_up(call, error) from error

    def _call(self, environ: "WSGIEnvironment") -> Call:
        method, origin = environ["REQUEST_METHOD"], environ.get("HTTP_ORIGIN")
        host = environ.get("HTTP_HOST", "")
        if is_foreign(method, origin, host, bound_to_loopback=self._on_loopback):
            raise _RefusedError(HTTPStatus.FORBIDDEN, FOREIGN_PAGE)
        own = self._own()
        try:
            call = call_of(environ, own, self._max_body_bytes)
        except BadCallError as error:
            raise _RefusedError(error.status, error.message) from error
        if loops(call, own):
            raise _RefusedError(HTTPStatus.BAD_GATEWAY, LOOP)
        return call

    def _hand(
        self,
        call: Call,
        target: "Leader | WSGIApplication",
        environ: "WSGIEnvironment",
        start_response: "StartResponse",
    ) -> Iterable[bytes]:
        """The target's answer. NotSentError, CutOffError."""
        if not isinstance(target, Leader):
            return target(environ, start_response)
        if plain_path(environ).startswith(_EVENTS):
            to = leader_url(target) + call.target
            return answer(environ, start_response, HTTPStatus.FOUND, "", [("Location", to)])
        try:
            found = self._proxy.forward(call, target, lambda: self._is_superseded(target))
        except BadCallError as error:
            raise _RefusedError(error.status, error.message) from error
        except TooManyConnectionsError as error:
            raise _RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, BUSY, RETRY_AFTER) from error
        exchange = exchange_of(environ)
        if exchange is not None:
            exchange.forwarded_to = target.address
        # The id is the same, and stands in every answer of this process anyway.
        headers = [one for one in found.headers() if one[0].lower() != HEADER.lower()]
        start_response(found.status, [*headers, (VIA, via(self._own()))])
        return found

    def _look(self, tried: Leader | None) -> "Leader | WSGIApplication | None":
        """Who answers now: this process, or another that leads and is not the one tried."""
        inner = self._inner()
        if inner is not None:
            return inner
        leader = self._leader()
        if leader is None or leader == tried or leader.address == self._own().address:
            return None
        return leader

    def _wait(self, tried: Leader | None) -> "Leader | WSGIApplication | None":
        """The same, waiting a short while for somebody; for one call in four at most."""
        if not self._waiting.acquire(blocking=False):
            return None
        try:
            deadline = time.monotonic() + self._wait_seconds
            while time.monotonic() < deadline:
                time.sleep(_LOOK_SECONDS)
                found = self._look(tried)
                if found is not None:
                    return found
        finally:
            self._waiting.release()
        return None

    def _successor(self, tried: "Leader | WSGIApplication") -> "Leader | WSGIApplication | None":
        """Who leads after the one tried."""
        assert isinstance(tried, Leader)
        return self._look(tried) or self._wait(tried)

    def _is_superseded(self, tried: Leader) -> bool:
        """Whether somebody else certainly leads; that nobody is known proves nothing."""
        return self._inner() is not None or self._leader() not in (None, tried)


class _RefusedError(Exception):
    """Ends a call with an answer of ours."""

    def __init__(self, status: HTTPStatus, message: str, *headers: tuple[str, str]) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers: Headers = headers


def _may_be_repeated(call: Call, error: NotSentError | CutOffError) -> bool:
    return isinstance(error, NotSentError) or call.repeatable


def _given_up(call: Call, error: NotSentError | CutOffError) -> _RefusedError:
    if isinstance(error, NotSentError):
        return _RefusedError(HTTPStatus.BAD_GATEWAY, REFUSED)
    if call.repeatable:
        return _RefusedError(HTTPStatus.BAD_GATEWAY, CUT_OFF.format(why=error))
    message = OUTCOME_UNKNOWN.format(why=error)
    return _RefusedError(HTTPStatus.BAD_GATEWAY, message, OUTCOME_HEADER)
