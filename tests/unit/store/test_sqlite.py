"""What only the store in a file can show: one owner, access rights, faults of the disk, death of
the writer, other people's files, followers in other processes."""

import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Thread

import pytest

from framework.domain.instance import Tombstone
from framework.domain.state import Change, Kind, State
from framework.interfaces import StateTooNewError, StoreError, StoreUnusableError
from framework.store import sqlite
from framework.store.sqlite import SqliteStore
from tests.unit.store.releases import next_release

ROOT = Path(__file__).parents[3]
BATCH = 20
# Appends batches for ever, the number of each in all of its records, and says which is durable.
WRITER = f"""
import itertools, sys
from framework.domain.instance import Tombstone
from framework.domain.state import Change, Kind
from framework.store.sqlite import SqliteStore

store = SqliteStore(sys.argv[1])
for number in itertools.count(int(sys.argv[2])):
    store.append([Change(Kind.TOMBSTONE, f"t{{n}}", Tombstone(f"t{{n}}", number, "x" * 1000))
                  for n in range({BATCH})])
    print(number, flush=True)
"""


def stone(id_: str, at_ms: int = 1) -> Change:
    return Change(Kind.TOMBSTONE, id_, Tombstone(id_, at_ms, "why"))


def loaded(path: Path) -> list[Change]:
    with closing(SqliteStore(path)) as store:
        return list(store.load())


@contextmanager
def writer(path: Path, first: int = 1) -> Iterator["subprocess.Popen[str]"]:
    """A process that appends to ``path`` until it is killed, which the end of the block does."""
    command = [sys.executable, "-c", WRITER, str(path), str(first)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGKILL)


def read_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_killing_the_writer_loses_nothing_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    chance = random.Random(7)
    acknowledged = 0
    for _ in range(24):
        with writer(path, acknowledged + 1) as process:
            for _ in range(chance.randint(1, 12)):
                acknowledged = int(read_line(process))
            process.kill()
            while line := read_line(process):  # what it said before it died
                acknowledged = int(line)
        numbers = {change.record.at_ms for change in loaded(path)}  # type: ignore[union-attr]  # all are Tombstones
        assert len(numbers) == 1, "a part of an append"
        (number,) = numbers
        assert number in {acknowledged, acknowledged + 1}  # the second: done, but not yet told
        acknowledged = number


def test_a_second_writer_is_told_who_is_the_first(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    (tmp_path / "other-name.db").symlink_to(path)
    with writer(path) as process:
        assert read_line(process) == "1\n"
        for name in ("state.db", "other-name.db"):
            with pytest.raises(StoreUnusableError, match=f"in use by process {process.pid}:"):
                SqliteStore(tmp_path / name)
    assert len(loaded(path)) == BATCH  # its death freed the store


def test_a_second_writer_in_the_same_process_is_refused(tmp_path: Path) -> None:
    with (
        closing(SqliteStore(tmp_path / "state.db")),
        pytest.raises(StoreUnusableError, match=f"process {os.getpid()}"),
    ):
        SqliteStore(tmp_path / "state.db")
    SqliteStore(tmp_path / "state.db").close()


def test_a_refused_store_is_not_held(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.write_bytes(b"no database at all, and longer than a header of a hundred bytes" * 9)
    for _ in range(2):
        with pytest.raises(StoreUnusableError, match="name another one"):
            SqliteStore(path)


def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "state" / "state.db"
    old = os.umask(0)
    try:
        with closing(SqliteStore(path)) as store:
            store.append([stone("a")])
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    finally:
        os.umask(old)
    for folder in (path.parent, path.parent.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert modes["state.db"] == modes["state.db-wal"] == modes["state.db.lock"] == 0o600


def test_every_append_is_synced(tmp_path: Path) -> None:
    with closing(SqliteStore(tmp_path / "state.db")) as store:
        assert store._writer is not None
        assert store._writer.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
        assert store._writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_appends_come_from_any_thread(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with closing(SqliteStore(path)) as store:

        def append_twenty(name: str) -> None:
            for number in range(20):
                store.append([stone(f"{name}-{number}")])

        load = store.load()
        threads = [Thread(target=append_twenty, args=(str(n),)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(list(load)) in range(81)
    assert len(loaded(path)) == 80


def test_a_load_shows_one_moment(tmp_path: Path) -> None:
    with closing(SqliteStore(tmp_path / "state.db")) as store:
        store.append([stone(f"{n:05}") for n in range(3000)])
        load = store.load()
        first = next(load)
        store.append([stone(f"{n:05}", 2) for n in range(3000)])
        times = {change.record.at_ms for change in [first, *load]}  # type: ignore[union-attr]  # all are Tombstones
    assert times == {1}


@pytest.mark.parametrize(
    ("pragma", "message"),
    [
        ("max_page_count = 1", "free some disk space"),
        ("query_only = 1", "read-only"),
    ],
)
def test_a_fault_of_the_disk_is_told_and_final(tmp_path: Path, pragma: str, message: str) -> None:
    path = tmp_path / "state.db"
    with closing(SqliteStore(path)) as store:
        store.append([stone("a")])
        assert store._writer is not None
        store._writer.execute(f"PRAGMA {pragma}")
        with pytest.raises(StoreError, match=message):
            store.append([stone(f"b{n}") for n in range(5000)])
        with pytest.raises(StoreError, match="not open for writing"):
            store.append([stone("c")])
    assert loaded(path) == [stone("a")]


def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    """The kernel's own refusal to write, half way through an append."""
    script = f"""
import resource, sys
sys.argv[2:] = ["1"]
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
{WRITER}"""
    path = tmp_path / "state.db"
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert "StoreError: can not write" in done.stderr
    last = int(done.stdout.split()[-1])
    assert {change.record for change in loaded(path)} == {
        Tombstone(f"t{n}", last, "x" * 1000) for n in range(BATCH)
    }


def test_a_write_lock_of_another_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "_BUSY_SECONDS", 0.05)
    path = tmp_path / "state.db"
    with (
        closing(SqliteStore(path)) as store,
        closing(sqlite3.connect(path, isolation_level=None)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="some other program locks it"):
            store.append([stone("a")])


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "theirs.db"
    with closing(sqlite3.connect(path)) as theirs:
        theirs.execute("CREATE TABLE music (title TEXT)")
    before = path.read_bytes()
    for follow_only in (False, True):
        with pytest.raises(StoreUnusableError, match="some other SQLite database"):
            SqliteStore(path, follow_only=follow_only)
    assert path.read_bytes() == before


@pytest.mark.parametrize("follow_only", [False, True])
def test_a_newer_releases_store_is_left_alone(tmp_path: Path, follow_only: bool) -> None:
    path = tmp_path / "state.db"
    with closing(SqliteStore(path)) as store:
        store.append([stone("a")])
    with closing(SqliteStore(path, codec=next_release())) as store:
        store.append([stone("b")])
    assert loaded(path) == [stone("a"), stone("b")]  # writing to it did not make it theirs
    with closing(SqliteStore(path, codec=next_release())) as store:
        store.raise_mark()
        store.append([stone("b", 2)])
    before = path.read_bytes()
    with pytest.raises(StateTooNewError, match=r"release 9\.0\.0"):
        SqliteStore(path, follow_only=follow_only)
    assert path.read_bytes() == before
    with closing(SqliteStore(path, codec=next_release())) as store:
        assert list(store.load()) == [stone("a"), stone("b", 2)]


def test_a_follower_learns_from_a_record_that_the_mark_was_raised(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    SqliteStore(path).close()
    with (
        closing(SqliteStore(path, codec=next_release())) as newer,
        closing(SqliteStore(path, follow_only=True)) as follower,
    ):
        batches = follower.follow()
        assert list(next(batches)) == []
        newer.append([stone("a")])
        assert list(next(batches)) == [stone("a")]
        newer.raise_mark()
        newer.append([stone("b")])
        with pytest.raises(StateTooNewError, match="tombstone 'b' has schema 2"):
            next(batches)


def test_only_a_writer_raises_the_mark(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    SqliteStore(path).close()
    with closing(SqliteStore(path, codec=next_release(), follow_only=True)) as follower:
        with pytest.raises(StoreError, match="not open for writing"):
            follower.raise_mark()
        assert follower.codec.behind
    assert loaded(path) == []


def test_another_layout_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    SqliteStore(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE store SET layout = 2")
    with pytest.raises(StoreUnusableError, match="table layout 2"):
        SqliteStore(path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("UPDATE records SET line = x'00'", "tombstone 'a' is malformed"),
        ("UPDATE records SET id = 'b'", "under tombstone 'b' it holds tombstone 'a'"),
    ],
)
def test_damage_is_named(tmp_path: Path, damage: str, message: str) -> None:
    path = tmp_path / "state.db"
    with closing(SqliteStore(path)) as store:
        store.append([stone("a")])
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute(damage)
        with pytest.raises(StoreUnusableError, match=message):
            list(store.load())
        with pytest.raises(StoreUnusableError, match=message):
            next(store.follow())


def test_a_torn_file_is_told_as_damage(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with closing(SqliteStore(path)) as store:
        store.append([stone(f"{n:05}") for n in range(5000)])
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xaa" * (size - 16384))
    with pytest.raises(StoreUnusableError, match="restore a backup"):
        loaded(path)


def test_no_store_to_follow(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with pytest.raises(StoreUnusableError, match=r"there is no store at .*state\.db yet"):
        SqliteStore(path, follow_only=True)
    assert not path.exists()
    path.touch()
    with pytest.raises(StoreUnusableError, match=r"there is no store at .*state\.db yet"):
        SqliteStore(path, follow_only=True)


def test_a_folder_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusableError, match="is a folder"):
        SqliteStore(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnusableError, match=r"Not a directory|File exists"):
        SqliteStore(tmp_path / "file" / "state.db")


def test_an_odd_file_name(tmp_path: Path) -> None:
    path = tmp_path / "a b?mode=memory#%41ü.db"
    with closing(SqliteStore(path)) as store:
        store.append([stone("a")])
    assert path.exists()
    assert loaded(path) == [stone("a")]


def test_following_another_process(tmp_path: Path) -> None:
    """It sees every append whole, while they go on and after the writer is dead."""
    path = tmp_path / "state.db"
    state = State()
    with writer(path) as process:
        read_line(process)
        with closing(SqliteStore(path, follow_only=True)) as store:
            batches = store.follow()
            seen: set[int] = set()
            while len(seen) < 5:
                state.apply(next(batches))
                (number,) = {stone.at_ms for stone in state.tombstones.values()}
                seen.add(number)
            process.send_signal(signal.SIGKILL)
            process.wait()
            state.apply(next(batches))
            assert next(batches) == []
    follower = {change.id: change.record for change in loaded(path)}
    assert state.tombstones == follower
