"""A small HTTP server on loopback whose answers are written down beforehand.

The client and the commands are tried against it over real sockets: it records what was asked and
answers from a script, well or badly (cut off, endless, of the wrong kind).
"""

import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Answer:
    """One answer: ``body`` bytes as they are, anything else as JSON."""

    body: Any = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    def content(self) -> bytes:
        """The bytes on the wire."""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


Misbehaviour = Callable[[BaseHTTPRequestHandler], None]
Script = Mapping[str, Answer | Misbehaviour | list[Answer]]
"""Answers by "METHOD /path"; a list is used up one by one, its last answer stays."""


@dataclass(frozen=True)
class Request:
    """What came in."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: Any


@dataclass
class ScriptedServer:
    """A running server; change ``script`` at will, read ``requests``."""

    url: str
    script: dict[str, Answer | Misbehaviour | list[Answer]]
    requests: list[Request] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def asked(self) -> list[str]:
        """ "METHOD /path" of each request so far."""
        return [f"{request.method} {request.path}" for request in self.requests]

    def respond(self, handler: BaseHTTPRequestHandler) -> None:
        """Record one request and answer it."""
        parts = urlsplit(handler.path)
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        self.requests.append(
            Request(
                handler.command,
                parts.path,
                parse_qs(parts.query, keep_blank_values=True),
                dict(handler.headers),
                json.loads(body) if body else None,
            )
        )
        answer = self.script.get(f"{handler.command} {parts.path}", NOT_FOUND)
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if isinstance(answer, Answer):
            _write(handler, answer)
        else:
            answer(handler)


NOT_FOUND = Answer({"message": "not in the script"}, 404)


def _write(handler: BaseHTTPRequestHandler, answer: Answer) -> None:
    content = answer.content()
    handler.send_response(answer.status)
    handler.send_header("Content-Length", str(len(content)))
    for name, value in {"Content-Type": "application/json", **answer.headers}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(content)


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    """Take the request and close the connection without a word."""
    handler.close_connection = True


@contextmanager
def scripted(
    script: Script | None = None, tls: ssl.SSLContext | None = None
) -> Iterator[ScriptedServer]:
    """A server with this script, on a free port, until the end of the block. ``tls``: by https."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            server.respond(self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            pass

    for method in ("POST", "PUT", "PATCH", "DELETE"):
        setattr(Handler, f"do_{method}", Handler.do_GET)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        if tls is not None:
            http.socket = tls.wrap_socket(http.socket, server_side=True)
        scheme = "http" if tls is None else "https"
        server = ScriptedServer(f"{scheme}://127.0.0.1:{http.server_port}", dict(script or {}))
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.stopping.set()
            http.shutdown()
            thread.join()
