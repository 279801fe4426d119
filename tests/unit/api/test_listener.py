"""What the server makes of clients that are slow, silent or sly: raw bytes over real sockets."""

import re
import socket
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.options import ApiOptions
from api.server import ApiServer
from framework.domain.app import App
from tests.unit.api.reading import compile_pattern
from tests.unit.api.recorder import Recorder

THREADS = 2


@pytest.fixture(scope="module")
def scheduler() -> Recorder:
    return Recorder()


@pytest.fixture(scope="module")
def server(scheduler: Recorder) -> Iterator[ApiServer]:
    options = ApiOptions(http_port=0, http_threads=THREADS, http_max_waiting_connections=8)
    api = ApiServer.alone(scheduler, options, compile_pattern)
    api.start()
    yield api
    api.stop()


def dial(server: ApiServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=30)


def said(server: ApiServer, content: bytes) -> bytes:
    """All that the server says to these bytes and an end after them."""
    with dial(server) as client:
        answer = b""
        try:
            client.sendall(content)
            client.shutdown(socket.SHUT_WR)
            while piece := client.recv(65_536):
                answer += piece
        except ConnectionError:
            pass  # it closed while some of the bytes were unread
        return answer


def test_those_who_say_nothing_keep_nobody_waiting(server: ApiServer) -> None:
    silent = [dial(server) for _ in range(THREADS + 3)]
    try:
        answer = said(server, b"GET /ping HTTP/1.1\r\nHost: h\r\n\r\n")
        assert answer.endswith(b"\r\n\r\npong")
    finally:
        for one in silent:
            one.close()


@pytest.mark.parametrize(
    "header",
    [
        b"Content-Length: -1",
        b"Content-Length: +5",
        b"Content-Length: 1_0",
        b"Content-Length: 5\r\nContent-Length: 6",
        b"Content-Length : 5",
        b" Content-Length: 5",
        b"X: y\r\n folded",
        b"X: a\x00b",
        b"X: a\rb",
        b"no colon",
        b": no name",
        b"X\xff: y",
        b"Host: one\r\nHost: two",
        b"Authorization: a\r\nAuthorization: b",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    ],
)
def test_headers_that_can_be_read_in_two_ways(
    server: ApiServer, scheduler: Recorder, header: bytes
) -> None:
    answer = said(
        server,
        b"DELETE /v2/apps/a HTTP/1.1\r\n%s\r\n\r\nDELETE /v2/apps/a HTTP/1.1\r\n\r\n" % header,
    )
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1
    assert scheduler.asked == []


def test_names_with_an_underscore_mean_nothing(server: ApiServer) -> None:
    head = b"POST /v2/apps HTTP/1.1\r\nContent_Length: 99999999999\r\nTransfer_Encoding: x\r\n\r\n"
    answer = said(server, head + b"GET /nowhere HTTP/1.1\r\n\r\n")
    assert [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]] == [b"400", b"404"]
    assert b"Please specify data in JSON format" in answer


@pytest.mark.parametrize(
    "body",
    [
        b"0\r\nDELETE /v2/apps/a HTTP/1.1\r\nHost: h\r\n\r\n",
        b"0\r\n\r\nDELETE /v2/apps/a HTTP/1.1\r\nHost: h\r\n\r\n",
        b"1\r\nx\r\n0\r\nTrailer: x\r\n\r\nDELETE /v2/apps/a HTTP/1.1\r\n\r\n",
    ],
)
def test_nothing_after_a_body_in_chunks_is_a_request(
    server: ApiServer, scheduler: Recorder, body: bytes
) -> None:
    head = b"GET /ping HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = said(server, head + body)
    assert answer.count(b"HTTP/1.1 ") <= 1
    assert scheduler.asked == []


@pytest.mark.parametrize(
    "body",
    [
        b'Content-Length: 99\r\n\r\n{"id":"/a","cmd":"x"}',
        b'Transfer-Encoding: chunked\r\n\r\n15\r\n{"id":"/a","cmd":"x"}\r\n',
        b'Transfer-Encoding: chunked\r\n\r\n15\r\n{"id":"/a","cmd":"x"}',
    ],
)
def test_a_body_that_is_cut_off_is_not_taken_for_a_whole_one(
    server: ApiServer, scheduler: Recorder, body: bytes
) -> None:
    answer = said(server, b"POST /v2/apps HTTP/1.1\r\nHost: h\r\n" + body)
    assert answer.startswith(b"HTTP/1.1 4")
    assert scheduler.asked == []


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"http://a.example:80/v2/apps?limit=1", b"/v2/apps?limit=1&after"),
        (b"HTTPS://a.example:80//v2/apps?limit=1", b"/v2/apps?limit=1&after"),
        (b"/v2/apps?limit=1", None),
    ],
)
def test_a_whole_url_names_the_host(
    server: ApiServer, scheduler: Recorder, target: bytes, path: bytes | None
) -> None:
    for name in ("/a", "/b"):
        scheduler.hold_app(App(id=name, cmd="x", version="2026-01-01T00:00:00.000Z"))
    answer = said(server, b"GET %b HTTP/1.1\r\nHost: b.example\r\n\r\n" % target)
    assert answer.startswith(b"HTTP/1.1 200 ")
    url = b"http://b.example/v2/apps" if path is None else b"http://a.example" + path
    assert b"Link: <" + url in answer


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (b"http://a.example", b"302"),
        (b"http://a.example?x=1", b"302"),
        (b"http://[::1]:80/ping", b"200"),
        (b"http://user@a.example/ping", b"400"),
        (b"http:///ping", b"400"),
        (b"ftp://a.example/ping", b"400"),
        (b"http://a.example/ping#x", b"400"),
        (b"http://a.example/nowhere", b"404"),
        (b"*", b"400"),
    ],
)
def test_targets(server: ApiServer, target: bytes, status: bytes) -> None:
    answer = said(server, b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n" % target)
    assert answer[9:12] == status


@pytest.mark.parametrize("target", [b"*", b"http://a.example"])
def test_the_methods_of_the_whole_server(server: ApiServer, target: bytes) -> None:
    answer = said(server, b"OPTIONS %b HTTP/1.1\r\nHost: h\r\n\r\n" % target)
    assert answer.startswith(b"HTTP/1.1 200 ")
    [allowed] = re.findall(rb"Allow: (.*)\r\n", answer)
    methods = {b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"}
    assert {*allowed.split(b", ")} == methods
    assert answer.endswith(b"\r\n\r\n")


def test_a_foreign_page_is_none_less_for_a_whole_url(
    server: ApiServer, scheduler: Recorder
) -> None:
    """The host of the URL is the one that its origin is compared with."""
    head = b"DELETE http://127.0.0.1/v2/apps/a HTTP/1.1\r\n"
    told = said(server, head + b"Host: evil.example\r\nOrigin: http://evil.example\r\n\r\n")
    assert told.startswith(b"HTTP/1.1 403 ")
    assert scheduler.asked == []


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(head=st.binary(max_size=300), tail=st.sampled_from([b"", b"\r\n\r\n", b"\r\nX: "]))
def test_no_bytes_break_it(
    server: ApiServer, scheduler: Recorder, head: bytes, tail: bytes
) -> None:
    answer = said(server, b"GET /ping HTTP/1.1\r\nX: " + head + tail)
    assert answer[:12] in {b"", b"HTTP/1.1 200", b"HTTP/1.1 400"}
    assert scheduler.asked == []


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(line=st.binary(max_size=200))
def test_no_request_line_breaks_it(server: ApiServer, line: bytes) -> None:
    answer = said(server, line + b"\r\n\r\n")
    assert not answer.startswith(b"HTTP/1.1 500")
    assert said(server, b"GET /ping HTTP/1.1\r\n\r\n").endswith(b"pong")
