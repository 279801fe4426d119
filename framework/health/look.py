"""One look at one target, and the sentence that says why it failed.

The time-out is over the whole look: finding the address, connecting, TLS, and the answer's head.
The status decides; a body that is slow, broken or endless changes nothing.
"""

import asyncio
import errno
import os
import ssl
from enum import Enum
from urllib.parse import quote

from msgspec import Struct

from framework.domain.health import ProbeAnswer, ProbeProtocol, ProbeTarget
from framework.health.addresses import Addresses
from framework.health.answer import AnswerReader, MalformedAnswerError
from framework.health.wire import Stream, TlsWire, Wire

# How long the rest of an answer may take that nobody keeps. It is read so that a server is not
# told of a broken pipe with every check, and not for longer, since a look holds a place.
_REST_SECONDS = 0.25
_MAX_NAME_SECONDS = 2.0
_PATH_CHARS = "/?:@!$&'()*+,;=-._~%[]"

# What this machine lacks says nothing about the target.
_OUR_LACKS = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL}
)


class Finding(Struct, frozen=True, gc=False):
    """What a look found; see ProbeResult."""

    alive: bool
    cause: str = ""
    answer: ProbeAnswer | None = None


class UnableError(Exception):
    """This machine could not look; the target may be well."""


class _Stage(Enum):
    NAME = "no address found for {host}"
    CONNECT = "no connection to {peer}"
    TLS = "no TLS handshake with {peer}"
    ANSWER = "no answer"


class Look:
    """Looks once. ``overdue``: it failed because time was over."""

    __slots__ = (
        "_addresses", "_host", "_loop", "_peer", "_reader", "_stage", "_target", "_tls", "overdue",
    )  # fmt: skip

    def __init__(
        self,
        target: ProbeTarget,
        loop: asyncio.AbstractEventLoop,
        addresses: Addresses,
        tls: ssl.SSLContext,
        limit_bytes: int,
    ) -> None:
        self._target = target
        self._loop = loop
        self._addresses = addresses
        self._tls = tls
        self._reader = AnswerReader(limit_bytes)
        self._stage = _Stage.NAME
        self._host = ""
        self._peer = ""
        self.overdue = False

    async def look(self) -> Finding:
        """What was found. UnableError."""
        try:
            async with asyncio.timeout(self._target.timeout_seconds) as limit:
                return await self._look()
        except TimeoutError as error:
            if limit.expired():
                return self._overdue()
            return Finding(False, self._why(error))  # the system's own, shorter time-out
        except MalformedAnswerError as error:
            return Finding(False, f"the answer of {self._peer} is not HTTP: {error}")
        except OSError as error:
            if error.errno in _OUR_LACKS:
                raise UnableError(str(error)) from error
            return Finding(False, self._why(error))

    async def _look(self) -> Finding:
        target = self._target
        address = await self._choose_address()
        if address is None:
            return Finding(False, _unresolved(target))
        self._peer = _authority(address, target.port)
        self._stage = _Stage.CONNECT
        wire = Wire(self._loop, ipv6=target.ipv6)
        try:
            await wire.connect(address, target.port)
            if target.protocol is ProbeProtocol.TCP:
                return self._connected(wire)
            return await self._exchange(await self._stream(wire))
        finally:
            wire.close()

    def _connected(self, wire: Wire) -> Finding:
        if wire.is_to_itself():
            return Finding(False, f"connection refused by {self._peer}")
        return Finding(True)

    async def _choose_address(self) -> str | None:
        """The address of the first host that has one. All names together get half of the time:
        the rest is for the instance."""
        target = self._target
        patience = min(_MAX_NAME_SECONDS, target.timeout_seconds / 2 / max(1, len(target.hosts)))
        for host in target.hosts:
            self._host = host
            address = await self._addresses.find(host, ipv6=target.ipv6, patience_seconds=patience)
            if address is not None:
                return address
        return None

    async def _stream(self, wire: Wire) -> Stream:
        if self._target.protocol is ProbeProtocol.HTTP:
            return wire
        self._stage = _Stage.TLS
        stream = TlsWire(wire, self._tls, self._host)
        await stream.handshake()
        return stream

    async def _exchange(self, stream: Stream) -> Finding:
        self._stage = _Stage.ANSWER
        reader = self._reader
        await stream.send(_request(self._target, self._host))
        while not reader.status:
            reader.feed(await stream.receive(reader.wanted_bytes))
        if not reader.complete:
            await self._read_rest(stream)
        return self._verdict()

    async def _read_rest(self, stream: Stream) -> None:
        reader = self._reader
        patience = None if self._target.keep_answer else _REST_SECONDS
        try:
            async with asyncio.timeout(patience):
                while not reader.complete:
                    reader.feed(await stream.receive(reader.wanted_bytes))
        except OSError:  # a TimeoutError is one, too
            return

    def _verdict(self) -> Finding:
        target, reader = self._target, self._reader
        status = reader.status
        alive = status in target.statuses if target.statuses else 200 <= status < 400
        answer = None
        if target.keep_answer:
            answer = ProbeAnswer(status, reader.content_type, reader.text)
        return Finding(alive, "" if alive else f"HTTP status {status}", answer)

    def _overdue(self) -> Finding:
        if self._reader.status:
            return self._verdict()
        self.overdue = True
        stage = self._stage.value.format(host=self._host, peer=self._peer)
        return Finding(False, f"{stage} within {self._target.timeout_seconds:g} s")

    def _why(self, error: OSError) -> str:
        if isinstance(error, ssl.SSLError):
            reason = (error.reason or "unknown reason").lower().replace("_", " ")
            return f"TLS with {self._peer} failed: {reason}"
        if isinstance(error, ConnectionRefusedError):
            return f"connection refused by {self._peer}"
        if isinstance(error, ConnectionResetError | BrokenPipeError):
            return f"connection reset by {self._peer}"
        said = os.strerror(error.errno) if error.errno else str(error) or type(error).__name__
        return f"{said}: {self._peer or self._host}"


def _unresolved(target: ProbeTarget) -> str:
    kind = "IPv6 address" if target.ipv6 else "address"
    if not target.hosts:
        return "no host is known"
    if len(target.hosts) == 1:
        return f"{target.hosts[0]} does not resolve and no {kind} is known"
    return f"none of {', '.join(target.hosts)} resolves to an {kind}"


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _request(target: ProbeTarget, host: str) -> bytes:
    """The path is percent-encoded where needed: it can not bring lines of its own."""
    path = quote("/" + target.path.removeprefix("/"), safe=_PATH_CHARS)
    return (
        f"GET {path} HTTP/1.1\r\nHost: {_authority(host, target.port)}\r\n"
        "User-Agent: stayer\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    ).encode("ascii")
