"""The store in ZooKeeper does what every store does, on a real server."""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import ClassVar

import pytest

from framework.domain.state import Change, State
from framework.interfaces import LeadershipLostError, Store, StoreError
from framework.store.zookeeper import ZooKeeperStore
from framework.zookeeper.session import Session
from tests.integration.zookeeper_cuts import Cut, cut_writes
from tests.integration.zookeeper_stores import (
    gone,
    next_fence,
    open_writer,
    session_at,
    start_session,
    state_of,
    stone,
    zookeeper,
)
from tests.property.test_store_machine import machine_case
from tests.zookeeper.server import ZooKeeperServer

__all__ = ["zookeeper"]  # a fixture

_roots = itertools.count(1)
LARGE = 300_000  # two of these take two segments


class ZooKeeper:
    """A Backend of the machine."""

    server: ClassVar[ZooKeeperServer]

    def __init__(self) -> None:
        url = self.server.url(f"/machine-{next(_roots)}")
        self._sessions = [start_session(url), start_session(url)]

    def open(self, *, follow_only: bool = False) -> Store:
        if follow_only:
            return ZooKeeperStore(self._sessions[1])
        return open_writer(self._sessions[0])

    def sabotage(self, store: Store) -> Sequence[Change]:
        """The quota is exhausted after the first segment."""
        assert isinstance(store, ZooKeeperStore)
        if not store._made:
            store._make(store._writing())
        cut_writes(store, Cut.REFUSE, 1)
        return [stone(number, LARGE) for number in range(3)]

    def remove(self) -> None:
        for session in self._sessions:
            session.close()


@pytest.fixture(autouse=True)
def _server(zookeeper: ZooKeeperServer) -> None:
    ZooKeeper.server = zookeeper


TestZooKeeper = machine_case(ZooKeeper, one_in=10)
TestZooKeeperAtLength = pytest.mark.long(machine_case(ZooKeeper, one_in=10))


@pytest.fixture
def session(zk_url: str) -> Iterator[Session]:
    with session_at(zk_url) as started:
        yield started


def test_it_holds_what_was_appended(session: Session, zk_url: str) -> None:
    store = open_writer(session)
    store.append([stone(1), stone(2)])
    store.append([stone(3), gone(1)])
    store.close()
    with session_at(zk_url) as other:
        assert sorted(ZooKeeperStore(other).load()) == [stone(2), stone(3)]


def test_an_append_of_many_segments_is_one(session: Session, zk_url: str) -> None:
    wanted = State()
    with session_at(zk_url) as other, closing(open_writer(session)) as store:
        batches = ZooKeeperStore(other).follow()
        assert list(next(batches)) == []
        for first in range(0, 60, 20):
            changes = [stone(number, LARGE) for number in range(first, first + 20)]
            store.append(changes)
            wanted.apply(changes)
            assert len(next(batches)) == 20
        assert state_of(store).tables == wanted.tables


def test_nothing_is_appended_without_a_fence(session: Session) -> None:
    store = ZooKeeperStore(session)
    with pytest.raises(StoreError, match="following only"):
        store.append([stone(1)])
    store.write_under(next_fence(session))
    store.append([stone(1)])
    store.close()


def test_an_earlier_leader_appends_nothing_more(session: Session) -> None:
    first = open_writer(session)
    first.append([stone(1)])
    second = open_writer(session)
    with pytest.raises(LeadershipLostError, match="another process leads"):
        first.append([stone(2)])
    with pytest.raises(LeadershipLostError):
        first.append([stone(2)])
    second.append([stone(3)])
    assert sorted(second.load()) == [stone(1), stone(3)]


def test_whoever_did_not_read_the_log_to_its_end_appends_nothing(session: Session) -> None:
    open_writer(session).append([stone(1)])
    store = ZooKeeperStore(session)
    store.write_under(next_fence(session))
    with pytest.raises(StoreError, match="not read to its end"):
        store.append([stone(2)])
    assert list(store.load()) == [stone(1)]


def test_after_a_failure_every_append_fails(session: Session) -> None:
    store = open_writer(session)
    store.append([stone(1)])
    cut_writes(store, Cut.REFUSE, 0)
    with pytest.raises(StoreError, match="quota is exhausted"):
        store.append([stone(2)])
    with pytest.raises(StoreError, match="failed before"):
        store.append([stone(3)])
    assert list(store.load()) == [stone(1)]
