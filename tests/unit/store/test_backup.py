"""The file of a backup: what is written comes back, and nothing else is ever taken for one."""

import gzip
import hashlib
import os
import stat
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from framework.domain.instance import Tombstone
from framework.domain.state import Change, Kind, State
from framework.interfaces import StateTooNewError
from framework.store import backup
from framework.store.backup import BackupUnusableError, read_backup, write_backup
from framework.store.codec import RECORD_MAX_BYTES, SCHEMAS, Codec
from framework.store.memory import MemoryStore
from framework.store.sqlite import SqliteStore
from tests.property.strategies import changes
from tests.unit.store.releases import next_release

STONES = [
    Change(Kind.TOMBSTONE, f"t{n}", Tombstone(f"t{n}", n * 1000, "expunged")) for n in range(3)
]
LINE = Codec().encode(STONES[0])
SCHEMAS_BY_NAME = {str(kind): schema for kind, schema in SCHEMAS.items()}


def state_of(some: Sequence[Change]) -> State:
    state = State()
    state.apply(some)
    return state


def written(folder: Path, name: str = "state.backup", some: Sequence[Change] = STONES) -> Path:
    path = folder / name
    write_backup(some, Codec(), path)
    return path


@settings(max_examples=40)  # each syncs files
@given(some=st.lists(changes, max_size=20), suffix=st.sampled_from([".jsonl", ".jsonl.gz"]))
def test_any_state_comes_back(some: list[Change], suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        state = state_of(some)
        path = Path(folder) / f"state{suffix}"
        described = write_backup(state.changes(), Codec(), path)
        again, back = read_backup(path, Codec())
        assert state_of(back).tables == state.tables
        assert described == again
        assert described.records == len(back)
        second = Path(folder) / f"again{suffix}"
        write_backup(back[::-1], Codec(), second)
        assert read_backup(second, Codec())[1] == back  # the order is the file's, not the store's


def test_a_state_goes_from_store_to_store(tmp_path: Path) -> None:
    path = tmp_path / "state.backup"
    with closing(MemoryStore()) as memory, closing(SqliteStore(tmp_path / "state.db")) as file:
        memory.append(STONES)
        write_backup(memory.load(), memory.codec, path)
        file.append(read_backup(path, file.codec)[1])
        assert list(file.load()) == STONES


def test_lines_that_people_can_read(tmp_path: Path) -> None:
    lines = written(tmp_path, some=STONES[::-1]).read_bytes().splitlines()
    header = msgspec.json.decode(lines[0])
    assert header["format"] == "stayer-state-backup"
    assert header["records"] == 3
    assert header["schemas"] == SCHEMAS_BY_NAME
    assert lines[1:4] == [Codec().encode(stone) for stone in STONES]
    assert msgspec.json.decode(lines[4]).keys() == {"records", "sha256"}


def test_compressed_by_its_name(tmp_path: Path) -> None:
    plain = written(tmp_path, "a.backup").read_bytes().splitlines()[1:4]
    assert gzip.decompress(written(tmp_path, "a.gz").read_bytes()).splitlines()[1:4] == plain
    moved = (tmp_path / "a.gz").rename(tmp_path / "moved")
    assert read_backup(moved, Codec())[1] == STONES


@pytest.mark.parametrize("name", ["b", "b.gz"])
def test_a_file_cut_anywhere_is_refused(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, name)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(BackupUnusableError, match=str(path)):
            read_backup(path, Codec())


def test_a_file_changed_at_any_byte_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path)
    whole = path.read_bytes()
    for position, byte in enumerate(whole):
        for changed in {byte ^ 1, byte ^ 0x80, 0x20, 0x0A} - {byte}:
            path.write_bytes(whole[:position] + bytes([changed]) + whole[position + 1 :])
            with pytest.raises((BackupUnusableError, StateTooNewError)):
                read_backup(path, Codec())


def test_a_compressed_file_changed_at_any_byte_is_refused_or_says_the_same(tmp_path: Path) -> None:
    path = written(tmp_path, "b.gz")
    whole = path.read_bytes()
    refused = 0
    for position, byte in enumerate(whole):
        for bit in (position % 8, 7 - position % 8):
            changed = bytes([byte ^ (1 << bit)])
            path.write_bytes(whole[:position] + changed + whole[position + 1 :])
            try:
                assert read_backup(path, Codec())[1] == STONES  # the unused bits of the format
            except (BackupUnusableError, StateTooNewError):
                refused += 1
    assert refused > 1.8 * len(whole)


def test_more_than_a_backup_is_refused(tmp_path: Path) -> None:
    for name in ("b", "b.gz"):
        path = written(tmp_path, name)
        path.write_bytes(path.read_bytes() * 2)
        with pytest.raises(BackupUnusableError, match="checksum"):
            read_backup(path, Codec())


def forged(path: Path, header: dict[str, object], lines: Sequence[bytes]) -> Path:
    """A file with a right checksum over anything."""
    content = b"".join(line + b"\n" for line in (msgspec.json.encode(header), *lines))
    digest = hashlib.sha256(content).hexdigest()
    path.write_bytes(content + backup._footer(len(lines), digest))
    return path


def header_of(records: int, **other: object) -> dict[str, object]:
    return {
        "format": "stayer-state-backup",
        "layout": 1,
        "release": "9.1.0",
        "schemas": SCHEMAS_BY_NAME,
        "at": "2026-01-01T00:00:00Z",
        "records": records,
        **other,
    }


def test_what_is_forged_here_is_a_backup(tmp_path: Path) -> None:
    assert read_backup(forged(tmp_path / "b", header_of(1), [LINE]), Codec())[1] == STONES[:1]


@pytest.mark.parametrize(
    ("header", "lines", "message"),
    [
        (header_of(2), [LINE, LINE], "tombstone 't0' twice"),
        (header_of(1), [Codec().encode(STONES[0]._replace(record=None))], "is a removal"),
        (header_of(1), [b"{}"], "record 1 is malformed"),
        (header_of(1), [b"x" * (RECORD_MAX_BYTES + 1)], "record 1 is not whole"),
        (header_of(2), [LINE], "record 2"),
        (header_of(0), [LINE], "checksum"),
        (header_of(-1), [], "-1 records"),
        (header_of(10**12), [], "1000000000000 records"),
        (header_of(0, format="other"), [], "no backup"),
        ({"records": 0}, [], "no backup"),
        (header_of(0, at="x" * 70_000), [], "no backup"),
    ],
    ids=range(11),
)
def test_a_right_checksum_is_not_enough(
    tmp_path: Path, header: dict[str, object], lines: list[bytes], message: str
) -> None:
    with pytest.raises(BackupUnusableError, match=message):
        read_backup(forged(tmp_path / "b", header, lines), Codec())


@pytest.mark.parametrize(
    "header",
    [
        header_of(0, layout=2),
        header_of(0, schemas={"tombstone": 9}),
        header_of(0, schemas={"holiday": 1}),
    ],
    ids=["layout", "schema", "kind"],
)
def test_a_newer_releases_backup_is_refused_by_its_name(
    tmp_path: Path, header: dict[str, object]
) -> None:
    with pytest.raises(StateTooNewError, match=r"release 9\.1\.0 .*nothing was changed"):
        read_backup(forged(tmp_path / "b", header, []), Codec())


def test_a_newer_record_is_refused(tmp_path: Path) -> None:
    line = LINE.replace(b",1,", b",7,", 1)
    with pytest.raises(StateTooNewError, match="schema 7"):
        read_backup(forged(tmp_path / "b", header_of(1), [line]), Codec())


def test_a_backup_is_written_at_the_schemas_of_the_store(tmp_path: Path) -> None:
    newer = next_release()
    newer.check_mark(Codec(release="1.0.0").mark())
    described = write_backup(STONES, newer, tmp_path / "b")
    assert described.release == "1.0.0"
    assert read_backup(tmp_path / "b", Codec()) == (described, STONES)


def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        assert stat.S_IMODE(written(tmp_path).stat().st_mode) == 0o600
    finally:
        os.umask(old)


def test_a_file_that_exists_is_left_alone_unless_it_may_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / "state.backup"
    path.write_text("mine")
    with pytest.raises(FileExistsError, match="exists already"):
        write_backup(STONES, Codec(), path)
    assert path.read_text() == "mine"
    write_backup(STONES, Codec(), path, replace=True)
    assert read_backup(path, Codec())[1] == STONES
    assert [file.name for file in tmp_path.iterdir()] == ["state.backup"]


def test_a_file_that_came_meanwhile_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "state.backup"

    def somebody_writes(_done: int, _total: int) -> None:
        path.write_text("theirs")

    with pytest.raises(FileExistsError):
        write_backup(STONES, Codec(), path, report=somebody_writes)
    assert path.read_text() == "theirs"
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


class _DiskFullError(OSError):
    pass


def test_a_failure_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    path = written(tmp_path)
    before = path.read_bytes()

    def full(_done: int, _total: int) -> None:
        raise _DiskFullError

    with pytest.raises(_DiskFullError):
        write_backup([], Codec(), path, replace=True, report=full)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_big_one_says_how_far_it_is(tmp_path: Path) -> None:
    some = [Change(Kind.TOMBSTONE, f"t{n}", Tombstone(f"t{n}", 1, "")) for n in range(20_000)]
    told: list[tuple[int, int]] = []
    write_backup(some, Codec(), tmp_path / "b", report=lambda *at: told.append(at))
    assert told == [(10_000, 20_000), (20_000, 20_000)]
    told.clear()
    read_backup(tmp_path / "b", Codec(), report=lambda *at: told.append(at))
    assert told == [(10_000, 20_000), (20_000, 20_000)]
