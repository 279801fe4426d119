"""A client that asks as fast as it is answered: raw sockets, kept alive, one thread.

Each connection has one request under way and looks at every answer's status and length; a client
that costs more than the server would measure itself.
"""

import re
import selectors
import socket
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

_READ_BYTES = 1024 * 1024
_SECONDS = 120.0
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_TAG = re.compile(rb"\r\netag: *([^\r]+)\r\n", re.IGNORECASE)
_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Load:
    """``statuses`` counts answers; ``body_bytes`` is the length of all bodies together."""

    seconds: float
    statuses: Counter[int]
    body_bytes: int

    @property
    def per_second(self) -> float:
        return self.statuses.total() / self.seconds


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    head: bytes
    body: bytes

    @property
    def tag(self) -> str | None:
        """Its ETag, if it has one."""
        found = _TAG.search(self.head)
        return None if found is None else found[1].decode()


def request(
    url: str, method: str, target: str, headers: tuple[str, ...] = (), body: bytes = b""
) -> bytes:
    """As it goes on the wire."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {urlsplit(url).netloc}", *headers]
    if body or method == "POST":
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def connect(url: str) -> socket.socket:
    """A connection to the server of a URL."""
    address = urlsplit(url)
    made = socket.create_connection((address.hostname, address.port), timeout=_SECONDS)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def ask(connection: socket.socket, sent: bytes) -> Answer:
    """Send a request and wait for its whole answer."""
    connection.sendall(sent)
    got = b""
    while _END not in got:
        got += _received(connection)
    head, _, body = got.partition(_END)
    status, length = read_head(head + _END)
    parts, size = [body], len(body)
    while size < length:
        parts.append(_received(connection))
        size += len(parts[-1])
    return Answer(status, head + _END, b"".join(parts))


def _received(connection: socket.socket) -> bytes:
    got = connection.recv(_READ_BYTES)
    assert got, "the server closed the connection"
    return got


def read_head(head: bytes) -> tuple[int, int]:
    """Status and length of the body."""
    status, length = _STATUS.match(head), _LENGTH.search(head)
    assert status is not None, head[:200]
    assert length is not None or status[1] in (b"304", b"204"), head[:2000]
    return int(status[1]), 0 if length is None else int(length[1])


class _Exchange:
    """One connection's request under way."""

    def __init__(self, url: str) -> None:
        self.connection = connect(url)
        self._head = b""
        self._left = -1  # bytes of the body that are to come; below 0: the head is not whole
        self.status = 0
        self.length = 0

    def send(self, sent: bytes) -> None:
        self._head, self._left = b"", -1
        self.connection.sendall(sent)

    def read(self, buffer: bytearray) -> bool:
        """Take what has come; whether the answer is whole."""
        count = self.connection.recv_into(buffer)
        assert count, "the server closed the connection"
        if self._left < 0:
            self._head += buffer[:count]
            end = self._head.find(_END)
            if end < 0:
                return False
            self.status, self.length = read_head(self._head[: end + len(_END)])
            self._left = self.length - (len(self._head) - end - len(_END))
        else:
            self._left -= count
        assert self._left >= 0, "more came than the answer's length"
        return self._left == 0


def ask_all(url: str, requests: Iterator[bytes], connections: int) -> Load:
    """Send them all, over so many connections, each the next when it was answered; no more
    begins when the iterator ends."""
    exchanges = [_Exchange(url) for _ in range(connections)]
    selector = selectors.DefaultSelector()
    statuses: Counter[int] = Counter()
    buffer, body_bytes, began = bytearray(_READ_BYTES), 0, time.perf_counter()
    for one in exchanges:
        if _next(one, requests):
            selector.register(one.connection, selectors.EVENT_READ, one)
    while selector.get_map():
        ready = selector.select(_SECONDS)
        assert ready, "no answer came"
        for key, _ in ready:
            one = key.data
            if one.read(buffer):
                statuses[one.status] += 1
                body_bytes += one.length
                if not _next(one, requests):
                    selector.unregister(one.connection)
    seconds = time.perf_counter() - began
    for one in exchanges:
        one.connection.close()
    selector.close()
    return Load(seconds, statuses, body_bytes)


def _next(one: _Exchange, requests: Iterator[bytes]) -> bool:
    """Whether there was one more to send."""
    sent = next(requests, None)
    if sent is not None:
        one.send(sent)
    return sent is not None


def repeated(sent: bytes, seconds: float) -> Iterator[bytes]:
    """The same request for so long, at least once."""
    until = time.perf_counter() + seconds
    yield sent
    while time.perf_counter() < until:
        yield sent
