"""A server that sends constant bytes: the peer of what measures the API.

``python -m tests.bench._constant --ready-file FILE``. It listens as Stayer does (``api.listener``),
and decides, reads and renders nothing: GET answers as many bytes as its query says, or 304 to a
known tag; a POST's body is read and dropped; ``/v3/events`` is a stream, of which ``POST /tell``
sends as many constant frames as it is told to every reader, from one thread.
"""

import argparse
import json
import os
import queue
import socket
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from api.answers import COMMON_HEADERS
from api.events.handover import HANDOVER
from api.listener import Listener
from api.options import ApiOptions

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

TAG = '"constant"'
MARK = b"constant"
_HEADERS = [*COMMON_HEADERS.items(), ("ETag", TAG)]
_SEND_SECONDS = 60.0
_SWITCH_INTERVAL_SECONDS = 0.0005  # the scheduler's


class Stream:
    """Sends frames to all readers, from one thread."""

    def __init__(self) -> None:
        self._readers: list[tuple[socket.socket, bool]] = []
        self._wanted: queue.SimpleQueue[tuple[int, int]] = queue.SimpleQueue()
        threading.Thread(target=self._run, daemon=True).start()

    def take(self, connection: socket.socket, chunked: bool) -> None:
        connection.settimeout(_SEND_SECONDS)
        self._readers.append((connection, chunked))

    def tell(self, frames: int, size: int) -> None:
        self._wanted.put((frames, size))

    def _run(self) -> None:
        number = 0
        while True:
            frames, size = self._wanted.get()
            for _ in range(frames):
                number += 1
                head = b"id: %b-%d\r\nevent: x\r\ndata: " % (MARK, number)
                frame = head + b"x" * (size - len(head) - 4) + b"\r\n\r\n"
                chunk = b"%x\r\n%b\r\n" % (len(frame), frame)
                for connection, chunked in self._readers:
                    connection.sendall(chunk if chunked else frame)


class Constant:
    """The application."""

    def __init__(self) -> None:
        self._bodies: dict[int, bytes] = {}
        self._stream = Stream()

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        asked = parse_qs(environ["QUERY_STRING"])
        query = {name: int(asked[name][0]) for name in ("bytes", "frames") if name in asked}
        if environ["REQUEST_METHOD"] == "POST":
            return self._posted(environ, query, start_response)
        if environ["PATH_INFO"] == "/v3/events":
            environ[HANDOVER] = self._stream.take
            start_response("200 OK", [*_HEADERS, ("Content-Type", "text/event-stream")])
            return []
        if environ.get("HTTP_IF_NONE_MATCH") == TAG:
            start_response("304 Not Modified", _HEADERS)
            return []
        return self._sized(query.get("bytes", 0), "200 OK", start_response)

    def _posted(
        self, environ: "WSGIEnvironment", query: dict[str, int], start_response: "StartResponse"
    ) -> Iterable[bytes]:
        environ["wsgi.input"].read()
        if environ["PATH_INFO"] == "/tell":
            self._stream.tell(query["frames"], query["bytes"])
        return self._sized(query["bytes"], "201 Created", start_response)

    def _sized(self, size: int, status: str, start_response: "StartResponse") -> Iterable[bytes]:
        body = self._bodies.setdefault(size, b"x" * size)
        kind = ("Content-Type", "application/json")
        start_response(status, [*_HEADERS, kind, ("Content-Length", str(size))])
        return [body]


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ready-file", type=Path, required=True)
    ready: Path = parser.parse_args().ready_file
    sys.setswitchinterval(_SWITCH_INTERVAL_SECONDS)
    listener = Listener(Constant(), ApiOptions(), ("127.0.0.1", 0))
    listener.start()
    content = {"http": f"http://127.0.0.1:{listener.port}", "pid": str(os.getpid())}
    partial = ready.with_suffix(".partial")
    partial.write_text(json.dumps(content), encoding="utf-8")
    partial.replace(ready)
    threading.Event().wait()


if __name__ == "__main__":
    main()
