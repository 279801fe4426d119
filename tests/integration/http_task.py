"""A task that answers HTTP, to be run by Mesos: a release of a service, with its moods.

Usage: python http_task.py PORT. ``GET /health`` answers 200, or 500 with SICK in the environment
or once there is a file ``sick`` in its sandbox; ``GET /ready`` answers 200, or with UNREADY in the
environment 503 until there is a file ``ready``. It listens START_SECONDS after it began, as real
services do. The body is RELEASE.
"""

import os
import select
import socket
import sys
from pathlib import Path

_REQUEST_BYTES = 4096


def main() -> None:
    """Serve until killed, one request at a time."""
    starting_seconds = float(os.environ.get("START_SECONDS", "0"))
    select.select([], [], [], starting_seconds)  # the service's own start-up, waited for by no test
    with socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=128) as server:
        while True:
            connection, _ = server.accept()
            with connection:
                answer(connection)


def answer(connection: socket.socket) -> None:
    """Read one request and answer it; whoever asks may leave at any time."""
    try:
        path = connection.recv(_REQUEST_BYTES).partition(b" ")[2].partition(b" ")[0]
        body = os.environ.get("RELEASE", "").encode()
        head = f"HTTP/1.1 {status(path)} -\r\nContent-Length: {len(body)}\r\n"
        head += "Content-Type: text/plain\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode() + body)
    except OSError:
        return


def status(path: bytes) -> int:
    """What it says of itself."""
    if path == b"/ready":
        return 503 if "UNREADY" in os.environ and not Path("ready").exists() else 200
    return 500 if "SICK" in os.environ or Path("sick").exists() else 200


if __name__ == "__main__":
    main()
