"""What the ZooKeeper store does when the connection, the server or the permission fails it."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing

import pytest
from kazoo.protocol.states import KazooState
from kazoo.security import Permissions, make_digest_acl

from framework.domain.exits import ExitCode
from framework.domain.state import Change
from framework.interfaces import (
    LeadershipLostError,
    StoreError,
    StoreReadOnlyError,
    StoreUnusableError,
)
from framework.store.opening import open_store
from framework.store.zookeeper import ZooKeeperStore
from framework.zookeeper.options import ZooKeeperOptions
from framework.zookeeper.session import Session
from tests.integration.zookeeper_cuts import Cut, cut_writes
from tests.integration.zookeeper_stores import (
    OFTEN,
    SECONDS,
    next_fence,
    open_writer,
    session_at,
    state_of,
    stone,
    zookeeper,
)
from tests.polling import eventually
from tests.zookeeper.ensemble import Ensemble
from tests.zookeeper.proxy import Proxy
from tests.zookeeper.server import ZooKeeperServer

__all__ = ["zookeeper"]  # a fixture

LARGE = 300_000
SECRET = "not-to-be-told"
StartZooKeeper = Callable[..., ZooKeeperServer]


@pytest.fixture
def session(zk_url: str) -> Iterator[Session]:
    with session_at(zk_url) as started:
        yield started


@pytest.fixture
def proxy(zookeeper: ZooKeeperServer) -> Iterator[Proxy]:
    with Proxy(zookeeper.address, zookeeper.port) as started:
        yield started


@pytest.fixture
def proxied(proxy: Proxy, zk_root: str) -> str:
    """The URL of ``zk_url`` by way of the proxy."""
    return f"zk://{proxy.hosts}{zk_root}"


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as pool:
        yield pool


def test_an_append_outlives_lost_answers(
    session: Session, proxy: Proxy, proxied: str, threads: ThreadPoolExecutor
) -> None:
    changes = [stone(number, LARGE) for number in range(5)]
    with session_at(proxied) as shaky, closing(open_writer(shaky)) as store:
        store.append([stone(9)])
        proxy.lose_answers()
        appended = threads.submit(store.append, changes)
        last = store._layout.segment(5)
        eventually(lambda: session.client.exists(last), "the last segment")
        assert not appended.done()
        proxy.heal()
        appended.result(SECONDS)
        assert store.counts.repeated_writes > 0
        store.append([stone(10)])
        assert state_of(store).tables == state_of(ZooKeeperStore(session)).tables
        assert len(list(store.load())) == 7


def test_an_append_waits_for_a_server_that_starts_again(
    start_zookeeper: StartZooKeeper, zk_root: str, threads: ThreadPoolExecutor
) -> None:
    """Its sessions live as long again, whatever the time that it was away."""
    server = start_zookeeper(heap_mib=256)
    with (
        session_at(server.url(zk_root), zk_session_timeout=6000) as session,
        closing(open_writer(session)) as store,
    ):
        store.append([stone(1)])
        server.kill()
        appended = threads.submit(store.append, [stone(n, LARGE) for n in range(3)])
        with pytest.raises(TimeoutError):
            appended.result(6.5)
        server.start()
        appended.result(SECONDS)
        assert len(list(store.load())) == 3


def test_an_append_that_waits_ends_when_the_store_is_closed(
    proxy: Proxy, proxied: str, threads: ThreadPoolExecutor
) -> None:
    with session_at(proxied) as session:
        store = open_writer(session)
        proxy.cut()
        appended = threads.submit(store.append, [stone(1)])
        eventually(lambda: not session.client.connected, "the lost connection")
        store.close()
        with pytest.raises(StoreError, match="is closed"):
            appended.result(SECONDS)


def test_a_lost_session_ends_it_though_the_fence_still_holds(
    zookeeper: ZooKeeperServer, proxy: Proxy, proxied: str
) -> None:
    with session_at(proxied, zk_session_timeout=1000) as session:
        store = open_writer(session)
        store.append([stone(1)])
        lost = threading.Event()
        session.listen(lambda state: lost.set() if state == KazooState.LOST else None)
        name = f"{session.client.client_id[0]:#x}"
        assert name in zookeeper.ask("dump")
        proxy.cut()
        eventually(lambda: name not in zookeeper.ask("dump"), "the end of the session")
        proxy.heal()
        assert lost.wait(SECONDS)
        eventually(lambda: session.client.connected, "a new session")
        with pytest.raises(LeadershipLostError, match="session"):
            store.append([stone(2)])
        assert list(store.load()) == [stone(1)]


def test_a_server_that_takes_no_requests_of_our_size(session: Session) -> None:
    with closing(open_writer(session)) as store:
        store.append([stone(1)])
        cut_writes(store, Cut.LOSE_EACH, 0)
        with pytest.raises(StoreError, match=r"jute\.maxbuffer"):
            store.append([stone(2)])
        with pytest.raises(StoreError, match="failed before"):
            store.append([stone(2)])


def test_an_exhausted_quota(start_zookeeper: StartZooKeeper, zk_root: str) -> None:
    server = start_zookeeper(heap_mib=256, settings={"enforceQuota": "true"})
    with session_at(server.url(zk_root)) as session, closing(open_writer(session)) as store:
        store.append([stone(1)])
        used = b"count=5,bytes=1000"
        limits = f"count=-1,bytes=-1=;byteHardLimit={LARGE * 3};countHardLimit=-1"
        quota = f"/zookeeper/quota{zk_root}"
        session.client.ensure_path(quota)
        session.client.create(f"{quota}/zookeeper_limits", limits.encode())
        session.client.create(f"{quota}/zookeeper_stats", used)
        with pytest.raises(StoreReadOnlyError, match="quota is exhausted") as refusal:
            store.append([stone(number, LARGE) for number in range(20)])
        assert refusal.value.exit_code == ExitCode.STORE_READ_ONLY
        assert list(store.load()) == [stone(1)]
        session.client.delete(f"{quota}/zookeeper_limits")
        again = open_writer(session)
        again.append([stone(2)])
        assert sorted(again.load()) == [stone(1), stone(2)]


def test_what_is_created_is_for_our_credentials_only(
    zookeeper: ZooKeeperServer, zk_root: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    host = zookeeper.hosts
    ours = make_digest_acl("ann", SECRET, all=True)
    with session_at(f"zk://ann:{SECRET}@{host}{zk_root}") as session:
        store = open_writer(session, OFTEN)
        store.checkpoint_from(state_of(store))
        for number in range(10):
            store.append([stone(number)])
        assert store._writer is not None
        assert store._writer.checkpoints.wait_until_idle(SECONDS)
        assert store._writer.checkpoints.written
        paths = [zk_root]
        for path in paths:
            paths += [f"{path}/{name}" for name in session.client.get_children(path)]
            assert session.client.get_acls(path)[0] == [ours], path
        assert len(paths) > 10
        url = f"zk://mallory:{SECRET}2@{host}{zk_root}"
        with pytest.raises(StoreUnusableError) as refusal:
            open_store(url, follow_only=True)
        assert refusal.value.exit_code == ExitCode.STORE_READ_ONLY
        store.close()
    told = str(refusal.value) + caplog.text
    assert "mallory" not in told
    assert SECRET not in told


def test_a_store_that_we_may_read_but_not_write(zookeeper: ZooKeeperServer, zk_root: str) -> None:
    with session_at(f"zk://ann:{SECRET}@{zookeeper.hosts}{zk_root}") as session:
        store = open_writer(session)
        store.append([stone(1)])
        reading = make_digest_acl("ann", SECRET, read=True, admin=True)
        assert reading.perms == Permissions.READ | Permissions.ADMIN
        session.client.set_acls(store._layout.log_bucket(0), [reading])
        with pytest.raises(StoreReadOnlyError, match="credentials do not permit") as refusal:
            store.append([stone(2)])
        assert SECRET not in str(refusal.value)
        store.close()


def test_a_foreign_node_in_the_way(session: Session) -> None:
    with closing(open_writer(session)) as store:
        store.append([stone(1)])
        session.client.create(store._layout.segment(1), b"foreign")
        with pytest.raises(StoreError, match="some other program"):
            store.append([stone(2)])


def test_a_store_that_is_not_there_yet(zk_url: str) -> None:
    with pytest.raises(StoreUnusableError, match="there is no store at zk://"):
        open_store(zk_url, follow_only=True)


def test_a_store_by_its_url(session: Session, zk_url: str) -> None:
    with closing(open_writer(session)) as store:
        store.append([stone(1)])
    with closing(open_store(zk_url, follow_only=True, zookeeper=ZooKeeperOptions())) as opened:
        assert isinstance(opened, ZooKeeperStore)
        assert list(opened.load()) == [stone(1)]
        assert opened._session.client.connected
    eventually(lambda: not opened._session.client.connected, "the end of its session")


def next_in(
    threads: ThreadPoolExecutor, batches: Iterator[Sequence[Change]]
) -> "Future[Sequence[Change]]":
    return threads.submit(lambda: next(batches))


def test_a_follower_waits_while_zookeeper_is_away(
    session: Session, proxy: Proxy, proxied: str, threads: ThreadPoolExecutor
) -> None:
    with (
        session_at(proxied, zk_session_timeout=1000) as shaky,
        closing(open_writer(session)) as store,
    ):
        follower = ZooKeeperStore(shaky)
        batches = follower.follow()
        assert list(next(batches)) == []
        proxy.cut()
        read = next_in(threads, batches)
        store.append([stone(1)])
        eventually(lambda: not shaky.client.connected, "the lost connection")
        assert not read.done()
        proxy.heal()
        assert list(read.result(SECONDS)) == [stone(1)]


def test_a_follower_outlives_its_session(
    zookeeper: ZooKeeperServer, session: Session, proxy: Proxy, proxied: str
) -> None:
    with (
        session_at(proxied, zk_session_timeout=1000) as shaky,
        closing(open_writer(session)) as store,
    ):
        batches = ZooKeeperStore(shaky).follow()
        assert list(next(batches)) == []
        name = f"{shaky.client.client_id[0]:#x}"
        proxy.cut()
        eventually(lambda: name not in zookeeper.ask("dump"), "the end of the session")
        store.append([stone(1)])
        proxy.heal()
        assert list(next(batches)) == [stone(1)]


def test_an_ensemble_loses_one_server_after_the_other(
    ensemble: Ensemble, zk_root: str, threads: ThreadPoolExecutor
) -> None:
    url = ensemble.url(zk_root)
    with session_at(url) as session, session_at(url) as other:
        store = open_writer(session)
        for number, server in enumerate(ensemble.servers):
            appended = threads.submit(store.append, [stone(3 * number), stone(3 * number + 1)])
            server.kill()
            appended.result(SECONDS)
            store.append([stone(3 * number + 2)])
            server.start()
        second = open_writer(other)
        assert len(list(second.load())) == 9
        with pytest.raises(LeadershipLostError):
            store.append([stone(10)])
        second.close()


def test_a_follower_that_waits_ends_when_it_is_closed(
    proxy: Proxy, proxied: str, threads: ThreadPoolExecutor
) -> None:
    with session_at(proxied) as shaky:
        follower = ZooKeeperStore(shaky)
        batches = follower.follow()
        next(batches)
        proxy.cut()
        read = next_in(threads, batches)
        follower.close()
        with pytest.raises(StoreError, match="is closed"):
            read.result(SECONDS)


def test_news_end_a_wait(session: Session, zk_url: str, threads: ThreadPoolExecutor) -> None:
    with session_at(zk_url) as other, closing(open_writer(session)) as store:
        follower = ZooKeeperStore(other)
        batches = follower.follow()
        next(batches)
        waiting = threads.submit(follower.wait_for_news, SECONDS)
        assert not waiting.done()
        store.append([stone(1)])
        waiting.result(SECONDS / 2)
        assert list(next(batches)) == [stone(1)]
        store.append([stone(2)])
        threads.submit(follower.wait_for_news, SECONDS).result(SECONDS / 2)  # already there
        next(batches)
        for end in (follower.wake, follower.close):
            waiting = threads.submit(follower.wait_for_news, SECONDS)
            end()
            waiting.result(SECONDS / 2)


def test_a_wait_without_news_ends_in_time(proxy: Proxy, proxied: str) -> None:
    with session_at(proxied) as shaky:
        follower = ZooKeeperStore(shaky)
        next(follower.follow())
        follower.wait_for_news(0.05)
        proxy.cut()
        eventually(lambda: not shaky.client.connected, "the lost connection")
        follower.wait_for_news(0.05)


def test_a_new_leader_of_a_raised_mark(session: Session) -> None:
    with closing(open_writer(session)) as store:
        store.raise_mark()
        store.append([stone(1)])
        mark: bytes = session.client.get(store._layout.mark)[0]
        assert mark == store.codec.raised_mark()
    newer = mark.replace(b'"app":1', b'"app":9')
    session.client.set(store._layout.mark, newer)
    for open_it in (lambda: ZooKeeperStore(session), lambda: list(store_of(session).load())):
        with pytest.raises(StoreUnusableError) as refusal:
            open_it()
        assert refusal.value.exit_code == ExitCode.STATE_TOO_NEW


def store_of(session: Session) -> ZooKeeperStore:
    store = ZooKeeperStore(session)
    store.write_under(next_fence(session))
    return store
