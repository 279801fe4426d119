"""Answers of schedulers, good and bad, as snapshots."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from typing import Any

import pytest

from api.client import BadAnswerError, Client, ClientError, UnreachableError
from haproxy_bridge.snapshot import Endpoint, Snapshot, Task, Verdict
from haproxy_bridge.source import Kind, Reader, SourceOptions, Unchanged
from haproxy_bridge.source.text import snapshot
from tests.unit.cli.scripted_http import Answer, Script, ScriptedServer, hang_up, scripted

NO_PAGE = Answer({"message": "URI not found"}, 404)


@pytest.fixture
def serve() -> Iterator[Callable[[Script], ScriptedServer]]:
    """Starts a scripted server for the length of the test."""
    with ExitStack() as servers:
        yield lambda script: servers.enter_context(scripted(script))


def read(*servers: ScriptedServer | str, tag: str = "", **options: Any) -> Snapshot | Unchanged:
    urls = [one if isinstance(one, str) else one.url for one in servers]
    with closing(Client(urls, timeout_seconds=5)) as client:
        return Reader(client, SourceOptions(**options)).read(tag)


def marathon(*apps: dict[str, Any]) -> dict[str, Any]:
    return {"GET /v3/services": NO_PAGE, "GET /v2/apps": Answer({"apps": list(apps)})}


def tasks_of(found: Snapshot | Unchanged) -> tuple[Task, ...]:
    assert isinstance(found, Snapshot)
    return found.apps[0].tasks


HOST_APP: dict[str, Any] = {
    "id": "/web",
    "instances": 2,
    "labels": {"HAPROXY_GROUP": "external"},
    "env": {"HAPROXY_0_VHOST": "w.example", "HAPROXY_GROUP": "internal", "OTHER": "x"},
    "portDefinitions": [{"port": 10000, "name": "http", "protocol": "tcp"}, {"port": 0}],
    "networks": [{"mode": "host"}],
    "healthChecks": [{"protocol": "HTTP", "path": "/ok", "portIndex": 0}],
    "version": "2026-01-02T00:00:00.000Z",
    "tasks": [
        {
            "id": "web.1",
            "host": "h1",
            "ports": [31000, 31001],
            "state": "TASK_RUNNING",
            "startedAt": "2026-01-02T00:00:01.000Z",
            "healthCheckResults": [{"alive": True}],
        }
    ],
}


def task(**fields: Any) -> dict[str, Any]:
    return {**HOST_APP["tasks"][0], **fields}


def test_an_app_of_marathon(serve: Callable[[Script], ScriptedServer]) -> None:
    server = serve(marathon(HOST_APP))
    found = read(server)
    assert isinstance(found, Snapshot)
    (app,) = found.apps
    assert (app.id, app.wanted, app.has_checks) == ("/web", 2, True)
    assert app.labels == {"HAPROXY_GROUP": "external", "HAPROXY_0_VHOST": "w.example"}
    assert [(port.service_port, port.name) for port in app.ports] == [(10000, "http"), (0, "")]
    (one,) = app.tasks
    assert one.endpoints == (Endpoint("h1", 31000), Endpoint("h1", 31001))
    assert (one.health, one.started_at_ms) == (Verdict.UP, 1767312001000)
    assert [(check.kind, check.path) for check in one.checks] == [("http", "/ok")]
    assert (found.state_id, found.synced, found.source) == ("", True, server.url)
    assert server.requests[1].query["embed"] == ["apps.tasks", "apps.deployments", "apps.readiness"]


@pytest.mark.parametrize(
    ("results", "checks", "any_check", "expected"),
    [
        ([], 1, False, Verdict.UNKNOWN),
        (None, 1, False, Verdict.UNKNOWN),
        ([{"alive": True}], 1, False, Verdict.UP),
        ([{"alive": False}], 1, False, Verdict.DOWN),
        ([{"alive": True}], 2, False, Verdict.UNKNOWN),
        ([{"alive": True}, None], 2, False, Verdict.UNKNOWN),
        ([{"alive": True}, {"alive": False}], 2, False, Verdict.DOWN),
        ([{"alive": True}, {"alive": False}], 2, True, Verdict.UP),
        ([None], 1, True, Verdict.UNKNOWN),
        ([], 0, False, Verdict.UNKNOWN),
    ],
)
def test_health(
    serve: Callable[[Script], ScriptedServer],
    results: Any,
    checks: int,
    any_check: bool,
    expected: Verdict,
) -> None:
    app = {
        **HOST_APP,
        "healthChecks": [{"protocol": "TCP"}] * checks,
        "tasks": [task(healthCheckResults=results)],
    }
    assert tasks_of(read(serve(marathon(app)), any_check=any_check))[0].health is expected


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("TASK_RUNNING", True),
        ("TASK_UNREACHABLE", False),
        ("TASK_LOST", False),
        ("TASK_STAGING", None),
        ("TASK_KILLING", None),
        ("TASK_FINISHED", None),
    ],
)
def test_states(
    serve: Callable[[Script], ScriptedServer], state: str, expected: bool | None
) -> None:
    found = tasks_of(read(serve(marathon({**HOST_APP, "tasks": [task(state=state)]}))))
    assert [one.reachable for one in found] == ([] if expected is None else [expected])


def test_containers_with_and_without_host_ports(
    serve: Callable[[Script], ScriptedServer],
) -> None:
    mappings = [
        {"containerPort": 80, "servicePort": 10001},
        {"containerPort": 81, "hostPort": 0, "servicePort": 10002},
    ]
    app = {
        **HOST_APP,
        "portDefinitions": None,
        "networks": [{"mode": "container", "name": "n"}],
        "container": {"type": "MESOS", "portMappings": mappings},
        "tasks": [task(ports=[31005], ipAddresses=[{"ipAddress": "10.0.0.7"}])],
    }
    (one,) = tasks_of(read(serve(marathon(app))))
    assert one.endpoints == (Endpoint("10.0.0.7", 80), Endpoint("h1", 31005))


def test_an_app_of_2014(serve: Callable[[Script], ScriptedServer]) -> None:
    app = {
        "id": "/old",
        "instances": 1,
        "ports": [10003],
        "container": {
            "docker": {"network": "BRIDGE", "portMappings": [{"servicePort": 10003, "hostPort": 0}]}
        },
        "tasks": [
            {"id": "t", "host": "h", "ports": [31000], "startedAt": "2014-09-01T00:00:00.000Z"}
        ],
    }
    found = read(serve(marathon(app)))
    assert tasks_of(found)[0].endpoints == (Endpoint("h", 31000),)
    assert isinstance(found, Snapshot)
    assert found.apps[0].ports[0].service_port == 10003


def test_a_task_is_checked_as_the_definition_says_that_it_was_launched_with(
    serve: Callable[[Script], ScriptedServer],
) -> None:
    changed = {"lastConfigChangeAt": "2026-01-03T00:00:00.000Z"}
    old = {"version": "2026-01-01T00:00:00.000Z"}
    new = {"version": "2026-01-03T00:00:00.000Z"}
    app = {
        **HOST_APP,
        "versionInfo": changed,
        "tasks": [task(id="a", **old), task(id="b", **old), task(id="c", **new)],
    }
    before = {**HOST_APP, "healthChecks": [{"protocol": "HTTP", "path": "/before"}]}
    page = f"GET /v2/apps/web/versions/{old['version']}"
    server = serve({**marathon(app), page.replace(":", "%3A"): Answer(before)})
    assert [one.checks[0].path for one in tasks_of(read(server))] == ["/before", "/before", "/ok"]
    assert len(server.requests) == 3
    del server.script[page.replace(":", "%3A")]
    assert [one.checks[0].path for one in tasks_of(read(server))] == ["/ok", "/ok", "/ok"]


@pytest.mark.parametrize(
    "host",
    ["h1 check\n", "a b", "", "-x", "h1\tserver", "127.0.0.1:80 weight 0", "{{x}}", "h\u00e9"],
)
def test_no_host_breaks_out_of_the_configuration(
    serve: Callable[[Script], ScriptedServer], host: str
) -> None:
    assert tasks_of(read(serve(marathon({**HOST_APP, "tasks": [task(host=host)]}))))[
        0
    ].endpoints == (None, None)


@pytest.mark.parametrize("port", [0, -1, 65536, 10**12])
def test_no_port_beyond_the_range(serve: Callable[[Script], ScriptedServer], port: int) -> None:
    app = {**HOST_APP, "portDefinitions": [{"port": port}], "tasks": [task(ports=[port])]}
    found = read(serve(marathon(app)))
    assert isinstance(found, Snapshot)
    assert found.apps[0].ports[0].service_port == 0
    assert found.apps[0].tasks[0].endpoints == (None,)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(b"<html>maintenance</html>"),
        Answer(b""),
        Answer(b'{"apps": [{"id": "/a"}'),
        Answer({"message": "Unauthorized"}),
        Answer({"apps": {}}),
        Answer({"apps": [{"id": 7}]}),
        Answer({"apps": [HOST_APP, HOST_APP]}),
        Answer({"apps": [{"id": "/a", "tasks": [{"id": "t", "ports": ["x"]}]}]}),
        Answer({"message": "no"}, 401),
        Answer({"message": "broken"}, 500),
        Answer({"apps": []}, 503),
        hang_up,
    ],
)
def test_what_is_no_list_of_apps_is_no_answer(
    serve: Callable[[Script], ScriptedServer], answer: Any
) -> None:
    with pytest.raises(ClientError):
        read(serve({"GET /v3/services": NO_PAGE, "GET /v2/apps": answer}))


@pytest.mark.parametrize("kind", ["text/html", "text/plain;charset=utf-8", "application/x"])
def test_an_answer_of_another_kind_is_none(
    serve: Callable[[Script], ScriptedServer], kind: str
) -> None:
    headers = {"Content-Type": kind}
    page = Answer({"apps": [HOST_APP]}, headers=headers)
    other = serve({"GET /v3/services": NO_PAGE, "GET /v2/apps": page})
    with pytest.raises(BadAnswerError, match=r"answers \S+ where application/json is asked for"):
        read(other)
    assert len(tasks_of(read(other, serve(marathon(HOST_APP))))) == 1
    with pytest.raises(BadAnswerError):
        read(serve({"GET /v3/services": Answer(SERVICES, headers=headers)}))


@pytest.mark.parametrize(
    "kind", ["application/json;charset=UTF-8", "Application/JSON", "application/x+json", ""]
)
def test_json_by_other_names_is_json(serve: Callable[[Script], ScriptedServer], kind: str) -> None:
    page = Answer({"apps": [HOST_APP]}, headers={"Content-Type": kind})
    assert len(tasks_of(read(serve({"GET /v3/services": NO_PAGE, "GET /v2/apps": page})))) == 1


def test_an_app_of_marathon_that_reads_the_same_is_the_same_record(
    serve: Callable[[Script], ScriptedServer],
) -> None:
    other = {**HOST_APP, "id": "/other"}
    server = serve(marathon(HOST_APP, other))
    with closing(Client([server.url], timeout_seconds=5)) as client:
        reader = Reader(client, SourceOptions())
        first = reader.read()
        server.script["GET /v2/apps"] = Answer({"apps": [{**other, "instances": 7}, HOST_APP]})
        second = reader.read()
    assert isinstance(first, Snapshot)
    assert isinstance(second, Snapshot)
    assert second.apps[1] is first.apps[1]
    assert (second.apps[0].id, second.apps[0].wanted) == ("/other", 7)


def test_the_next_url_is_asked_when_one_fails(
    serve: Callable[[Script], ScriptedServer],
) -> None:
    no_leader = Answer({"message": "no leader"}, 503)
    busy = serve({"GET /v3/services": no_leader, "GET /v2/apps": no_leader})
    assert len(tasks_of(read(busy, serve(marathon(HOST_APP))))) == 1
    with pytest.raises(UnreachableError):
        read("http://127.0.0.1:1")


SERVICES: dict[str, Any] = {
    "stateId": "s",
    "epoch": 4,
    "synced": False,
    "services": [
        {
            "id": "/b",
            "wanted": 1,
            "ports": [{"servicePort": 10000, "name": "http", "labels": {"a": "b"}}],
            "tasks": [
                {
                    "id": "b.1",
                    "host": "h1",
                    "endpoints": [{"host": "10.1.1.1", "port": 80}],
                    "startedAtMs": 5,
                    "health": "up",
                    "ready": True,
                    "draining": True,
                    "checks": [{"kind": "http", "path": "/x", "portIndex": 0}],
                },
                {"id": "b.2", "host": "h2", "endpoints": [None], "reachable": False},
            ],
            "hasChecks": True,
            "deploying": True,
            "createdAtMs": 7,
        },
        {"id": "/a", "wanted": 0, "ports": [{}]},
    ],
}


def test_stayers_own_page(serve: Callable[[Script], ScriptedServer]) -> None:
    found = read(serve({"GET /v3/services": Answer(SERVICES, headers={"ETag": '"7"'})}))
    assert isinstance(found, Snapshot)
    assert (found.state_id, found.epoch, found.synced, found.tag) == ("s", 4, False, '"7"')
    assert [app.id for app in found.apps] == ["/a", "/b"]
    app = found.apps[1]
    assert (app.has_checks, app.deploying, app.ports[0].labels) == (True, True, {"a": "b"})
    assert (app.created_at_ms, found.apps[0].created_at_ms) == (7, 0)
    one, two = app.tasks
    assert (one.health, one.ready, one.draining) == (Verdict.UP, True, True)
    assert one.endpoints == (Endpoint("10.1.1.1", 80),)
    assert one.checks[0].path == "/x"
    assert (two.endpoints, two.reachable, two.health) == ((None,), False, Verdict.UNKNOWN)


@pytest.mark.parametrize(
    "service",
    [
        {"id": "/b", "wanted": 1},  # there twice
        {"id": "/c"},  # how many are wanted is not said: that is not the same as none
        {"id": "/c", "wanted": 1, "share": -1},
        {"id": "/c", "wanted": 1, "tasks": [{"id": "t", "host": "h"}]},
        {
            "id": "/c",
            "wanted": 1,
            "tasks": [{"id": "t", "host": "h", "endpoints": [], "checks": [{"kind": "x"}]}],
        },
    ],
)
def test_a_page_of_stayer_that_is_none(
    serve: Callable[[Script], ScriptedServer], service: dict[str, Any]
) -> None:
    page = {**SERVICES, "services": [*SERVICES["services"], service]}
    with pytest.raises(ClientError):
        read(serve({"GET /v3/services": Answer(page)}))


def test_stayers_page_is_not_sent_again_while_it_is_the_same(
    serve: Callable[[Script], ScriptedServer],
) -> None:
    server = serve({"GET /v3/services": Answer(b"", 304)})
    assert read(server, tag='"7"') == Unchanged()
    assert server.requests[0].headers["If-None-Match"] == '"7"'


def test_a_stayer_that_stumbles_is_not_taken_for_a_marathon(
    serve: Callable[[Script], ScriptedServer],
) -> None:
    script = {
        "GET /v3/services": Answer({"message": "x"}, 500),
        "GET /v2/apps": Answer({"apps": []}),
    }
    with pytest.raises(ClientError):
        read(serve(script))
    with pytest.raises(BadAnswerError):
        read(serve({**script, "GET /v3/services": Answer({**SERVICES, "epoch": "x"})}))


def text(*lines: str) -> dict[str, Any]:
    content = "".join(f"{line}\n" for line in lines).encode()
    return {"GET /v2/tasks": Answer(content, headers={"Content-Type": "text/plain"})}


def test_the_text_of_tasks(serve: Callable[[Script], ScriptedServer]) -> None:
    lines = (
        "my_app\t10000\th1:31000\th2:31001\t",
        "my_app\t10001\th1:31002\t",
        "portless\t \th1",
        "empty\t10002\t",
        "zero\t0\th1:31000\t",
        "bad\t10003\th1:0\t:5\tx y:3\t",
    )
    found = read(serve(text(*lines)), kind=Kind.TEXT)
    assert isinstance(found, Snapshot)
    assert [app.id for app in found.apps] == ["bad", "empty", "my_app"]
    assert found.apps[0].tasks == found.apps[1].tasks == ()
    app = found.apps[2]
    assert [port.service_port for port in app.ports] == [10000, 10001]
    assert [one.endpoints for one in app.tasks] == [
        (Endpoint("h1", 31000), None),
        (Endpoint("h2", 31001), None),
        (None, Endpoint("h1", 31002)),
    ]


def test_names_in_the_text_become_addresses() -> None:
    asked: list[str] = []

    def addresses(hosts: Mapping[str, str]) -> dict[str, str]:
        asked.extend(hosts)
        return {host: "10.0.0.7" if host == "node7" else host for host in hosts}

    content = b"web\t10000\tnode7:31000\t10.0.0.1:31001\tbad host:1\t\n"
    (app,) = snapshot(content, "here", addresses).apps
    assert [(task.host, task.endpoints) for task in app.tasks] == [
        ("node7", (Endpoint("10.0.0.7", 31000),)),
        ("10.0.0.1", (Endpoint("10.0.0.1", 31001),)),
    ]
    assert asked == ["node7", "10.0.0.1"]


@pytest.mark.parametrize(
    "line", ["<html>", json.dumps({"tasks": []}), "app\tport\th:1", "\t1\th:1"]
)
def test_what_is_no_such_text_is_no_answer(
    serve: Callable[[Script], ScriptedServer], line: str
) -> None:
    with pytest.raises(BadAnswerError):
        read(serve(text(line)), kind=Kind.TEXT)


@pytest.mark.parametrize("kind", ["application/json", "text/html"])
def test_text_that_says_that_it_is_something_else_is_no_answer(
    serve: Callable[[Script], ScriptedServer], kind: str
) -> None:
    page = Answer(b"app\t10000\th1:31000\n", headers={"Content-Type": kind})
    with pytest.raises(BadAnswerError, match="where text/plain is asked for"):
        read(serve({"GET /v2/tasks": page}), kind=Kind.TEXT)
