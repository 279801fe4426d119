"""The two HTTP connections of an executor to its agent, without blocking.

The agent answers SUBSCRIBE with an endless stream, so every other call goes over a second
connection, one after the other. The loop asks `wanted` what to poll for and hands back what is
`ready`. Any trouble is a `ConnectionLostError`; whoever holds the connection then opens a new one.
"""

import errno
import json
import os
import select
import socket
from collections import deque

from localmesos.launcher.events import Json
from localmesos.launcher.recordio import AnswerReader, ProtocolError, take_records
from localmesos.launcher.settings import Settings

_READ_BYTES = 64 * 1024
_READS_A_TURN = 16
_MAX_CALLS_WAITING = 1024
_HUNG_UP = select.POLLHUP | select.POLLERR | select.POLLNVAL


class ConnectionLostError(Exception):
    """The agent is away, refused a call, or sent something wrong. Connect again."""


class AgentConnection:
    """One subscription's worth of connections. Dead after the first ConnectionLostError."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stream = _Channel(settings.agent)
        self._calls: _Channel | None = None
        self._waiting: deque[bytes] = deque()
        self._in_flight = False

    def subscribe(self, call: Json) -> None:
        """Ask for the stream of events. To be called once."""
        self._stream.write(self._request(call))

    def send(self, call: Json) -> None:
        """Send another call; calls arrive in the order of sending."""
        if len(self._waiting) >= _MAX_CALLS_WAITING:
            raise ConnectionLostError("too many calls wait for an answer")
        self._waiting.append(self._request(call))
        self._send_next()

    def wanted(self) -> list[tuple[int, int]]:
        """(file descriptor, poll mask) of everything to wait for."""
        channels = [self._stream] if self._calls is None else [self._stream, self._calls]
        return [(channel.fileno(), channel.mask()) for channel in channels]

    def ready(self, fd: int, mask: int) -> list[bytes]:
        """Go on with a descriptor that poll returned; the records of events that arrived."""
        try:
            if fd == self._stream.fileno():
                self._stream.go_on(mask)
                return self._records(self._stream)
            if self._calls is not None and fd == self._calls.fileno():
                self._calls.go_on(mask)
                self._check_answer(self._calls)
        except (OSError, ProtocolError) as problem:
            raise ConnectionLostError(str(problem)) from None
        return []

    def close(self) -> None:
        """Close both connections."""
        self._stream.close()
        if self._calls is not None:
            self._calls.close()

    def _records(self, channel: "_Channel") -> list[bytes]:
        answer = channel.answer
        if answer.status not in (0, 200):
            raise ConnectionLostError(f"the agent answered SUBSCRIBE with {_describe(answer)}")
        records = take_records(answer.body)
        if not records and (answer.complete or channel.ended):
            raise ConnectionLostError("the agent closed the event stream")
        return records

    def _check_answer(self, channel: "_Channel") -> None:
        answer = channel.answer
        if channel.ended:
            raise ConnectionLostError("the agent closed the connection")
        if not answer.complete:
            return
        if not 200 <= answer.status < 300:
            raise ConnectionLostError(f"the agent answered a call with {_describe(answer)}")
        answer.next_answer()
        self._in_flight = False
        self._send_next()

    def _send_next(self) -> None:
        if self._in_flight or not self._waiting:
            return
        if self._calls is None:
            self._calls = _Channel(self._settings.agent)
        self._calls.write(self._waiting.popleft())
        self._in_flight = True

    def _request(self, call: Json) -> bytes:
        settings = self._settings
        body = json.dumps(call).encode()
        head = [
            f"POST {settings.path} HTTP/1.1",
            f"Host: {settings.agent[0]}:{settings.agent[1]}",
            "Content-Type: application/json",
            "Accept: application/json",
            f"Content-Length: {len(body)}",
        ]
        if settings.authentication_token:
            head.append(f"Authorization: Bearer {settings.authentication_token}")
        return "\r\n".join([*head, "", ""]).encode() + body


class _Channel:
    """One non-blocking connection: bytes waiting to go out, answers coming in."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.answer = AnswerReader()
        self.ended = False
        self._outgoing = bytearray()
        self._connected = False
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        result = self._socket.connect_ex(address)
        if result not in (0, errno.EINPROGRESS):
            self._socket.close()
            raise ConnectionLostError(f"cannot connect to the agent: {os.strerror(result)}")

    def fileno(self) -> int:
        return self._socket.fileno()

    def mask(self) -> int:
        waits_to_write = self._outgoing or not self._connected
        return select.POLLIN | (select.POLLOUT if waits_to_write else 0)

    def write(self, data: bytes) -> None:
        self._outgoing += data

    def go_on(self, mask: int) -> None:
        if not self._connected:
            result = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if result:
                raise ConnectionLostError(f"cannot connect to the agent: {os.strerror(result)}")
            self._connected = True
        if mask & select.POLLOUT and self._outgoing:
            sent = self._socket.send(self._outgoing)
            del self._outgoing[:sent]
        if mask & (select.POLLIN | _HUNG_UP):
            self._read()

    def _read(self) -> None:
        for _ in range(_READS_A_TURN):
            try:
                data = self._socket.recv(_READ_BYTES)
            except (BlockingIOError, InterruptedError):
                return
            if not data:
                self.ended = True
                return
            self.answer.feed(data)

    def close(self) -> None:
        self._socket.close()


def _describe(answer: AnswerReader) -> str:
    text = bytes(answer.body[:200]).decode("utf-8", "replace")
    return f"{answer.status} {text}".strip()
