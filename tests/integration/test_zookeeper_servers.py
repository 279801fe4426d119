"""The ZooKeeper servers of the tests: what they keep, whom they let in, and what they survive."""

import re
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import NoAuthError
from kazoo.retry import KazooRetry
from kazoo.security import CREATOR_ALL_ACL

from tests.polling import eventually
from tests.zookeeper.ensemble import Ensemble
from tests.zookeeper.server import SUPER_USER, ZooKeeperServer

StartZooKeeper = Callable[..., ZooKeeperServer]
_SECONDS = 30.0


@contextmanager
def _client(hosts: str, **arguments: object) -> Iterator[KazooClient]:
    retry = KazooRetry(max_tries=-1, max_delay=0.2)
    client = KazooClient(hosts, timeout=2.0, connection_retry=retry, **arguments)
    try:
        client.start(_SECONDS)
        yield client
    finally:
        client.stop()
        client.close()


def test_shared_server_serves_below_a_path_of_the_test(
    zookeeper: ZooKeeperServer, zk_root: str, zk_url: str
) -> None:
    assert zk_url == f"zk://{zookeeper.hosts}{zk_root}"
    assert zookeeper.ask("ruok") == "imok"
    assert zookeeper.mode() == "standalone"
    with _client(zookeeper.hosts) as client:
        assert client.exists(zk_root) is None
        client.create(zk_root, b"x")
        assert client.get(zk_root)[0] == b"x"


def test_what_was_written_survives_a_kill(start_zookeeper: StartZooKeeper) -> None:
    server = start_zookeeper()
    with _client(server.hosts) as client:
        client.create("/kept", b"x")
        server.kill()
        assert server.mode() == ""
        server.start()
        with _client(server.hosts) as other:
            assert other.get("/kept")[0] == b"x"


def test_paused_server_answers_again_when_resumed(start_zookeeper: StartZooKeeper) -> None:
    server = start_zookeeper()
    with _client(server.hosts) as client:
        server.pause()
        waiting = client.create_async("/later")
        assert not waiting.wait(0.2)
        server.resume()
        assert waiting.get(timeout=_SECONDS) == "/later"


def test_sessions_are_as_short_as_the_server_allows(start_zookeeper: StartZooKeeper) -> None:
    server = start_zookeeper(settings={"maxSessionTimeout": "1500"})
    with _client(server.hosts):
        assert re.search(r"\bto=1500\b", server.ask("cons"))


def test_super_user_reads_what_others_may_not(start_zookeeper: StartZooKeeper) -> None:
    server = start_zookeeper(super_password="secret")
    with _client(server.hosts, auth_data=[("digest", "ann:one")]) as client:
        client.create("/hers", b"x", acl=CREATOR_ALL_ACL)
    with (
        _client(server.hosts, auth_data=[("digest", "bob:two")]) as client,
        pytest.raises(NoAuthError),
    ):
        client.get("/hers")
    with _client(server.hosts, auth_data=[("digest", f"{SUPER_USER}:secret")]) as client:
        assert client.get("/hers")[0] == b"x"


def test_tls_with_and_without_a_certificate_of_the_client(start_zookeeper: StartZooKeeper) -> None:
    server = start_zookeeper(tls=True)
    made = server.certificates
    assert made is not None
    ours = {"certfile": str(made.client_certificate), "keyfile": str(made.client_key)}
    for mine in ({}, ours):
        with _client(server.secure_hosts, use_ssl=True, ca=str(made.authority), **mine) as client:
            client.ensure_path("/by-tls")
    with _client(server.hosts) as client:
        assert client.exists("/by-tls")


def test_certificate_names_the_server(start_zookeeper: StartZooKeeper, tmp_path: Path) -> None:
    server = start_zookeeper(tls=True)
    assert server.certificates is not None
    context = ssl.create_default_context(cafile=str(server.certificates.authority))
    assert context.check_hostname
    pem = ssl.get_server_certificate(
        (server.address, server.secure_port), ca_certs=str(server.certificates.authority)
    )
    assert "BEGIN CERTIFICATE" in pem


def test_ensemble_survives_the_loss_of_its_leader(ensemble: Ensemble) -> None:
    with _client(ensemble.hosts) as client:
        client.create("/kept", b"x")
        leader = ensemble.leader()
        ensemble.servers[leader].kill()

        def written() -> bool:
            try:
                return bool(client.retry(client.set, "/kept", b"y"))
            except OSError as error:
                raise AssertionError(error) from error

        eventually(written, "a write without the old leader")
        assert ensemble.leader() != leader
        ensemble.servers[leader].start()
        for server in ensemble.servers:
            with _client(server.hosts) as other:
                other.sync("/kept")
                assert other.get("/kept")[0] == b"y"


def test_client_goes_to_another_server_when_its_connection_is_cut(ensemble: Ensemble) -> None:
    with _client(ensemble.hosts) as client:
        session = client.client_id
        (used,) = [proxy for proxy in ensemble.proxies if proxy.connections]
        used.cut()
        eventually(
            lambda: any(p.connections for p in ensemble.proxies if p is not used),
            "a connection to another server",
        )
        client.retry(client.ensure_path, "/there")
        assert client.client_id == session
