"""Durable changes a second in ZooKeeper, and loading: ``python -m tests.bench.zookeeper_store``.

One server that syncs to disk; appends of 1, 100 and 1,000 records. The peer: a bare kazoo client
that creates znodes of the same bytes in the same run, 64 in flight, taking turns. It encodes
nothing, and an append of ours returns when it is durable, so the rows of one record a time have a
second peer that waits for each znode as well. The peer of a load is a bare read of the same znodes.
"""

import os
import random
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

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

IN_FLIGHT = 64
ROUNDS = 10
# Records an append -> appends of a full run.
SIZES = {1: 2000, 100: 400, 1000: 100}
APPS, EACH = 1000, 100
_SECONDS = 60.0


class Measured(NamedTuple):
    """One size of appends: records, and the clocks of ours and both peers."""

    records: int
    ours: Clock
    pipelined: Clock
    one_by_one: Clock


class Bare:
    """Creates znodes of given bytes below one of its own."""

    def __init__(self, client: KazooClient) -> None:
        self._client = client
        self._count = 0
        client.create("/bare", b"")

    def _path(self) -> str:
        if self._count % 1000 == 0:
            self._client.create(f"/bare/{self._count // 1000}", b"")
        self._count += 1
        return f"/bare/{(self._count - 1) // 1000}/{self._count}"

    def one_by_one(self, data: Sequence[bytes]) -> None:
        for one in data:
            self._client.create(self._path(), one)

    def pipelined(self, data: Sequence[bytes]) -> None:
        flying: deque[object] = deque()
        for one in data:
            flying.append(self._client.create_async(self._path(), one))
            if len(flying) == IN_FLIGHT:
                flying.popleft().get()  # type: ignore[attr-defined]  # kazoo has no types
        while flying:
            flying.popleft().get()  # type: ignore[attr-defined]  # as above

    def read(self, paths: Sequence[str]) -> None:
        flying: deque[object] = deque()
        for path in paths:
            flying.append(self._client.get_async(path))
            if len(flying) == IN_FLIGHT:
                flying.popleft().get()  # type: ignore[attr-defined]  # as above
        while flying:
            flying.popleft().get()  # type: ignore[attr-defined]  # as above


def lead(session: Session, due: Due) -> ZooKeeperStore:
    """A store that may write."""
    path = session.path("epoch")
    session.client.ensure_path(path)
    version = session.client.set(path, b"").version
    store = ZooKeeperStore(session, due=due)
    list(store.load())
    store.write_under(Fence(path, version, version))
    return store


def segments(session: Session, first: int) -> list[str]:
    """The paths of the log from this number on."""
    log = session.path("store", "log")
    found = [
        f"{log}/{bucket}/{name}"
        for bucket in session.client.get_children(log)
        for name in session.client.get_children(f"{log}/{bucket}")
    ]
    return sorted(found)[first:]


def measure_appends(
    session: Session, bare: Bare, size: int, appends: Iterator[Sequence[Change]], count: int
) -> Measured:
    """So many appends, in rounds: ours, then the same bytes by both peers."""
    ours, pipelined, one_by_one = Clock(), Clock(), Clock()
    done = records = 0
    with closing(lead(session, Due(log_bytes=1 << 40))) as store:
        store.append([Change(Kind.APP, "/warm", None)])
        for _ in range(min(ROUNDS, count)):
            some = [next(appends)[:size] for _ in range(max(1, count // ROUNDS))]
            before = _end(store)
            ours.time(_each(store.append, some))
            paths = segments(session, 0)[-(_end(store) - before) :]
            data = [session.client.get(path)[0] for path in paths]
            pipelined.time(_each(bare.pipelined, [data]))
            one_by_one.time(_each(bare.one_by_one, [data]))
            done += len(some)
            records += sum(map(len, some))
    return Measured(records, ours, pipelined, one_by_one)


def _end(store: ZooKeeperStore) -> int:
    assert store._writer is not None
    return store._writer.log.position.number


def _each(
    work: Callable[[Sequence[object]], object], all_of_it: Sequence[object]
) -> Callable[[], None]:
    def run() -> None:
        for one in all_of_it:
            work(one)  # type: ignore[arg-type]  # either appends or lists of data

    return run


def append_rows(size: int, measured: Measured) -> Iterator[Result]:
    """Rate and processor time; for single records also against a peer that waits for each."""
    records, ours, pipelined, one_by_one = measured
    cpu = ours.cpu_seconds
    name = f"zookeeper append, {size:,} a time"
    yield Result(
        name,
        records / ours.wall_seconds,
        "records/s",
        cpu,
        records / pipelined.wall_seconds,
    )
    if size == 1:
        rate, peer = records / ours.wall_seconds, records / one_by_one.wall_seconds
        yield Result(f"{name}, peer waits too", rate, "records/s", cpu, peer)
    yield Result(
        f"{name}, processor",
        1e6 * cpu / records,
        "us/record",
        cpu,
        1e6 * pipelined.cpu_seconds / records,
    )


def measure_loads(session: Session, bare: Bare, everything: Sequence[Change]) -> Iterator[Result]:
    """All records out of a log of appends of 1,000, then out of a checkpoint."""
    view = State()
    with closing(lead(session, Due(log_bytes=1 << 40))) as store:
        for first in range(0, len(everything), 1000):
            store.append(everything[first : first + 1000])
        yield _load(store, bare, segments(session, 0), f"log, {len(everything):,}")
    with closing(lead(session, Due(log_bytes=0, share=0.0))) as store:
        view.apply(store.load())
        store.checkpoint_from(view)
        checkpoints = _checkpoints_of(store)
        for _ in range(2):  # the first append begins with what earlier leaders left
            store.append([everything[0]])
            assert checkpoints.wait_until_idle(_SECONDS)
        layout, pointer = store._layout, checkpoints.pointer
        pieces = [layout.piece(pointer.id, number) for number in range(pointer.pieces)]
        yield _load(store, bare, pieces, f"checkpoint, {len(everything):,}")


def _checkpoints_of(store: ZooKeeperStore) -> "object":
    assert store._writer is not None
    return store._writer.checkpoints


def _load(store: ZooKeeperStore, bare: Bare, paths: Sequence[str], name: str) -> Result:
    ours, peer = Clock(), Clock()
    for _ in range(3):
        ours.time(lambda: list(store.load()))
        peer.time(lambda: bare.read(paths))
    return Result(
        f"zookeeper load of a {name}",
        1000 * ours.wall_seconds / 3,
        "ms",
        ours.cpu_seconds / 3,
        1000 * peer.wall_seconds / 3,
    )


def measure(server: ZooKeeperServer, wanted: Options) -> Iterator[Result]:
    """Each size of appends, then the loads."""
    chance = random.Random(1)
    everything = instances(wanted.scaled(APPS), EACH, chance)
    for size, full in SIZES.items():
        count = wanted.scaled(full)
        with _session(server, f"/append-{size}") as session:
            bare = Bare(KazooClientAt(session, f"/bare-{size}"))
            appends = batches(everything, count + ROUNDS, chance)
            yield from append_rows(size, measure_appends(session, bare, size, appends, count))


def main() -> None:
    """Measure beside the working directory's disk unless TMPDIR says otherwise."""
    wanted = options(__doc__)
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", ".")) as folder:
        settings = {"forceSync": "yes", "preAllocSize": "65536", "commitLogCount": "50"}
        with ZooKeeperServer(Path(folder), heap_mib=1024, settings=settings) as server:
            for result in measure(server, wanted):
                report(result, wanted.json)
