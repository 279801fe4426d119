"""Followers that fall behind, start over, or outlive the store; the same for every store."""

from collections.abc import Callable
from pathlib import Path

import pytest

from framework.domain.instance import Tombstone
from framework.domain.state import Change, Kind
from framework.interfaces import Store, StoreError, StoreUnusableError
from framework.store import memory, sqlite
from framework.store.memory import MemoryDisk, MemoryStore
from framework.store.sqlite import SqliteStore

Open = Callable[[], Store]


def stone(number: int) -> Change:
    return Change(Kind.TOMBSTONE, f"t{number}", Tombstone(f"t{number}", number, "why"))


@pytest.fixture(params=["memory", "sqlite"])
def open_it(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    if request.param == "memory":
        disk = MemoryDisk()
        return lambda: MemoryStore(disk)
    return lambda: SqliteStore(tmp_path / "state.db")


def follower_of(store: Store) -> Store:
    if isinstance(store, MemoryStore):
        return MemoryStore(store.disk, follow_only=True)
    assert isinstance(store, SqliteStore)
    return SqliteStore(store.path, follow_only=True)


@pytest.fixture
def few_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (memory, sqlite):
        monkeypatch.setattr(module, "_KEPT_CHANGES", 5)


def test_it_starts_with_the_whole_state_and_goes_on_with_what_is_new(open_it: Open) -> None:
    store = open_it()
    store.append([stone(1), stone(2)])
    batches = store.follow()
    assert sorted(next(batches)) == [stone(1), stone(2)]
    assert list(next(batches)) == []
    store.append([stone(3)])
    store.append([stone(1)._replace(record=None)])
    assert sorted(next(batches), key=lambda change: change.id) == [
        stone(1)._replace(record=None),
        stone(3),
    ]
    assert list(next(batches)) == []
    store.close()


def test_it_goes_on_when_the_writer_starts_again(open_it: Open) -> None:
    store = open_it()
    store.append([stone(1)])
    follower = follower_of(store)
    batches = follower.follow()
    next(batches)
    store.append([stone(2)])
    store.close()
    store = open_it()
    store.append([stone(3)])
    assert sorted(next(batches)) == [stone(2), stone(3)]
    store.close()
    assert list(next(batches)) == []
    follower.close()


@pytest.mark.usefixtures("few_kept")
def test_it_ends_when_its_position_is_forgotten(open_it: Open) -> None:
    store = open_it()
    for number in range(3):
        store.append([stone(number)])
    batches = store.follow()
    next(batches)
    for number in range(3, 8):
        store.append([stone(number)])
    assert len(next(batches)) == 5  # as many as are kept
    for number in range(8, 14):
        store.append([stone(number)])
    assert next(batches, "over") == "over"
    assert len(next(store.follow())) == 14
    store.close()


@pytest.mark.usefixtures("few_kept")
def test_no_more_is_forgotten_than_must_be(open_it: Open) -> None:
    store = open_it()
    store.append([stone(1), stone(2), stone(3)])
    batches = store.follow()
    next(batches)
    store.append([stone(4)])
    store.append([stone(5)])
    store.append([stone(6), stone(7)])  # seven changes: the first three have to go
    assert len(next(batches)) == 4
    store.close()


@pytest.mark.usefixtures("few_kept")
def test_what_was_appended_before_a_restart_counts(open_it: Open) -> None:
    store = open_it()
    store.append([stone(1)])
    follower = follower_of(store)
    batches = follower.follow()
    next(batches)
    for number in range(2, 5):
        store.append([stone(number)])
    store.close()
    store = open_it()
    for number in range(5, 8):
        store.append([stone(number)])
    assert next(batches, "over") == "over"
    store.close()
    follower.close()


@pytest.mark.usefixtures("few_kept")
def test_an_append_larger_than_what_is_kept_reaches_who_is_up_to_date(open_it: Open) -> None:
    store = open_it()
    batches = store.follow()
    assert list(next(batches)) == []
    store.append([stone(number) for number in range(20)])
    assert len(next(batches)) == 20
    store.close()
    store = open_it()  # what is kept is counted anew
    batches = store.follow()
    next(batches)
    store.append([stone(number) for number in range(4)])
    assert len(next(batches)) == 4
    store.append([stone(5)])
    store.append([stone(6)])
    assert len(next(batches)) == 2
    store.close()


def test_a_closed_store_says_so(open_it: Open) -> None:
    store = open_it()
    batches = store.follow()
    next(batches)
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        next(batches)
    with pytest.raises(StoreError, match="closed"):
        list(store.load())
    with pytest.raises(StoreError, match="closed"):
        next(store.follow())
    with pytest.raises(StoreError):
        store.append([stone(1)])


def test_an_empty_append_is_none(open_it: Open) -> None:
    store = open_it()
    batches = store.follow()
    next(batches)
    store.append([])
    assert list(next(batches)) == []
    assert list(store.load()) == []
    store.close()


def test_a_second_writer_is_refused_until_the_first_is_closed(open_it: Open) -> None:
    store = open_it()
    with pytest.raises(StoreUnusableError, match="in use"):
        open_it()
    store.close()
    second = open_it()
    store.close()  # again: must not free what is the second's now
    with pytest.raises(StoreUnusableError, match="in use"):
        open_it()
    second.close()
