"""A Mesos master whose every word is the test's: it accepts connections on loopback, and the test
itself reads the requests and writes the answers, byte by byte if need be.
"""

import json
import socket
import ssl
from dataclasses import dataclass
from types import TracebackType
from typing import Any

PATIENCE_SECONDS = 30.0
STREAM_ID = "stream-1"
FRAMEWORK_ID = "framework-1"


@dataclass(frozen=True)
class Request:
    """``body`` is the decoded JSON."""

    line: str
    headers: dict[str, str]
    body: dict[str, Any]


class Peer:
    """The master's end of one connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._connection.settimeout(PATIENCE_SECONDS)
        self._buffer = b""

    def read(self) -> Request:
        """The next request."""
        while b"\r\n\r\n" not in self._buffer:
            self._fill()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        line, *header_lines = head.decode().split("\r\n")
        headers = dict(each.split(": ", 1) for each in header_lines)
        length = int(headers["Content-Length"])
        while len(self._buffer) < length:
            self._fill()
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        return Request(line, headers, json.loads(body))

    def read_to_end(self) -> bytes:
        """Everything until the driver closes."""
        try:
            while True:
                self._fill()
        except (EOFError, ConnectionResetError):
            return self._buffer

    def send(self, data: bytes) -> None:
        self._connection.sendall(data)

    def answer(self, status: int, body: str = "", **headers: str) -> None:
        """A whole response with Content-Length."""
        lines = [f"HTTP/1.1 {status} Words", f"Content-Length: {len(body.encode())}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.send(("\r\n".join(lines) + "\r\n\r\n" + body).encode())

    def begin_stream(self, stream_id: str = STREAM_ID) -> None:
        """The head of a stream's answer."""
        self.send(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n"
            b"Mesos-Stream-Id: %b\r\n\r\n" % stream_id.encode()
        )

    def event(self, event: dict[str, Any]) -> None:
        """One event as a record in a chunk of its own."""
        self.chunk(record(json.dumps(event).encode()))

    def chunk(self, data: bytes) -> None:
        self.send(b"%x\r\n%b\r\n" % (len(data), data))

    def close(self) -> None:
        self._connection.close()

    def _fill(self) -> None:
        data = self._connection.recv(65536)
        if not data:
            raise EOFError
        self._buffer += data


class FakeMaster:
    """Listens; ``accept`` gives the next connection."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(PATIENCE_SECONDS)
        self._peers: list[Peer] = []
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"

    def accept(self) -> Peer:
        connection, _ = self._listener.accept()
        if self._tls is not None:
            connection.settimeout(PATIENCE_SECONDS)
            connection = self._tls.wrap_socket(connection, server_side=True)
        peer = Peer(connection)
        self._peers.append(peer)
        return peer

    def accept_subscription(
        self, heartbeat_seconds: float = 15.0, stream_id: str = STREAM_ID
    ) -> tuple[Peer, Request]:
        """Accept, read SUBSCRIBE, answer with the stream's head and SUBSCRIBED."""
        peer = self.accept()
        request = peer.read()
        assert request.body["type"] == "SUBSCRIBE"
        peer.begin_stream(stream_id)
        peer.event(subscribed(heartbeat_seconds))
        return peer, request

    def close(self) -> None:
        self._listener.close()
        for peer in self._peers:
            peer.close()

    def __enter__(self) -> "FakeMaster":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def record(data: bytes) -> bytes:
    """One RecordIO record."""
    return b"%d\n%b" % (len(data), data)


def subscribed(heartbeat_seconds: float = 15.0) -> dict[str, Any]:
    return {
        "type": "SUBSCRIBED",
        "subscribed": {
            "framework_id": {"value": FRAMEWORK_ID},
            "heartbeat_interval_seconds": heartbeat_seconds,
            "master_info": {
                "domain": {"fault_domain": {"region": {"name": "eu"}, "zone": {"name": "z"}}}
            },
        },
    }
