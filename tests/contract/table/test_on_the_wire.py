"""Request lines as clients send them, byte for byte, over a real socket: what a test client puts
right before it gets to the server."""

import re
import socket
from collections.abc import Iterator

import pytest

from api.application import create_app
from api.options import ApiOptions
from api.server import ApiServer
from tests.contract.cluster import NOW_MS
from tests.unit.api.reading import compile_pattern
from tests.unit.api.recorder import Recorder

PONG = r"pong"
WEB = r'\{"app":\{"id":"/dev/web",.*'
NO_ROUTE = r'\{"message":"URI not found"\}'


@pytest.fixture
def server(scheduler: Recorder) -> Iterator[ApiServer]:
    options = ApiOptions(http_port=0, http_threads=2)
    application = create_app(scheduler, options, compile_pattern, lambda: NOW_MS)
    made = ApiServer(application, options)
    made.start()
    yield made
    made.stop()


def answer(server: ApiServer, request_line: str, more: str = "", body: str = "") -> tuple[str, str]:
    """Head and body of what comes back."""
    head = f"{request_line}\r\nHost: h\r\nConnection: close\r\n{more}\r\n"
    received = b""
    with socket.create_connection(("127.0.0.1", server.port), 20) as connection:
        connection.sendall((head + body).encode())
        while piece := connection.recv(65_536):
            received += piece
    told, _, content = received.decode().partition("\r\n\r\n")
    return told, content


@pytest.mark.parametrize(
    ("target", "status", "body"),
    [
        ("/ping", "200 OK", PONG),
        ("//ping", "200 OK", PONG),
        ("///ping//", "200 OK", PONG),
        ("/service/marathon/ping", "200 OK", PONG),
        ("//service/marathon//ping", "200 OK", PONG),
        ("//v2/apps//dev/web", "200 OK", WEB),
        ("/v2/apps/dev/web/", "200 OK", WEB),
        ("/v2/apps/%2Fdev%2Fweb", "200 OK", WEB),
        ("/v2/apps/%2fdev%2fweb?embed=apps.tasks", "200 OK", WEB),
        ("/v2/apps//dev%2Fweb/?embed=app.tasks&embed=apps.counts", "200 OK", WEB),
        ("/v2/apps/dev%20web", "404 Not Found", r'\{"message":"App \'/dev web\' does not exist"\}'),
        ("/v2/none", "404 Not Found", NO_ROUTE),
        ("//", "302 Found", r".*"),
    ],
)
def test_paths(server: ApiServer, target: str, status: str, body: str) -> None:
    head, content = answer(server, f"GET {target} HTTP/1.1")
    assert head.startswith(f"HTTP/1.1 {status}\r\n")
    assert re.fullmatch(body, content, re.DOTALL), content


@pytest.mark.parametrize("sent", ["", '""', "{}", "nonsense"])
def test_a_get_with_a_body_does_not_spoil_the_connection(server: ApiServer, sent: str) -> None:
    """As go-marathon asks for groups: what it sends must not be taken for the next request."""
    request = (
        "GET /v2/groups HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(sent)}\r\n\r\n{sent}"
    )
    last = "GET /ping HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    received = b""
    with socket.create_connection(("127.0.0.1", server.port), 20) as connection:
        connection.sendall((request + request + last).encode())
        while piece := connection.recv(65_536):
            received += piece
    assert received.count(b"HTTP/1.1 200 OK\r\n") == 3
    assert received.endswith(b"\r\n\r\npong")


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        ("OPTIONS /v2/apps HTTP/1.1", "200 OK"),
        ("DELETE /v2/queue/dev/web/delay HTTP/1.1", "204 No Content"),
        ("DELETE /v2/deployments/d?force=true HTTP/1.1", "202 Accepted"),
        ("GET /ping HTTP/1.1", "204 No Content"),
    ],
)
def test_what_has_no_body_has_no_type(server: ApiServer, request_line: str, status: str) -> None:
    head, content = answer(server, request_line, "Accept: image/png\r\n")
    assert head.startswith(f"HTTP/1.1 {status}\r\n")
    assert "\r\nContent-Type:" not in head
    assert content == ""


def test_a_change_without_a_length_or_a_type(server: ApiServer) -> None:
    head, _ = answer(server, "POST /v2/apps/dev/web/restart HTTP/1.1")
    assert head.startswith("HTTP/1.1 200 OK\r\n")
    sent = '{"id":"/new","cmd":"x"}'
    head, _ = answer(server, "POST /v2/apps HTTP/1.1", f"Content-Length: {len(sent)}\r\n", sent)
    assert head.startswith("HTTP/1.1 201 Created\r\n")
    assert re.search(r"^Location: http://h/v2/apps/new\r$", head, re.MULTILINE)
