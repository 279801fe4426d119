"""A TCP proxy on loopback that does to connections what bad networks do to them.

It keeps its port for as long as it lives, whatever happens behind it, so clients see one address
of a server through all its lives. The faults are commands; the proxy never fails by itself.
"""

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine
from enum import Enum
from typing import Any, Self, TypeVar

_CHUNK_BYTES = 65536
_CONNECT_SECONDS = 5.0
_STOP_SECONDS = 10.0
_Result = TypeVar("_Result")


class Flow(Enum):
    """What happens to the bytes of one direction."""

    PASS = "pass"
    HOLD = "hold"  # kept back until it passes again: a network that comes back
    DROP = "drop"  # gone; only to be ended by a cut, since the stream is broken then


class Proxy:
    """Construct with where to connect to, ``start``, use ``hosts``, ``close``."""

    def __init__(self, target_host: str, target_port: int, host: str = "127.0.0.1") -> None:
        self._target = (target_host, target_port)
        self._host = host
        self._port = 0
        self._open = True
        self._requests, self._answers = Flow.PASS, Flow.PASS
        self._delay_seconds = 0.0
        self._loop = asyncio.new_event_loop()
        self._changed = asyncio.Condition()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self.accepted = 0

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_error: object) -> None:
        self.close()

    def start(self) -> Self:
        """Listen, at a free port."""
        self._thread.start()
        self._run(self._listen())
        return self

    @property
    def hosts(self) -> str:
        """host:port for the clients."""
        return f"{self._host}:{self._port}"

    @property
    def connections(self) -> int:
        """How many clients are connected now."""
        return len(self._tasks)

    def cut(self) -> None:
        """Reset every connection, and each new one at once, until ``heal``."""
        self._run(self._set(is_open=False))

    def reset(self) -> None:
        """Reset every connection; new ones are welcome."""
        self._run(self._reset())

    def half_open(self) -> None:
        """Connections, new ones too, stay and carry nothing; ``heal`` delivers what waited."""
        self._run(self._set(requests=Flow.HOLD, answers=Flow.HOLD))

    def lose_answers(self) -> None:
        """Requests arrive and are carried out, but nobody hears of it; ``heal`` resets these
        connections, so the outcome of what was asked is unknown to the clients."""
        self._run(self._set(answers=Flow.DROP))

    def delay(self, seconds: float) -> None:
        """Hold each piece back for so long, in both directions."""
        self._run(self._set(delay_seconds=seconds))

    def heal(self) -> None:
        """Be a good network again."""
        self._run(self._heal())

    def close(self) -> None:
        """End everything; harmless when repeated."""
        if self._loop.is_closed():
            return
        if self._thread.ident is not None:
            self._run(self._end())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_STOP_SECONDS)
        self._loop.close()

    # What follows runs in the loop's thread.

    def _run(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_STOP_SECONDS)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accepted, self._host, 0)
        self._port = self._server.sockets[0].getsockname()[1]

    async def _set(
        self,
        *,
        is_open: bool | None = None,
        requests: Flow | None = None,
        answers: Flow | None = None,
        delay_seconds: float | None = None,
    ) -> None:
        if is_open is not None:
            self._open = is_open
        self._requests = requests or self._requests
        self._answers = answers or self._answers
        if delay_seconds is not None:
            self._delay_seconds = delay_seconds
        if not self._open:
            await self._reset()
        async with self._changed:
            self._changed.notify_all()

    async def _heal(self) -> None:
        if Flow.DROP in (self._requests, self._answers):
            await self._reset()
        await self._set(is_open=True, requests=Flow.PASS, answers=Flow.PASS, delay_seconds=0.0)

    async def _reset(self) -> None:
        tasks = list(self._tasks)
        for writer in list(self._writers):
            _reset(writer)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _end(self) -> None:
        self._server.close()
        await self._reset()

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = self._loop.create_task(self._serve(reader, writer))
        self._tasks.add(task)

        def ended(_: asyncio.Task[None]) -> None:  # also where it was cancelled before it began
            self._tasks.discard(task)
            _reset(writer)

        task.add_done_callback(ended)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mine = {writer}
        self._writers.add(writer)
        try:
            if not self._open:
                return
            async with asyncio.timeout(_CONNECT_SECONDS):
                far_reader, far_writer = await asyncio.open_connection(*self._target)
            mine.add(far_writer)
            self._writers.add(far_writer)
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump(reader, far_writer, requests=True))
                pumps.create_task(self._pump(far_reader, writer, requests=False))
        except* OSError:  # either side is gone: so is the other, below
            pass
        finally:
            for each in mine:
                _reset(each)
                self._writers.discard(each)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, requests: bool
    ) -> None:
        while piece := await source.read(_CHUNK_BYTES):
            if self._delay_seconds:
                await self._pause(self._delay_seconds)
            flow = await self._passable(requests=requests)
            if flow is Flow.PASS:
                sink.write(piece)
                await sink.drain()
        raise ConnectionResetError("one side closed")

    async def _passable(self, *, requests: bool) -> Flow:
        """What to do with a piece, as soon as it need not be held back."""

        def flow() -> Flow:
            return self._requests if requests else self._answers

        async with self._changed:
            await self._changed.wait_for(lambda: flow() is not Flow.HOLD)
            return flow()

    async def _pause(self, seconds: float) -> None:
        over = asyncio.Event()
        self._loop.call_later(seconds, over.set)
        await over.wait()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST: the other side learns at once, and what was on the way is gone."""
    channel = writer.get_extra_info("socket")
    if channel is not None and channel.fileno() >= 0:
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
