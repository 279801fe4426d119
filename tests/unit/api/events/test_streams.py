"""Readers of events over real sockets: what reaches them, what they missed, what becomes of slow
ones."""

import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping

import msgspec
import pytest

from api.events import writer as writer_module
from api.events.hub import EventHub
from api.events.reader import Reader, Wants
from api.options import ApiOptions
from framework.domain.app import App
from framework.domain.instance import Condition, Instance
from framework.domain.notices import HealthChanged, InstanceChanged, Remarked
from framework.domain.state import Kind, State
from tests.polling import eventually

_OUTSTANDING = 20


class Stream:
    """The client's end of a reader's connection."""

    def __init__(self, hub: EventHub, wants: Wants, after: str | None = None) -> None:
        self.near, far = socket.socketpair()
        self.near.settimeout(60)
        self.text = b""
        hub.join(Reader(far, "10.0.0.9", wants, chunked=False, after=after))

    def until(self, pattern: str) -> str:
        """Read until the pattern was seen; all that was read so far."""
        while not re.search(pattern, self.text.decode()):
            piece = self.near.recv(65536)
            assert piece, f"closed after {self.text.decode()!r}"
            self.text += piece
        return self.text.decode()

    def to_the_end(self) -> str:
        while piece := self.near.recv(65536):
            self.text += piece
        return self.text.decode()


@pytest.fixture
def view() -> State:
    state = State()
    state.put(Kind.APP, "/web", App(id="/web", labels={"tier": "web"}))
    state.put(Kind.APP, "/db", App(id="/db", labels={"tier": "data"}))
    return state


@pytest.fixture
def hub(view: State) -> Iterator[EventHub]:
    options = ApiOptions(event_stream_max_outstanding_messages=_OUTSTANDING)
    made = EventHub(view, options, now_ms=lambda: 0, log_events=30)
    made.start()
    yield made
    made.stop()


Open = Callable[..., Stream]


@pytest.fixture
def opened() -> Iterator[Open]:
    """Opens streams that are closed with the test."""
    streams: list[Stream] = []

    def open_stream(hub: EventHub, wants: Wants | None = None, after: str | None = None) -> Stream:
        streams.append(Stream(hub, wants or Wants(), after))
        return streams[-1]

    yield open_stream
    for stream in streams:
        stream.near.close()


def changed(app_id: str, number: int = 1, condition: Condition = Condition.RUNNING) -> Instance:
    return Instance(
        id=f"{app_id[1:]}.instance-{number}",
        app_id=app_id,
        version="2020-01-01T00:00:00.000Z",
        condition=condition,
        agent_id="S1",
    )


def tell(hub: EventHub, app_id: str, number: int = 1) -> None:
    hub.tell(InstanceChanged(changed(app_id, number), "host-1"))


def kinds(text: str) -> list[str]:
    return re.findall(r"event: (\w+)\r\n", text)


def test_an_event_has_marathons_frame(hub: EventHub, opened: Open) -> None:
    stream = opened(hub)
    first = stream.until(r"\r\n\r\n")
    assert first == (
        "event: event_stream_attached\r\n"
        'data: {"remoteAddress":"10.0.0.9","eventType":"event_stream_attached",'
        '"timestamp":"1970-01-01T00:00:00.000Z"}\r\n\r\n'
    )
    tell(hub, "/web")
    frame = stream.until(r"instance-1.*\r\n\r\n")[len(first) :]
    event, data, *rest = frame.split("\r\n")
    assert (event, rest) == ("event: instance_changed_event", ["", ""])
    assert msgspec.json.decode(data.removeprefix("data: ")) == {
        "instanceId": "web.instance-1",
        "condition": "Running",
        "runSpecId": "/web",
        "agentId": "S1",
        "host": "host-1",
        "runSpecVersion": "2020-01-01T00:00:00.000Z",
        "eventType": "instance_changed_event",
        "timestamp": "1970-01-01T00:00:00.000Z",
    }


def test_types_are_chosen_and_ours_come_only_to_those_who_name_them(
    hub: EventHub, opened: Open
) -> None:
    old, named = opened(hub), opened(hub, Wants(frozenset({"scheduler_remark"})))
    health = opened(hub, Wants(frozenset({"health_status_changed_event"})))
    old.until("attached")
    hub.tell(Remarked("info", "hello"))
    hub.tell(HealthChanged(changed("/web")))
    named.until("hello")
    assert kinds(health.until("alive")) == ["health_status_changed_event"]
    assert "scheduler_remark" not in old.until("instance_health_changed_event")
    assert kinds(named.text.decode()) == ["scheduler_remark"]


def test_apps_and_labels_choose_too(hub: EventHub, opened: Open) -> None:
    one = opened(hub, Wants(apps=("/web",), numbered=True))
    below = opened(hub, Wants(apps=("/d*", "/*"), numbered=True))
    labelled = opened(
        hub, Wants(selected=lambda labels: labels.get("tier") == "data", numbered=True)
    )
    eventually(lambda: hub.counts.readers == 3, "three readers")
    for app_id in ("/db", "/web", "/db"):
        tell(hub, app_id)
    tell(hub, "/web", 2)
    assert re.findall(r"instance-\d", one.until("instance-2")) == ["instance-1", "instance-2"]
    assert len(kinds(below.until("instance-2"))) == 4
    tell(hub, "/db", 3)
    assert '"/web"' not in labelled.until("instance-3")


def test_who_was_away_reads_on_where_it_was(hub: EventHub, opened: Open) -> None:
    opened(hub, Wants(numbered=True)).until("attached")
    for number in range(1, 6):
        tell(hub, "/web", number)
    eventually(lambda: hub.counts.events >= 6, "all is numbered")
    again = opened(hub, Wants(numbered=True), after=hub.log.position(3))
    text = again.until("instance-5")
    assert re.findall(r"id: \w+-(\d+)\r\n", text)[:3] == ["4", "5", "6"]
    assert "instance-2" not in text
    assert "event: gap" not in text


@pytest.mark.parametrize("after", ["", "1", "other-1", "{run}-999", "{run}-x", "{run}-0"])
def test_who_was_away_for_too_long_is_told_of_the_gap(
    hub: EventHub, opened: Open, after: str
) -> None:
    for number in range(40):  # more than are kept
        tell(hub, "/web", number)
    eventually(lambda: hub.counts.events >= 40, "all is numbered")
    stream = opened(hub, Wants(numbered=True), after=after.format(run=hub.log.run))
    assert kinds(stream.until("attached"))[0] == "gap"


def _await_events(hub: EventHub, count: int) -> None:
    eventually(lambda: hub.counts.events > count, "it is written")


def test_a_slow_reader_is_told_and_closed_and_the_others_go_on(hub: EventHub, opened: Open) -> None:
    slow, quick = opened(hub, Wants(numbered=True)), opened(hub, Wants(numbered=True))
    seen = threading.Event()

    def read() -> None:
        quick.until('"last"')
        seen.set()

    reading = threading.Thread(target=read)
    reading.start()
    told = 0
    while not hub.counts.too_slow:
        hub.tell(Remarked("info", f"{told} " + "x" * 2000))
        told += 1
        assert told < 5000, "its socket can not hold so much"
        if told % 10 == 0:
            _await_events(hub, told)
    hub.tell(Remarked("info", "last"))
    assert seen.wait(60), "one that keeps up reads all"
    reading.join()
    assert kinds(slow.to_the_end())[-1] == "too_slow"
    assert hub.counts.too_slow == 1


def test_who_goes_is_forgotten_and_the_others_are_told(hub: EventHub, opened: Open) -> None:
    stays, goes = opened(hub), opened(hub)
    eventually(lambda: hub.counts.readers == 2, "two readers")
    goes.near.close()
    assert "event_stream_detached" in stays.until("detached")
    assert hub.counts.readers == 1


def test_the_end_closes_all(view: State, opened: Open) -> None:
    hub = EventHub(view, ApiOptions(event_stream_max_readers=2))
    hub.start()
    streams = [opened(hub) for _ in range(2)]
    assert hub.full
    for stream in streams:
        stream.until("attached")
    hub.stop()
    for stream in streams:
        stream.to_the_end()
    late = opened(hub)
    assert late.to_the_end() == ""


def test_a_long_replay_is_no_slowness(view: State, opened: Open) -> None:
    options = ApiOptions(event_stream_max_outstanding_messages=_OUTSTANDING)
    hub = EventHub(view, options, log_events=2_000)
    hub.start()
    told = 1_500
    for number in range(told):
        hub.tell(Remarked("info", f"{number} " + "x" * 2_000))
    eventually(lambda: hub.counts.events == told, "all is numbered")
    reader = opened(hub, Wants(numbered=True), after=hub.log.position(0))
    eventually(lambda: hub.counts.readers == 1, "it is open, and its socket full")
    hub.tell(Remarked("info", "last"))
    eventually(lambda: hub.counts.events == told + 2, "it is told while the replay goes on")
    assert kinds(reader.until('"last"')).count("too_slow") == 0
    hub.stop()


def test_what_came_before_the_start_is_written_at_once(view: State) -> None:
    hub = EventHub(view, ApiOptions())
    tell(hub, "/web")
    tell(hub, "/web", 2)
    hub.start()
    eventually(lambda: hub.counts.events == 2, "it is numbered")
    hub.stop()


def test_more_at_once_than_is_kept_is_told_and_closes(
    view: State, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "_NEWS_LIMIT", 10)
    hub = EventHub(view, ApiOptions())
    hub.start()
    held, go_on = threading.Event(), threading.Event()

    def hold(labels: Mapping[str, str]) -> bool:
        held.set()
        return go_on.wait(60)

    reader = opened(hub, Wants(selected=hold, numbered=True))
    eventually(lambda: hub.counts.readers == 1, "the stream is open")
    tell(hub, "/web")
    assert held.wait(60)
    before = hub.log.latest
    for number in range(20):
        tell(hub, "/web", number)
    go_on.set()
    assert kinds(reader.to_the_end())[-1] == "gap"
    later = opened(hub, Wants(numbered=True), after=hub.log.position(before))
    assert kinds(later.until("attached"))[0] == "gap"
    hub.stop()
