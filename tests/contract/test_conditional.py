"""Conditional requests: tags on what is read, and writes that are only for what was read."""

import gzip
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from api.application import create_app
from api.conditional import UNTAGGED, WRITTEN_AT
from api.options import ApiOptions
from framework.domain.events import Written
from framework.domain.instance import Condition
from framework.domain.records import replace
from framework.domain.state import Kind
from framework.store.memory import MemoryDisk, MemoryStore
from tests.contract.cluster import NOW_MS
from tests.contract.processes import Process, ask, serving
from tests.contract.running import LivelyMesos, running_application
from tests.polling import eventually
from tests.unit.api.reading import compile_pattern
from tests.unit.api.recorder import Recorder

READ = [
    "/v2/apps",
    "/v2/apps?fields=id",
    "/v2/apps?limit=1",
    "/v2/apps/dev/web",
    "/v2/apps/dev/*",
    "/v2/apps/dev/web/versions",
    "/v2/apps/dev/web/tasks",
    "/v2/tasks",
    "/v2/groups",
    "/v2/groups/dev",
    "/v2/groups/dev/apps",
    "/v2/groups/versions",
    "/v2/deployments",
    "/v3/deployments",
    "/v3/deployments/97c136bf-5a28-4821-9d94-480d9fbb01c8",
    "/v2/queue",
    "/v2/info",
    "/v2/leader",
    "/v2/plugins",
    "/v2/pods",
    "/v3/freeze",
    "/v3/crashes",
    "/v3/orphans",
    "/v3/agents",
    "/v3/alarms",
    "/v3/replacements",
    "/v3/explain",
    "/v3/openapi.json",
    "/config",
    "/logging",
]
# Of Marathon's: nothing of the scheduler's state is written there.
WITHOUT_TAGS = {"/logging", "/v2/leader", "/v2/plugins/<plugin_id>/<path:rest>"}


@pytest.fixture
def application() -> Iterator[Flask]:
    with running_application() as application:
        yield application


@pytest.fixture
def running(application: Flask) -> FlaskClient:
    """A scheduler that runs, with ``/web`` and ``/shop/db``."""
    client = application.test_client()
    for app_id in ("/web", "/shop/db"):
        created = client.post("/v2/apps", json={"id": app_id, "cmd": "x", "instances": 2})
        assert created.status_code == 201
    return client


def tag(client: FlaskClient, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200
    return response.headers["ETag"]


def put(client: FlaskClient, path: str, body: Any, **conditions: str) -> TestResponse:
    return client.put(f"{path}?force=true", json=body, headers=named(conditions))


def named(conditions: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in conditions.items()}


@pytest.mark.usefixtures("waiting", "deployment", "framework", "failure")
@pytest.mark.parametrize("path", READ)
class TestReading:
    def test_what_is_known_is_not_sent_again(self, client: FlaskClient, path: str) -> None:
        first = client.get(path)
        known = first.headers["ETag"]
        assert known.startswith('"')
        for told in (known, f"W/{known}", f'"a", {known},"b"', "*"):
            for method in ("GET", "HEAD"):
                again = client.open(path, method=method, headers={"If-None-Match": told})
                assert (again.status_code, again.get_data()) == (304, b"")
                assert again.headers["ETag"] == known
                assert again.headers["Cache-Control"] == first.headers["Cache-Control"]
                assert "Content-Type" not in again.headers

    def test_another_or_no_tag_gets_all(self, client: FlaskClient, path: str) -> None:
        first = client.get(path)
        for told in ('"other"', first.headers["ETag"].strip('"'), "", '"', 'W/"x'):
            again = client.get(path, headers={"If-None-Match": told})
            assert (again.status_code, again.get_data()) == (200, first.get_data())
        assert client.head(path).headers["ETag"] == first.headers["ETag"]

    def test_for_a_tag_only(self, client: FlaskClient, path: str) -> None:
        known = tag(client, path)
        assert client.get(path, headers={"If-Match": f'"x", {known}'}).status_code == 200
        assert client.get(path, headers={"If-Match": "*"}).status_code == 200
        assert client.get(path, headers={"If-Match": '"other"'}).status_code == 412


@pytest.mark.parametrize("path", sorted(UNTAGGED))
def test_what_is_of_this_moment_has_no_tag(client: FlaskClient, path: str) -> None:
    response = client.get(path, headers={"If-None-Match": "*"})
    assert response.status_code == 200
    assert "ETag" not in response.headers


def test_streams_and_errors_have_no_tag(client: FlaskClient) -> None:
    headers = {"If-None-Match": "*", "Accept": "text/event-stream"}
    stream = client.head("/v2/events", headers=headers)
    unknown = client.get("/v2/apps/unknown", headers={"If-None-Match": "*"})
    assert (stream.status_code, unknown.status_code) == (200, 404)
    assert "ETag" not in stream.headers
    assert "ETag" not in unknown.headers


def test_a_task_changes_the_answer_but_not_what_is_written(
    client: FlaskClient, scheduler: Recorder
) -> None:
    before = tag(client, "/v2/apps/dev/web")
    instance = next(iter(scheduler.view.instances.values()))
    gone = replace(instance, condition=Condition.FAILED)
    scheduler.hold(Kind.INSTANCE, instance.id, gone)
    after = tag(client, "/v2/apps/dev/web")
    assert before != after
    assert before.split("-")[0] == after.split("-")[0]
    assert client.get("/v2/apps/dev/web", headers={"If-None-Match": before}).status_code == 200


def test_answers_of_other_forms_have_other_tags(client: FlaskClient) -> None:
    found = {
        tag(client, "/v2/tasks"),
        client.get("/v2/tasks", headers={"Accept": "text/plain"}).headers["ETag"],
        tag(client, "/v2/apps"),
        tag(client, "/v2/apps?fields=id"),
    }
    assert len(found) == 4


def test_a_compressed_answer_has_a_tag_of_its_own_that_means_the_same(
    client: FlaskClient, scheduler: Recorder
) -> None:
    app = scheduler.view.apps["/batch"]
    for number in range(20):
        scheduler.hold_app(replace(app, id=f"/many-{number}"))
    plain = client.get("/v2/apps")
    packed = client.get("/v2/apps", headers={"Accept-Encoding": "gzip"})
    tags = plain.headers["ETag"], packed.headers["ETag"]
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.get_data()) == plain.get_data()
    assert len({*tags}) == 2
    assert all(one.startswith('"') for one in tags)
    for told in tags:
        for accepted, expected in (("gzip", tags[1]), ("identity", tags[0])):
            headers = {"If-None-Match": told, "Accept-Encoding": accepted}
            known = client.get("/v2/apps", headers=headers)
            assert (known.status_code, known.headers["ETag"]) == (304, expected)
            assert known.headers["Vary"] == "Accept, Accept-Encoding"
            assert "Content-Encoding" not in known.headers


def writes() -> Iterator[tuple[str, str]]:
    app = create_app(Recorder(), ApiOptions(), compile_pattern)
    for rule in app.url_map.iter_rules():
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS", "GET"}:
            yield method, rule.rule


def test_every_write_is_known() -> None:
    written = {rule for _, rule in writes() if not rule.startswith("/v3/")}
    assert written - WRITTEN_AT.keys() == WITHOUT_TAGS
    rules = {
        rule.rule
        for rule in create_app(Recorder(), ApiOptions(), compile_pattern).url_map.iter_rules()
    }
    assert rules >= WRITTEN_AT.keys() | UNTAGGED


BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/v2/apps"): {"id": "/new", "cmd": "x"},
    ("PUT", "/v2/apps"): [{"id": "/dev/web", "cmd": "x"}],
    ("PATCH", "/v2/apps"): [{"id": "/dev/web", "cmd": "x"}],
    ("PUT", "/v2/apps/<path:app_id>"): {"cmd": "x"},
    ("PATCH", "/v2/apps/<path:app_id>"): {"cmd": "x"},
    ("POST", "/v2/groups"): {"id": "/new"},
    ("PUT", "/v2/groups"): {"apps": []},
    ("PATCH", "/v2/groups"): {"enforceRole": True},
    ("POST", "/v2/groups/<path:group_id>"): {"id": "new"},
    ("PUT", "/v2/groups/<path:group_id>"): {"apps": []},
    ("PATCH", "/v2/groups/<path:group_id>"): {"enforceRole": True},
    ("PUT", "/v3/deployments/<deployment_id>/share"): {"share": 10},
    ("POST", "/v2/tasks/delete"): {"ids": []},
    ("POST", "/v3/orphans/<task_id>/adopt"): {"appId": "/dev/web"},
    ("PUT", "/v3/replacements"): {"pace": "held"},
}


@pytest.mark.parametrize(("method", "rule"), sorted(writes()))
def test_nothing_is_ever_written_without_its_condition(
    client: FlaskClient, scheduler: Recorder, method: str, rule: str
) -> None:
    """Whatever is asked of the scheduler carries it, and what asks nothing is held to it."""
    path = rule.replace("<path:app_id>", "dev/web").replace("<path:group_id>", "dev")
    for name in ("deployment_id", "crash_id", "task_id", "version", "plugin_id", "path:rest"):
        path = path.replace(f"<{name}>", "2026-01-01T00:00:00.000Z" if name == "version" else "x")
    response = client.open(
        path, method=method, json=BODIES.get((method, rule)), headers={"If-Match": '"other"'}
    )
    assert all(type(one).__name__ == "OnlyIf" for one in scheduler.asked)
    assert scheduler.asked or response.status_code in (404, 412, 422)
    assert not scheduler.abdicated.is_set()
    if rule not in WRITTEN_AT:
        assert response.status_code == 412
        assert "has no tag" in response.get_json()["message"]


class TestWriting:
    def test_what_was_read_may_be_changed_once(self, running: FlaskClient) -> None:
        read = tag(running, "/v2/apps/web")
        assert put(running, "/v2/apps/web", {"instances": 3}, If_Match=read).status_code == 200
        refused = put(running, "/v2/apps/web", {"instances": 4}, If_Match=read)
        now = tag(running, "/v2/apps/web").strip('"').partition("-")[0]
        assert refused.status_code == 412
        assert refused.mimetype == "application/json"
        assert refused.get_json() == {
            "message": "Nothing was done. If-Match does not hold: app '/web' has changed since it "
            f'was read. Its tag begins with "{now}" now. Read it again, make the change to what it '
            "is now, and send it with the new ETag."
        }
        assert running.get("/v2/apps/web").get_json()["app"]["instances"] == 3
        assert (
            put(running, "/v2/apps/web", {"instances": 4}, If_Match=f'"{now}"').status_code == 200
        )

    def test_tasks_do_not_keep_anybody_from_writing(self) -> None:
        with running_application(LivelyMesos()) as application:
            client = application.test_client()
            client.post("/v2/apps", json={"id": "/web", "cmd": "x", "portDefinitions": []})
            eventually(lambda: client.get("/v2/deployments").get_json() == [], "is over")
            read = client.get("/v2/apps/web")
            (killed,) = client.delete("/v2/apps/web/tasks").get_json()["tasks"]
            eventually(
                lambda: killed["id"] not in client.get("/v2/apps/web/tasks").get_data(as_text=True),
                "its task is another one",
            )
            known = read.headers["ETag"]
            assert tag(client, "/v2/apps/web") != known
            body = read.get_json()["app"] | {"labels": {"a": "b"}}
            written = put(client, "/v2/apps/web", body, If_Match=known)
            assert written.status_code == 200

    @pytest.mark.parametrize("write", range(9))
    def test_each_way_to_change_an_app(self, running: FlaskClient, write: int) -> None:
        old = tag(running, "/v2/apps/web")
        assert put(running, "/v2/apps/web", {"instances": 3}).status_code == 200
        ways: list[tuple[str, str, Any]] = [
            ("PUT", "/v2/apps/web?force=true", {"instances": 4}),
            ("PUT", "/v2/apps/web?force=true&partialUpdate=false", {"cmd": "y"}),
            ("PATCH", "/v2/apps/web?force=true", {"instances": 4}),
            ("PUT", "/v2/apps/web?force=true&dryRun=true", {"instances": 4}),
            ("DELETE", "/v2/apps/web", None),
            ("POST", "/v2/apps/web/restart?force=true", None),
            ("POST", "/v3/apps/web/suspend?force=true", None),
            ("DELETE", "/v2/apps/web/tasks", None),
            ("DELETE", "/v2/queue/web/delay", None),
        ]
        method, path, body = ways[write]
        stale = running.open(path, method=method, json=body, headers={"If-Match": old})
        assert stale.status_code == 412
        present = {"If-Match": tag(running, "/v2/apps/web")}
        assert running.open(path, method=method, json=body, headers=present).status_code < 300

    def test_arrays_and_groups(self, running: FlaskClient) -> None:
        array = [{"id": "/web", "cmd": "y"}]
        read = tag(running, "/v2/apps"), tag(running, "/v2/groups"), tag(running, "/v2/groups/shop")
        assert put(running, "/v2/apps", array, If_Match=read[0]).status_code == 200
        assert put(running, "/v2/apps", array, If_Match=read[0]).status_code == 412
        stale = put(running, "/v2/groups", {"apps": []}, If_Match=read[1])
        assert stale.status_code == 412
        assert "group '/'" in stale.get_json()["message"]
        shop = put(running, "/v2/groups/shop", {"apps": []}, If_Match=read[2])
        assert shop.status_code == 200  # nothing of it was changed
        gone = running.delete("/v2/groups/shop", headers={"If-Match": read[2]})
        assert gone.status_code == 412

    def test_create_only(self, running: FlaskClient) -> None:
        for path, body in (("/v2/apps/new", {"cmd": "x"}), ("/v2/groups/fresh", {})):
            created = put(running, path, body, If_None_Match="*")
            assert created.status_code in (200, 201)
            again = put(running, path, body, If_None_Match="*")
            assert again.status_code == 412
            assert "exists" in again.get_json()["message"]
        known = tag(running, "/v2/apps/new")
        for told, status in ((known, 412), (f"W/{known}", 412), ('"other"', 200)):
            answer = put(running, "/v2/apps/new", {"instances": 5}, If_None_Match=told)
            assert answer.status_code == status

    def test_change_only(self, running: FlaskClient) -> None:
        refused = put(running, "/v2/apps/new", {"cmd": "x"}, If_Match="*")
        assert refused.status_code == 412
        assert "app '/new' does not exist" in refused.get_json()["message"]
        assert running.get("/v2/apps/new").status_code == 404
        assert put(running, "/v2/apps/web", {"cmd": "y"}, If_Match="*").status_code == 200

    @pytest.mark.parametrize(
        ("told", "why"), [("W/{}", "weak"), ('{} "', "double quotes"), ("", "double quotes")]
    )
    def test_tags_that_can_not_match(self, running: FlaskClient, told: str, why: str) -> None:
        header = told.format(tag(running, "/v2/apps/web"))
        refused = put(running, "/v2/apps/web", {"instances": 7}, If_Match=header)
        assert refused.status_code == 412
        assert why in refused.get_json()["message"]
        assert running.get("/v2/apps/web").get_json()["app"]["instances"] == 2

    def test_deployments(self, running: FlaskClient) -> None:
        path = f"/v3/deployments/{running.get('/v2/deployments').get_json()[0]['id']}"
        read = {"If-Match": tag(running, path)}
        assert running.post(f"{path}/pause", headers=read).status_code == 200
        for url in (path, path.replace("v3", "v2")):
            refused = running.delete(url, headers=read)
            assert refused.status_code == 412
        read = {"If-Match": tag(running, path)}
        assert running.post(f"{path}/resume", headers=read).status_code == 200

    def test_freezes_and_the_pace(self, running: FlaskClient) -> None:
        for path, body in (("/v3/freeze", {"reason": "a"}), ("/v3/replacements", {"pace": "held"})):
            read = tag(running, path)
            assert put(running, path, body, If_Match=read).status_code == 200
            assert put(running, path, body, If_Match=read).status_code == 412
        read = tag(running, "/v3/freeze")
        frozen = put(running, "/v3/apps/web/freeze", {"reason": "b"}, If_Match=read)
        assert frozen.status_code == 200
        lifted = running.delete("/v3/apps/web/freeze", headers={"If-Match": read})
        assert lifted.status_code == 412

    def test_what_does_nothing_is_held_to_it_too(self, running: FlaskClient) -> None:
        path = "/v2/tasks/delete"
        body: dict[str, list[str]] = {"ids": []}
        read = tag(running, "/v2/tasks")
        assert running.post(path, json=body, headers={"If-Match": read}).status_code == 200
        assert running.post(path, json=body, headers={"If-Match": '"other"'}).status_code == 412

    def test_without_conditions_nothing_is_new(self, running: FlaskClient) -> None:
        answer = put(running, "/v2/apps/web", {"instances": 3})
        assert answer.status_code == 200
        assert "ETag" not in answer.headers


WRITERS = 6


@pytest.mark.parametrize(
    ("reads", "path", "bodies"),
    [
        ("/v2/apps/web", "/v2/apps/web", [{"labels": {"by": str(n)}} for n in range(WRITERS)]),
        (
            "/v2/apps",
            "/v2/apps",
            [[{"id": f"/new-{n}", "cmd": "x"}] for n in range(WRITERS)],
        ),
        (
            "/v2/groups/shop",
            "/v2/groups/shop",
            [{"apps": [{"id": "db", "cmd": f"run {n}"}]} for n in range(WRITERS)],
        ),
        (None, "/v2/apps/fresh", [{"cmd": f"run {n}"} for n in range(WRITERS)]),
    ],
    ids=["app", "array", "group", "create"],
)
def test_of_writers_at_the_same_time_exactly_one_wins(
    application: Flask, running: FlaskClient, reads: str | None, path: str, bodies: list[Any]
) -> None:
    """Again and again, each time from what the last one left."""
    for round_ in range(10):
        if reads is None:
            target, condition = f"{path}-{round_}", {"If-None-Match": "*"}
        else:
            target, condition = path, {"If-Match": tag(running, reads)}
        barrier = Barrier(WRITERS)

        def write(body: Any) -> int:
            barrier.wait(30)  # noqa: B023 - the threads end within the round
            response = application.test_client().put(
                f"{target}?force=true",  # noqa: B023 - as above
                json=_of_round(body, round_),  # noqa: B023 - as above
                headers=condition,  # noqa: B023 - as above
            )
            return response.status_code

        with ThreadPoolExecutor(WRITERS) as pool:
            statuses = sorted(pool.map(write, bodies))
        assert statuses in ([200, *[412] * (WRITERS - 1)], [201, *[412] * (WRITERS - 1)])


def _of_round(body: Any, round_: int) -> Any:
    """A body that no round before has stored."""
    if isinstance(body, list):
        return [{**one, "id": f"{one['id']}-{round_}"} for one in body]
    if "apps" in body:
        return {"apps": [{**one, "env": {"ROUND": str(round_)}} for one in body["apps"]]}
    return {**body, "env": {"ROUND": str(round_)}}


def test_tags_outlive_the_process() -> None:
    """What is stored has the same tag at the next leader, which takes the write."""
    disk = MemoryDisk()
    with running_application(store=MemoryStore(disk)) as application:
        client = application.test_client()
        client.post("/v2/apps", json={"id": "/web", "cmd": "x", "instances": 0})
        eventually(lambda: client.get("/v2/deployments").get_json() == [], "is over")
        read = {path: tag(client, path) for path in ("/v2/apps/web", "/v2/apps", "/v2/groups")}
    with running_application(store=MemoryStore(disk)) as application:
        client = application.test_client()
        assert {path: tag(client, path) for path in read} == read
        known = client.get("/v2/apps", headers={"If-None-Match": read["/v2/apps"]})
        assert known.status_code == 304
        written = put(client, "/v2/apps/web", {"cmd": "y"}, If_Match=read["/v2/apps/web"])
        assert written.status_code == 200


def test_through_a_process_that_stands_by() -> None:
    leader, standby = Process(), Process()
    with serving(leader, standby):
        leader.lead()
        standby.leader = leader.own
        direct = ask(leader, "GET", "/v2/apps")
        known = direct.headers["ETag"]
        assert ask(standby, "GET", "/v2/apps").headers["ETag"] == known
        again = ask(standby, "GET", "/v2/apps", headers={"If-None-Match": known})
        assert (again.status, again.body, again.headers["ETag"]) == (304, b"", known)
        refused = ask(standby, "DELETE", "/v2/apps/x", headers={"If-Match": "W/" + known})
        assert refused.status == 412
        assert leader.scheduler.asked == []
        ask(standby, "DELETE", "/v2/groups", headers={"If-Match": known})
        (asked,) = leader.scheduler.asked
        assert (type(asked).__name__, getattr(asked, "written", None)) == ("OnlyIf", Written.GROUP)


def test_pages_of_other_sites_may_read_tags(scheduler: Recorder) -> None:
    options = ApiOptions(access_control_allow_origin=("http://a",))
    client = create_app(scheduler, options, compile_pattern, lambda: NOW_MS).test_client()
    exposed = client.get("/v2/apps").headers["Access-Control-Expose-Headers"]
    assert "ETag" in exposed.split(", ")


def test_the_document_tells_of_tags(client: FlaskClient) -> None:
    paths = client.get("/v3/openapi.json").get_json()["paths"]
    get, change = paths["/v2/apps/{app_id}"]["get"], paths["/v2/apps/{app_id}"]["put"]
    assert "ETag" in get["responses"]["200"]["headers"]
    assert get["responses"]["304"].keys() == {"description", "headers"}
    headers = [one["name"] for one in change["parameters"] if one["in"] == "header"]
    assert headers == ["If-Match", "If-None-Match"]
    assert "412" in change["responses"]
    for path in UNTAGGED:
        assert "304" not in paths[path]["get"]["responses"]


@pytest.mark.usefixtures("waiting", "deployment", "framework", "failure")
def test_a_kept_answer_keeps_its_tag(client: FlaskClient, scheduler: Recorder) -> None:
    known = tag(client, "/v2/apps")
    for _ in range(2):
        headers = {"If-None-Match": known}
        assert client.get("/v2/apps", headers=headers).status_code == 304
    app = scheduler.view.apps["/batch"]
    scheduler.hold_app(replace(app, labels={"a": "b"}, version="2026-02-02T00:00:00.000Z"))
    changed = client.get("/v2/apps", headers={"If-None-Match": known})
    assert (changed.status_code, changed.headers["ETag"] != known) == (200, True)
    assert b'"a":"b"' in changed.get_data()
