"""Goal 9, telling what happens: ``python -m tests.bench.goal9``.

1,000 readers of ``/v3/events`` while apps are created one after the other, some at a time: each
change is followed by more when every reader was told that it is deployed. How many events a second
reach a reader, until all have all; each must get the same numbers in the same order. Scheduler,
simulated Mesos and the readers are three processes. The peer: the same listener, and one thread
that sends as many constant frames of the same size to as many.
"""

import json
import re
import selectors
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench._cluster import Started, constant_server, scheduler, simulated_mesos
from tests.bench._load import ask, connect, request
from tests.bench.report import Options, Result, measured, options

READERS = 1_000
CHANGES = 60
AT_ONCE = 8
AGENTS = 20
RESOURCES = "cpus:16;mem:65536;disk:100000;ports:[31000-31999]"
KINDS = (
    "api_post_event", "group_change_success", "deployment_info", "deployment_step_success",
    "deployment_success", "instance_changed_event", "status_update_event",
)  # fmt: skip
_DONE = b"event: deployment_success\r"
_NUMBER = re.compile(rb"id: [^-\r]+-(\d+)\r\n")
_FRAME_END = b"\r\n\r\n"
_READ_BYTES = 256 * 1024
_SECONDS = 120.0


@dataclass(slots=True)
class Reader:
    """What one has got: the events' ``numbers``, how many changes were ``done``, and how many
    bytes came."""

    connection: socket.socket
    rest: bytes = b""
    numbers: list[int] = field(default_factory=list)
    done: int = 0
    size: int = 0

    def read(self) -> None:
        """Take what has come."""
        got = self.connection.recv(_READ_BYTES)
        assert got, "the stream was closed"
        self.size += len(got)
        whole, end, self.rest = (self.rest + got).rpartition(_FRAME_END)
        if end:
            self.numbers += map(int, _NUMBER.findall(whole))
            self.done += whole.count(_DONE)


class Readers:
    """All of them, read by whoever calls ``until``."""

    def __init__(self, members: list[Reader]) -> None:
        self.members = members
        self._selector = selectors.DefaultSelector()
        for one in members:
            self._selector.register(one.connection, selectors.EVENT_READ, one)

    def until(self, enough: Callable[[], bool]) -> None:
        """Read until it is so."""
        while not enough():
            ready = self._selector.select(_SECONDS)
            assert ready, "no more events came"
            for key, _ in ready:
                key.data.read()

    def close(self) -> None:
        """Leave."""
        self._selector.close()
        for one in self.members:
            one.connection.close()


@contextmanager
def reading(url: str, count: int) -> Iterator[Readers]:
    """So many streams that have begun."""
    target = f"/v3/events?event_type={','.join(KINDS)}"
    sent = request(url, "GET", target, ("Accept: text/event-stream",))
    readers = Readers([Reader(_begun(url, sent)) for _ in range(count)])
    try:
        yield readers
    finally:
        readers.close()


def _begun(url: str, sent: bytes) -> socket.socket:
    connection = connect(url)
    connection.sendall(sent)
    head = b""
    while not head.endswith(_FRAME_END):
        got = connection.recv(1)
        assert got, head
        head += got
    assert head.startswith(b"HTTP/1.1 200 "), head
    return connection


def measure(folder: Path, wanted: Options) -> Iterator[Result]:
    """With the state in memory."""
    count, changes = wanted.scaled(READERS), max(2, wanted.scaled(CHANGES))
    with (
        simulated_mesos(folder, AGENTS, RESOURCES) as mesos,
        scheduler(folder, mesos.url, "memory:") as process,
        reading(process.url, count) as readers,
        closing(connect(process.url)) as poster,
    ):
        cpu, began = process.cpu_seconds(), time.perf_counter()
        _change(process, readers, poster, changes)
        seconds = time.perf_counter() - began
        cpu, peak = process.cpu_seconds() - cpu, process.peak_mib()
        first = readers.members[0].numbers
        assert all(one.numbers == first for one in readers.members), "events were lost"
        delivered = sum(len(one.numbers) for one in readers.members)
        size = sum(one.size for one in readers.members) // delivered
    rate = delivered / seconds
    with constant_server(folder) as constant:
        bare = _constant(constant, count, len(first), size)
    yield Result(
        f"events to {count} readers", rate, "deliveries/s", cpu, bare, seconds, rate, peak, "9"
    )  # fmt: skip


def _change(process: Started, readers: Readers, poster: socket.socket, changes: int) -> None:
    """Make them, and wait until everybody knows of all."""
    members = readers.members

    def told(count: int) -> Callable[[], bool]:
        return lambda: all(one.done >= count for one in members)

    for number in range(changes):
        readers.until(told(number - AT_ONCE + 1))
        body = {"id": f"/bench/app{number}", "cmd": "sleep 100000", "cpus": 0.01, "mem": 16}
        sent = request(process.url, "POST", "/v2/apps", (), json.dumps(body).encode())
        assert ask(poster, sent).status == 201
    readers.until(told(changes))
    most = max(len(one.numbers) for one in members)
    readers.until(lambda: all(len(one.numbers) >= most for one in members))


def _constant(constant: Started, count: int, frames: int, size: int) -> float:
    """Deliveries a second of the peer."""
    tell = request(constant.url, "POST", f"/tell?frames={frames}&bytes={size}")
    with (
        reading(constant.url, count) as readers,
        closing(connect(constant.url)) as teller,
    ):
        began = time.perf_counter()
        ask(teller, tell)
        readers.until(lambda: all(len(one.numbers) >= frames for one in readers.members))
        return count * frames / (time.perf_counter() - began)


def main() -> None:
    """Measure; what little is written is in the temporary directory."""
    wanted = options(__doc__)
    measured(lambda folder: measure(folder, wanted), wanted)


if __name__ == "__main__":
    main()
