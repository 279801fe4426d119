"""The API over real sockets: binding, limits, compression, stopping."""

import gzip
import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from api.options import ApiOptions
from api.server import ApiServer, InsecureBindError
from framework.domain.app import App
from tests.unit.api.reading import compile_pattern
from tests.unit.api.recorder import Recorder


@contextmanager
def serving(scheduler: Recorder, **options: object) -> Iterator[ApiServer]:
    settings = ApiOptions(http_port=0, http_threads=2, **options)  # type: ignore[arg-type]  # per test
    server = ApiServer.alone(scheduler, settings, compile_pattern)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def connected(server: ApiServer) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        yield connection
    finally:
        connection.close()


def many_apps() -> Recorder:
    scheduler = Recorder()
    for number in range(20):
        scheduler.hold_app(App(id=f"/app-{number:02}", cmd="x", version="v"))
    return scheduler


def test_it_serves_on_a_free_port_of_loopback() -> None:
    with serving(Recorder()) as server, connected(server) as connection:
        assert server.port > 0
        assert server.url == f"http://127.0.0.1:{server.port}"
        connection.request("GET", "/v2/apps//")
        response = connection.getresponse()
        assert (response.status, json.load(response)) == (200, {"apps": []})
        connection.request("HEAD", "/ping")
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, b"")


CHUNKED = {"Transfer-Encoding": "chunked"}


def test_a_body_in_one_piece_or_in_chunks() -> None:
    scheduler = Recorder()
    with serving(scheduler) as server, connected(server) as connection:
        connection.request("POST", "/v2/apps", b'{"id":"/a","cmd":"x"}')
        assert json.load(connection.getresponse())["id"] == "/a"
        pieces = iter([b'{"id":"/b"', b',"cmd":"x"}'])
        connection.request("POST", "/v2/apps", pieces, CHUNKED, encode_chunked=True)
        assert json.load(connection.getresponse())["id"] == "/b"
    assert len(scheduler.asked) == 2


@pytest.mark.parametrize("headers", [{}, CHUNKED])
def test_a_body_that_nobody_needs_is_not_taken_for_a_request(headers: dict[str, str]) -> None:
    scheduler = Recorder()
    smuggled = b"DELETE /v2/apps/a HTTP/1.1\r\nHost: x\r\n\r\n"
    with serving(scheduler) as server, connected(server) as connection:
        for path in ("/ping", "/nowhere"):
            body = iter([smuggled]) if headers else smuggled
            connection.request("GET", path, body, headers, encode_chunked=bool(headers))
            connection.getresponse().read()
        connection.request("GET", "/ping")
        assert connection.getresponse().read() == b"pong"
    assert scheduler.asked == []


def test_large_answers_are_compressed_for_those_who_accept_it() -> None:
    with serving(many_apps()) as server, connected(server) as connection:
        answers = []
        for headers in ({}, {"Accept-Encoding": "gzip, deflate"}, {"Accept-Encoding": "gzip;q=0"}):
            connection.request("GET", "/v2/apps", headers=headers)
            response = connection.getresponse()
            answers.append((response.headers["Content-Encoding"], response.read()))
        (plain, body), (compressed, packed), (refused, again) = answers
        assert (plain, compressed, refused) == (None, "gzip", None)
        assert gzip.decompress(packed) == body == again
        assert len(packed) < len(body) / 4


def test_compression_can_be_off() -> None:
    with serving(many_apps(), http_compression=False) as server, connected(server) as connection:
        connection.request("GET", "/v2/apps", headers={"Accept-Encoding": "gzip"})
        response = connection.getresponse()
        assert response.headers["Content-Encoding"] is None
        assert len(json.load(response)["apps"]) == 20


@pytest.mark.parametrize("size", [1_500, 3_000_000])
@pytest.mark.parametrize("headers", [{}, CHUNKED])
def test_a_body_beyond_the_limit_is_refused(headers: dict[str, str], size: int) -> None:
    scheduler = Recorder()
    with serving(scheduler, http_max_body_bytes=1_000) as server, connected(server) as connection:
        body = iter([b" " * size]) if headers else b" " * size
        try:
            connection.request("POST", "/v2/apps", body, headers, encode_chunked=bool(headers))
            response = connection.getresponse()
            answer = (response.status, response.headers["Connection"])
        except ConnectionError:
            assert size > 1_500  # cut while we were still sending
            answer = (413, "close")
        assert answer == (413, "close")
    assert scheduler.asked == []


def test_headers_beyond_the_limit_are_refused() -> None:
    with (
        serving(Recorder(), http_max_header_bytes=2_000) as server,
        connected(server) as connection,
    ):
        connection.request("GET", "/ping", headers={"X-Large": "x" * 4_000})
        assert connection.getresponse().status == 413


def test_a_taken_port_is_an_error() -> None:
    with serving(Recorder()) as server:
        second = ApiServer.alone(Recorder(), ApiOptions(http_port=server.port), compile_pattern)
        with pytest.raises(OSError, match=str(server.port)):
            second.start()
        second.stop()


def test_nothing_is_served_after_stop() -> None:
    with serving(Recorder()) as server:
        port = server.port
    server.stop()
    with socket.socket() as client:
        assert client.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.parametrize("address", ["0.0.0.0", "", "::", "192.0.2.1", "example.org"])
def test_beyond_loopback_only_when_meant(address: str) -> None:
    with pytest.raises(InsecureBindError, match="--insecure"):
        ApiServer.alone(Recorder(), ApiOptions(http_address=address, http_port=0), compile_pattern)


def test_beyond_loopback_when_meant() -> None:
    with serving(Recorder(), http_address="0.0.0.0", insecure=True) as server:
        assert server.url == f"http://127.0.0.1:{server.port}"
        with connected(server) as connection:
            connection.request("GET", "/ping")
            assert connection.getresponse().read() == b"pong"
