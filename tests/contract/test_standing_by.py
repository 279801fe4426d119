"""What a process answers while another leads: the leader's answers, and its own when there are
none. Real servers on loopback throughout."""

import http.client
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.answers import EPOCH_HEADER
from framework.domain.app import App
from framework.domain.events import Command
from framework.domain.replies import Done
from framework.domain.rollout import Framework
from framework.domain.state import Kind
from framework.interfaces import Leader
from tests.contract.processes import NOBODY, Answered, Process, ask, serving
from tests.polling import eventually
from tests.unit.cli.scripted_http import Answer, ScriptedServer, hang_up, scripted
from tests.zookeeper.certificates import Certificates, make_certificates

APP = b'{"id":"/web","cmd":"x"}'
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def leader() -> Iterator[Process]:
    process = Process()
    with serving(process):
        process.lead()
        yield process


@pytest.fixture
def standby(leader: Process) -> Iterator[Process]:
    process = Process()
    with serving(process):
        process.leader = leader.own
        yield process


@pytest.fixture
def script() -> Iterator[ScriptedServer]:
    """In the leader's place: records what comes and answers what a test wrote down."""
    with scripted() as server:
        yield server


def led_by(script: ScriptedServer) -> Leader:
    return Leader(script.url.removeprefix("http://"))


@pytest.fixture
def before(script: ScriptedServer) -> Iterator[Process]:
    """A standby in front of the script."""
    process = Process(leader_proxy_read_timeout=30_000)
    with serving(process):
        process.leader = led_by(script)
        yield process


# Through


def test_what_the_leader_says(leader: Process, standby: Process) -> None:
    leader.scheduler.hold_app(App(id="/web", cmd="x", version="v"))
    leader.scheduler.hold(Kind.FRAMEWORK, "framework", Framework("s-1", epoch=7))
    standby.scheduler.hold(Kind.FRAMEWORK, "framework", Framework("s-1", epoch=6))
    answer, original = (ask(one, "GET", "/v2/apps/web") for one in (standby, leader))
    assert (answer.status, answer.body) == (original.status, original.body) == (200, answer.body)
    assert answer.headers["X-Marathon-Leader"] == f"http://{leader.own.address}"
    assert answer.headers["X-Marathon-Via"] == f"1.1 {standby.own.address}"
    assert answer.headers.get_all(EPOCH_HEADER) == ["s-1 7; synced=false"]
    assert original.headers["X-Marathon-Via"] is None
    assert ask(standby, "GET", "/v2/apps/none").said == (404, "App '/none' does not exist")
    head = ask(standby, "HEAD", "/v2/apps/web")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Length"] == str(len(answer.body))


@pytest.mark.parametrize("path", ["/ping", "/v2/info", "/v2/leader", "/metricsx"])
def test_every_path_is_the_leaders(leader: Process, standby: Process, path: str) -> None:
    assert ask(standby, "GET", path).headers["X-Marathon-Via"]


def test_metrics_are_those_of_the_process_that_is_asked(leader: Process, standby: Process) -> None:
    leader.scheduler.exposition = b"# TYPE of gauge\nof 1\n"
    standby.metrics = b"# TYPE of gauge\nof 2\n"
    for method, path, accept, kind, body in (
        ("GET", "/metrics/prometheus", "*/*", "text/plain", standby.metrics),
        ("GET", "/metrics", "text/plain;version=0.0.4", "text/plain", standby.metrics),
        ("GET", "//metrics/", "", "application/json", None),
        ("HEAD", "/metrics", "*/*", "application/json", b""),
    ):
        answer = ask(standby, method, path, headers={"Accept": accept})
        assert (answer.status, answer.headers["X-Marathon-Via"]) == (200, None)
        assert answer.headers.get_content_type() == kind
        assert answer.headers["Cache-Control"] == "no-cache, no-store, must-revalidate"
        if body is None:
            assert answer.json["gauges"] == {"of": {"value": 2}}
        else:
            assert answer.body == body
    assert ask(leader, "GET", "/metrics").json["gauges"] == {"of": {"value": 1}}
    standby.leader = None
    assert ask(standby, "GET", "/metrics").json["gauges"] == {"of": {"value": 2}}
    assert ask(standby, "POST", "/metrics").status == 503


def test_who_leads(leader: Process, standby: Process) -> None:
    assert ask(standby, "GET", "/v2/leader").json == {"leader": leader.own.address}
    info = ask(standby, "GET", "/v2/info").json
    assert (info["elected"], info["leader"]) == (True, leader.own.address)


@pytest.mark.parametrize("body", [APP, [APP[:9], APP[9:]]], ids=["length", "chunks"])
def test_a_change_reaches_the_leader_once(
    leader: Process, standby: Process, body: bytes | list[bytes]
) -> None:
    content = iter(body) if isinstance(body, list) else body
    answer = ask(standby, "POST", "/v2/apps", content, JSON)
    assert (answer.status, answer.json["id"]) == (201, "/web")
    assert answer.headers["Marathon-Deployment-Id"] == "d-1"
    assert len(leader.scheduler.asked) == 1
    assert standby.scheduler.asked == []


def test_abdication_reaches_the_leader(leader: Process, standby: Process) -> None:
    answer = ask(standby, "DELETE", "/v2/leader")
    assert (answer.status, answer.json) == (200, {"message": "Leadership abdicated"})
    assert leader.scheduler.abdicated.wait(30)
    assert not standby.scheduler.abdicated.is_set()


def test_the_call_goes_on_as_it_came(script: ScriptedServer, before: Process) -> None:
    headers = {
        "Accept": "text/plain",
        "Accept-Encoding": "br",
        "Authorization": "token=abc",
        "Connection": "keep-alive, X-Mine",
        "X-Mine": "for this hop",
        "X-Forwarded-For": "192.0.2.7",
        "X-Marathon-Via": "1.1 h9:8080",
        "TE": "trailers",
        "X-Other": "kept, \xe9 too",
        "X-Request-Id": "mine:1",
        "X_Underscore": "no",
    }
    ask(before, "PUT", "/v2/apps//a%20b/%E9?force=true&x=1&x=%26", APP, headers)
    (request,) = script.requests
    assert (request.method, request.path) == ("PUT", "/v2/apps//a%20b/%E9")
    assert request.query == {"force": ["true"], "x": ["1", "&"]}
    assert request.body == {"id": "/web", "cmd": "x"}
    assert request.headers == {
        "Host": script.url.removeprefix("http://"),
        "Accept": "text/plain",
        "Accept-Encoding": "br",
        "Authorization": "token=abc",
        "X-Other": "kept, \xe9 too",
        "X-Request-Id": "mine:1",
        "X-Marathon-Via": f"1.1 h9:8080, 1.1 {before.own.address}",
        "X-Forwarded-For": "192.0.2.7, 127.0.0.1",
        "Content-Length": str(len(APP)),
        "Connection": "close",
    }


TOKEN_CHARACTERS = "!#$%&'*+.^`|~0123456789abcXYZ-"
VALUE_CHARACTERS = [chr(code) for code in (*range(0x20, 0x7F), *range(0x80, 0x100), 0x09)]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    headers=st.dictionaries(
        st.text(TOKEN_CHARACTERS, min_size=1, max_size=30).map(lambda name: f"X-{name}".title()),
        st.text(VALUE_CHARACTERS, max_size=60).map(lambda value: value.strip(" \t")),
        max_size=8,
    )
)
def test_any_header_goes_on_as_it_came(
    script: ScriptedServer, before: Process, headers: dict[str, str]
) -> None:
    script.requests.clear()
    content = b"".join(f"{name}: {value}\r\n".encode("latin-1") for name, value in headers.items())
    with socket.create_connection(("127.0.0.1", before.server.port), timeout=30) as client:
        client.sendall(b"GET /x HTTP/1.1\r\nHost: h\r\n" + content + b"\r\n")
        assert client.recv(12) == b"HTTP/1.1 404"
    (request,) = script.requests
    added = {"Host", "X-Marathon-Via", "X-Forwarded-For", "X-Request-Id", "Connection"}
    got = {name: value for name, value in request.headers.items() if name not in added}
    assert got == headers


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(noise=st.binary(max_size=200), where=st.sampled_from([b"GET /x", b"X: ", b"Connection: "]))
def test_no_bytes_get_a_second_call_through(
    script: ScriptedServer, before: Process, noise: bytes, where: bytes
) -> None:
    lines = [b"GET /x", b"X: ", b"Connection: "]
    first, *rest = [line + noise if line == where else line for line in lines]
    script.requests.clear()
    with socket.create_connection(("127.0.0.1", before.server.port), timeout=30) as client:
        client.sendall(first + b" HTTP/1.1\r\n" + b"\r\n".join(rest) + b"\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        assert client.recv(12)[9:] in {b"", b"404", b"400", b"414", b"505"}
    assert len(script.requests) <= 1


def test_the_answer_comes_back_as_it_was(script: ScriptedServer, before: Process) -> None:
    headers = {
        "Content-Type": "text/x; a=b",
        "Location": "http://h/x",
        "Connection": "X-Hop",
        "X-Hop": "1",
        "Keep-Alive": "timeout=9",
        "Content-Encoding": "gzip",
    }
    script.script["GET /x"] = Answer(b"not really gzip", 418, headers)
    answer = ask(before, "GET", "/x")
    assert (answer.status, answer.body) == (418, b"not really gzip")
    assert [answer.headers[name] for name in headers] == [
        *("text/x; a=b", "http://h/x", None, None, None, "gzip")
    ]
    assert answer.headers.get_all("X-Marathon-Via") == [f"1.1 {before.own.address}"]


def test_large_bodies_and_answers(leader: Process, standby: Process) -> None:
    def long_apps(_command: Command) -> Done:
        for number in range(400):
            leader.scheduler.hold_app(App(id=f"/a{number}", cmd="x" * 10_000, version="v"))
        return Done("v", "d-1")

    leader.scheduler.replies.append(long_apps)
    labels = {f"l{number}": "y" * 60_000 for number in range(7)}
    body = b'{"id":"/big","cmd":"x","labels":%s}' % str(labels).replace("'", '"').encode()
    assert ask(standby, "PUT", "/v2/apps/big", body, JSON).status == 201
    answer = ask(standby, "GET", "/v2/apps")
    assert len(answer.body) > 4_000_000
    assert len(answer.json["apps"]) == 400


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_beyond_the_limit(script: ScriptedServer, chunked: bool) -> None:
    process = Process(http_max_body_bytes=1_000)
    with serving(process):
        process.leader = led_by(script)
        body = b" " * 1_500
        answer = ask(process, "POST", "/v2/apps", iter([body]) if chunked else body)
    assert answer.said == (413, "Request Entity Too Large")


def test_watchers_of_events_are_sent_to_the_leader(leader: Process, standby: Process) -> None:
    for path in ("/v2/events?event_type=a&event_type=b", "/v3/events"):
        answer = ask(standby, "GET", path)
        assert (answer.status, answer.body) == (302, b"")
        assert answer.headers["Location"] == f"http://{leader.own.address}{path}"


def test_a_chain_is_no_loop(leader: Process, standby: Process) -> None:
    third = Process()
    with serving(third):
        third.leader = standby.own
        answer = ask(third, "GET", "/v2/leader")
    assert answer.json == {"leader": leader.own.address}
    assert answer.headers.get_all("X-Marathon-Via") == [
        f"1.1 {standby.own.address}",
        f"1.1 {third.own.address}",
    ]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_loop_ends(method: str) -> None:
    one, other = Process(), Process()
    with serving(one, other):
        one.leader, other.leader = other.own, one.own
        assert ask(one, method, "/v2/apps").said == (502, "Detected proxying loop.")


# Credentials and pages


def test_credentials_are_checked_before_anything_is_forwarded(script: ScriptedServer) -> None:
    script.script["GET /v2/apps"] = Answer({"apps": []})
    process = Process(http_credentials="ann:s3cret")
    with serving(process):
        process.leader = led_by(script)
        assert ask(process, "GET", "/v2/apps").said == (401, "Unauthorized")
        assert script.requests == []
        right = {"Authorization": "Basic YW5uOnMzY3JldA=="}
        assert ask(process, "GET", "/v2/apps", headers=right).status == 200
    assert script.requests[0].headers["Authorization"] == right["Authorization"]


def test_pages(leader: Process, standby: Process) -> None:
    own_page = {"Origin": f"http://127.0.0.1:{standby.server.port}", **JSON}
    assert ask(standby, "POST", "/v2/apps", APP, own_page).status == 201
    foreign = {"Origin": "http://evil.example", **JSON}
    assert ask(standby, "POST", "/v2/apps", APP, foreign).status == 403
    assert len(leader.scheduler.asked) == 1


# A leader on https


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"), "127.0.0.1")


@pytest.fixture
def secure_leader(certificates: Certificates) -> Iterator[Process]:
    process = Process(https_cert_file=str(certificates.server), https_port=0, disable_http=True)
    with serving(process):
        process.lead()
        yield process


def test_a_secure_leader(secure_leader: Process, certificates: Certificates) -> None:
    process = Process(leader_proxy_ca_file=str(certificates.authority))
    with serving(process):
        process.leader = secure_leader.own
        assert ask(process, "POST", "/v2/apps", APP, JSON).status == 201
        answer = ask(process, "GET", "/v2/leader")
        assert answer.headers["X-Marathon-Leader"] == f"https://{secure_leader.own.address}"
        events = ask(process, "GET", "/v2/events")
        assert events.headers["Location"] == f"https://{secure_leader.own.address}/v2/events"


@pytest.mark.parametrize("ignore", [False, True])
def test_a_secure_leader_under_another_name(
    secure_leader: Process, certificates: Certificates, ignore: bool
) -> None:
    process = Process(
        leader_proxy_ca_file=str(certificates.authority), leader_proxy_ssl_ignore_hostname=ignore
    )
    with serving(process):
        process.leader = Leader(f"localhost:{secure_leader.server.port}", secure=True)
        assert ask(process, "GET", "/ping").status == (200 if ignore else 502)


def test_a_leader_that_nobody_vouches_for_gets_nothing(secure_leader: Process) -> None:
    process = Process(leader_proxy_ssl_ignore_hostname=True)
    with serving(process):
        process.leader = secure_leader.own
        answer = ask(process, "POST", "/v2/apps", APP, JSON)
    assert answer.said == (502, "Connection to leader refused.")
    assert secure_leader.scheduler.asked == []


def test_a_file_of_authorities_that_holds_none(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    with pytest.raises(FileNotFoundError, match=str(path)):
        Process(leader_proxy_ca_file=str(path))
    path.write_text("nothing")
    with pytest.raises(ValueError, match=str(path)):
        Process(leader_proxy_ca_file=str(path))


# Without a leader


def test_nobody_leads() -> None:
    process = Process()
    with serving(process):
        answer = ask(process, "GET", "/v2/apps")
    assert answer.said == (503, "Could not determine the current leader")
    assert answer.headers["Retry-After"] == "1"
    assert answer.headers["Cache-Control"] == "no-cache, no-store, must-revalidate"


def test_it_leads_and_is_not_ready() -> None:
    process = Process()
    with serving(process):
        process.leader = process.own
        answer = ask(process, "GET", "/v2/apps")
    assert answer.said == (503, "The leader is still loading its state")
    assert answer.headers["Retry-After"] == "1"


def test_few_wait_for_a_leader_and_the_rest_is_told_at_once(leader: Process) -> None:
    process = Process(wait_seconds=60)
    with serving(process), ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(ask, process, "GET", "/ping") for _ in range(4)]
        eventually(lambda: sum(call.done() for call in calls) == 3, "all but one are answered")
        process.leader = leader.own
        assert sorted(call.result().status for call in calls) == [200, 503, 503, 503]


def test_a_call_waits_until_the_process_itself_leads() -> None:
    process = Process(wait_seconds=60)
    with serving(process), ThreadPoolExecutor(1) as pool:
        call = pool.submit(ask, process, "POST", "/v2/apps", APP, JSON)
        eventually(lambda: process.looks > 1, "it waits")
        process.lead()
        assert call.result().status == 201
    assert len(process.scheduler.asked) == 1


@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize(
    "address",
    [
        NOBODY.address,
        "nowhere",
        "h:x",
        "h.invalid:80",
        "a\0:1",
        "x" * 70 + ":80",
        "127.0.0.1:99999",
    ],
)
def test_the_leader_is_gone(method: str, address: str) -> None:
    process = Process()
    with serving(process):
        process.leader = Leader(address)
        answer = ask(process, method, "/v2/apps")
    assert answer.said == (502, "Connection to leader refused.")
    assert "Stayer-Outcome" not in answer.headers


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_call_that_was_not_sent_goes_to_the_next_leader(leader: Process, method: str) -> None:
    process = Process(wait_seconds=60)
    with serving(process), ThreadPoolExecutor(1) as pool:
        process.leader = NOBODY
        call = pool.submit(ask, process, method, "/v2/apps", APP, JSON)
        eventually(lambda: process.looks > 2, "it was tried, and waits")
        process.leader = leader.own
        assert call.result().status == (201 if method == "POST" else 200)
    assert len(leader.scheduler.asked) == (1 if method == "POST" else 0)


# A leader that gives up


def waits(script: ScriptedServer) -> Callable[[BaseHTTPRequestHandler], None]:
    """Takes the request and says nothing until the end of the test."""

    def wait(handler: BaseHTTPRequestHandler) -> None:
        script.stopping.wait(60)
        handler.close_connection = True

    return wait


def changed_meanwhile(
    script: ScriptedServer, standby: Process, to: Leader, method: str
) -> Answered:
    """The answer to a call that reached the script before ``to`` took the lead."""
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(ask, standby, method, "/v2/apps")
        eventually(lambda: script.requests, "the leader has the call")
        standby.leader = to
        return call.result()


def test_no_answer_from_one_that_leads_on(script: ScriptedServer, before: Process) -> None:
    script.script["GET /v2/apps"] = hang_up
    status, message = ask(before, "GET", "/v2/apps").said
    assert (status, message) == (502, "The leader did not answer: the connection was closed.")
    assert len(script.requests) == 1


def test_a_read_is_asked_of_the_next_leader(
    script: ScriptedServer, before: Process, leader: Process
) -> None:
    script.script["GET /v2/apps"] = waits(script)
    answer = changed_meanwhile(script, before, leader.own, "GET")
    assert (answer.status, answer.json) == (200, {"apps": []})
    assert len(script.requests) == 1


@pytest.mark.parametrize("misbehave", [hang_up, None])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_change_is_never_asked_twice(
    script: ScriptedServer,
    before: Process,
    leader: Process,
    misbehave: Callable[[BaseHTTPRequestHandler], None] | None,
    method: str,
) -> None:
    script.script[f"{method} /v2/apps"] = misbehave or waits(script)
    answer = changed_meanwhile(script, before, leader.own, method)
    assert answer.status == 502
    assert "The change may have been made" in answer.json["message"]
    assert answer.headers["Stayer-Outcome"] == "unknown"
    assert (len(script.requests), leader.scheduler.asked) == (1, [])


def test_an_answer_that_takes_too_long(script: ScriptedServer) -> None:
    script.script["GET /v2/apps"] = script.script["POST /v2/apps"] = waits(script)
    process = Process(leader_proxy_read_timeout=100)
    with serving(process):
        process.leader = led_by(script)
        answer = ask(process, "GET", "/v2/apps")
        assert answer.said == (502, "The leader did not answer: its time is over.")
        assert ask(process, "POST", "/v2/apps").headers["Stayer-Outcome"] == "unknown"
    assert script.asked() == ["GET /v2/apps", "POST /v2/apps"]


def test_an_answer_that_is_cut_off_is_not_taken_for_a_whole_one(
    script: ScriptedServer, before: Process
) -> None:
    def half(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "10")
        handler.end_headers()
        handler.wfile.write(b"12345")
        handler.close_connection = True

    def half_in_chunks(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"5\r\n12345\r\n")
        handler.close_connection = True

    for misbehave in (half, half_in_chunks):
        script.script["GET /x"] = misbehave
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            ask(before, "GET", "/x")


def test_connections_to_the_leader_are_bounded(script: ScriptedServer) -> None:
    script.script["GET /slow"] = waits(script)
    process = Process(leader_proxy_max_open_connections=1, leader_proxy_read_timeout=60_000)
    with serving(process), ThreadPoolExecutor(1) as pool:
        process.leader = led_by(script)
        slow = pool.submit(ask, process, "GET", "/slow")
        eventually(lambda: script.requests, "the leader has the call")
        answer = ask(process, "GET", "/ping")
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        script.stopping.set()
        assert slow.result().status == 502
        for _ in range(3):
            eventually(
                lambda: ask(process, "GET", "/nothing").status == 404, "a connection is free again"
            )


def test_a_client_that_gives_up_its_body_changes_nothing(leader: Process, standby: Process) -> None:
    with socket.create_connection(("127.0.0.1", standby.server.port), timeout=30) as client:
        client.sendall(
            b"POST /v2/apps HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
            b"Content-Length: 100\r\n\r\n" + APP
        )
        client.shutdown(socket.SHUT_WR)
        assert b"400" in client.recv(100)
    assert ask(standby, "GET", "/v2/apps").status == 200
    assert leader.scheduler.asked == []


def test_the_methods_of_the_whole_server(leader: Process, standby: Process) -> None:
    for process in (leader, standby):
        answer = ask(process, "OPTIONS", "*")
        assert answer.status == 200
        assert "DELETE" in str(answer.headers["Allow"])


def test_stopping_does_not_wait_for_a_silent_leader(script: ScriptedServer) -> None:
    script.script["GET /slow"] = waits(script)
    process = Process(leader_proxy_read_timeout=600_000)
    with serving(process), ThreadPoolExecutor(1) as pool:
        process.leader = led_by(script)
        slow = pool.submit(ask, process, "GET", "/slow")
        eventually(lambda: script.requests, "the leader has the call")
        process.server.stop(grace_seconds=0.1)
        with pytest.raises(ConnectionRefusedError):
            ask(process, "GET", "/slow")
        assert not script.stopping.is_set()
        script.stopping.set()
        slow.exception()
