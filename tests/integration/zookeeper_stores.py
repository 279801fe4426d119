"""Stores on a ZooKeeper server of the tests, opened as the product opens them: a session, the
epoch bumped as an election does it, and the fence that comes from it.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from kazoo.exceptions import NodeExistsError

from framework.domain.instance import Tombstone
from framework.domain.state import Change, Kind, State
from framework.interfaces import Store
from framework.store.zookeeper import ZooKeeperStore
from framework.store.zookeeper.checkpoints import Due
from framework.zookeeper.fence import Fence
from framework.zookeeper.options import ZooKeeperOptions
from framework.zookeeper.session import Session
from tests.zookeeper.server import ZooKeeperServer

SECONDS = 30.0
NEVER_DUE = Due(log_bytes=1 << 40)
OFTEN = Due(log_bytes=6 * 1024, share=0.0)  # segments count 1 KiB at least


@pytest.fixture(scope="module")
def zookeeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZooKeeperServer]:
    """Instead of the shared server one that has room for segments of half a megabyte: it keeps
    the last transactions in memory besides the data."""
    folder = tmp_path_factory.mktemp("zookeeper-for-stores")
    settings = {"commitLogCount": "50"}
    with ZooKeeperServer(folder, heap_mib=256, settings=settings) as server:
        yield server


def stone(number: int, size: int = 10) -> Change:
    """A record of about this size."""
    return Change(Kind.TOMBSTONE, f"t{number}", Tombstone(f"t{number}", number, "x" * size))


def gone(number: int) -> Change:
    """Its removal."""
    return stone(number)._replace(record=None)


def start_session(url: str, **options: object) -> Session:
    """A session that the caller closes."""
    wanted = ZooKeeperOptions(zk=url, **options)  # type: ignore[arg-type]  # checked by Python
    session = Session(wanted.url(), wanted)
    session.start()
    return session


@contextmanager
def session_at(url: str, **options: object) -> Iterator[Session]:
    """A started session with these ZooKeeperOptions."""
    session = start_session(url, **options)
    try:
        yield session
    finally:
        session.close()


def next_fence(session: Session) -> Fence:
    """What a leader has that was elected just now."""
    path = session.path("epoch")
    with suppress(NodeExistsError):
        session.client.create(path, b"", acl=session.acl)
    version: int = session.client.set(path, b"").version
    return Fence(path, version, version)


def open_writer(session: Session, due: Due = NEVER_DUE) -> ZooKeeperStore:
    """As a leader opens it: the fence, then the log to its end."""
    store = ZooKeeperStore(session, due=due)
    fence = next_fence(session)
    list(store.load())
    store.write_under(fence)
    return store


def state_of(store: Store) -> State:
    """What a load finds."""
    state = State()
    state.apply(store.load())
    return state
