"""Durable changes a second through the SQLite store, in appends of 1,000 spread over all apps.

``python -m tests.bench.store``. The peer: the same bytes put by a bare executemany into a table
of keys and values, with the same settings and as many synced transactions, taking turns.
"""

import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from msgspec.structs import replace

from framework.domain.ids import instance_id
from framework.domain.instance import Condition, Instance
from framework.domain.state import Change, Kind
from framework.store.codec import Codec
from framework.store.sqlite import SqliteStore
from tests.bench.report import Options, Result, measured, options

BATCH = 1000
ROUNDS = 60
_PUT = "INSERT INTO bare VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET line = excluded.line"


def instances(apps: int, each: int, chance: random.Random) -> list[Instance]:
    """Running instances as the scheduler stores them."""
    made = []
    for number in range(apps * each):
        app_id = f"/prod/group{number % 7}/app{number % apps}"
        uuid = f"{chance.getrandbits(144):036x}"
        made.append(
            Instance(
                id=instance_id(app_id, uuid),
                app_id=app_id,
                version="2026-01-01T00:00:00.000Z",
                agent_id=f"{chance.getrandbits(128):032x}-S{number % 5000}",
                condition=Condition.RUNNING,
                since_ms=1_700_000_000_000,
                ports=(31000 + number % 1000,),
            )
        )
    return made


def batches(
    all_instances: list[Instance], count: int, chance: random.Random
) -> Iterator[list[Change]]:
    """Updates of random instances, so of every app."""
    for number in range(count):
        chosen = chance.sample(all_instances, min(BATCH, len(all_instances)))
        yield [
            Change(Kind.INSTANCE, one.id, replace(one, since_ms=one.since_ms + number))
            for one in chosen
        ]


class Clock:
    """Wall and processor time of what runs through it."""

    def __init__(self) -> None:
        self.wall_seconds = 0.0
        self.cpu_seconds = 0.0

    def time(self, work: Callable[[], object]) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        self.wall_seconds += time.perf_counter() - wall
        self.cpu_seconds += time.process_time() - cpu


def bare_database(path: Path) -> sqlite3.Connection:
    """A table of keys and values, synced and cached as the store's."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA cache_size = -65536")
    connection.execute("PRAGMA wal_autocheckpoint = 4000")
    connection.execute("CREATE TABLE bare (key TEXT PRIMARY KEY, line BLOB) WITHOUT ROWID")
    return connection


def put_bare(connection: sqlite3.Connection, rows: list[tuple[str, bytes]]) -> None:
    """One transaction."""
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(_PUT, rows)
    connection.execute("COMMIT")


def measure(folder: Path, wanted: Options) -> Iterator[Result]:
    """The append of updates, then the load of everything."""
    chance = random.Random(1)
    everything = instances(wanted.scaled(1000), 100, chance)
    encode = Codec().encode
    ours, peer, load, load_peer = Clock(), Clock(), Clock(), Clock()
    appended = 0
    with (
        closing(SqliteStore(folder / "store.db")) as store,
        closing(bare_database(folder / "bare.db")) as bare,
    ):
        first = [Change(Kind.INSTANCE, one.id, one) for one in everything]
        store.append(first)
        put_bare(bare, [(change.id, encode(change)) for change in first])
        for batch in batches(everything, wanted.scaled(ROUNDS), chance):
            rows = [(change.id, encode(change)) for change in batch]
            ours.time(lambda batch=batch: store.append(batch))  # type: ignore[misc]  # mypy can not infer a default
            peer.time(lambda rows=rows: put_bare(bare, rows))  # type: ignore[misc]  # as above
            appended += len(batch)
        load.time(lambda: list(store.load()))
        load_peer.time(lambda: bare.execute("SELECT key, line FROM bare").fetchall())
    yield Result(
        f"sqlite append, {BATCH} of {len(everything)}",
        appended / ours.wall_seconds,
        "records/s",
        ours.cpu_seconds,
        appended / peer.wall_seconds,
    )
    yield Result(
        f"sqlite load, {len(everything)}",
        len(everything) / load.wall_seconds,
        "records/s",
        load.cpu_seconds,
        len(everything) / load_peer.wall_seconds,
    )


def main() -> None:
    """Measure on the disk of the temporary directory (TMPDIR)."""
    wanted = options(__doc__)
    measured(lambda folder: measure(folder, wanted), wanted)


if __name__ == "__main__":
    main()
