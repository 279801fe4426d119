"""The process dies, or its connection, at any transaction whatever: nothing acknowledged is lost,
no append is there in part, and the next leader goes on and cleans up.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress

import pytest

from framework.domain.state import Change, State
from framework.interfaces import Store
from framework.store.zookeeper import ZooKeeperStore, collection, layout, segments
from framework.zookeeper.session import Session
from tests.integration.zookeeper_cuts import Cut, CutClient, KilledError, cut_writes
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
from tests.zookeeper.server import ZooKeeperServer

__all__ = ["zookeeper"]  # a fixture

_roots = itertools.count(1)
FOREVER = 1_000_000
PARTS = 4  # of the long tests, so that each has time on a slow machine


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some records a segment, some segments a bucket, some deletions a step."""
    monkeypatch.setattr(segments, "SEGMENT_MAX_BYTES", 500)
    monkeypatch.setattr(layout, "BUCKET_NODES", 4)
    monkeypatch.setattr(collection, "BUCKET_NODES", 4)
    monkeypatch.setattr(collection, "_NODES_A_STEP", 3)


def history(first: int) -> Iterator[Sequence[Change]]:
    """Appends of one and of many segments, with what they replace and remove."""
    yield [stone(first)]
    yield [stone(number, 200) for number in range(first, first + 6)]
    yield [gone(first), stone(first + 1, 400)]
    yield [stone(number, 350) for number in range(first + 5, first + 10)]
    yield [gone(first + 2)]
    yield [stone(first + 3)]


class Leader:
    """A store with a published state, as the pipeline keeps it."""

    def __init__(self, session: Session) -> None:
        self.store = open_writer(session, OFTEN)
        self.view = state_of(self.store)
        self.store.checkpoint_from(self.view)
        self.under_way: Sequence[Change] = ()

    def append(self, changes: Sequence[Change]) -> None:
        self.under_way = changes
        self.store.append(changes)
        self.view.apply(changes)
        self.under_way = ()
        self.settle()

    def settle(self) -> None:
        """Checkpoints come at the same places in each run."""
        assert self.store._writer is not None
        assert self.store._writer.checkpoints.wait_until_idle(SECONDS)

    def run(self, appends: Iterator[Sequence[Change]]) -> None:
        for changes in appends:
            self.append(changes)


class Follower:
    """A standby that starts over when it must."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._start_over()

    def _start_over(self) -> None:
        self.state = State()
        self._batches = self._store.follow()

    def read(self) -> None:
        while True:
            for batch in self._batches:
                self.state.apply(batch)
                if not batch:
                    return
            self._start_over()


def is_clean(leader: Leader) -> bool:
    """Whether there is nothing but the checkpoint that counts, the log behind it, and the one
    segment before that."""
    store = leader.store
    assert store._writer is not None
    pointer = store._writer.checkpoints.pointer
    names = store._session.client.get_children(store._layout.checkpoints)
    buckets = store._session.client.get_children(store._layout.log)
    first_bucket = int(min(buckets))
    oldest = min(store._session.client.get_children(f"{store._layout.log}/{min(buckets)}"))
    return (
        names == [pointer.id]
        and first_bucket == (pointer.first_segment - 1) // layout.BUCKET_NODES
        and int(oldest) == pointer.first_segment - 1
    )


Sessions = Callable[[], AbstractContextManager[Iterator[Session]]]


@pytest.fixture
def new_sessions(zookeeper: ZooKeeperServer) -> Sessions:
    """Sessions with one root, new for each call; what was written there is removed at its end."""

    @contextmanager
    def sessions() -> Iterator[Iterator[Session]]:
        url = zookeeper.url(f"/deaths-{next(_roots)}")
        with ExitStack() as stack, session_at(url) as cleaner:
            yield (stack.enter_context(session_at(url)) for _ in itertools.count())
            cleaner.client.delete(cleaner.url.path, recursive=True)

    return sessions


def transactions(sessions: Iterator[Session]) -> int:
    """How many the history takes."""
    leader = Leader(next(sessions))
    client = cut_writes(leader.store, Cut.KILL, FOREVER)
    leader.run(history(0))
    leader.store.close()
    assert is_clean(leader)
    return FOREVER - client.left


def die(leader: Leader, client: CutClient) -> None:
    with suppress(KilledError):
        leader.run(history(0))
    assert client.happened
    leader.store.close()


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("cut", [Cut.KILL, Cut.LOSE_AND_DIE])
def test_a_death_at_any_transaction(new_sessions: Sessions, cut: Cut, part: int) -> None:
    with new_sessions() as sessions:
        count = transactions(sessions)
    assert count > 40
    for k in range(part, count, PARTS):
        with new_sessions() as sessions:
            follower = Follower(ZooKeeperStore(next(sessions)))
            follower.read()
            first = Leader(next(sessions))
            die(first, cut_writes(first.store, cut, k))
            follower.read()
            second = Leader(next(sessions))
            found = second.view.tables
            whole = State()
            whole.apply([*first.view.changes(), *first.under_way])
            assert found in (first.view.tables, whole.tables), f"cut at {k}"
            assert follower.state.tables == found, f"cut at {k}"
            second.run(history(100))
            assert state_of(second.store).tables == second.view.tables, f"cut at {k}"
            assert is_clean(second), f"cut at {k}"
            follower.read()
            assert follower.state.tables == second.view.tables, f"cut at {k}"
            second.store.close()


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("cut", [Cut.LOSE_BEFORE, Cut.LOSE_AFTER])
def test_a_lost_answer_at_any_transaction(new_sessions: Sessions, cut: Cut, part: int) -> None:
    with new_sessions() as sessions:
        count = transactions(sessions)
    for k in range(part, count, PARTS):
        with new_sessions() as sessions:
            leader = Leader(next(sessions))
            client = cut_writes(leader.store, cut, k)
            leader.run(history(0))
            assert client.happened
            assert state_of(leader.store).tables == leader.view.tables, f"{cut} at {k}"
            assert is_clean(leader), f"{cut} at {k}"
            leader.store.close()
