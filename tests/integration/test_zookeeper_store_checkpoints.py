"""Checkpoints of the ZooKeeper store: made while everything moves, and never in anybody's way."""

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from framework.domain.instance import Tombstone
from framework.domain.state import Change, Kind, State
from framework.store.zookeeper import ZooKeeperStore, collection, layout, segments
from framework.store.zookeeper.checkpoints import Due
from framework.store.zookeeper.segments import Pointer, Position
from framework.zookeeper.session import Session
from tests.integration.zookeeper_stores import (
    OFTEN,
    SECONDS,
    gone,
    open_writer,
    session_at,
    state_of,
    stone,
    zookeeper,
)

__all__ = ["zookeeper"]  # a fixture

CHURN = Due(log_bytes=0, share=0.0)


@pytest.fixture
def session(zk_url: str) -> Iterator[Session]:
    with session_at(zk_url) as started:
        yield started


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many segments, pieces and buckets for little data."""
    monkeypatch.setattr(segments, "SEGMENT_MAX_BYTES", 1000)
    for module in (layout, collection):
        monkeypatch.setattr(module, "BUCKET_NODES", 5)
    monkeypatch.setattr(collection, "_NODES_A_STEP", 3)


def pointer_of(store: ZooKeeperStore) -> Pointer:
    assert store._writer is not None
    assert store._writer.checkpoints.wait_until_idle(SECONDS)
    return store._writer.checkpoints.pointer


def test_when_one_is_due() -> None:
    due = Due(log_bytes=1000, share=0.5)
    last = Pointer(id="1-7", bytes=1500, weight_before=500)
    assert not due.at(Position(9, 1500), last)
    assert due.at(Position(9, 1501), last)
    larger = Pointer(id="1-7", bytes=4000, weight_before=500)
    assert not due.at(Position(9, 2500), larger)
    assert due.at(Position(9, 2501), larger)
    assert not due.at(Position(9, 1000), Pointer())


def test_one_is_made_when_the_log_is_long_enough(session: Session) -> None:
    store = open_writer(session, OFTEN)
    view = State()
    store.checkpoint_from(view)
    for number in range(6):
        store.append([stone(number)])
        view.apply([stone(number)])
    assert pointer_of(store).id == ""  # 6 KiB, and not more
    store.append([stone(6)])
    view.apply([stone(6)])
    assert pointer_of(store).id == ""
    store.append([gone(0)])
    view.apply([gone(0)])
    pointer = pointer_of(store)
    assert (pointer.first_segment, pointer.pieces) == (7, 1)
    assert state_of(store).tables == view.tables
    assert store.counts == (1024, 1, pointer.bytes, 1, 0)
    store.close()
    again = open_writer(session, OFTEN)
    assert again._writer is not None
    assert again._writer.log.position.number == 8
    again.append([stone(7)])
    assert len(list(again.load())) == 7
    again.close()


def test_without_a_source_there_is_none(session: Session) -> None:
    with closing(open_writer(session, CHURN)) as store:
        for number in range(5):
            store.append([stone(number)])
        assert pointer_of(store) == Pointer()


def twins(number: int) -> list[Change]:
    """Two records that every append changes together, and one of its own."""
    return [
        *(Change(Kind.TOMBSTONE, name, Tombstone(name, number, "")) for name in ("a", "b")),
        stone(number % 50, 100),
        gone((number + 7) % 50),
    ]


class Appending(threading.Thread):
    """Appends until told to stop, as the pipeline does."""

    def __init__(self, store: ZooKeeperStore) -> None:
        super().__init__(daemon=True)
        self.view = State()
        self.acknowledged = 0
        self.failure: Exception | None = None
        self._store = store
        self._end = threading.Event()
        store.checkpoint_from(self.view)

    def run(self) -> None:
        try:
            while not self._end.is_set():
                changes = twins(self.acknowledged + 1)
                self._store.append(changes)
                self.view.apply(changes)
                self.acknowledged += 1
        except Exception as error:  # noqa: BLE001 - told by stop
            self.failure = error

    def stop(self) -> None:
        self._end.set()
        self.join(SECONDS)
        assert self.failure is None


def number_in(state: State) -> int:
    """The append up to which the state goes; both twins must say the same."""
    found = {
        record.at_ms if record is not None else 0
        for record in map(state.tables[Kind.TOMBSTONE].get, ("a", "b"))
        if record is None or isinstance(record, Tombstone)
    }
    assert len(found) == 1
    return found.pop()


@pytest.mark.usefixtures("small")
def test_loads_while_it_is_switched_all_the_time(session: Session, zk_url: str) -> None:
    with session_at(zk_url) as other, closing(open_writer(session, CHURN)) as store:
        appending = Appending(store)
        appending.start()
        reader = ZooKeeperStore(other)
        switched: set[str] = set()
        while len(switched) < 20 and appending.is_alive():
            before = appending.acknowledged
            assert number_in(state_of(reader)) >= before
            assert store._writer is not None
            switched.add(store._writer.checkpoints.pointer.id)
        appending.stop()
        assert state_of(reader).tables == appending.view.tables


@pytest.mark.usefixtures("small")
def test_followers_while_it_is_switched_all_the_time(session: Session, zk_url: str) -> None:
    """One that reads all the time, and one that falls behind and has to start over."""
    with session_at(zk_url) as other, closing(open_writer(session, CHURN)) as store:
        appending = Appending(store)
        slow = ZooKeeperStore(other).follow()
        assert list(next(slow)) == []
        appending.start()
        state = State()
        batches = ZooKeeperStore(other).follow()
        while number_in(state) < 100 and appending.is_alive():
            batch = next(batches, None)
            if batch is None:
                state = State()
                batches = ZooKeeperStore(other).follow()
            else:
                state.apply(batch)
        appending.stop()
        pointer_of(store)
        assert next(slow, "over") == "over"
        while (batch := next(batches, None)) != []:
            if batch is None:
                state, batches = State(), ZooKeeperStore(other).follow()
            else:
                state.apply(batch)
        assert state.tables == appending.view.tables


def test_the_next_leader_cleans_up(session: Session) -> None:
    with closing(open_writer(session, OFTEN)) as store:
        view = State()
        store.checkpoint_from(view)
        for number in range(10):
            store.append([stone(number)])
            view.apply([stone(number)])
        pointer = pointer_of(store)
        checkpoints = store._layout.checkpoints
    for number in range(3):
        path = f"{checkpoints}/9-99/000000000{number // 2}/000000000{number}"
        session.client.create(path, b"unfinished", makepath=True)
    with closing(open_writer(session)) as store:
        store.checkpoint_from(state_of(store))
        store.append([stone(10)])
        assert pointer_of(store) == pointer
        assert session.client.get_children(checkpoints) == [pointer.id]
