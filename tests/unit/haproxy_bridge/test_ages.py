"""Of several apps that want one thing, the oldest has it, whatever becomes of its definition."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest
from msgspec.structs import replace

from api.client import Client, ClientError
from haproxy_bridge.rendered import Trouble
from haproxy_bridge.services import ServiceOptions, build
from haproxy_bridge.snapshot import App, Snapshot
from haproxy_bridge.source import Reader, SourceOptions
from tests.unit.cli.scripted_http import Answer, Script, ScriptedServer, hang_up, scripted
from tests.unit.haproxy_bridge.made import app, snapshot

HOST = {"HAPROXY_0_VHOST": "x.example, y.example"}


def aged(made: App, created_at_ms: int) -> App:
    return replace(made, created_at_ms=created_at_ms)


def owners(*apps: App) -> tuple[list[str], list[str]]:
    """Who has the host, and who is told that another one has."""
    built = build(snapshot(*apps), ServiceOptions())
    lost = [one.app_id for one in built.problems if one.trouble is Trouble.CONFLICT]
    return [one.app_id for one in built.services if one.hosts], lost


def test_the_oldest_has_the_host() -> None:
    one, two = app("/a", 1, VHOST="x.example"), app("/b", 2, VHOST="x.example")
    assert owners(aged(one, 9), aged(two, 5)) == (["/b"], ["/a"])
    assert owners(aged(one, 5), aged(two, 9)) == (["/a"], ["/b"])
    assert owners(aged(one, 5), aged(two, 5)) == (["/a"], ["/b"])
    assert owners(one, aged(two, 9)) == (["/b"], ["/a"])
    heavy = app("/c", 3, VHOST="x.example", BACKEND_WEIGHT="1")
    assert owners(aged(one, 5), aged(heavy, 9)) == (["/c"], ["/a"])


def test_the_oldest_has_the_port() -> None:
    built = build(snapshot(aged(app("/a"), 9), aged(app("/b"), 5)), ServiceOptions())
    assert [one.app_id for one in built.services] == ["/b"]
    assert [one.message for one in built.problems] == ["port 10000 is that of /b already"]


def test_a_group_is_as_old_as_its_first_app() -> None:
    group = {"VHOST": "x.example", "DEPLOYMENT_GROUP": "g"}
    blue, green = app("/a/blue", 1, **group), app("/a/green", 1, **group)
    rival = aged(app("/b", 2, VHOST="x.example"), 5)
    assert owners(aged(blue, 4), aged(green, 8), rival)[1] == ["/b"]
    assert owners(aged(green, 8), rival)[0] == ["/b"]


@pytest.fixture
def serve() -> Iterator[Callable[[Script], ScriptedServer]]:
    with ExitStack() as servers:
        yield lambda script: servers.enter_context(scripted(script))


def definition(app_id: str, port: int, **labels: str) -> dict[str, Any]:
    changed = {"lastConfigChangeAt": "2026-05-01T00:00:00.000Z"}
    ports = {"portDefinitions": [{"port": port}]}
    return {"id": app_id, "labels": labels, "versionInfo": changed, **ports}


def marathon(*apps: dict[str, Any], **versions: Any) -> dict[str, Any]:
    pages = {f"GET /v2/apps/{name}/versions": answer for name, answer in versions.items()}
    answer = Answer({"apps": list(apps)})
    return {"GET /v3/services": Answer({}, 404), "GET /v2/apps": answer, **pages}


def ages(server: ScriptedServer, runs: int = 1) -> dict[str, int]:
    with closing(Client([server.url], timeout_seconds=5)) as client:
        reader = Reader(client, SourceOptions())
        for _ in range(runs):
            read = reader.read()
    assert isinstance(read, Snapshot)
    return {one.id: one.created_at_ms for one in read.apps}


def versions(*days: int) -> Answer:
    return Answer({"versions": [f"2026-01-{day:02}T00:00:00.000Z" for day in days]})


def test_marathon_is_asked_for_the_oldest_version_of_rivals_alone(
    serve: Callable[[Script], ScriptedServer],
) -> None:
    rivals = definition("/a", 1, **HOST), definition("/b", 2, HAPROXY_0_VHOST="Y.example")
    other = definition("/c", 3, HAPROXY_0_VHOST="x.example", HAPROXY_0_PATH="/p")
    server = serve(marathon(*rivals, other, a=versions(9, 3, 7), b=versions(2)))
    found = ages(server, runs=2)
    assert found["/c"] == 0
    assert 0 < found["/b"] < found["/a"]
    assert found["/a"] - found["/b"] == 86_400_000
    asked = [path for path in server.asked() if path.endswith("/versions")]
    assert asked == ["GET /v2/apps/a/versions", "GET /v2/apps/b/versions"]


def test_who_is_older_does_not_depend_on_who_answers(
    serve: Callable[[Script], ScriptedServer],
) -> None:
    rivals = definition("/a", 1), definition("/b", 1)
    gone = serve(marathon(*rivals, a=versions(2), b=Answer({"message": "no"}, 404)))
    assert ages(gone)["/b"] == 0
    for silent in (hang_up, Answer(b"<html>", headers={"Content-Type": "text/html"})):
        with pytest.raises(ClientError):
            ages(serve(marathon(*rivals, a=versions(2), b=silent)))
