"""Event streams over HTTP, while apps are changed: frames, order, redirects of old habits, and
that a thousand readers cost no thread."""

import json
import re
import resource
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

import pytest

from api.application import create_app
from api.client import Client
from api.events.hub import EventHub
from api.options import ApiOptions
from api.server import ApiServer
from tests.contract.running import LivelyMesos, running_scheduler
from tests.polling import eventually
from tests.unit.api.reading import compile_pattern

_READERS = 1_000
_END = "/v2/events?event_type=deployment_success"
_ASK = "GET {path} HTTP/1.{minor}\r\nHost: h\r\nAccept: {accept}\r\n{more}\r\n"


class Serving:
    """The API of a scheduler whose tasks run as soon as they are launched."""

    def __init__(self, server: ApiServer, hub: EventHub) -> None:
        self.port = server.port
        self.hub = hub
        self.client = Client((server.url,))


@pytest.fixture
def serving() -> Iterator[Serving]:
    options = ApiOptions(http_port=0, http_threads=4)
    with running_scheduler(LivelyMesos()) as scheduler, ExitStack() as stack:
        hub = EventHub(scheduler.view, options)
        scheduler.listen(hub.tell)
        hub.start()
        server = ApiServer(create_app(scheduler, options, compile_pattern, events=hub), options)
        server.start()
        stack.callback(server.stop)
        stack.callback(hub.stop)
        made = Serving(server, hub)
        stack.callback(made.client.close)
        yield made


class Stream:
    """A stream as it is on the wire."""

    def __init__(
        self,
        port: int,
        path: str = "/v2/events",
        *,
        minor: int = 1,
        accept: str = "text/event-stream",
        more: str = "",
    ) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 20)
        ask = _ASK.format(path=path, minor=minor, accept=accept, more=more)
        self.socket.sendall(ask.encode())
        self.bytes = b""

    def until(self, pattern: str) -> str:
        """Read until the pattern was seen; all that was read so far."""
        while not re.search(pattern, self.bytes.decode()):
            piece = self.socket.recv(65536)
            assert piece, f"closed after {self.bytes.decode()!r}"
            self.bytes += piece
        return self.bytes.decode()


@contextmanager
def stream(port: int, path: str = "/v2/events", **arguments: object) -> Iterator[Stream]:
    made = Stream(port, path, **arguments)  # type: ignore[arg-type]  # checked by Python
    with closing(made.socket):
        yield made


def chunks(text: str) -> list[str]:
    """The bodies of a chunked answer's chunks so far."""
    head, _, body = text.partition("\r\n\r\n")
    assert "Transfer-Encoding: chunked" in head
    found = []
    while body:
        size, _, rest = body.partition("\r\n")
        length = int(size, 16)
        assert rest[length : length + 2] == "\r\n"
        found.append(rest[:length])
        body = rest[length + 2 :]
    return found


def kinds(text: str) -> list[str]:
    return re.findall(r"event: (\w+)\r\n", text)


def test_one_chunk_an_event_and_first_the_news_of_oneself(serving: Serving) -> None:
    with stream(serving.port) as events:
        text = events.until(r"event_stream_attached.*\r\n\r\n\r\n")
        assert text.startswith("HTTP/1.1 200 OK\r\n")
        assert "Content-Type: text/event-stream;charset=utf-8\r\n" in text
        serving.client.create_app({"id": "/web", "cmd": "sleep 1", "instances": 2})
        text = events.until("deployment_success.*\r\n\r\n\r\n")
    frames = chunks(text)
    assert [frame.count("event: ") for frame in frames] == [1] * len(frames)
    told = kinds(text)
    assert told[0] == "event_stream_attached"
    first_of = {kind: told.index(kind) for kind in reversed(told)}
    assert first_of["deployment_info"] < first_of["deployment_step_success"]
    assert first_of["deployment_step_success"] < first_of["deployment_success"]
    assert {"api_post_event", "group_change_success", "status_update_event"} <= set(told)
    assert told.count("status_update_event") >= 2


def test_a_change_is_told_with_its_definition(serving: Serving) -> None:
    with stream(serving.port, "/v2/events?event_type=api_post_event") as events:
        eventually(lambda: serving.hub.counts.readers, "the stream is open")
        serving.client.create_app({"id": "/web", "cmd": "sleep 1", "instances": 0})
        (frame,) = chunks(events.until("api_post_event.*\r\n\r\n\r\n"))
    data = json.loads(frame.partition("data: ")[2])
    assert data["eventType"] == "api_post_event"
    assert (data["clientIp"], data["uri"]) == ("127.0.0.1", "/v2/apps")
    assert (data["appDefinition"]["id"], data["appDefinition"]["cmd"]) == ("/web", "sleep 1")


def test_a_change_is_told_with_the_id_of_its_request_on_v3_only(serving: Serving) -> None:
    path = "events?event_type=api_post_event&event_type=group_change_success"
    with stream(serving.port, f"/v2/{path}") as old, stream(serving.port, f"/v3/{path}") as new:
        eventually(lambda: serving.hub.counts.readers == 2, "the streams are open")
        serving.client.create_app({"id": "/web", "cmd": "sleep 1", "instances": 0})
        last = "group_change_success.*\r\n\r\n\r\n"
        frames = [*chunks(new.until(last)), *chunks(old.until(last))]
    told = [json.loads(frame.partition("data: ")[2]) for frame in frames if "data: {" in frame]
    ids = [one.get("requestId") for one in told]
    assert ids[0] == ids[1]
    assert ids[0]
    assert ids[2:] == [None, None]


@pytest.mark.parametrize(
    ("path", "whole"),
    [
        ("/v2/events?event_type=deployment_info&event_type=deployment_success", True),
        ("/v2/events?event_type=deployment_success&plan-format=light", False),
        ("/v2/events?event_type=deployment_success&plan-format=heavy", True),
        ("/v3/events?event_type=deployment_success", False),
    ],
)
def test_plans_are_whole_unless_light_ones_are_asked_for(
    serving: Serving, path: str, whole: bool
) -> None:
    with stream(serving.port, path, accept="application/json, TEXT/Event-Stream;q=1") as events:
        eventually(lambda: serving.hub.counts.readers, "the stream is open")
        serving.client.create_app({"id": "/web", "cmd": "sleep 1", "instances": 0})
        frames = chunks(events.until("deployment_success.*\r\n\r\n\r\n"))
    assert frames
    for frame in frames:
        plan = json.loads(frame.partition("data: ")[2])["plan"]
        assert ("original" in plan, "target" in plan) == (whole, whole)
        assert {"id", "steps", "version"} <= plan.keys()


def test_numbered_events_can_be_read_on(serving: Serving) -> None:
    with stream(serving.port, "/v3/events?app=/web") as events:
        eventually(lambda: serving.hub.counts.readers, "the stream is open")
        serving.client.create_app({"id": "/other", "cmd": "sleep 1"})
        serving.client.create_app({"id": "/web", "cmd": "sleep 1"})
        text = events.until(r"deployment_success.*\r\n")
        assert "/other" not in text
        ids = re.findall(r"id: (\S+)\r\n", text)
    with stream(serving.port, "/v3/events?app=/web", more=f"Last-Event-ID: {ids[0]}\r\n") as again:
        rest = again.until(r"deployment_success.*\r\n")
        assert re.findall(r"id: (\S+)\r\n", rest) == ids[1:]


def test_an_old_client_gets_the_frames_as_they_are(serving: Serving) -> None:
    with stream(serving.port, minor=0) as events:
        text = events.until("event_stream_attached.*\r\n\r\n")
    assert "chunked" not in text
    assert text.partition("\r\n\r\n")[2].startswith("event: event_stream_attached\r\ndata: {")


def test_who_wants_no_stream_gets_none(serving: Serving) -> None:
    with stream(serving.port, accept="application/json") as events:
        assert " 405 " in events.until("message")
    with stream(serving.port, "/v3/events?label=((") as events:
        assert " 400 " in events.until("label selector")
    assert serving.hub.counts.readers == 0


def test_a_thousand_readers_cost_no_thread(serving: Serving) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * _READERS + 200
    assert hard == resource.RLIM_INFINITY or hard >= needed, "this machine allows too few files"
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    with ExitStack() as stack:
        streams = [stack.enter_context(stream(serving.port, _END)) for _ in range(20)]
        eventually(lambda: serving.hub.counts.readers == 20, "the first streams are open")
        before = threading.active_count()
        streams += [stack.enter_context(stream(serving.port, _END)) for _ in range(_READERS - 20)]
        eventually(lambda: serving.hub.counts.readers == _READERS, "all streams are open")
        assert threading.active_count() == before
        serving.client.create_app({"id": "/web", "cmd": "sleep 1"})
        for each in streams:
            each.until("deployment_success")
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
