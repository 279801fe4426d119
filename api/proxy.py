"""One call of a client, carried to the leader and its answer back, in pieces.

Each call has a connection of its own, so that a refused one certainly sent nothing. Once
something went out and no answer came, nobody knows what the leader did: the caller of this
module decides what that means. Headers are those of rest-api.md, 0.3.
"""

import errno
import http.client
import logging
import re
import select
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from cheroot.errors import MaxSizeExceeded

from api.options import ApiOptions
from framework.interfaces import Leader

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_log = logging.getLogger("stayer.api")

VIA = "X-Marathon-Via"
_PIECE_BYTES = 64 * 1024
_MAX_ANSWER_BYTES = 1024 * 1024 * 1024
_MAX_VIAS = 4
_LOOK_SECONDS = 0.1
_LAST_WORD_SECONDS = 1.0
_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# The host is the leader's; the server before us has answered Expect; the page that a browser
# names was checked here, and would be a foreign one to the leader.
_NOT_FORWARDED = _HOP_BY_HOP | {"host", "expect", "origin", "content-length", "x-forwarded-for"}
_METHOD = re.compile(r"[A-Z]{1,32}")
_ADDRESS = re.compile(r"(?:[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\]):[0-9]{1,5}")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_READING = frozenset({"GET", "HEAD", "OPTIONS"})


class BadCallError(Exception):
    """The client's call can not be forwarded; nothing of it was carried out."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class TooManyConnectionsError(Exception):
    """As many connections to the leader are open as may be; nothing was sent."""


class NotSentError(Exception):
    """The leader could not be connected to: nothing was sent."""


class CutOffError(Exception):
    """Something was sent, and no answer came: the text says why."""


class Call(NamedTuple):
    """What is to be sent. ``length`` is the body's, None for one in chunks."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    vias: tuple[str, ...]
    body: Any
    length: int | None

    @property
    def repeatable(self) -> bool:
        """Whether it may be sent again although it may have been carried out."""
        return self.method in _READING and self.length == 0


def call_of(environ: "WSGIEnvironment", own: Leader, max_body_bytes: int) -> Call:
    """The call as the leader is to get it. BadCallError."""
    method, target = environ["REQUEST_METHOD"], environ.get("REQUEST_URI", "")
    whole_server = (method, target) == ("OPTIONS", "*")
    if not _METHOD.fullmatch(method) or not (target.startswith("/") or whole_server):
        raise BadCallError(HTTPStatus.BAD_REQUEST, "Bad Request")
    length = _length(environ)
    if length is not None and length > max_body_bytes:
        raise BadCallError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Request Entity Too Large")
    vias = tuple(one.strip() for one in environ.get("HTTP_X_MARATHON_VIA", "").split(",") if one)
    forwarded_for = [environ.get("HTTP_X_FORWARDED_FOR", ""), environ.get("REMOTE_ADDR", "")]
    headers = [
        *_headers(environ),
        (VIA, ", ".join((*vias, via(own)))),
        ("X-Forwarded-For", ", ".join(filter(None, forwarded_for))),
    ]
    # Characters beyond ASCII may not stand in a request line; quoted they mean the same.
    target = quote(target.encode("latin-1"), safe="".join(map(chr, range(0x21, 0x7F))))
    return Call(method, target, tuple(headers), vias, environ["wsgi.input"], length)


def via(own: Leader) -> str:
    """What a process adds to the header that lists who forwarded a call."""
    return f"1.1 {own.address}"


def loops(call: Call, own: Leader) -> bool:
    """Whether the call was here before, or went through more processes than make sense."""
    return via(own) in call.vias or len(call.vias) >= _MAX_VIAS


def leader_url(leader: Leader) -> str:
    """The leader's API, without a slash at the end."""
    return f"{'https' if leader.secure else 'http'}://{leader.address}"


def _length(environ: "WSGIEnvironment") -> int | None:
    if environ.get("wsgi.input_terminated"):
        return None
    text = environ.get("CONTENT_LENGTH") or "0"
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise BadCallError(HTTPStatus.BAD_REQUEST, "Bad Request")
    return int(text)


def _headers(environ: "WSGIEnvironment") -> Iterator[tuple[str, str]]:
    """Those of the client that go on. BadCallError for one that no header may be."""
    dropped = _NOT_FORWARDED | _named(environ.get("HTTP_CONNECTION", "")) | {VIA.lower()}
    for key, value in environ.items():
        if key == "CONTENT_TYPE":
            name = "Content-Type"
        elif key.startswith("HTTP_"):
            name = key.removeprefix("HTTP_").replace("_", "-").title()
        else:
            continue
        if name.lower() in dropped:
            continue
        if not _VALUE.fullmatch(value):
            raise BadCallError(HTTPStatus.BAD_REQUEST, "Bad Request")
        yield name, value


def _named(connection: str) -> frozenset[str]:
    """The headers that the header Connection declares to be for this hop only."""
    return frozenset(one.strip().lower() for one in connection.split(","))


class Answer:
    """The leader's answer: a WSGI iterable whose ``close`` ends the connection."""

    def __init__(
        self,
        response: http.client.HTTPResponse,
        connection: http.client.HTTPConnection,
        release: Callable[[], None],
    ) -> None:
        self._response = response
        self._connection = connection
        self._release = release
        self._expected = response.length

    @property
    def status(self) -> str:
        """The status line's code and phrase."""
        phrase = self._response.reason
        return f"{self._response.status} {phrase if _VALUE.fullmatch(phrase) else ''}"

    def headers(self) -> list[tuple[str, str]]:
        """Those of the answer that are for the client."""
        found = self._response.getheaders()
        dropped = _HOP_BY_HOP.union(
            *(_named(value) for name, value in found if name.lower() == "connection")
        )
        return [
            (name, value)
            for name, value in found
            if name.lower() not in dropped and _VALUE.fullmatch(value)
        ]

    def __iter__(self) -> Iterator[bytes]:
        """The body. ConnectionResetError, which ends the client's connection too, if it does
        not come whole: the client must not take a part for all."""
        size = 0
        try:
            while piece := self._response.read1(_PIECE_BYTES):
                size += len(piece)
                if size > _MAX_ANSWER_BYTES:
                    raise _cut("the answer is too long")
                yield piece
        except (http.client.HTTPException, OSError) as error:
            raise _cut(str(error)) from error
        if self._expected is not None and size < self._expected:
            raise _cut("the answer was cut off")

    def close(self) -> None:
        """Whether or not all was read; harmless when repeated."""
        self._response.close()
        self._connection.close()
        release, self._release = self._release, lambda: None
        release()


def _cut(why: str) -> ConnectionResetError:
    return ConnectionResetError(errno.ECONNRESET, why)


class Proxy:
    """Connections to whoever leads, within the limits of the options."""

    def __init__(self, options: ApiOptions) -> None:
        """OSError, ValueError: a file of certificates that can not be used."""
        self._connect_seconds = options.leader_proxy_connection_timeout / 1000
        self._read_seconds = options.leader_proxy_read_timeout / 1000
        self._max_body_bytes = options.http_max_body_bytes
        self._open = threading.BoundedSemaphore(options.leader_proxy_max_open_connections)
        self._context = _client_context(options)

    def forward(self, call: Call, leader: Leader, superseded: Callable[[], bool]) -> Answer:
        """The leader's answer; close it. ``superseded`` says whether another leads meanwhile:
        then this leader is not waited for much longer. BadCallError, TooManyConnectionsError,
        NotSentError, CutOffError."""
        connection = self._connection(leader)
        if not self._open.acquire(blocking=False):
            raise TooManyConnectionsError
        try:
            _connect(connection)
            connection.sock.settimeout(self._read_seconds)
            self._send(connection, call)
            self._await(connection, superseded)
            response = connection.getresponse()
        except BaseException as error:
            connection.close()
            self._open.release()
            if isinstance(error, http.client.HTTPException | OSError):
                raise CutOffError(_reason(error)) from error
            raise
        return Answer(response, connection, self._open.release)

    def _connection(self, leader: Leader) -> http.client.HTTPConnection:
        timeout = self._connect_seconds
        host, _, port = leader.address.rpartition(":")
        if not _ADDRESS.fullmatch(leader.address):
            raise NotSentError(f"{leader.address!r} is not host:port")
        host = host.strip("[]")
        if leader.secure:
            return http.client.HTTPSConnection(
                host, int(port), timeout=timeout, context=self._context
            )
        return http.client.HTTPConnection(host, int(port), timeout=timeout)

    def _send(self, connection: http.client.HTTPConnection, call: Call) -> None:
        connection.putrequest(call.method, call.target, skip_accept_encoding=True)
        for name, value in call.headers:
            connection.putheader(name, value.encode("latin-1"))
        connection.putheader("Connection", "close")
        chunked = call.length is None
        if chunked:
            connection.putheader("Transfer-Encoding", "chunked")
        elif call.length or call.method not in _READING:
            connection.putheader("Content-Length", str(call.length))
        try:
            connection.endheaders(_pieces(call, self._max_body_bytes), encode_chunked=chunked)
        except (BrokenPipeError, ConnectionResetError):
            # It may have answered before it had read everything.
            _log.debug("the leader stopped reading")

    def _await(
        self, connection: http.client.HTTPConnection, superseded: Callable[[], bool]
    ) -> None:
        """Return when an answer begins to arrive. CutOffError."""
        sock = connection.sock
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        deadline = time.monotonic() + self._read_seconds
        why = "its time is over"
        while not (isinstance(sock, ssl.SSLSocket) and sock.pending()):
            if poll.poll(_LOOK_SECONDS * 1000):
                return
            now = time.monotonic()
            if superseded() and now + _LAST_WORD_SECONDS < deadline:
                deadline, why = now + _LAST_WORD_SECONDS, "another process leads now"
            if now > deadline:
                raise CutOffError(why)


def _connect(connection: http.client.HTTPConnection) -> None:
    try:
        connection.connect()
    except (OSError, OverflowError, UnicodeError) as error:  # also a name or port beyond limits
        raise NotSentError(_reason(error)) from error


def _pieces(call: Call, max_body_bytes: int) -> Iterator[bytes]:
    """The body as it comes from the client. BadCallError if it is too long or not whole."""
    size = 0
    while call.length is None or size < call.length:
        wanted = _PIECE_BYTES if call.length is None else min(_PIECE_BYTES, call.length - size)
        try:
            piece = call.body.read(wanted)
        except (OSError, ValueError) as error:
            raise BadCallError(HTTPStatus.BAD_REQUEST, "Bad Request") from error
        except MaxSizeExceeded:
            piece = b" " * (max_body_bytes + 1)
        if not piece and call.length is None:
            return
        if not piece:
            raise BadCallError(HTTPStatus.BAD_REQUEST, "Bad Request")
        size += len(piece)
        if size > max_body_bytes:
            raise BadCallError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Request Entity Too Large")
        yield piece


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "its time is over"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, http.client.HTTPException | OSError):
        return "the connection was closed" if isinstance(error, OSError) else "it is no HTTP"
    return "it has no usable address"


def _client_context(options: ApiOptions) -> ssl.SSLContext:
    path = options.leader_proxy_ca_file
    try:
        context = ssl.create_default_context(cafile=path)
    except ssl.SSLError as error:
        raise ValueError(f"{path} holds no certificates in PEM form: {error.reason}") from error
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = not options.leader_proxy_ssl_ignore_hostname
    return context
