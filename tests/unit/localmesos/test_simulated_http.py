"""The simulated master's HTTP: pipelining, bodies in pieces, limits, streams that nobody reads."""

import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from localmesos.cluster import agent_specs
from localmesos.simulated import Options, SimulatedEngine

SECONDS = 20.0
MOST_BODY = 100_000


@pytest.fixture(scope="module")
def engine() -> Iterator[SimulatedEngine]:
    with SimulatedEngine(agent_specs(2), options=Options(max_body_bytes=MOST_BODY)) as running:
        yield running


@contextmanager
def connected(engine: SimulatedEngine) -> Iterator[socket.socket]:
    host, _, port = engine.master.partition(":")
    with socket.create_connection((host, int(port)), timeout=SECONDS) as client:
        yield client


def exchange(engine: SimulatedEngine, *pieces: bytes) -> bytes:
    """Send pieces one by one, close the sending side, and give all that is answered."""
    with connected(engine) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            client.sendall(piece)
        client.shutdown(socket.SHUT_WR)
        return read_all(client)


def read_all(client: socket.socket) -> bytes:
    data = b""
    while piece := client.recv(65536):
        data += piece
    return data


def get(path: str, headers: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode()


def post(body: bytes, headers: str = "", path: str = "/api/v1/scheduler") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{headers}"
    return head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body


def statuses(data: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", data)]


def test_pipelined_requests_are_answered_in_order(engine: SimulatedEngine) -> None:
    kinds = [
        get("/health"),
        get("/nowhere"),
        post(b"{}"),
        get("/version"),
        get("/api/v1/scheduler"),
    ]
    answers = exchange(engine, b"".join(kinds * 50))
    assert statuses(answers) == [200, 404, 400, 200, 405] * 50


def test_a_request_may_come_byte_by_byte(engine: SimulatedEngine) -> None:
    request = post(b'{"type":"GET_VERSION"}', path="/api/v1")
    answer = exchange(engine, *(bytes([byte]) for byte in request))
    assert statuses(answer) == [200]
    assert b'"version":"1.11.0"' in answer


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_a_chunked_body_is_put_together(engine: SimulatedEngine, piece: int) -> None:
    body = json.dumps({"type": "GET_HEALTH", "padding": "x" * 3000}).encode()
    chunks = [body[at : at + 600] for at in range(0, len(body), 600)]
    encoded = b"".join(b"%x;name=value\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    head = (
        b"POST /api/v1 HTTP/1.1\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    request = head + encoded + b"0\r\nTrailer: x\r\n\r\n" + get("/health")
    answer = exchange(engine, *(request[at : at + piece] for at in range(0, len(request), piece)))
    assert statuses(answer) == [200, 200]
    assert b'"healthy":true' in answer


BAD_REQUESTS = [
    (b"nonsense\r\n\r\n", 400),
    (b"GET /health FTP/1.1\r\n\r\n", 400),
    (b"GET /health HTTP/1.1\r\nno colon\r\n\r\n", 400),
    (b"GET /health HTTP/1.1\r\nContent-Length : 1\r\n\r\n", 400),
    (b"POST /x HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
    (b"POST /x HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
    (b"POST /x HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    (b"POST /x HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
    (b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    (b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabcd\r\n", 400),
    (b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 2000, 400),
    (b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n", 413),
    (b"POST /x HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (MOST_BODY + 1), 413),
    (b"GET /health HTTP/1.1\r\nX: " + b"x" * 70_000, 431),
]


@pytest.mark.parametrize(("request_bytes", "status"), BAD_REQUESTS)
def test_a_bad_request_ends_the_connection(
    engine: SimulatedEngine, request_bytes: bytes, status: int
) -> None:
    with connected(engine) as client:
        client.sendall(get("/health") + request_bytes)
        answer = read_all(client)  # ends because the server closes
    assert statuses(answer) == [200, status]
    assert b"Connection: close" in answer


BAD_BODIES = [
    b"[" * 50_000,
    b'{"type":"REVIVE","framework_id":{"value":"\xff"}}',
    b'{"type":"REVIVE","framework_id":{"value":"\\ud800"}}',
    b'{"type":"KILL","framework_id":{"value":"x"},"kill":{"task_id":{"value":7}}}',
    b'{"type":"ACKNOWLEDGE","framework_id":{"value":"x"},"acknowledge":{}}',
    b'{"type":"DECLINE","framework_id":{"value":"x"},"decline":{"filters":{"refuse_seconds":1e999}}}',
    b"",
    b"null",
]


@pytest.mark.parametrize("body", BAD_BODIES)
def test_a_bad_body_is_refused_and_the_connection_lives(
    engine: SimulatedEngine, body: bytes
) -> None:
    assert statuses(exchange(engine, post(body) + get("/health"))) == [400, 200]


def test_a_client_may_ask_to_go_on_before_it_sends(engine: SimulatedEngine) -> None:
    body = b'{"type":"GET_HEALTH"}'
    request = post(body, "Expect: 100-continue\r\n", "/api/v1")
    with connected(engine) as client:
        client.sendall(request[: -len(body)])
        assert client.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(body)
        assert statuses(client.recv(10_000)) == [200]


def test_faults_are_not_taken_from_a_web_form(engine: SimulatedEngine) -> None:
    path = "/simulated/restart_master"
    form = f"POST {path} HTTP/1.1\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{{}}"
    assert statuses(exchange(engine, form.encode() + get(path))) == [415, 405]


def test_who_asks_to_close_is_closed(engine: SimulatedEngine) -> None:
    with connected(engine) as client:
        client.sendall(get("/health", "Connection: close\r\n") + get("/health"))
        assert statuses(read_all(client)) == [200]


def subscribe_bytes() -> bytes:
    info = {"user": "root", "name": "x", "failover_timeout": 1000.0}
    call = {"type": "SUBSCRIBE", "subscribe": {"framework_info": info}}
    return post(json.dumps(call).encode())


def test_answers_before_a_stream_stay_before_it(engine: SimulatedEngine) -> None:
    with connected(engine) as client:
        client.sendall(get("/nowhere") + subscribe_bytes() + get("/health"))
        data = b""
        while b'"OFFERS"' not in data:
            data += client.recv(65536)
    assert statuses(data) == [404, 200]
    stream = data.partition(b"Transfer-Encoding: chunked\r\n\r\n")[2]
    size, _, rest = stream.partition(b"\r\n")
    record_length, _, record = rest.partition(b"\n")
    assert json.loads(record[: int(record_length)])["type"] == "SUBSCRIBED"
    assert int(size, 16) >= int(record_length)


def test_a_scheduler_that_does_not_read_is_dropped() -> None:
    options = Options(max_stream_bytes=100_000, allocation_seconds=0.001)
    with SimulatedEngine(agent_specs(500), options=options) as engine, connected(engine) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(subscribe_bytes())
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(1)
        stream_id = head.decode().partition("Mesos-Stream-Id: ")[2].partition("\r\n")[0]
        record = client.recv(2000)
        framework_id = record.decode().partition('"framework_id":{"value":"')[2].partition('"')[0]
        revive = {"type": "REVIVE", "framework_id": {"value": framework_id}}
        headers = f"Mesos-Stream-Id: {stream_id}\r\n"
        reconcile = {
            **revive,
            "type": "RECONCILE",
            "reconcile": {"tasks": [{"task_id": {"value": f"t{n}"}} for n in range(20_000)]},
        }
        seen = [202]
        while seen == [202]:
            request = post(json.dumps(reconcile).encode(), headers)
            seen = statuses(exchange(engine, request))
        assert seen == [403], "its stream is gone, the framework waits for its failover"


def test_too_many_connections_are_turned_away() -> None:
    options = Options(max_connections=2)
    with (
        SimulatedEngine(agent_specs(1), options=options) as engine,
        connected(engine) as first,
        connected(engine) as second,
    ):
        for client in (first, second):
            client.sendall(get("/health"))
            assert statuses(client.recv(1000)) == [200]
        with connected(engine) as third:
            third.sendall(get("/health"))
            assert statuses(read_all(third)) == [503]
