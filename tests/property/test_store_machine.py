"""One machine, every store: whatever is appended, reopened, followed or fails on the way, what
the store holds is what a plain State holds that had the acknowledged changes applied.

A new store takes part with a Backend and one line at the end; the one in ZooKeeper, which needs
a server, does in tests/integration.
"""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol, cast
from unittest import TestCase

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from framework.domain.instance import Tombstone
from framework.domain.state import Change, Kind, State
from framework.interfaces import Store, StoreError
from framework.store.codec import RECORD_MAX_BYTES
from framework.store.memory import MemoryDisk, MemoryStore
from framework.store.sqlite import SqliteStore
from tests.property.strategies import changes

TOO_LARGE = Change(Kind.TOMBSTONE, "big", Tombstone("big", 1, "x" * RECORD_MAX_BYTES))


class Backend(Protocol):
    """A place where one store lives, and how to open it."""

    def open(self, *, follow_only: bool = False) -> Store: ...

    def sabotage(self, store: Store) -> Sequence[Change]:
        """Break the store's medium, so that an append which ends with these changes fails half
        way; reopening mends it."""
        ...

    def remove(self) -> None: ...


class Memory:
    def __init__(self) -> None:
        self._disk = MemoryDisk()

    def open(self, *, follow_only: bool = False) -> Store:
        return MemoryStore(self._disk, follow_only=follow_only)

    def sabotage(self, store: Store) -> Sequence[Change]:
        return [TOO_LARGE]  # memory has no other way to fail

    def remove(self) -> None:
        pass


class Sqlite:
    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="stayer-store-"))

    def open(self, *, follow_only: bool = False) -> Store:
        return SqliteStore(self._folder / "state.db", follow_only=follow_only)

    def sabotage(self, store: Store) -> Sequence[Change]:
        """No more pages: the disk is full after the first few rows."""
        assert isinstance(store, SqliteStore)
        assert store._writer is not None
        (pages,) = store._writer.execute("PRAGMA page_count").fetchone()
        store._writer.execute(f"PRAGMA max_page_count = {pages + 20}")
        text = "x" * (RECORD_MAX_BYTES // 2)
        return [Change(Kind.TOMBSTONE, f"z{n}", Tombstone(f"z{n}", 1, text)) for n in range(2)]

    def remove(self) -> None:
        shutil.rmtree(self._folder)


class StoreMachine(RuleBasedStateMachine):
    backend_type: type[Backend]

    def __init__(self) -> None:
        super().__init__()
        self.backend = self.backend_type()
        self.store = self.backend.open()
        self.model = State()
        self.acknowledged: list[Sequence[Change]] = []
        self.follower: Store | None = None
        self.followed = State()
        self.batches: Iterator[Sequence[Change]] = iter(())

    def teardown(self) -> None:
        self.store.close()
        if self.follower is not None:
            self.follower.close()
        self.batches = iter(())
        self.backend.remove()

    def append(self, batch: Sequence[Change]) -> None:
        self.store.append(batch)
        self.model.apply(batch)
        self.acknowledged.append(batch)

    @rule(batch=st.lists(changes, max_size=6))
    def appends(self, batch: list[Change]) -> None:
        self.append(batch)

    @rule(batch=st.lists(changes, min_size=1, max_size=3))
    def appends_the_same_again(self, batch: list[Change]) -> None:
        self.append(batch)
        self.append([*batch, *batch])

    @rule(batch=st.lists(changes, max_size=6))
    def puts_and_removes_in_one_append(self, batch: list[Change]) -> None:
        self.append([*batch, *(change._replace(record=None) for change in batch)])

    @rule(before=st.lists(changes, max_size=6), after=st.lists(changes, max_size=2))
    def fails_to_append(self, before: list[Change], after: list[Change]) -> None:
        with pytest.raises(StoreError):
            self.store.append([*before, *self.backend.sabotage(self.store), *after])
        self.reopens()

    @rule(before=st.lists(changes, max_size=6), after=st.lists(changes, max_size=2))
    def is_given_too_large_a_record(self, before: list[Change], after: list[Change]) -> None:
        with pytest.raises(StoreError, match="bytes"):
            self.store.append([*before, TOO_LARGE, *after])

    @rule()
    def reopens(self) -> None:
        self.store.close()
        with pytest.raises(StoreError):
            self.store.append([TOO_LARGE._replace(record=None)])
        self.store = self.backend.open()

    @rule()
    def starts_to_follow(self) -> None:
        if self.follower is not None:
            self.follower.close()
        self.follower = self.backend.open(follow_only=True)
        self.followed = State()
        self.batches = self.follower.follow()

    @precondition(lambda self: self.follower is not None)
    @rule()
    def follows(self) -> None:
        for batch in self.batches:  # ends only when its position is forgotten
            self.followed.apply(batch)
            if not batch:
                break
        else:
            pytest.fail("the follower's position is forgotten after so few appends")
        assert self.followed.tables == self.model.tables
        assert self.followed.instances_of == self.model.instances_of
        assert self.followed.versions_of == self.model.versions_of

    @precondition(lambda self: self.follower is not None)
    @rule()
    def refuses_to_append_while_following(self) -> None:
        assert self.follower is not None
        with pytest.raises(StoreError):
            self.follower.append([TOO_LARGE._replace(record=None)])

    @invariant()
    def holds_what_was_acknowledged(self) -> None:
        loaded = list(self.store.load())
        state = State()
        state.apply(loaded)
        assert state.tables == self.model.tables
        assert len({(change.kind, change.id) for change in loaded}) == len(loaded)
        assert all(change.record is not None for change in loaded)


def machine_case(backend: type[Backend], one_in: int = 4) -> type[TestCase]:
    """The test of a backend; one in so many examples of the profile, for each is a history."""
    machine = type(f"{backend.__name__}Machine", (StoreMachine,), {"backend_type": backend})
    case = machine.TestCase  # type: ignore[attr-defined]  # hypothesis makes it per subclass
    examples = settings().max_examples // one_in
    case.settings = settings(max_examples=examples, stateful_step_count=15)
    return cast("type[TestCase]", case)


TestMemory = machine_case(Memory)
TestSqlite = machine_case(Sqlite)
