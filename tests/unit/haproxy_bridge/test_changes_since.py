"""Asking only for what changed: what comes of it, and when all is asked for after all."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from hashlib import blake2b
from typing import Any

import msgspec
import pytest

from api.client import Client, ClientError
from haproxy_bridge.guard import GuardOptions, Memory, judge
from haproxy_bridge.snapshot import Snapshot
from haproxy_bridge.source import Kind, Reader, SourceOptions, Unchanged
from haproxy_bridge.source.reading import WHOLE_SECONDS
from tests.unit.cli.scripted_http import Answer, ScriptedServer, hang_up, scripted

PAGE = "GET /v3/services"


def service(app_id: str, tasks: int = 1) -> dict[str, Any]:
    made = [
        {"id": f"{app_id}.{number}", "host": "10.0.0.1", "endpoints": [], "health": "up"}
        for number in range(tasks)
    ]
    return {"id": app_id, "wanted": tasks, "tasks": made}


def digest(*services: dict[str, Any]) -> str:
    found = 0
    for one in services:
        text = blake2b(msgspec.json.encode(one), digest_size=8).digest()
        found ^= int.from_bytes(text, "big")
    return f"{found:016x}"


def whole(version: str, *services: dict[str, Any], **fields: Any) -> Answer:
    head = {"stateId": "s", "epoch": 1, "synced": True}
    told = {"version": version, "digest": digest(*services)} if version else {}
    page = {**head, **told, **fields, "services": services}
    return Answer(msgspec.json.encode(page), headers={"ETag": f'"{len(services)}"'})


def part(since: str, version: str, of: str, *services: dict[str, Any], **fields: Any) -> Answer:
    """``of``: the digest of the whole."""
    return whole(version, *services, **{"digest": of, "since": since, "gone": [], **fields})


class Asked:
    """A reader, and its scheduler."""

    def __init__(self, server: ScriptedServer, client: Client) -> None:
        self.now = 0.0
        self.server = server
        self.reader = Reader(client, SourceOptions(kind=Kind.STAYER), lambda: self.now)
        self.last = Snapshot(())

    def ask(self, *answers: Any) -> list[str]:
        """Read, and take it; what was asked since which version, "" for all."""
        self.server.script[PAGE] = list(answers)
        before = len(self.server.requests)
        found = self.reader.read(self.last.tag)
        if not isinstance(found, Unchanged):
            self.last = found
        return [one.query.get("since", [""])[0] for one in self.server.requests[before:]]

    @property
    def counts(self) -> dict[str, int]:
        return {app.id: len(app.tasks) for app in self.last.apps}


@pytest.fixture
def asked() -> Iterator[Asked]:
    with ExitStack() as stack:
        server = stack.enter_context(scripted({}))
        client = stack.enter_context(closing(Client([server.url], timeout_seconds=5)))
        yield Asked(server, client)


A, B, C = service("/a"), service("/b"), service("/c")


def test_only_what_changed_is_asked_for(asked: Asked) -> None:
    assert asked.ask(whole("1/1", A, B)) == [""]
    two = service("/a", 2)
    a, b = asked.last.apps
    assert asked.ask(part("1/1", "1/2", digest(two, B), two)) == ["1/1"]
    assert asked.counts == {"/a": 2, "/b": 1}
    assert asked.last.apps[1] is b
    assert asked.ask(part("1/2", "1/3", digest(B, C), C, gone=["/a"])) == ["1/2"]
    assert asked.counts == {"/b": 1, "/c": 1}
    assert asked.ask(part("1/3", "1/4", digest(A, B, C), A)) == ["1/3"]
    assert asked.last.apps[0] == a


def test_nothing_is_nothing(asked: Asked) -> None:
    asked.ask(whole("1/1", A))
    before = asked.last
    assert asked.ask(part("1/1", "1/1", digest(A))) == ["1/1"]
    assert asked.last is before
    asked.ask(part("1/1", "1/1", digest(A), synced=False))
    assert asked.last.synced is False, "who says so is told with each answer"


def test_another_leader_tells_all(asked: Asked) -> None:
    asked.ask(whole("1/1", A, B))
    assert asked.ask(whole("2/1", B, epoch=2)) == ["1/1"]
    assert (asked.counts, asked.last.epoch) == ({"/b": 1}, 2)
    assert asked.ask(part("2/1", "2/1", digest(B), epoch=2)) == ["2/1"]


def test_a_release_that_knows_no_changes_is_asked_for_all(asked: Asked) -> None:
    asked.ask(whole("1/1", A))
    assert asked.ask(whole("", B)) == ["1/1"]
    assert asked.ask(Answer(b"", 304)) == [""]
    assert asked.server.requests[-1].headers["If-None-Match"] == '"1"'
    assert asked.counts == {"/b": 1}
    assert asked.ask(whole("1/1", A)) == [""]
    assert asked.ask(part("1/1", "1/1", digest(A))) == ["1/1"]


@pytest.mark.parametrize(
    "answer",
    [
        part("1/1", "1/2", digest(A), C),  # /b is gone and /c is new, it says, but not of /b
        part("1/0", "1/2", digest(A, B, C), C),  # of another page
        part("1/1", "1/2", digest(A, B), gone=["/a"]),
        part("1/1", "1/2", "", C),
        whole("1/2", A, epoch="x"),
        Answer(b"<html>"),
        Answer({"message": "no such parameter"}, 400),
        Answer({"message": "broken"}, 500),
    ],
)
def test_what_does_not_fit_is_not_believed(asked: Asked, answer: Answer) -> None:
    asked.ask(whole("1/1", A, B))
    assert asked.ask(answer, whole("1/2", B)) == ["1/1", ""]
    assert asked.counts == {"/b": 1}


@pytest.mark.parametrize("answer", [hang_up, Answer({"message": "no leader"}, 503)])
def test_who_does_not_answer_is_asked_the_same_again(asked: Asked, answer: Any) -> None:
    asked.ask(whole("1/1", A, B))
    with pytest.raises(ClientError):
        asked.ask(answer)
    assert asked.ask(part("1/1", "1/2", digest(A, B, C), C)) == ["1/1"]
    assert len(asked.counts) == 3


def test_a_page_that_does_not_fit_to_itself_is_added_to_by_nothing(asked: Asked) -> None:
    asked.ask(whole("1/1", A, digest=digest(B)))
    assert asked.counts == {"/a": 1}
    assert asked.ask(whole("1/2", A)) == [""]
    assert asked.ask(part("1/2", "1/2", digest(A))) == ["1/2"]


def test_now_and_then_all_is_asked_for(asked: Asked) -> None:
    asked.ask(whole("1/1", A))
    asked.now = WHOLE_SECONDS - 1
    assert asked.ask(part("1/1", "1/1", digest(A))) == ["1/1"]
    asked.now = WHOLE_SECONDS
    assert asked.ask(whole("1/1", A)) == [""]
    assert "If-None-Match" not in asked.server.requests[-1].headers
    assert asked.ask(part("1/1", "1/1", digest(A))) == ["1/1"]


def test_a_sudden_loss_is_seen_in_changes_too(asked: Asked) -> None:
    many = service("/a", 10)
    asked.ask(whole("1/1", many, B))
    memory = judge(asked.last, Memory(), GuardOptions(), 0).memory
    few = {**service("/a", 3), "wanted": 10}
    asked.ask(part("1/1", "1/2", digest(few, B), few))
    judged = judge(asked.last, memory, GuardOptions(), 0)
    assert judged.snapshot is None
    assert judged.why == "7 of 11 servers are gone without a reason"
