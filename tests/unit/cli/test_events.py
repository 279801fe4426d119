"""`stayer events`: what is shown, and how a stream goes on after it was cut."""

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from click.testing import CliRunner

from api.application import create_app
from api.client import Client, UnauthorizedError, UnavailableError, UnreachableError
from api.events.hub import EventHub
from api.options import ApiOptions
from api.server import ApiServer
from cli.events import events, follow
from framework.domain.notices import Remarked
from tests.contract.running import running_scheduler
from tests.unit.api.reading import compile_pattern
from tests.unit.cli.conftest import Stayer
from tests.unit.cli.scripted_http import Answer, Misbehaviour, ScriptedServer

AT = "2026-11-01T10:00:00.000Z"


def frame(number: int, kind: str, **fields: Any) -> str:
    body = json.dumps({"eventType": kind, "timestamp": AT, **fields})
    return f"id: r-{number}\r\nevent: {kind}\r\ndata: {body}\r\n\r\n"


STATUS = frame(1, "status_update_event", appId="/web", taskStatus="TASK_FAILED", message="exit 1")
HEALTH = frame(2, "health_status_changed_event", appId="/web", alive=False)
DONE = frame(3, "deployment_success", id="d-1", plan={"id": "d-1", "steps": []})
POSTED = frame(
    4, "api_post_event", clientIp="::1", uri="/v2/apps", appDefinition={"id": "/web", "cmd": "x"}
)
GAP = 'event: gap\r\ndata: {"eventType":"gap"}\r\n\r\n'
SLOW = 'event: too_slow\r\ndata: {"eventType":"too_slow"}\r\n\r\n'


def sends(*frames: str) -> Misbehaviour:
    """A stream with these frames that is then cut."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write("".join(frames).encode())

    return answer


def in_turn(*answers: Misbehaviour) -> Misbehaviour:
    turns = iter(answers)

    def answer(handler: BaseHTTPRequestHandler) -> None:
        next(turns)(handler)

    return answer


def refuses(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(503)
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def test_for_people(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["GET /v3/events"] = sends(": hello\r\n\r\n", STATUS, HEALTH, DONE, POSTED)
    result = stayer("events", "--count", "4")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"{AT}  status_update_event  /web  TASK_FAILED exit 1",
        f"{AT}  health_status_changed_event  /web  alive: no",
        f"{AT}  deployment_success  deployment d-1",
        f"{AT}  api_post_event  /web",
    ]


def test_for_machines(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["GET /v3/events"] = sends(STATUS, HEALTH)
    lines = stayer("events", "--count", "2", "--json").stdout.splitlines()
    assert [json.loads(line)["eventId"] for line in lines] == ["r-1", "r-2"]
    assert json.loads(lines[0])["taskStatus"] == "TASK_FAILED"


def test_what_is_asked_for(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["GET /v3/events"] = sends(STATUS)
    words = ("--type", "a", "--type", "b", "--app", "web", "--app", "/dev/*", "--label", "x==y")
    assert stayer("events", *words, "--after", "r-0", "--count", "1").exit_code == 0
    (request,) = api.requests
    assert request.query == {"event_type": ["a", "b"], "app": ["/web", "/dev/*"], "label": ["x==y"]}
    assert request.headers["Last-Event-ID"] == "r-0"
    assert request.headers["Accept"] == "text/event-stream"


def test_a_refusal(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["GET /v3/events"] = Answer({"message": "bad selector"}, 400)
    result = stayer("events", "--label", "x ~ y")
    assert result.exit_code == 1
    assert "bad selector" in result.stderr


def followed(url: str, count: int, after: str = "", **how: Any) -> list[str]:
    """The kinds of so many events."""
    how = {"pause": lambda _: None, **how}
    with closing(Client([url])) as client, closing(follow(client, {}, after, **how)) as found:
        return [event.kind for event in itertools.islice(found, count)]


def test_a_cut_stream_is_taken_up_where_it_ended(api: ScriptedServer) -> None:
    api.script["GET /v3/events"] = in_turn(sends(STATUS, HEALTH[:40]), refuses, sends(HEALTH, DONE))
    assert followed(api.url, 3) == [
        "status_update_event",
        "health_status_changed_event",
        "deployment_success",
    ]
    given = [request.headers.get("Last-Event-ID") for request in api.requests]
    assert given == [None, "r-1", "r-1"]


def test_a_gap_is_told(api: ScriptedServer, capsys: pytest.CaptureFixture[str]) -> None:
    api.script["GET /v3/events"] = in_turn(sends(GAP), sends(DONE))
    assert followed(api.url, 1, after="old-7") == ["deployment_success"]
    assert "events were missed" in capsys.readouterr().err
    assert "Last-Event-ID" not in api.requests[1].headers, "that position is worth nothing"


def test_one_that_reads_too_slowly_goes_on(api: ScriptedServer) -> None:
    api.script["GET /v3/events"] = in_turn(sends(STATUS, SLOW), sends(HEALTH))
    assert followed(api.url, 2) == ["status_update_event", "health_status_changed_event"]
    assert api.requests[1].headers["Last-Event-ID"] == "r-1"


def test_it_gives_up(api: ScriptedServer) -> None:
    with pytest.raises(UnreachableError):
        followed("http://127.0.0.1:1", 1)
    api.script["GET /v3/events"] = Answer({"message": "who?"}, 401)
    with pytest.raises(UnauthorizedError):
        followed(api.url, 1)
    times = itertools.count(0, 50)
    api.script["GET /v3/events"] = in_turn(sends(STATUS), *[refuses] * 5)
    with pytest.raises(UnavailableError):
        followed(api.url, 2, clock=lambda: next(times))
    assert len(api.requests) == 5, "away for more than two minutes at the third refusal"


@pytest.fixture
def serving() -> Iterator[tuple[str, Callable[[Remarked], None]]]:
    """A scheduler's real stream, and a way to have something happen."""
    options = ApiOptions(http_port=0)
    with running_scheduler() as scheduler, ExitStack() as stack:
        hub = EventHub(scheduler.view, options)
        hub.start()
        server = ApiServer(create_app(scheduler, options, compile_pattern, events=hub), options)
        server.start()
        stack.callback(server.stop)
        stack.callback(hub.stop)
        yield server.url, hub.tell


def test_a_real_stream(serving: tuple[str, Callable[[Remarked], None]]) -> None:
    url, tell = serving
    with closing(Client([url])) as client, closing(client.events()) as stream:
        first = next(stream)
        assert first.kind == "event_stream_attached"
        tell(Remarked("info", "hello"))
        assert next(stream).fields["message"] == "hello"
    words = ["--url", url, "--after", first.id, "--count", "1"]
    result = CliRunner().invoke(events, words, catch_exceptions=False)
    assert "scheduler_remark" in result.stdout
    assert "hello" in result.stdout
