"""One listening socket and its worker threads: cheroot, where it trusts clients too much made
stricter.

A connection that says nothing waits in the selector and takes no thread, and so does one within
its TLS handshake until there is something to read. Headers that two programs could read in two
ways are refused, because proxies stand before this server and this server is one itself.
"""

import logging
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable
from email.utils import formatdate
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, Any

from cheroot import wsgi
from cheroot.server import HeaderReader, HTTPConnection, HTTPRequest

from api import request_id
from api.events.handover import HandoverGateway
from api.options import ApiOptions
from api.request_line import RequestLine
from api.tls import Tls
from api.wire import open_wire

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_log = logging.getLogger("stayer.api")
_CLOSE_SECONDS = 1.0
_LOOK_SECONDS = 0.1  # between two looks for idle connections, and how long a stop takes to begin
_LINGER_MS = 1.0  # how long a thread waits for the next request of a connection
_BODY_SLACK_BYTES = 1024 * 1024
_HANDSHAKE_SECONDS = 10.0
_HEADER = re.compile(
    rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*?)[ \t]*\r\n"
)
# The first line of nearly all requests: nothing in it needs to be decoded or looked at twice.
_PLAIN = re.compile(
    rb"(GET|HEAD|POST|PUT|PATCH|DELETE) "
    rb"((/(?:[A-Za-z0-9._~*@:=,+-][A-Za-z0-9._~*@:=,+/-]*)?)(?:\?([!\"$-~]*))?) HTTP/1\.1\r\n"
)
_BODILESS = frozenset({204, 205, 304})
_ONCE = frozenset({b"Content-Length", b"Transfer-Encoding", b"Host", b"Authorization", b"Origin"})
_PLAIN_ON_TLS = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
    b"This port speaks https only.\n"
)


Refused = Callable[[int, str, str, str], str]
"""Told the status, the caller's address, method and URI of what is refused before it is a request;
gives it an id."""


class Listener:
    """Serves an application on one address. The port is bound when ``start`` returns."""

    def __init__(
        self,
        application: "WSGIApplication",
        options: ApiOptions,
        bind: tuple[str, int],
        tls: Tls | None = None,
        refused: Refused = lambda *_told: request_id.accepted_or_new(None),
    ) -> None:
        self.tls = tls
        self._server = _server(application, options, bind)
        self._server.refused = refused
        self._server.ssl_adapter = tls
        self._failure: OSError | None = None
        self._bound = threading.Event()
        name = "api" if tls is None else "api-https"
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)

    @property
    def port(self) -> int:
        """The port that is listened on; the one asked for until ``start``."""
        port: int = self._server.bind_addr[1]
        return port

    def start(self) -> None:
        """Bind and serve. OSError if the port is taken."""
        self._thread.start()
        self._bound.wait()
        if self._failure is not None:
            raise self._failure

    def _serve(self) -> None:
        """cheroot's worker threads take after the thread that prepares it: made here they are
        daemons, and an open connection never keeps a process alive that has to end."""
        try:
            self._server.prepare()
        except OSError as error:
            self._failure = error
            return
        finally:
            self._bound.set()
        self._server.serve()

    def stop(self, grace_seconds: float) -> None:
        """Answer what is under way, but not for longer than this; then close. Harmless when not
        started, or repeated."""
        if not self._thread.is_alive():
            return
        self._server.shutdown_timeout = grace_seconds
        # In a thread of its own: after the grace it waits for each worker without end.
        stopping = threading.Thread(target=self._server.stop, name="api-stop", daemon=True)
        stopping.start()
        stopping.join(grace_seconds + _CLOSE_SECONDS)
        self._thread.join(_CLOSE_SECONDS)


def _add_header(headers: dict[bytes, bytes], line: bytes) -> None:
    """ValueError for what is none, or must not be there twice."""
    match = _HEADER.fullmatch(line)
    if match is None:
        raise ValueError("Illegal header line.")
    name, value = match[1].title(), match[2]
    if b"_" in name:
        return
    if name in headers:
        if name in _ONCE:
            raise ValueError("Repeated header.")
        value = headers[name] + b", " + value
    headers[name] = value


class _Headers(HeaderReader):
    """No folded lines, no blanks before the colon, nothing twice that must be there once; and
    names with an underscore are left out, as WSGI can not tell them from those with a dash."""

    def __call__(self, rfile: Any, hdict: dict[bytes, bytes] | None = None) -> dict[bytes, bytes]:
        headers = {} if hdict is None else hdict
        while (line := rfile.readline()) != b"\r\n":
            _add_header(headers, line)
        return headers


class _Request(HTTPRequest):
    header_reader = _Headers()
    reached = False  # the application, which counts and logs for itself
    named_host = b""  # by a request line with a whole URL

    def parse_request(self) -> None:
        """Read the head: at once if it is there in one piece and plain, else as cheroot does."""
        incoming = self.conn.rfile
        head = incoming.head(self.server.max_request_header_size)
        first = None if head is None else _PLAIN.match(head)
        if head is None or first is None:
            super().parse_request()
            return
        headers: dict[bytes, bytes] = {}
        try:
            for line in head[first.end() : -2].splitlines(keepends=True):
                _add_header(headers, line)
        except ValueError:  # said by whoever reads it in the usual way
            super().parse_request()
            return
        incoming.skip(len(head))
        self.started_request = True
        self.method, self.uri, self.path = first[1], first[2], first[3]
        self.qs, self.authority = first[4] or b"", b""
        self.request_protocol, self.response_protocol = b"HTTP/1.1", "HTTP/1.1"
        self.inheaders, self.rfile = headers, BytesIO(b"\r\n")  # no more of them
        self.ready = self.read_request_headers()

    def respond(self) -> None:
        self.reached = True
        super().respond()
        self.conn.wfile.flush()

    def simple_response(self, status: Any, msg: str = "") -> None:
        """An answer of the server's own, after which it closes the connection; with an id."""
        told = str(status)
        refused_id = request_id.current() if self.reached else ""
        if not refused_id:
            method, uri = (
                part.decode("latin-1") if isinstance(part, bytes) else "-"
                for part in (getattr(self, "method", None), getattr(self, "uri", None))
            )
            remote = self.conn.remote_addr or ""
            refused_id = self.server.refused(int(told[:3]), remote, method, uri)
        body = msg.encode("latin-1", "replace")
        head = (
            f"{self.server.protocol} {told}\r\nContent-Length: {len(body)}\r\n"
            f"Content-Type: text/plain\r\nConnection: close\r\n{request_id.HEADER}: {refused_id}"
            "\r\n\r\n"
        )
        self.close_connection = True
        try:
            self.conn.wfile.write(head.encode("latin-1") + body)
        except OSError:
            _log.debug("the client went away")

    def read_request_line(self) -> bool:
        rfile = self.rfile
        line = self.rfile = RequestLine(rfile)
        try:
            read: bool = super().read_request_line()  # type: ignore[no-untyped-call]  # cheroot's stub
        finally:
            self.rfile = rfile
        self.named_host = line.host
        return read

    def read_request_headers(self) -> bool:
        if not super().read_request_headers():  # type: ignore[no-untyped-call]  # cheroot's stub
            return False
        length = self.inheaders.get(b"Content-Length", b"0")
        if not length.isdigit():
            self.simple_response("400 Bad Request", "Malformed Content-Length Header.")
            return False
        if self.named_host:
            self.inheaders[b"Host"] = self.named_host
        return True

    def send_headers(self) -> None:
        """The head of an answer; it goes out together with what follows it.

        Nobody reads what follows the last chunk of a body, and the rest of one that was not
        read at all: it must not be taken for the next request."""
        headers = self.outheaders
        names = {name.lower() for name, _ in headers}
        if b"content-length" not in names:
            self._send_without_length()
        server = self.server
        if self.chunked_read or not server.can_add_keepalive_connection:
            self.close_connection = True
        status: Any = self.status  # cheroot's stub takes it for text
        if status.startswith(b"413"):  # what is left of its body is not worth to be read
            self.close_connection = True
        if b"connection" not in names:
            if self.close_connection:
                headers.append((b"Connection", b"close"))
            elif self.response_protocol != "HTTP/1.1":
                headers.append((b"Connection", b"Keep-Alive"))
                headers.append((b"Keep-Alive", b"timeout=%d" % server.timeout))
        if not self.close_connection:
            self._skip_body()
        if b"date" not in names:
            headers.append((b"Date", _date(int(time.time()))))
        if b"server" not in names:
            headers.append((b"Server", server.server_name.encode("latin-1")))
        lines = [b"HTTP/1.1 " + status, *(b"%b: %b" % one for one in headers), b"\r\n"]
        self.conn.wfile.hold(b"\r\n".join(lines))

    def _send_without_length(self) -> None:
        """In chunks, to whoever understands them, or until the connection is closed."""
        status = int(self.status[:3])
        if status in _BODILESS or status < 200:
            return
        if self.response_protocol == "HTTP/1.1" and self.method != b"HEAD":
            self.chunked_write = True
            self.outheaders.append((b"Transfer-Encoding", b"chunked"))
        else:
            self.close_connection = True

    def _skip_body(self) -> None:
        """What the application left of it, for the next request begins after it."""
        remaining = getattr(self.rfile, "remaining", 0)
        if remaining > 0:
            self.rfile.read(remaining)


@lru_cache(maxsize=2)
def _date(seconds: int) -> bytes:
    return formatdate(seconds, usegmt=True).encode("ascii")


class _Connection(HTTPConnection):
    RequestHandlerClass = _Request

    def __init__(self, *arguments: Any) -> None:
        server, sock, *_makefile = arguments
        super().__init__(server, sock, open_wire)
        self._handshake_until = time.monotonic() + _HANDSHAKE_SECONDS

    def communicate(self) -> bool:
        """True to keep the connection. A new one first shakes hands, and waits like all."""
        if isinstance(self.socket, ssl.SSLSocket) and self.socket.version() is None:
            return self._shake_hands(self.socket)
        while self._serve_one():
            # Three threads would have to take turns before another one reads what comes at once.
            if not (self.server.has_time and self.rfile.comes_within(_LINGER_MS)):
                return True
        return False

    def _serve_one(self) -> bool:
        kept: bool = super().communicate()  # type: ignore[no-untyped-call]  # cheroot's stub
        return kept

    def _shake_hands(self, sock: ssl.SSLSocket) -> bool:
        """As far as it goes with what has arrived; the rest when more does."""
        timeout = sock.gettimeout()
        sock.settimeout(0)
        try:
            sock.do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return time.monotonic() < self._handshake_until
        except ssl.SSLError as error:
            _log.debug("no TLS with %s: %s", self.remote_addr, error.reason)
            if error.reason == "HTTP_REQUEST":
                _send_plain(sock)
            return False
        except (OSError, ValueError) as error:
            _log.debug("no TLS with %s: %s", self.remote_addr, error)
            return False
        finally:
            sock.settimeout(timeout)
        return True


def _send_plain(sock: ssl.SSLSocket) -> None:
    """To somebody who does not speak TLS, around it."""
    try:
        socket.socket.sendall(sock, _PLAIN_ON_TLS)
    except OSError:
        _log.debug("the client went away")


class _Server(wsgi.Server):
    ConnectionClass = _Connection
    refused: Refused

    @property
    def has_time(self) -> bool:
        """Whether no connection waits for a thread, and none is asked to end."""
        waiting: int = self.requests.qsize
        return bool(self.ready) and waiting == 0

    @staticmethod
    def bind_socket(socket_: socket.socket, bind_addr: Any) -> socket.socket:
        """Closes the socket when the port is taken."""
        try:
            socket_.bind(bind_addr)
        except OSError:
            socket_.close()
            raise
        return socket_

    def process_conn(self, conn: Any) -> None:
        """A new connection goes to a thread once there is something to read from it."""
        if conn.last_used is None and self.can_add_keepalive_connection:
            self.put_conn(conn)
        else:
            super().process_conn(conn)

    def put_conn(self, conn: Any) -> None:
        """The selector can not see what TLS has read already."""
        if self.ready and isinstance(conn.socket, ssl.SSLSocket) and conn.socket.pending():
            super().process_conn(conn)
        else:
            super().put_conn(conn)

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        _log.log(level, "%s", msg, exc_info=traceback)


def _server(application: "WSGIApplication", options: ApiOptions, bind: tuple[str, int]) -> _Server:
    server = _Server(
        bind,
        application,
        numthreads=options.http_threads,
        max=options.http_threads,
        server_name="stayer",
        request_queue_size=128,
        timeout=options.http_request_timeout,
        accepted_queue_size=options.http_max_waiting_connections,
    )
    server.gateway = HandoverGateway
    server.keep_alive_conn_limit = options.http_max_waiting_connections
    server.expiration_interval = _LOOK_SECONDS
    server.max_request_header_size = options.http_max_header_bytes
    # The application refuses a long body in JSON; beyond the slack cheroot cuts the connection.
    server.max_request_body_size = options.http_max_body_bytes + _BODY_SLACK_BYTES
    return server
