"""The daemon's own small HTTP server: metrics, status, and the pages that marathon-lb has.

It says what is served here, without passwords, and nothing can be changed through it but the time
of the next look. Beyond this machine only ``PUBLIC`` is for everybody; the rest needs credentials.
"""

import hmac
import ipaddress
import re
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET6, socket
from typing import Any, NamedTuple

from api.client import Credentials
from haproxy_bridge.rendered import Rendered

_LIMIT_SECONDS = 5.0
_MAX_CONNECTIONS = 16
_SECRETS = (
    (re.compile(r"(?m)^(\s*user\s+\S+\s+(?:insecure-)?password\s+).*$"), r"\1***"),
    (re.compile(r"(?m)^(\s*stats\s+auth\s+[^\s:]+:).*$"), r"\1***"),
    (re.compile(r"(?m)^(\s*dynamic-cookie-key\s+).*$"), r"\1***"),
)

PUBLIC = frozenset({"/metrics", "/_haproxy_health_check"})
"""What monitoring reads: numbers and a yes or no."""


class Shown(NamedTuple):
    """What a page answers: its content type, its bytes, its status."""

    kind: str
    content: bytes
    status: HTTPStatus = HTTPStatus.OK


Page = Callable[[], Shown]


class Server(ThreadingHTTPServer):
    """Answers for a few pages; one that asks slowly or often is turned away."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(
        self, host: str, port: int, pages: Mapping[str, Page], access: Credentials | None = None
    ) -> None:
        """``access``: for what is not ``PUBLIC``; None if nobody but this machine may see it."""
        if ":" in host:
            self.address_family = AF_INET6
        self.pages = pages
        self._header = access.header().encode() if access else b""
        self._open = access is None and is_loopback(host)
        self._free = threading.BoundedSemaphore(_MAX_CONNECTIONS)
        super().__init__((host, port), _Handler)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    def refusal(self, path: str, authorization: str) -> HTTPStatus | None:
        """Why a page is not shown to whoever sends this header; None if it is."""
        if path in PUBLIC or self._open:
            return None
        if not self._header:
            return HTTPStatus.FORBIDDEN
        given = authorization.encode("latin-1", "replace")
        good = hmac.compare_digest(given, self._header)
        return None if good else HTTPStatus.UNAUTHORIZED

    def start(self) -> None:
        """Answer from now on, in a thread."""
        threading.Thread(target=self.serve_forever, name="admin", daemon=True).start()

    def stop(self) -> None:
        """Answer no more."""
        self.shutdown()
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        """In a thread of its own, if there is one left."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """What that thread does."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is nobody's trouble."""


class _Handler(BaseHTTPRequestHandler):
    server: Server
    connection: socket
    timeout = _LIMIT_SECONDS
    server_version = "stayer-haproxy"
    sys_version = ""

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        """As GET, for what only looks whether somebody is there."""
        self._answer(with_content=False)

    def do_POST(self) -> None:
        """Some tools of marathon-lb send its signals so; what they send with it is not read."""
        self.close_connection = True
        self._answer()

    def _answer(self, *, with_content: bool = True) -> None:
        path = self.path.partition("?")[0]
        page = self.server.pages.get(path)
        refused = self.server.refusal(path, self.headers.get("Authorization", ""))
        if refused is not None:
            kind, content, status = _REFUSED[refused]
        elif page is None:
            kind, content, status = Shown(TEXT, b"no such page\n", HTTPStatus.NOT_FOUND)
        else:
            kind, content, status = page()
        self.send_response(status)
        if status is HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", 'Basic realm="stayer"')
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if with_content:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing: it is asked every few seconds."""


TEXT = "text/plain; charset=utf-8"
_REFUSED = {
    HTTPStatus.FORBIDDEN: Shown(
        TEXT,
        b"only on loopback, or with --metrics-credentials-file\n",
        HTTPStatus.FORBIDDEN,
    ),
    HTTPStatus.UNAUTHORIZED: Shown(TEXT, b"user and password\n", HTTPStatus.UNAUTHORIZED),
}


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


_RULE = re.compile(
    r"^  use_backend (\S+) if { var\(txn\.stayer_host\) -m str (\S+) }"
    r"(?: { path_beg (?:-i )?([^}]*) })?",
    re.MULTILINE,
)


def without_secrets(config: bytes) -> bytes:
    """A configuration as it may be shown."""
    shown = config.decode("utf-8", "replace")
    for secret, instead in _SECRETS:
        shown = secret.sub(instead, shown)
    return shown.encode()


def map_of(files: Mapping[str, bytes], kind: str) -> bytes:
    """The map of that kind among those of a configuration; empty if it has none."""
    found = [content for name, content in files.items() if name.startswith(f"stayer-{kind}-")]
    return b"".join(found)


def vhost_map(rendered: Rendered) -> bytes:
    """Hosts and their backends as marathon-lb tells them, one a line; with a path where there is
    one. Some are in maps, and those whose paths take an order in rules."""
    files = rendered.files
    lines = (map_of(files, "exact") + map_of(files, "nocase")).decode().splitlines()
    pairs = [(place, name) for place, _, name in (line.partition(" ") for line in lines)]
    for name, host, paths in _RULE.findall(rendered.config.decode()):
        pairs += [(f"{host}{path}", name) for path in paths.split() or ("",)]
    places = dict.fromkeys((place.removesuffix("/"), name) for place, name in pairs)
    return "".join(f"{place} {name}\n" for place, name in places).encode()
