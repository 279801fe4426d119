"""Servers on loopback for one scenario on the test's own event loop, and single looks at them."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from framework.domain.health import ProbeTarget
from framework.health.addresses import Addresses, Lookup, system_lookup
from framework.health.look import Finding, Look
from framework.health.wire import tls_context
from tests.unit.health.targets import HOST

LIMIT_BYTES = 65_536
LOOPBACK_PEM = Path(__file__).parents[1] / "mesos" / "loopback_for_tests.pem"

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def serving(
    behaviour: Behaviour, host: str = HOST, tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """A server that does ``behaviour`` with each connection; its port. At the end whatever it
    still does is ended."""
    loop, tasks, writers = asyncio.get_running_loop(), set[asyncio.Task[None]](), []

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await behaviour(reader, writer)
        finally:
            writer.transport.abort()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        tasks.add(loop.create_task(behave(reader, writer)))

    server = await asyncio.start_server(connected, host, 0, ssl=tls, backlog=1_024)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        # Not closed yet: asyncio loses a connection that it is about to accept then.
        loop.remove_reader(server.sockets[0].fileno())
        while others := asyncio.all_tasks() - {asyncio.current_task()}:  # also those that accept
            for task in tasks:
                task.cancel()
            await asyncio.wait(others)
        server.close()
        for writer in writers:
            writer.transport.abort()
        for writer in writers:
            with contextlib.suppress(OSError):
                await writer.wait_closed()


def answering(data: bytes, requests: list[bytes] | None = None) -> Behaviour:
    """Read one request, answer it with these bytes, then close properly."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        if requests is not None:
            requests.append(request)
        writer.write(data)
        writer.write_eof() if writer.can_write_eof() else writer.close()
        await writer.drain()
        await reader.read()

    return behave


def then_silent(data: bytes) -> Behaviour:
    """Send these bytes and nothing more, and keep the connection."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        await reader.read()
        await asyncio.Event().wait()

    return behave


def endless(start: bytes, more: bytes) -> Behaviour:
    """Send the start, then more and more for as long as somebody takes it."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while True:
            writer.write(more)
            await writer.drain()

    return behave


async def look(target: ProbeTarget, lookup: Lookup = system_lookup) -> Finding:
    """One look on the running loop."""
    loop = asyncio.get_running_loop()
    addresses = Addresses(loop, 30, lookup)
    try:
        return await Look(target, loop, addresses, tls_context(), LIMIT_BYTES).look()
    finally:
        addresses.close()


def server_tls() -> ssl.SSLContext:
    """A server's context with a certificate that nobody signed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(LOOPBACK_PEM)
    return context
