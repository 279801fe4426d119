"""The API over TLS: real handshakes, good and bad, with certificates made for the test."""

import http.client
import io
import json
import logging
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from api.options import ApiOptions
from api.server import ApiServer
from tests.unit.api.reading import compile_pattern
from tests.unit.api.recorder import Recorder
from tests.zookeeper.certificates import Certificates, make_certificates

THREADS = 2


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"), "127.0.0.1")


@contextmanager
def serving(cert_file: Path, **options: Any) -> Iterator[ApiServer]:
    settings = ApiOptions(
        **{"http_port": 0, "https_port": 0, "http_threads": THREADS, **options},
        https_cert_file=str(cert_file),
    )
    server = ApiServer.alone(Recorder(), settings, compile_pattern)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def trusting(certificates: Certificates) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificates.authority))


@contextmanager
def connected(server: ApiServer, context: ssl.SSLContext) -> Iterator[http.client.HTTPSConnection]:
    port = server.https_port
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=30, context=context)
    try:
        yield connection
    finally:
        connection.close()


def pong(server: ApiServer, context: ssl.SSLContext) -> bytes:
    with connected(server, context) as connection:
        connection.request("GET", "/ping")
        return connection.getresponse().read()


def test_http_and_https_beside_each_other(certificates: Certificates) -> None:
    with serving(certificates.server) as server:
        assert pong(server, trusting(certificates)) == b"pong"
        plain = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        plain.request("GET", "/ping")
        assert plain.getresponse().read() == b"pong"
        plain.close()
        assert not server.secure
        assert server.reached_at("h1") == (f"h1:{server.port}", False)


def test_https_only(certificates: Certificates) -> None:
    with serving(certificates.server, disable_http=True) as server:
        assert server.secure
        assert server.port == server.https_port
        assert server.url == f"https://127.0.0.1:{server.port}"
        assert server.reached_at("::1") == (f"[::1]:{server.port}", True)
        with connected(server, trusting(certificates)) as connection:
            connection.request("GET", "/v2/leader")
            response = connection.getresponse()
            assert response.headers["X-Marathon-Leader"] == "https://h1:8080"
            assert json.load(response) == {"leader": "h1:8080"}


def test_many_requests_and_large_bodies_on_one_connection(certificates: Certificates) -> None:
    labels = {str(number): "x" * 50_000 for number in range(8)}
    body = json.dumps({"id": "/a", "cmd": "x", "labels": labels})
    with (
        serving(certificates.server) as server,
        connected(server, trusting(certificates)) as connection,
    ):
        for _ in range(3):
            connection.request("POST", "/v2/apps", body)
            assert json.load(connection.getresponse())["labels"] == labels
            connection.request("POST", "/v2/apps", iter([body.encode()]), encode_chunked=True)
            assert json.load(connection.getresponse())["labels"] == labels


def test_requests_sent_ahead_are_all_answered(certificates: Certificates) -> None:
    with (
        serving(certificates.server) as server,
        socket.create_connection(("127.0.0.1", server.https_port or 0), timeout=30) as sock,
        trusting(certificates).wrap_socket(sock, server_hostname="127.0.0.1") as client,
    ):
        first = b"GET /ping HTTP/1.1\r\nHost: h\r\nX: %s\r\n\r\n" % (b"x" * 8_156)
        assert len(first) == io.DEFAULT_BUFFER_SIZE  # what the server reads of a record at once
        client.sendall(first + b"GET /ping HTTP/1.1\r\nHost: h\r\n\r\n" * 2)
        answer = b""
        while answer.count(b"pong") < 3:
            piece = client.recv(65_536)
            assert piece
            answer += piece


def test_old_versions_are_refused(certificates: Certificates) -> None:
    context = trusting(certificates)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with serving(certificates.server) as server:
        with connected(server, context) as connection:
            connection.connect()
            cipher = connection.sock.cipher()
            assert cipher is not None
            assert cipher[0].startswith("ECDHE-")
            assert connection.sock.version() == "TLSv1.2"
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{server.https_port}"]
        said = subprocess.run(
            [*command, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
            input=b"",
            capture_output=True,
            timeout=30,
            check=False,
        )
        assert said.returncode != 0
        assert b"protocol version" in said.stderr.lower().replace(b"_", b" ")


def test_slow_handshakes_keep_nobody_waiting(certificates: Certificates) -> None:
    with (
        serving(certificates.server, http_request_timeout=600) as server,
        ExitStack() as connections,
    ):
        for beginning in (b"", b"\x16\x03\x01") * (THREADS + 1):
            address = ("127.0.0.1", server.https_port or 0)
            silent = connections.enter_context(socket.create_connection(address))
            silent.sendall(beginning)
        for _ in range(THREADS + 1):
            connections.enter_context(connected(server, trusting(certificates))).connect()
        assert pong(server, trusting(certificates)) == b"pong"


def test_those_who_do_not_speak_it(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "stayer.api")
    with serving(certificates.server) as server:
        plain = http.client.HTTPConnection("127.0.0.1", server.https_port, timeout=30)
        plain.request("GET", "/ping")
        response = plain.getresponse()
        assert (response.status, b"https only" in response.read()) == (400, True)
        plain.close()
        with pytest.raises(ssl.SSLCertVerificationError):
            pong(server, ssl.create_default_context())
        for noise in (b"", b"\x00" * 50, b"\x16\x03\x01\x00\x05hello"):
            with socket.create_connection(("127.0.0.1", server.https_port or 0)) as client:
                client.sendall(noise)
        assert pong(server, trusting(certificates)) == b"pong"
    assert caplog.records == []


def test_a_certificate_that_is_replaced_counts_at_once(
    certificates: Certificates, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "server.pem"
    path.write_bytes(certificates.server.read_bytes())
    other = make_certificates(tmp_path / "other", "127.0.0.1")
    with serving(path) as server:
        assert pong(server, trusting(certificates)) == b"pong"
        path.write_text("half-written")
        assert pong(server, trusting(certificates)) == b"pong"
        assert str(path) in caplog.text
        path.write_bytes(other.server.read_bytes())
        assert pong(server, trusting(other)) == b"pong"
        with pytest.raises(ssl.SSLCertVerificationError):
            pong(server, trusting(certificates))


def test_files_that_can_not_be_served_with(certificates: Certificates, tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    missing = tmp_path / "missing.pem"
    secret = tmp_path / "secret.pem"
    command = ["openssl", "ec", "-in", str(certificates.client_key), "-aes128"]
    command += ["-passout", "pass:s3cret", "-out", str(secret)]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    for cert_file, key_file, words in (
        (missing, None, "missing.pem"),
        (certificates.server, missing, "missing.pem"),
        (empty, None, "empty.pem"),
        (certificates.authority, None, "authority.pem"),
        (certificates.server, certificates.client_key, "the key is not the certificate's"),
        (certificates.client_certificate, secret, "passphrase"),
    ):
        options = ApiOptions(
            http_port=0,
            https_cert_file=str(cert_file),
            https_key_file=None if key_file is None else str(key_file),
        )
        with pytest.raises((ValueError, OSError), match=words):
            ApiServer.alone(Recorder(), options, compile_pattern)


@pytest.mark.parametrize("options", [{"disable_http": True}, {"https_key_file": "key.pem"}])
def test_https_needs_a_certificate(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="https_cert_file"):
        ApiOptions(**options)


def test_beyond_loopback(certificates: Certificates, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ValueError, match="--insecure"):
        serving(certificates.server, https_address="0.0.0.0").__enter__()
    with serving(certificates.server, https_address="0.0.0.0", http_credentials="a:b"):
        assert caplog.records == []
    everywhere = {"http_address": "0.0.0.0", "http_credentials": "a:b"}
    with serving(certificates.server, disable_http=True, **everywhere):
        assert caplog.records == []
    with serving(certificates.server, **everywhere):
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert "--disable_http" in caplog.text


def test_a_taken_port_of_https_leaves_nothing_served(certificates: Certificates) -> None:
    with serving(certificates.server) as server:
        options = ApiOptions(
            http_port=0,
            https_port=server.https_port or 0,
            https_cert_file=str(certificates.server),
        )
        second = ApiServer.alone(Recorder(), options, compile_pattern)
        with pytest.raises(OSError, match=str(server.https_port)):
            second.start()
        with socket.socket() as client:
            assert client.connect_ex(("127.0.0.1", second.port)) != 0
