"""Tasks for haproxy: small HTTP servers that answer with their name, on loopback.

They keep connections open, answer ``/slow`` late, and count what they answered; ``waiting``: a slow
request is there.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class TaskServer(ThreadingHTTPServer):
    """One task. ``port`` is where it listens; ``release`` lets ``/slow`` answer; ``ill``: paths
    that end in a 500."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, name: str, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.name = name
        self.answered = 0
        self.waiting = False
        self.ill: frozenset[str] = frozenset()
        self.release = threading.Event()
        self.seen: list[dict[str, str]] = []

    def handle_error(self, request: object, client_address: object) -> None:
        """haproxy resets connections of its checks: nothing to tell."""

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: TaskServer

    def do_GET(self) -> None:
        if self.path == "/slow":
            self.server.waiting = True
            self.server.release.wait(60)
        self.server.answered += 1
        self.server.seen.append(
            {"path": self.path, **{name.lower(): text for name, text in self.headers.items()}}
        )
        del self.server.seen[:-100]
        content = self.server.name.encode()
        self.send_response(500 if self.path in self.server.ill else 200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Location", "http://a.example/old/x")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        """Nothing: the test looks at ``seen``."""


@contextmanager
def serving(name: str, port: int = 0) -> Iterator[TaskServer]:
    """A task for the length of the block; ended, it refuses connections."""
    server = TaskServer(name, port)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.release.set()
        server.shutdown()
        server.server_close()
        thread.join()
