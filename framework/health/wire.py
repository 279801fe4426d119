"""Bytes to and from one socket on the event loop, plain or through TLS.

Waits on the bare socket rather than through asyncio's transports: a look is one small request
and one small answer, and that is twice as cheap without them; closing is immediate, also in the
middle of a handshake.
"""

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import Callable
from typing import Protocol, TypeVar

Result = TypeVar("Result")

_TLS_READ_BYTES = 16_384


class Stream(Protocol):
    """What an answer is read from. Errors are OSErrors (ssl.SSLError is one)."""

    async def send(self, data: bytes) -> None:
        """Hand all of it to the connection."""
        ...

    async def receive(self, limit_bytes: int) -> bytes:
        """Wait for some bytes, at most that many; none: the peer has ended."""
        ...


class Wire:
    """A plain TCP connection. Close it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, ipv6: bool) -> None:
        family = socket.AF_INET6 if ipv6 else socket.AF_INET
        self._loop = loop
        self._socket = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)

    async def connect(self, address: str, port: int) -> None:
        """Open the connection to an IP address."""
        error = self._socket.connect_ex((address, port))
        if error == errno.EINPROGRESS:
            await self._until(self._loop.add_writer, self._loop.remove_writer)
            error = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, "connect")

    def is_to_itself(self) -> bool:
        """Whether the connection's ends are the same socket: with nobody listening, a port among
        those given to clients can be connected to from that same port."""
        return bool(self._socket.getsockname() == self._socket.getpeername())

    async def send(self, data: bytes) -> None:
        """See Stream."""
        while True:
            with contextlib.suppress(BlockingIOError):
                data = data[self._socket.send(data) :]
            if not data:
                return
            await self._until(self._loop.add_writer, self._loop.remove_writer)

    async def receive(self, limit_bytes: int) -> bytes:
        """See Stream."""
        while True:
            await self._until(self._loop.add_reader, self._loop.remove_reader)
            try:
                return self._socket.recv(limit_bytes)
            except BlockingIOError:
                continue

    def close(self) -> None:
        """End at once."""
        self._socket.close()

    async def _until(self, add: Callable[..., object], remove: Callable[[int], object]) -> None:
        descriptor = self._socket.fileno()
        happened = self._loop.create_future()
        add(descriptor, _wake, happened)
        try:
            await happened
        finally:
            remove(descriptor)


def _wake(happened: asyncio.Future[None]) -> None:
    if not happened.done():  # the look may have been ended within the same turn of the loop
        happened.set_result(None)


class TlsWire:
    """TLS over an open Wire. The server is told the name we want, unless that is an address."""

    def __init__(self, wire: Wire, context: ssl.SSLContext, server_name: str) -> None:
        self._wire = wire
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)

    async def handshake(self) -> None:
        """Agree with the peer before anything is sent."""
        await self._carry_out(self._tls.do_handshake)

    async def send(self, data: bytes) -> None:
        """See Stream."""
        await self._carry_out(lambda: self._tls.write(data))

    async def receive(self, limit_bytes: int) -> bytes:
        """See Stream."""
        try:
            return await self._carry_out(lambda: self._tls.read(limit_bytes))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):  # many end without saying so in TLS
            return b""

    async def _carry_out(self, step: Callable[[], Result]) -> Result:
        """Repeat the step, carrying bytes to and fro, until it needs no more of them."""
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                await self._flush()
                self._arrived(await self._wire.receive(_TLS_READ_BYTES))
            else:
                await self._flush()
                return result

    async def _flush(self) -> None:
        if self._outgoing.pending:
            await self._wire.send(self._outgoing.read())

    def _arrived(self, data: bytes) -> None:
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()


def tls_context() -> ssl.SSLContext:
    """Certificates are not verified: an instance is asked at an address of our own knowledge,
    and its certificate is seldom made out to it (Marathon's rule)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
