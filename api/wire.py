"""Bytes from and to one connection of the HTTP server, in as few calls as possible.

cheroot's own files are written in Python byte by byte and copy what they send several times; with
these a small request costs one ``recv`` and its answer one ``send``. They also know when a head is
there as a whole, so that it can be read in one piece.
"""

import select
import socket
import ssl

_RECEIVE_BYTES = 65_536
_JOIN_BYTES = 65_536  # up to here a copy costs less than a system call
_HEAD_END = b"\r\n\r\n"


def _nothing() -> int:
    return 0


class Incoming:
    """What comes. For one thread at a time; the socket's timeout holds for each call of it."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._pending = sock.pending if isinstance(sock, ssl.SSLSocket) else _nothing
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self._got = b""
        self._at = 0  # what is before was taken
        self.bytes_read = 0
        self.closed = False  # asked by cheroot when it stops

    def has_data(self) -> bool:
        """Whether something was received that nobody took yet."""
        return self._at < len(self._got)

    def comes_within(self, milliseconds: float) -> bool:
        """Whether there is something to take, or comes soon; also when the client goes."""
        if self.has_data() or self._pending() > 0:
            return True
        return bool(self._poll.poll(milliseconds))

    def head(self, limit: int) -> bytes | None:
        """The next request's head with the empty line after it, left where it is, if it has come
        in one piece and is not longer than ``limit``. Waits if nothing has come at all."""
        if not self.has_data() and not self._receive():
            return None
        end = self._got.find(_HEAD_END, self._at, self._at + limit)
        return None if end < 0 else self._got[self._at : end + len(_HEAD_END)]

    def skip(self, size: int) -> None:
        """Take so many bytes of what is there."""
        self._at += size
        self.bytes_read += size
        if self._at >= len(self._got):
            self._got, self._at = b"", 0  # an idle connection keeps nothing

    def readline(self, size: int | None = None) -> bytes:
        """A line with its end, as much of it as ``size`` allows, or what is left at the end."""
        limit = -1 if size is None else size
        searched = self._at
        while True:
            end = self._got.find(b"\n", searched)
            have = (len(self._got) if end < 0 else end + 1) - self._at
            if 0 <= limit <= have:
                return self._take(limit)
            if end >= 0 or not self._receive():
                return self._take(have)
            searched = have

    def read(self, size: int | None = None) -> bytes:
        """So many bytes, or fewer at the end; all until the end without ``size``."""
        wanted = -1 if size is None or size < 0 else size
        first = self._take(len(self._got) if wanted < 0 else wanted)
        parts, have = [first], len(first)
        while wanted < 0 or have < wanted:
            most = _RECEIVE_BYTES if wanted < 0 else min(wanted - have, 16 * _RECEIVE_BYTES)
            got = self._sock.recv(most)
            if not got:
                break
            parts.append(got)
            have += len(got)
            self.bytes_read += len(got)
        return b"".join(parts)

    def close(self) -> None:
        """Forget what was not taken. The socket is its connection's to close."""
        self._got, self._at = b"", 0
        self.closed = True

    def _take(self, size: int) -> bytes:
        taken = self._got[self._at : self._at + size]
        self.skip(len(taken))
        return taken

    def _receive(self) -> bool:
        """Add to what is there; whether something came."""
        got = self._sock.recv(_RECEIVE_BYTES)
        self._got = self._got[self._at :] + got
        self._at = 0
        return bool(got)


class Outgoing:
    """What goes. A client that takes nothing for as long as the socket's timeout is given up, one
    that is merely slow is not."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._gathers = not isinstance(sock, ssl.SSLSocket)
        self._held = b""
        self.bytes_written = 0

    def hold(self, head: bytes) -> None:
        """Send this with what is written next, or when it is flushed."""
        self._held += head

    def write(self, data: bytes) -> int:
        """Send all of it."""
        held, self._held = self._held, b""
        if not held:
            self._send(data)
        elif len(data) <= _JOIN_BYTES:
            self._send(held + data)
        elif self._gathers:
            sent = self._sock.sendmsg((held, data))
            self.bytes_written += sent
            if sent < len(held):
                self._send(held[sent:])
            self._send(memoryview(data)[max(0, sent - len(held)) :])
        else:
            self._send(held)
            self._send(data)
        return len(data)

    def flush(self) -> None:
        """Send what is held."""
        if self._held:
            self.write(b"")

    def _send(self, data: bytes | memoryview) -> None:
        sent = self._sock.send(data) if data else 0
        self.bytes_written += sent
        if sent < len(data):
            rest = memoryview(data)[sent:]
            while rest:
                sent = self._sock.send(rest)
                self.bytes_written += sent
                rest = rest[sent:]


def open_wire(sock: socket.socket, mode: str, _buffer_bytes: int) -> Incoming | Outgoing:
    """In the form that cheroot asks for its files in."""
    return Incoming(sock) if "r" in mode else Outgoing(sock)
