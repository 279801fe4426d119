"""Goal 12, health checks a second and how punctual they are: ``python -m tests.bench.goal12``.

The server (a process of its own, on several loopback addresses) notes when each request arrives.
Rate: 256 targets, each due again at once, against a bare asyncio loop that only opens and closes
as many connections; then the CPU time of a check against that of one such connection, which says
more on a machine that others use. Deviation: 2,000 targets each second; how far the time between
two requests for a target is from its interval, as the server saw it, against when a bare loop
opens as many connections. Once alone, and once beside a thread that computes all the time, as the
deciding thread may.
"""

import asyncio
import multiprocessing
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

from framework.domain.health import ProbeProtocol, ProbesReported, ProbeTarget, Watch, health_key
from framework.health.options import HealthOptions
from framework.health.prober import AsyncProber
from tests.bench.report import Options, Result, options, own_peak_mib, report
from tests.polling import eventually

ADDRESSES = tuple(f"127.0.0.{number}" for number in range(1, 17))
AT_ONCE = 256
TARGETS = 2_000
INTERVAL_SECONDS = 1.0
RATE_SECONDS = 4.0
STEADY_SECONDS = 12.0
WARM_SECONDS = 3.0
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


class _Answering(asyncio.Protocol):
    """Answers every request and notes (when, path) for those whose path is a number."""

    def __init__(self, arrivals: list[tuple[float, int]]) -> None:
        self._arrivals = arrivals

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        number = data[5 : data.index(b" ", 5)]
        if number.isdigit():
            self._arrivals.append((time.monotonic(), int(number)))
        self._transport.write(_ANSWER)
        self._transport.close()


def _serve(listeners: list[socket.socket], line: Connection) -> None:
    async def serve() -> None:
        loop = asyncio.get_running_loop()
        arrivals: list[tuple[float, int]] = []
        for listener in listeners:
            await loop.create_server(lambda: _Answering(arrivals), sock=listener, backlog=1024)
        asked: asyncio.Event = asyncio.Event()
        loop.add_reader(line.fileno(), asked.set)
        line.send(True)
        while True:
            await asked.wait()
            asked.clear()
            if not line.poll():  # the loop may tell twice of one question
                continue
            if line.recv() is None:
                return
            line.send(arrivals)
            arrivals.clear()

    asyncio.run(serve())


class _Server:
    """The answering process; ``port`` on each of ADDRESSES."""

    def __enter__(self) -> "_Server":
        first = socket.create_server((ADDRESSES[0], 0), backlog=1024)
        self.port = int(first.getsockname()[1])
        others = [socket.create_server((one, self.port), backlog=1024) for one in ADDRESSES[1:]]
        context = multiprocessing.get_context("fork")
        self._line, there = context.Pipe()
        listeners = [first, *others]
        self._process = context.Process(target=_serve, args=(listeners, there), daemon=True)
        self._process.start()
        for listener in listeners:
            listener.close()
        self._line.recv()
        return self

    def arrivals(self) -> list[tuple[float, int]]:
        """What arrived since the last call."""
        self._line.send(True)
        arrivals: list[tuple[float, int]] = self._line.recv()
        return arrivals

    def __exit__(self, *_: object) -> None:
        self._line.send(None)
        self._process.join()


def _target(port: int, number: int, path: str, interval_seconds: float) -> Watch:
    key = health_key(f"bench_app.instance-{number:036x}._app.1", 0)
    host = ADDRESSES[number % len(ADDRESSES)]
    return Watch(
        ProbeTarget(
            key, ProbeProtocol.HTTP, (host,), port, path, interval_seconds, timeout_seconds=20
        )
    )


@contextmanager
def _prober(targets: list[Watch]) -> Iterator[AsyncProber]:
    failed: list[BaseException] = []
    prober = AsyncProber(HealthOptions(), on_failure=failed.append)

    def submit(_: ProbesReported) -> None:
        """Heard and not used."""

    prober.start(submit)
    prober.perform(targets)
    try:
        yield prober
    finally:
        prober.stop()
    assert not failed, failed
    assert not prober.counts.failures, "the bench's own server failed"


def _wait(seconds: float) -> None:
    threading.Event().wait(seconds)


def _rate(server: _Server, seconds: float) -> tuple[float, float]:
    """Looks a second with every place taken, and the CPU seconds of one."""
    targets = [_target(server.port, number, "/x", 0.001) for number in range(AT_ONCE)]
    with _prober(targets) as prober:
        _wait(seconds / 4)
        looks, began, cpu = prober.counts.looks, time.monotonic(), time.process_time()
        _wait(seconds)
        eventually(lambda: prober.counts.looks > looks, "a look")  # in a very short run
        looks, cpu = prober.counts.looks - looks, time.process_time() - cpu
        return looks / (time.monotonic() - began), cpu / looks


async def _connect(port: int, number: int) -> None:
    with socket.socket() as connection:
        connection.setblocking(False)
        address = (ADDRESSES[number % len(ADDRESSES)], port)
        await asyncio.get_running_loop().sock_connect(connection, address)


async def _open_and_close(port: int, until: float) -> int:
    count = 0

    async def one(number: int) -> None:
        nonlocal count
        while True:  # once at least, however small the run is
            await _connect(port, number)
            count += 1
            if time.monotonic() >= until:
                return

    await asyncio.gather(*(one(number) for number in range(AT_ONCE)))
    return count


async def _open_at_intervals(port: int, seconds: float) -> list[tuple[float, int]]:
    """When a bare loop opened a connection for each target, as the server notes arrivals."""
    loop, begins, tasks = asyncio.get_running_loop(), [], set()
    over = loop.create_future()

    def begin(due: float, number: int) -> None:
        if over.done():
            return
        begins.append((time.monotonic(), number))
        task = loop.create_task(_connect(port, number))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        loop.call_at(due + INTERVAL_SECONDS, begin, due + INTERVAL_SECONDS, number)

    first = loop.time()
    for number in range(TARGETS):
        due = first + INTERVAL_SECONDS * number / TARGETS
        loop.call_at(due, begin, due, number)
    loop.call_later(seconds, over.set_result, None)
    await over
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return begins


def _bare_rate(server: _Server, seconds: float) -> tuple[float, float]:
    """The same of a bare loop's connections."""
    began, cpu = time.monotonic(), time.process_time()
    count = asyncio.run(_open_and_close(server.port, began + seconds))
    return count / (time.monotonic() - began), (time.process_time() - cpu) / count


def _deviations(arrivals: list[tuple[float, int]]) -> list[float]:
    """Milliseconds between each interval that the server saw and the one wanted, in order."""
    last: dict[int, float] = {}
    found = []
    for when, number in arrivals:
        if number in last:
            found.append(abs(when - last[number] - INTERVAL_SECONDS) * 1000)
        last[number] = when
    return sorted(found)


def _steady(server: _Server, how: str, seconds: float, wanted: Options) -> None:
    watches = [
        _target(server.port, number, f"/{number}", INTERVAL_SECONDS) for number in range(TARGETS)
    ]
    with _prober(watches) as prober:
        _wait(min(WARM_SECONDS, seconds))
        server.arrivals()
        skipped, cpu = prober.counts.skipped, time.process_time()
        _wait(seconds)
        cpu = time.process_time() - cpu
        arrivals = server.arrivals()
        skipped = prober.counts.skipped - skipped
    deviations = _deviations(arrivals)
    bare = _deviations(asyncio.run(_open_at_intervals(server.port, seconds)))
    report(Result(f"checks seen, {how}", len(arrivals) / seconds, "/s", cpu), wanted)
    seen = deviations and bare  # in a very short run no target is due twice
    for name, part in (("p50", 0.5), ("p95", 0.95)) if seen else ():
        value, peer = (some[int(len(some) * part)] for some in (deviations, bare))
        goal = "12 deviation" if (name, how) == ("p95", "alone") else None
        report(Result(f"deviation {name}, {how}", value, "ms", cpu, peer, goal=goal), wanted)
    report(Result(f"looks left out, {how}", skipped, "looks", cpu), wanted)


@contextmanager
def _busy_thread() -> Iterator[None]:
    """Computes in Python all the time, switching as often as the scheduler's process does."""
    interval, over = sys.getswitchinterval(), threading.Event()

    def compute() -> None:
        while not over.is_set():
            sum(range(1000))

    sys.setswitchinterval(0.0005)
    thread = threading.Thread(target=compute)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        sys.setswitchinterval(interval)


def main(asked: Options) -> None:
    with _Server() as server:
        seconds = RATE_SECONDS * asked.size
        rate, each = _rate(server, seconds)
        bare, bare_each = _bare_rate(server, seconds)
        cpu = rate * seconds * each
        report(Result("HTTP checks, all places taken", rate, "checks/s", cpu, bare,
                      peak_mib=own_peak_mib(), goal="12"), asked)  # fmt: skip
        report(Result("CPU time of a check", each * 1e6, "us", cpu, bare_each * 1e6), asked)
        server.arrivals()
        steady = STEADY_SECONDS * asked.size
        _steady(server, "alone", steady, asked)
        with _busy_thread():
            _steady(server, "beside a busy thread", steady, asked)


if __name__ == "__main__":
    main(options(__doc__))
