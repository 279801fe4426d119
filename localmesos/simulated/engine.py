"""The simulated Mesos in a thread of this process: start it, ask for faults, stop it."""

import asyncio
import gc
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import TypeVar

from localmesos.cluster import AgentSpec
from localmesos.simulated import faults
from localmesos.simulated.options import Options
from localmesos.simulated.server import Server

Value = TypeVar("Value")
_PATIENCE_SECONDS = 60.0
_GC_THRESHOLDS = (100_000, 50, 1_000)


def spare_garbage_collection() -> None:
    """For a process that does nothing else: what lives long here is no garbage in cycles, and
    full collections of a million tasks would only cost time."""
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)


class SimulatedEngine:
    """Mesos masters with the given agents; usable as a context manager, once. The first master
    leads until `faults.MoveLeadership`."""

    def __init__(
        self,
        specs: Sequence[AgentSpec],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        masters: int = 1,
        options: Options | None = None,
        at_start: Sequence[faults.Fault] = (),
        on_end: Callable[[str], None] | None = None,
    ) -> None:
        """Port 0 takes free ones; else the first master has it, the others those after it.

        `at_start` happens before it serves; `on_end` gets the summary when it has been stopped.
        """
        self._on_end = on_end
        self._count = masters
        self._specs = tuple(specs)
        self._bind = (host, port)
        self._server = Server(options or Options(), at_start)
        self._ready: Future[tuple[tuple[str, int], ...]] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._main, name="simulated-mesos", daemon=True)

    def start(self) -> None:
        """Return when it serves. Raises OSError (address taken) or ValueError (wrong agents)."""
        self._thread.start()
        self._ready.result(_PATIENCE_SECONDS)

    def stop(self) -> None:
        """Break all connections off and return when the thread has ended."""
        if self._loop is not None and self._stop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop.set)
        if self._thread.is_alive():
            self._thread.join(_PATIENCE_SECONDS)
        on_end, self._on_end = self._on_end, None
        if on_end is not None and self.summary():
            on_end(self.summary())

    def __enter__(self) -> "SimulatedEngine":
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def masters(self) -> tuple[str, ...]:
        """The addresses of all masters as "host:port"."""
        return tuple(f"{host}:{port}" for host, port in self._ready.result(0))

    @property
    def master(self) -> str:
        """The address of the first master."""
        return self.masters[0]

    @property
    def url(self) -> str:
        """Of the first master."""
        return f"http://{self.master}"

    def do(self, fault: faults.Fault) -> faults.Result:
        """Make a fault happen (see `faults`). Raises ValueError when it cannot."""
        return self._in_loop(lambda: self._server.carry_out(fault))

    def summary(self) -> str:
        """What it did and what of the processor's time that took, in one line; empty before it
        was stopped."""
        return self._server.summary()

    def _in_loop(self, work: Callable[[], Value]) -> Value:
        assert self._loop is not None, "the engine is not started"
        done: Future[Value] = Future()

        def run() -> None:
            try:
                done.set_result(work())
            except ValueError as error:
                done.set_exception(error)

        self._loop.call_soon_threadsafe(run)
        return done.result(_PATIENCE_SECONDS)

    def _main(self) -> None:
        try:
            asyncio.run(self._serve())
        except (OSError, ValueError) as error:
            if self._ready.done():
                raise
            self._ready.set_exception(error)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        addresses = await self._server.start(self._specs, *self._bind, self._count)
        self._ready.set_result(addresses)
        await self._stop.wait()
        await self._server.stop()
