"""A framework on bare sockets: the event stream cut into records, and calls sent without waiting.

It decides and understands nothing, so it is what floors and loads are made of.
"""

import re
import select
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

_READ_BYTES = 1 << 20
_PATIENCE_SECONDS = 600.0


class Connections:
    """The two to a master, one for events and one for calls. First of all: ``subscribe``."""

    def __init__(self, url: str) -> None:
        self._address = urlsplit(url).netloc
        host, _, port = self._address.partition(":")
        self._events = socket.create_connection((host, int(port)), _PATIENCE_SECONDS)
        self._calls = socket.create_connection((host, int(port)), _PATIENCE_SECONDS)
        self._calls.settimeout(None)  # else MSG_DONTWAIT waits too
        self._calls.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._head = f"POST /api/v1/scheduler HTTP/1.1\r\nHost: {self._address}\r\n"
        self._head += "Content-Type: application/json\r\nAccept: application/json\r\n"
        self._unread = bytearray()
        self._begun = False

    def subscribe(self, call: bytes) -> str:
        """The framework's id."""
        self._events.sendall(self._request(call))
        data = b""
        while b"SUBSCRIBED" not in data or b"\r\n\r\n" not in data:
            data += self._events.recv(4096)
        head, _, rest = data.partition(b"\r\n\r\n")
        self._unread += rest
        self._begun = True
        stream_id = re.search(rb"Mesos-Stream-Id: (\S+)", head)
        framework_id = re.search(rb'"framework_id":\{"value":"([^"]+)"', data)
        assert stream_id is not None
        assert framework_id is not None
        self._head += f"Mesos-Stream-Id: {stream_id[1].decode()}\r\n"
        return framework_id[1].decode()

    def _request(self, body: bytes) -> bytes:
        return f"{self._head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    def call(self, bodies: list[bytes]) -> None:
        """Send them all at once, and drop the answers that are there."""
        self._calls.sendall(b"".join(map(self._request, bodies)))
        try:
            while self._calls.recv(_READ_BYTES, socket.MSG_DONTWAIT):
                pass
        except BlockingIOError:
            return

    def records(self, *, wait: bool) -> Iterator[bytes]:
        """The events that are there: a chunk is a number of records."""
        wait = wait and not self._begun  # what came with the answer may be all for a while
        self._begun = False
        if wait or select.select([self._events], [], [], 0)[0]:
            came = self._events.recv(_READ_BYTES)
            assert came, "disconnected"
            self._unread += came
        data, at = self._unread, 0
        while (end := data.find(b"\r\n", at)) >= 0:
            size = int(data[at:end], 16)
            after = end + 2 + size
            if len(data) < after + 2:
                break
            at = end + 2
            while at < after:
                line = data.index(b"\n", at)
                length = int(data[at:line])
                at = line + 1 + length
                yield bytes(data[line + 1 : at])
            at = after + 2
        del self._unread[:at]

    def close(self) -> None:
        """Leave."""
        self._events.close()
        self._calls.close()
