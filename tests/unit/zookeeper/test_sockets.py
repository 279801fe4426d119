"""Connections to ZooKeeper: TLS that trusts one authority, and answers that are not overlooked."""

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from framework.zookeeper.sockets import Sockets, tls_context
from tests.zookeeper.certificates import Certificates, make_certificates

ADDRESS = "127.0.0.1"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls"), ADDRESS)


class Server:
    """Takes one TLS connection and says ``greeting`` in one piece."""

    def __init__(self, certificates: Certificates, greeting: bytes) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificates.server)
        self._greeting = greeting
        self._done = threading.Event()
        self._listener = socket.create_server((ADDRESS, 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def address(self) -> tuple[str, int]:
        return ADDRESS, self._listener.getsockname()[1]

    def _serve(self) -> None:
        plain, _ = self._listener.accept()
        with plain:
            try:
                with self._context.wrap_socket(plain, server_side=True) as connection:
                    connection.sendall(self._greeting)
                    self._done.wait()
            except OSError:  # the client did not like us
                return

    def close(self) -> None:
        self._done.set()
        self._thread.join()
        self._listener.close()


@pytest.fixture
def server(certificates: Certificates) -> Iterator[Server]:
    one = Server(certificates, b"two answers")
    yield one
    one.close()


def test_what_is_decrypted_already_is_ready(certificates: Certificates, server: Server) -> None:
    sockets = Sockets(tls_context(str(certificates.authority), "", "", check_host=True), 10.0)
    idle, other_end = socket.socketpair()
    with idle, other_end, sockets.create_connection(server.address, ADDRESS) as connection:
        assert connection.recv(4) == b"two "
        connection.setblocking(False)
        # Nothing more comes; without care this would wait for as long as it may.
        assert sockets.select([connection, idle], [], [], None)[0] == [connection]
        other_end.sendall(b"x")
        assert set(sockets.select([connection, idle], [], [], None)[0]) == {connection, idle}
        assert connection.recv(100) == b"answers"
        assert sockets.select([connection], [], [], 0.0)[0] == []


def test_the_host_must_be_the_one_of_the_certificate(
    certificates: Certificates, server: Server
) -> None:
    sockets = Sockets(tls_context(str(certificates.authority), "", "", check_host=True), 10.0)
    with pytest.raises(ssl.SSLCertVerificationError):
        sockets.create_connection(server.address, "elsewhere.example")
    (failure,) = sockets.failures.items()
    assert failure[0] == ("elsewhere.example", server.address[1])
    assert "certificate is refused" in failure[1]
    assert "elsewhere.example" in failure[1]


def test_the_host_is_not_looked_at_where_that_is_turned_off(
    certificates: Certificates, server: Server
) -> None:
    sockets = Sockets(tls_context(str(certificates.authority), "", "", check_host=False), 10.0)
    sockets.create_connection(server.address, "elsewhere.example").close()
    assert list(sockets.failures.values()) == [""]


def test_the_systems_authorities_are_not_trusted(certificates: Certificates) -> None:
    context = tls_context(str(certificates.authority), "", "", check_host=True)
    assert len(context.get_ca_certs()) == 1
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_files_that_can_not_be_used_are_named(certificates: Certificates, tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    with pytest.raises(ValueError, match=r"empty\.pem holds no certificates"):
        tls_context(str(empty), "", "", check_host=True)
    with pytest.raises(ValueError, match=r"missing\.pem holds no certificates"):
        tls_context(str(tmp_path / "missing.pem"), "", "", check_host=True)
    with pytest.raises(ValueError, match=r"empty\.pem and .* no certificate and its key"):
        tls_context(
            str(certificates.authority), str(empty), str(certificates.client_key), check_host=True
        )


def test_what_went_wrong_is_kept_for_each_server() -> None:
    sockets = Sockets(None, 10.0)
    with socket.socket() as unused:
        unused.bind((ADDRESS, 0))  # and never listens
        address = unused.getsockname()
        with pytest.raises(ConnectionRefusedError):
            sockets.create_connection(address, "host")
        assert sockets.failures == {("host", address[1]): "Connection refused"}
        assert sockets.mode_of(address) == ""
