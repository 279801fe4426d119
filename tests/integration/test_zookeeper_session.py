"""The session with real ZooKeeper servers: credentials, TLS, and what is said when there is no
session to be had.
"""

import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import KazooException, NoAuthError, OperationTimeoutError
from kazoo.protocol.states import KazooState
from kazoo.security import OPEN_ACL_UNSAFE

from framework.domain.exits import ExitCode
from framework.interfaces import StoreUnusableError
from framework.zookeeper.options import ZooKeeperOptions
from framework.zookeeper.session import NoPermissionError, Session
from localmesos.apache.ports import free_port
from tests.integration.standing import Standers
from tests.polling import eventually
from tests.zookeeper.certificates import make_certificates
from tests.zookeeper.fixtures import StartZooKeeper
from tests.zookeeper.proxy import Proxy
from tests.zookeeper.server import Peer, ZooKeeperServer, loopback_address

MINE, OTHERS = "me:my-secret", "you:your-secret"
Open = Callable[..., Session]


@pytest.fixture
def open_session() -> Iterator[Open]:
    """Start a session on a URL, with options; it ends with the test."""
    with ExitStack() as running:

        def start(url: str, **options: object) -> Session:
            values = ZooKeeperOptions(zk=url, **options)  # type: ignore[arg-type]  # by Python
            session = Session(values.url(), values)
            running.callback(session.close)
            session.start()
            return session

        yield start


@pytest.fixture
def stand(zk_url: str) -> Iterator[Standers]:
    with ExitStack() as running:
        yield Standers(zk_url, running)


@pytest.fixture
def start_alone(tmp_path: Path) -> Iterator[Callable[[], ZooKeeperServer]]:
    """Start one server of an ensemble whose others never run."""
    with ExitStack() as running:

        def start() -> ZooKeeperServer:
            peers = [
                Peer(number, address, free_port(address), free_port(address))
                for number in (1, 2, 3)
                for address in [loopback_address()]
            ]
            folder = tmp_path / "zookeeper"
            server = ZooKeeperServer(folder, address=peers[0].address, peers=peers, number=1)
            running.callback(server.close)
            server.start_unready()
            return server

        yield start


def _with(credentials: str, url: str) -> str:
    return url.replace("zk://", f"zk://{credentials}@")


def _tree(client: KazooClient, path: str) -> list[str]:
    children = client.get_children(path)
    return [path] + [one for child in children for one in _tree(client, f"{path}/{child}")]


def test_what_we_make_is_ours_alone(
    stand: Standers, zk_url: str, zk_root: str, zookeeper: ZooKeeperServer
) -> None:
    leader = stand("a", url=_with(MINE, f"{zk_url}/deep")).serve()
    paths = _tree(leader.session.client, f"{zk_root}/deep")
    assert len(paths) == 1 + 3 + 2, "the path, what lasts below it, a member, a candidate"
    for credentials in (None, [("digest", OTHERS)]):
        other = KazooClient(zookeeper.hosts, auth_data=credentials)
        other.start()
        for path in [zk_root, *paths]:
            _may_do_nothing(other, path)
        other.stop()
        other.close()


def _may_do_nothing(other: KazooClient, path: str) -> None:
    attempts: dict[str, Callable[[], object]] = {
        "get": lambda: other.get(path),
        "children": lambda: other.get_children(path),
        "set": lambda: other.set(path, b"x"),
        "set_acls": lambda: other.set_acls(path, OPEN_ACL_UNSAFE),
        "create": lambda: other.create(f"{path}/x"),
        "delete": lambda: other.delete(path),
    }
    if path.count("/") == 1:
        del attempts["delete"]  # its parent is everybody's; it is not empty, and so stays
    for name, attempt in attempts.items():
        try:
            attempt()
        except NoAuthError:
            continue
        raise AssertionError(f"{name} {path} is allowed to others")


def test_credentials_hold_after_a_new_connection(
    open_session: Open, zookeeper: ZooKeeperServer, zk_root: str
) -> None:
    with Proxy(zookeeper.address, zookeeper.port) as proxy:
        session = open_session(_with(MINE, f"zk://{proxy.hosts}{zk_root}"))
        states: list[KazooState] = []
        session.listen(states.append)
        proxy.reset()
        eventually(lambda: states == [KazooState.SUSPENDED, KazooState.CONNECTED], "a new one")
        session.client.create(session.path("x"), b"mine")
        assert session.client.get(session.path("x"))[0] == b"mine"
        session.close()


@pytest.mark.parametrize("credentials", ["", OTHERS])
def test_other_credentials_are_refused_with_what_to_do(
    open_session: Open, zk_url: str, credentials: str
) -> None:
    open_session(_with(MINE, zk_url))
    with pytest.raises(NoPermissionError, match="--zk_credentials_file") as refused:
        open_session(_with(credentials, zk_url) if credentials else zk_url)
    assert refused.value.exit_code == ExitCode.STORE_READ_ONLY
    assert "secret" not in str(refused.value)


def test_a_path_below_one_that_is_not_ours_is_refused(open_session: Open, zk_url: str) -> None:
    open_session(_with(OTHERS, zk_url))
    with pytest.raises(NoPermissionError):
        open_session(_with(MINE, f"{zk_url}/below"))


def test_credentials_come_from_a_file(open_session: Open, zk_url: str, tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    file.write_text(f"{MINE}\n")
    session = open_session(zk_url, zk_credentials_file=str(file))
    session.client.create(session.path("x"), b"1")
    digest = session.client.get_acls(session.path("x"))[0][0].id
    assert (digest.scheme, digest.id.partition(":")[0]) == ("digest", "me")
    assert open_session(_with(MINE, zk_url)).client.get(session.path("x"))[0] == b"1"


def test_a_path_that_others_may_change_is_told(
    open_session: Open, zk_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    open_session(zk_url)
    open_session(_with(MINE, f"{zk_url}/own"))
    assert "others may" not in caplog.text
    open_session(_with(MINE, zk_url))
    assert "others may add to and remove from" in caplog.text
    assert "secret" not in caplog.text


def test_a_path_is_not_made_by_one_who_only_looks(zk_url: str) -> None:
    options = ZooKeeperOptions(zk=zk_url)
    session = Session(options.url(), options)
    session.start(make_path=False)
    assert session.client.exists(session.url.path) is None
    session.close()
    session.close()


def test_no_operation_waits_for_ever(zookeeper: ZooKeeperServer, zk_root: str) -> None:
    with Proxy(zookeeper.address, zookeeper.port) as proxy:
        options = ZooKeeperOptions(zk=f"zk://{proxy.hosts}{zk_root}")
        session = Session(options.url(), options)
        session.start()
        proxy.half_open()
        with pytest.raises(OperationTimeoutError):
            session.answer(session.client.exists_async("/"), 0.1)
        proxy.cut()
        session.close()


def test_nobody_answers(open_session: Open) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # and never listens
        hosts = f"127.0.0.1:{unused.getsockname()[1]},nowhere.invalid:2181"
        with pytest.raises(StoreUnusableError) as refused:
            open_session(f"zk://{MINE}@{hosts}/x", zk_connection_timeout=300)
    text = str(refused.value)
    assert "Connection refused" in text
    assert "nowhere.invalid:2181: its name is not known" in text
    assert "secret" not in text
    assert refused.value.exit_code == ExitCode.STORE_UNUSABLE


def test_a_server_that_says_nothing_keeps_nobody_waiting(open_session: Open) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"zk://127.0.0.1:{silent.getsockname()[1]}/x"
        with pytest.raises(StoreUnusableError, match="gives no session"):
            open_session(url, zk_connection_timeout=300, zk_session_timeout=600)


def test_an_ensemble_without_a_majority(
    open_session: Open, start_alone: Callable[[], ZooKeeperServer]
) -> None:
    server = start_alone()
    eventually(lambda: "not currently serving" in server.ask("srvr"), "the server to answer")
    with pytest.raises(StoreUnusableError, match="start a majority"):
        open_session(server.url("/x"), zk_connection_timeout=1000)


def test_a_server_that_only_reads(
    open_session: Open,
    start_alone: Callable[[], ZooKeeperServer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Dreadonlymode.enabled=true")
    server = start_alone()
    eventually(lambda: server.mode() == "read-only", "the server to serve reads")
    with pytest.raises(StoreUnusableError, match="serves reads only"):
        open_session(server.url("/x"), zk_connection_timeout=1000)


def test_tls(open_session: Open, start_zookeeper: StartZooKeeper, tmp_path: Path) -> None:
    server = start_zookeeper(tls=True, settings={"ssl.clientAuth": "need"})
    own = server.certificates
    assert own is not None
    trust = {
        "zk_ca_file": str(own.authority),
        "zk_cert_file": str(own.client_certificate),
        "zk_key_file": str(own.client_key),
        "zk_connection_timeout": 1500,
    }
    url = f"zk://{server.secure_hosts}/x"
    session = open_session(url, **{**trust, "zk_connection_timeout": 10_000})
    _try_many(session)

    strangers = make_certificates(tmp_path / "strangers", server.address)
    with pytest.raises(StoreUnusableError, match="certificate is refused"):
        open_session(url, **{**trust, "zk_ca_file": str(strangers.authority)})
    with pytest.raises(StoreUnusableError, match=r"server refuses us .*--zk_cert_file"):
        open_session(url, zk_ca_file=str(own.authority), zk_connection_timeout=1500)
    with pytest.raises(StoreUnusableError, match="TLS or not may be wrong"):
        open_session(url, zk_connection_timeout=1500)
    with pytest.raises(StoreUnusableError, match="TLS failed"):
        open_session(server.url("/x"), **trust)

    with Proxy(server.address, server.secure_port) as proxy:  # at an address it has not
        there = f"zk://{proxy.hosts}/x"
        with pytest.raises(StoreUnusableError, match=r"certificate is refused.*127\.0\.0\.1"):
            open_session(there, **trust)
        unchecked = open_session(there, zk_tls_host_check=False, **trust)
        unchecked.close()


def _try_many(session: Session) -> None:
    """Many operations at once, large and small, some in one piece of TLS."""
    client = session.client
    data = hashlib.sha256(b"x").digest() * 8192
    created = [client.create_async(session.path(f"n{i}"), data[: i * 4000]) for i in range(50)]
    for one in created:
        session.answer(one)
    read = [client.get_async(session.path(f"n{i}")) for i in range(50)]
    sizes = [len(session.answer(one)[0]) for one in read]
    assert sizes == [i * 4000 for i in range(50)]


def test_close_ends_every_thread(zk_url: str) -> None:
    before = set(threading.enumerate())
    options = ZooKeeperOptions(zk=zk_url)
    session = Session(options.url(), options)
    session.start()
    session.close()
    assert not [one for one in set(threading.enumerate()) - before if one.is_alive()]
    with pytest.raises(KazooException):
        session.answer(session.client.exists_async("/"))


def test_wrong_credentials_found_later_end_the_election(zk_url: str, stand: Standers) -> None:
    first = stand("a", url=_with(MINE, zk_url)).serve()
    second = stand("b", url=_with(MINE, zk_url))
    client = first.session.client
    acls = client.get_acls(first.session.path("election"))[0]
    locked = [acls[0]._replace(id=acls[0].id._replace(id="you:" + "x" * 27 + "="))]
    client.set_acls(first.session.path("election"), locked)
    second.expire()  # so that it looks again
    eventually(lambda: second.lost, "the second to be told")
    assert isinstance(second.lost[0], NoPermissionError)
    with pytest.raises(NoAuthError):
        client.get_children(first.session.path("election"))
