"""Durable changes a second in ZooKeeper, and loading: ``python -m tests.bench.zookeeper_store``.

One server that syncs to disk; appends of 1, 100 and 1,000 records. The peer: a bare kazoo client
that creates znodes of the same bytes in the same run, 64 in flight, taking turns. It encodes
nothing, and does not wait for one before the next as an append must; so single records have a
second peer that does. The peer of a load is a bare read of the same znodes.
"""

import random
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from kazoo.client import KazooClient

from framework.domain.state import Change, Kind, State
from framework.store.zookeeper import ZooKeeperStore
from framework.store.zookeeper.checkpoints import Due
from framework.zookeeper.fence import Fence
from framework.zookeeper.options import ZooKeeperOptions
from framework.zookeeper.session import Session
from tests.bench.report import Options, Result, options, report
from tests.bench.store import Clock, batches, instances
from tests.zookeeper.server import ZooKeeperServer

APPENDS = {1: 2000, 100: 400, 1000: 100}  # by the records of each
APPS, EACH = 1000, 100
LOADS = 3
_IN_FLIGHT = 64
_ROUNDS = 10
_SECONDS = 60.0
_NEVER, _ALWAYS = Due(log_bytes=1 << 40), Due(log_bytes=0, share=0.0)


class Measured(NamedTuple):
    """Appends of one size: how many records, and what each side took for them."""

    records: int
    ours: Clock
    pipelined: Clock
    waiting: Clock


class Bare:
    """A kazoo client that does the least."""

    def __init__(self, hosts: str) -> None:
        self._client = KazooClient(hosts, timeout=_SECONDS)
        self._client.start(_SECONDS)
        self._root = "/bare"
        self._client.ensure_path(self._root)
        self._count = self._buckets = 0

    def close(self) -> None:
        self._client.stop()
        self._client.close()

    def make_bucket(self) -> None:
        """Where the next znodes go: not too many below one, as in the store."""
        self._buckets += 1
        self._client.create(f"{self._root}/{self._buckets}", b"")

    def create(self, data: Sequence[bytes], in_flight: int) -> None:
        """A znode for each."""
        self._fly(
            (partial(self._client.create_async, self._path(), one) for one in data), in_flight
        )

    def read(self, paths: Sequence[str]) -> None:
        """The data of each."""
        self._fly((partial(self._client.get_async, path) for path in paths), _IN_FLIGHT)

    def _path(self) -> str:
        self._count += 1
        return f"{self._root}/{self._buckets}/{self._count}"

    @staticmethod
    def _fly(requests: Iterator[Callable[[], Any]], in_flight: int) -> None:
        flying: deque[Any] = deque()
        for request in requests:
            flying.append(request())
            if len(flying) == in_flight:
                flying.popleft().get()
        while flying:
            flying.popleft().get()


def lead(session: Session, due: Due) -> ZooKeeperStore:
    """A store that may write, as after an election."""
    path = session.path("epoch")
    session.client.ensure_path(path)
    version = session.client.set(path, b"").version
    store = ZooKeeperStore(session, due=due)
    list(store.load())
    store.write_under(Fence(path, version, version))
    return store


def segments(session: Session) -> list[str]:
    """The paths of the log."""
    log = session.path("store", "log")
    return sorted(
        f"{log}/{bucket}/{name}"
        for bucket in session.client.get_children(log)
        for name in session.client.get_children(f"{log}/{bucket}")
    )


def append_each(store: ZooKeeperStore, appends: Sequence[list[Change]]) -> None:
    """One after the other."""
    for changes in appends:
        store.append(changes)


def measure_appends(
    session: Session, bare: Bare, appends: Iterator[list[Change]], size: int, count: int
) -> Measured:
    """So many appends, in rounds: ours, then the same bytes by both peers."""
    measured = Measured(0, Clock(), Clock(), Clock())
    a_round = max(1, count // _ROUNDS)
    with closing(lead(session, _NEVER)) as store:
        store.append([Change(Kind.APP, "/gone", None)])  # makes what each store has once
        for _ in range(count // a_round):
            some = [next(appends)[:size] for _ in range(a_round)]
            before = len(segments(session))
            measured.ours.time(partial(append_each, store, some))
            data = [session.client.get(path)[0] for path in segments(session)[before:]]
            bare.make_bucket()
            measured.pipelined.time(partial(bare.create, data, _IN_FLIGHT))
            bare.make_bucket()
            measured.waiting.time(partial(bare.create, data, 1))
            measured = measured._replace(records=measured.records + sum(map(len, some)))
    return measured


def append_rows(size: int, measured: Measured) -> Iterator[Result]:
    """Rate and processor time; of single records also beside a peer that waits for each."""
    records, ours, pipelined, waiting = measured
    name, cpu = f"zookeeper append, {size:,} a time", ours.cpu_seconds
    rate = records / ours.wall_seconds
    yield Result(name, rate, "records/s", cpu, records / pipelined.wall_seconds)
    if size == 1:
        peer = records / waiting.wall_seconds
        yield Result(f"{name}, peer waits too", rate, "records/s", cpu, peer)
    if size == max(APPENDS):
        bare = records / pipelined.wall_seconds
        yield Result(f"{name}, rate / bare client's", rate / bare, "x", cpu, goal="- zookeeper")
    micros = 1e6 / records
    yield Result(f"{name}, cpu", cpu * micros, "us/record", cpu, pipelined.cpu_seconds * micros)


def measure_loads(session: Session, bare: Bare, everything: list[Change]) -> Iterator[Result]:
    """All records out of a log of appends of 1,000, then out of a checkpoint."""
    with closing(lead(session, _NEVER)) as store:
        for first in range(0, len(everything), 1000):
            store.append(everything[first : first + 1000])
        yield load_row("log", store, bare, segments(session))
    view = State()
    with closing(lead(session, _ALWAYS)) as store:
        view.apply(store.load())
        store.checkpoint_from(view)
        assert store._writer is not None
        checkpoints = store._writer.checkpoints
        for _ in range(2):  # the first append begins with what earlier leaders left
            store.append([everything[0]])
            assert checkpoints.wait_until_idle(_SECONDS)
        id_, pieces = checkpoints.pointer.id, checkpoints.pointer.pieces
        paths = [store._layout.piece(id_, number) for number in range(pieces)]
        yield load_row("checkpoint", store, bare, paths)


def load_row(name: str, store: ZooKeeperStore, bare: Bare, paths: list[str]) -> Result:
    """Milliseconds for everything."""
    ours, peer = Clock(), Clock()
    count = 0
    for _ in range(LOADS):
        peer.time(partial(bare.read, paths))
        found: list[Change] = []
        ours.time(lambda found=found: found.extend(store.load()))  # type: ignore[misc]  # mypy can not infer a default
        count = len(found)
    millis = 1000 / LOADS
    return Result(
        f"zookeeper load, {count:,} in a {name}",
        ours.wall_seconds * millis,
        "ms",
        ours.cpu_seconds / LOADS,
        peer.wall_seconds * millis,
    )


def measure(server: ZooKeeperServer, wanted: Options) -> Iterator[Result]:
    """Each size of appends, then the loads."""
    chance = random.Random(1)
    everything = instances(wanted.scaled(APPS), EACH, chance)
    with closing(Bare(server.hosts)) as bare:
        for size, full in APPENDS.items():
            count = wanted.scaled(full)
            appends = batches(everything, count, chance)
            with closing(start(server, f"/append-{size}")) as session:
                measured = measure_appends(session, bare, appends, size, count)
            yield from append_rows(size, measured)
        changes = [Change(Kind.INSTANCE, one.id, one) for one in everything]
        with closing(start(server, "/load")) as session:
            yield from measure_loads(session, bare, changes)


def start(server: ZooKeeperServer, path: str) -> Session:
    """A session below ``path``."""
    wanted = ZooKeeperOptions(zk=server.url(path))
    session = Session(wanted.url(), wanted)
    session.start()
    return session


def main() -> None:
    """Measure on the disk of the temporary directory (TMPDIR)."""
    wanted = options(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        settings = {"forceSync": "yes", "preAllocSize": "65536"}
        with ZooKeeperServer(Path(folder), heap_mib=1024, settings=settings) as server:
            for result in measure(server, wanted):
                report(result, wanted)


if __name__ == "__main__":
    main()
