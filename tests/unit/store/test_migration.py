"""Who may raise a store's mark, when, and what is kept of the state before; and restoring."""

import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from framework.domain.instance import Tombstone
from framework.domain.rollout import Wait
from framework.domain.state import Change, Kind, State
from framework.interfaces import StateTooNewError, StoreError
from framework.store.backup import read_backup
from framework.store.codec import SCHEMAS, Codec
from framework.store.memory import MemoryDisk, MemoryStore
from framework.store.migration import (
    MarkedStore,
    MigrationRefusedError,
    check_members,
    migrate,
    migrate_if_supported,
)
from framework.store.restoring import NotEmptyError, restore
from framework.store.sqlite import SqliteStore
from tests.property.strategies import changes
from tests.unit.store.releases import later, next_release

STONE = Change(Kind.TOMBSTONE, "t", Tombstone("t", 7, "expunged"))


class Registered(NamedTuple):
    address: str
    release: str
    schemas: dict[str, int]


def member(address: str, codec: Codec) -> Registered:
    return Registered(address, codec.release, dict(codec.schemas))


def old_disk() -> MemoryDisk:
    """A store that today's release made and wrote to."""
    disk = MemoryDisk()
    with closing(MemoryStore(disk)) as store:
        store.append([STONE])
    return disk


def test_an_older_release_reads_until_the_mark_is_raised(tmp_path: Path) -> None:
    disk = old_disk()
    with closing(MemoryStore(disk, codec=later())) as newer:
        newer.append([STONE._replace(id="u", record=Tombstone("u", 9000, ""))])
        other = STONE._replace(id="u", record=Tombstone("u", 9, ""))
        assert list(MemoryStore(disk, follow_only=True).load()) == [STONE, other]
        described = migrate(newer, tmp_path / "b")
        newer.append([STONE._replace(record=Tombstone("t", 7001, "between two seconds"))])
    with pytest.raises(StateTooNewError):
        MemoryStore(disk, follow_only=True)
    assert read_backup(tmp_path / "b", Codec()) == (described, [STONE, other])


def test_an_append_that_the_old_schema_can_not_say_changes_nothing() -> None:
    disk = old_disk()
    with closing(MemoryStore(disk, codec=later())) as newer:
        between = STONE._replace(id="u", record=Tombstone("u", 7001, ""))
        with pytest.raises(StoreError, match="a time between two seconds"):
            newer.append([STONE._replace(record=None), between])
    with closing(MemoryStore(disk)) as store:
        assert list(store.load()) == [STONE]


def in_memory(folder: Path) -> Callable[[Codec], MarkedStore]:
    disk = MemoryDisk()
    return lambda codec: MemoryStore(disk, codec=codec)


def in_a_file(folder: Path) -> Callable[[Codec], MarkedStore]:
    return lambda codec: SqliteStore(folder / "state.db", codec=codec)


@pytest.mark.parametrize("place", [in_memory, in_a_file])
def test_a_kind_that_the_store_does_not_know_is_not_written(
    place: Callable[[Path], Callable[[Codec], MarkedStore]], tmp_path: Path
) -> None:
    known: dict[Kind, int] = {**SCHEMAS}
    del known[Kind.WAIT]
    wait = Change(Kind.WAIT, "/a", Wait("/a", 1))
    open_it = place(tmp_path)
    open_it(Codec(schemas=known, release="0.0.9")).close()
    with closing(open_it(Codec())) as newer:
        newer.append([STONE, wait, wait._replace(record=None)])
        assert list(newer.load()) == [STONE]
        newer.raise_mark()
        newer.append([wait])
        assert list(newer.load()) == [STONE, wait]


def test_members_that_could_not_follow_are_named() -> None:
    old = member("a:8080", Codec(release="1.0.0"))
    check_members(next_release(), [member("b:8080", next_release()), member("c", later())])
    with pytest.raises(MigrationRefusedError, match=r"^a:8080 \(release 1\.0\.0\) .* it first"):
        check_members(next_release(), [old, member("b:8080", next_release())])
    with pytest.raises(MigrationRefusedError, match="upgrade or stop them first"):
        check_members(next_release(), [old, Registered("?", "unknown", {})])


def test_a_leader_migrates_when_every_member_can_read_it(tmp_path: Path) -> None:
    disk, folder = old_disk(), tmp_path / "backups"
    ours, old = member("a", next_release()), member("b", Codec())
    with closing(MemoryStore(disk, codec=next_release())) as store:
        assert migrate_if_supported(store, [ours, old], folder) is None
        assert store.codec.behind == {"tombstone": (1, 2)}
        assert not folder.exists()
        path = migrate_if_supported(store, [ours, ours], folder)
        assert path is not None
        assert path.parent == folder
        assert read_backup(path, Codec())[1] == [STONE]
        assert not store.codec.behind
        assert migrate_if_supported(store, [ours, ours], folder) is None


def test_a_leader_leads_on_where_the_backup_can_not_be_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    with closing(MemoryStore(old_disk(), codec=next_release())) as store:
        assert migrate_if_supported(store, [], tmp_path / "file") is None
        assert store.codec.behind
    assert "its backup can not be written" in caplog.text


def test_no_migration_without_its_backup(tmp_path: Path) -> None:
    disk = old_disk()
    with closing(MemoryStore(disk, codec=next_release())) as store:
        with pytest.raises(FileNotFoundError):
            migrate(store, tmp_path / "no" / "b")
        assert store.codec.behind
    MemoryStore(disk).close()


def test_restoring_where_there_is_a_state_takes_a_backup_of_it(tmp_path: Path) -> None:
    with closing(MemoryStore(old_disk())) as store:
        with pytest.raises(NotEmptyError, match="1 records"):
            restore(store, [], None)
        assert list(store.load()) == [STONE]
        done = restore(store, [], tmp_path / "b")
        assert list(store.load()) == []
        assert done.previous is not None
        assert read_backup(tmp_path / "b", Codec()) == (done.previous, [STONE])


@settings(max_examples=30)  # each syncs a file
@given(there=st.lists(changes, max_size=8), restored=st.lists(changes, max_size=8))
def test_exactly_what_is_restored_is_there_afterwards(
    there: list[Change], restored: list[Change]
) -> None:
    before, wanted = State(), State()
    before.apply(there)
    wanted.apply(restored)
    with tempfile.TemporaryDirectory() as folder, closing(MemoryStore()) as store:
        store.append(before.changes())
        restore(store, wanted.changes(), Path(folder) / "b")
        after = State()
        after.apply(store.load())
    assert after.tables == wanted.tables
