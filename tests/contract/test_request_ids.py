"""Each request has an id: in its answer, in its line of the access log, in whatever else is logged
of it, and at the leader that it is passed on to. And each is counted. Real servers on loopback."""

import http.client
import json
import logging
import re
import socket
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from api.application import create_app
from api.events.hub import EventHub
from api.options import ApiOptions
from api.request_id import accepted_or_new
from api.server import ApiServer
from cli.logs import TextLines
from framework.domain.app import App
from framework.interfaces import Leader
from tests.contract.processes import Process, ask, serving
from tests.polling import eventually
from tests.unit.api.reading import compile_pattern
from tests.unit.api.recorder import Recorder
from tests.unit.cli.scripted_http import hang_up, scripted

OURS = re.compile(r"[0-9a-f]{12}-[0-9a-f]+")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "access.jsonl"


@pytest.fixture
def leader(path: Path) -> Iterator[Process]:
    process = Process(http_access_log="all", http_access_log_file=str(path))
    with serving(process):
        process.lead()
        yield process


def lines(path: Path, count: int) -> list[dict[str, Any]]:
    """That many lines, once they are written."""

    def found() -> Sequence[str]:
        return path.read_text().split("\n")[:-1]  # the last one may be half written

    eventually(lambda: len(found()) >= count, "lines of the access log")
    return [json.loads(line) for line in found()]


@pytest.mark.parametrize("given", ["a", "Root=1-67891233-abcdef", "x" * 128, "a.b_c:d+e/f@g"])
def test_a_clients_own_id_is_kept(leader: Process, path: Path, given: str) -> None:
    answer = ask(leader, "GET", "/v2/apps", headers={"X-Request-Id": given})
    assert answer.headers.get_all("X-Request-Id") == [given]
    (line,) = lines(path, 1)
    assert line["request"] == given
    assert "cut" not in line


@pytest.mark.parametrize(
    "given",
    ["", " ", "a b", "a,b", 'a"b', "a;b", "a\tb", "x" * 129, "\xe9", "<script>", "%0d%0a", "{}"],
)
def test_another_gets_one_of_ours(leader: Process, path: Path, given: str) -> None:
    answer = ask(leader, "GET", "/ping", headers={"X-Request-Id": given})
    assert OURS.fullmatch(answer.headers["X-Request-Id"])
    assert lines(path, 1)[0]["request"] == answer.headers["X-Request-Id"]


def test_no_id_is_taken_that_could_break_a_line() -> None:
    for given in ("a\r\nX: y", "a\n", "a\x00", "a\x1b[0m", "\u2028"):
        assert OURS.fullmatch(accepted_or_new(given))
    assert accepted_or_new(None) != accepted_or_new(None)


def test_every_answer_has_one(leader: Process) -> None:
    leader.scheduler.hold_app(App(id="/web", cmd="x", version="v"))
    for method, target, status in (
        ("GET", "/v2/apps/web", 200),
        ("HEAD", "/v2/apps/web", 200),
        ("OPTIONS", "/v2/apps", 200),
        ("GET", "/nowhere", 404),
        ("POST", "/v2/apps", 400),
        ("PATCH", "/ping", 405),
    ):
        answer = ask(leader, method, target)
        assert (answer.status, bool(OURS.fullmatch(answer.headers["X-Request-Id"]))) == (
            status,
            True,
        )


@pytest.mark.parametrize(
    ("sent", "status", "method"),
    [
        (b"GET /v2/apps HTTP/1.1\r\nHost: x\r\nBad Header: y\r\n\r\n", 400, "GET"),
        (b"NONSENSE\r\n\r\n", 400, "-"),
        (b"GET / HTTP/3.7\r\n\r\n", 505, "GET"),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", 414, "-"),
    ],
)
def test_what_is_no_request_has_one_too(
    leader: Process, path: Path, sent: bytes, status: int, method: str
) -> None:
    with socket.create_connection(("127.0.0.1", leader.server.port), 30) as connection:
        connection.sendall(sent)
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    found = re.search(rb"\r\nX-Request-Id: (.*?)\r\n", answer)
    assert found is not None
    (line,) = lines(path, 1)
    assert (line["request"], line["status"]) == (found[1].decode(), status)
    assert line["method"] in {method, "-", "GET"}
    assert leader.server.accounted.counts.by_class[status // 100] == 1


def test_who_is_turned_away_and_who_is_not(tmp_path: Path, path: Path) -> None:
    process = Process(
        http_credentials="ops:geheim", http_access_log="all", http_access_log_file=str(path)
    )
    with serving(process):
        process.lead()
        refused = ask(process, "GET", "/v2/apps", headers={"Authorization": "Basic b3BzOng="})
        assert (refused.status, bool(refused.headers["X-Request-Id"])) == (401, True)
        header = {"Authorization": "Basic b3BzOmdlaGVpbQ=="}
        assert ask(process, "GET", "/v2/apps?token=geheim", headers=header).status == 200
        told = {line["status"]: line for line in lines(path, 2)}
    assert "user" not in told[401]
    assert told[200]["user"] == "ops"
    assert "geheim" not in path.read_text()
    assert "b3Bz" not in path.read_text()


def test_a_bug_is_found_by_the_id(leader: Process, caplog: pytest.LogCaptureFixture) -> None:
    told: list[str] = []

    class Told(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(TextLines("%(message)s").format(record))

    handler = Told()
    logging.getLogger("stayer.api").addHandler(handler)
    try:
        leader.scheduler.replies.append(RuntimeError("a bug"))
        answer = ask(leader, "PUT", "/v2/apps/web", b'{"cmd":"x"}', {"X-Request-Id": "bug-1"})
    finally:
        logging.getLogger("stayer.api").removeHandler(handler)
    assert (answer.status, answer.headers["X-Request-Id"]) == (500, "bug-1")
    assert told[0].startswith("a request failed by a bug [request bug-1]\nTraceback")


def test_a_standby_passes_it_on(leader: Process, path: Path, tmp_path: Path) -> None:
    own_path = tmp_path / "standby.jsonl"
    standby = Process(http_access_log="all", http_access_log_file=str(own_path))
    with serving(standby):
        standby.leader = leader.own
        answer = ask(standby, "GET", "/v2/info", headers={"User-Agent": "a\tb"})
        (here,), (there,) = lines(own_path, 1), lines(path, 1)
        events = ask(standby, "GET", "/v2/events", headers={"Accept": "text/event-stream"})
    assert answer.headers.get_all("X-Request-Id") == [here["request"]]
    assert here["request"] == there["request"]
    assert here["forwarded_to"] == leader.own.address
    assert there["via"] == f"1.1 {standby.own.address}"
    assert there["forwarded_for"] == "127.0.0.1"
    assert there["agent"] == here["agent"] == "a\\tb"
    assert here["bytes"] == there["bytes"] == len(answer.body)
    assert (events.status, bool(events.headers["X-Request-Id"])) == (302, True)


def test_what_has_no_leader_or_no_answer_has_one(path: Path) -> None:
    process = Process(http_access_log="changes", http_access_log_file=str(path))
    with serving(process), scripted() as script:
        alone = ask(process, "GET", "/v2/apps")
        script.script["PUT /v2/apps/web"] = hang_up
        process.leader = Leader(script.url.removeprefix("http://"))
        unknown = ask(process, "PUT", "/v2/apps/web", b"{}")
        told = lines(path, 2)
    assert [alone.status, unknown.status] == [503, 502]
    ids = [one.headers["X-Request-Id"] for one in (alone, unknown)]
    # Threads write what they answered, in whatever order.
    assert {(one["status"], one["request"]) for one in told} == {(503, ids[0]), (502, ids[1])}


def test_streams_are_told_when_opened_and_when_closed(path: Path) -> None:
    settings = ApiOptions(http_port=0, http_threads=2, http_access_log_file=str(path))
    scheduler = Recorder()
    hub = EventHub(scheduler.view, settings)
    server = ApiServer(create_app(scheduler, settings, compile_pattern, events=hub), settings)
    hub.start()
    server.start()
    try:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        connection.request("GET", "/v2/events", headers={"Accept": "text/event-stream"})
        answer = connection.getresponse()
        assert answer.readline() == b"event: event_stream_attached\r\n"
        (opened,) = lines(path, 1)
        answer.close()
        connection.close()
        closed = lines(path, 2)[1]
    finally:
        hub.stop()
        server.stop()
    assert (opened["stream"], closed["stream"]) == ("opened", "closed")
    assert opened["request"] == closed["request"] == answer.headers["X-Request-Id"]
    assert closed["events"] == 1
    assert closed["bytes"] == hub.counts.sent_bytes > 0


def test_counts(leader: Process) -> None:
    leader.scheduler.hold_app(App(id="/web", cmd="x" * 5_000, version="v"))
    plain = ask(leader, "GET", "/v2/apps/web")
    packed = ask(leader, "GET", "/v2/apps/web", headers={"Accept-Encoding": "gzip"})
    body = b'{"id":"/a","cmd":"x"}'
    made = ask(leader, "POST", "/v2/apps", body)
    pieces = ask(leader, "POST", "/v2/apps", iter([body[:9], body[9:]]))
    missing = ask(leader, "PATCH", "/nowhere")
    answers = (plain, packed, made, pieces, missing)
    counts = leader.server.accounted.counts
    eventually(lambda: counts.durations.count == len(answers), "all that was counted")
    assert counts.active == 0
    assert counts.sent == sum(len(one.body) for one in answers)
    assert counts.sent_compressed == len(packed.body) < len(plain.body)
    assert counts.received >= 2 * len(body)
    assert counts.by_class == [0, 0, 4, 0, 1, 0]
    assert {name: one.count for name, one in counts.by_method.items()} == {
        "GET": 2,
        "POST": 2,
        "PUT": 0,
        "DELETE": 0,
    }


def test_an_answer_that_does_not_come_whole_is_told(path: Path) -> None:
    process = Process(http_access_log="all", http_access_log_file=str(path))

    def break_off(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.wfile.write(b"half")

    with serving(process), scripted() as script:
        script.script["GET /v2/apps"] = break_off
        process.leader = Leader(script.url.removeprefix("http://"))
        with pytest.raises(http.client.HTTPException):
            ask(process, "GET", "/v2/apps")
        (line,) = lines(path, 1)
    assert (line["status"], line["cut"], line["bytes"]) == (200, True, 4)
