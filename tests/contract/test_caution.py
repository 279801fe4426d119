"""``?strict=true`` and ``?dryRun=true``, and bodies that nobody should send."""

import re
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.events.caused import changes_definitions
from api.openapi.document import served
from api.openapi.operation import DRY_RUN, Operation, operation_of
from api.schemas.fields import TEXT_MAX_CHARS
from framework.domain.events import (
    CancelDeployment,
    ChangeApps,
    Command,
    KillTasks,
    RestartApp,
    ResumeApp,
    SuspendApp,
)
from framework.domain.records import replace
from framework.domain.replies import Done
from framework.domain.rollout import ActionName, DeploymentAction
from tests.contract.cluster import UUID
from tests.contract.running import running_application
from tests.unit.api.recorder import Recorder

WRITES = ("POST", "PUT", "PATCH", "DELETE")
VALUES = {
    "app_id": "dev/web",
    "group_id": "dev",
    "version": "2026-01-01T00:00:00.000Z",
    "plugin_id": "mine",
    "rest": "x",
}


def writes(client: FlaskClient) -> list[tuple[str, str, Operation]]:
    """Every route that changes something: method, a path, what it declares."""
    found = []
    for method, rule, handler in served(client.application):
        operation = operation_of(handler)
        assert operation is not None
        if method in WRITES:
            path = re.sub(r"<(?:\w+:)?(\w+)>", lambda one: VALUES.get(one[1], "none"), rule)
            found.append((method, path, operation))
    assert len(found) > 35
    return found


def paths_told(body: dict[str, Any]) -> dict[str, list[str]]:
    return {one["path"]: one["errors"] for one in body["details"]}


class TestStrict:
    BODY = {"id": "/a", "cmd": "x", "instnces": 3, "container": {"type": "MESOS", "dockr": {}}}

    def test_unknown_fields_are_dropped_unless_asked(self, client: FlaskClient) -> None:
        assert client.post("/v2/apps", json=self.BODY).status_code == 201
        assert client.post("/v2/apps?strict=false", json=self.BODY).status_code == 201

    def test_each_is_named_with_its_path_and_the_nearest_known(
        self, client: FlaskClient, scheduler: Recorder
    ) -> None:
        response = client.post("/v2/apps?strict=true", json=self.BODY)
        assert response.status_code == 422
        assert response.get_json()["message"] == "Object is not valid"
        assert paths_told(response.get_json()) == {
            "/instnces": ["is not a known field; did you mean 'instances'?"],
            "/container/dockr": ["is not a known field; did you mean 'docker'?"],
        }
        assert scheduler.asked == []

    @pytest.mark.parametrize(
        ("method", "path", "body", "where"),
        [
            ("PUT", "/v2/apps/a", {"cmd": "x", "Cmd": "y"}, "/Cmd"),
            ("PATCH", "/v2/apps/dev/web", {"zzzz": 1}, "/zzzz"),
            ("PUT", "/v2/apps", [{"id": "/a"}, {"id": "/b", "cmdd": "x"}], "/(1)/cmdd"),
            ("PATCH", "/v2/apps", [{"id": "/dev/web", "cpu": 1}], "/(0)/cpu"),
            (
                "PUT",
                "/v2/apps/a",
                {"healthChecks": [{}, {"command": {"vlue": "x"}}]},
                "/healthChecks(1)/command/vlue",
            ),
            (
                "PUT",
                "/v2/apps/a",
                {"unreachableStrategy": {"expunge": 1}},
                "/unreachableStrategy/expunge",
            ),
            (
                "PUT",
                "/v2/groups",
                {"groups": [{"id": "g", "apps": [{"id": "a", "container": {"volumez": []}}]}]},
                "/groups(0)/apps(0)/container/volumez",
            ),
            ("PATCH", "/v2/groups/dev", {"enforcerole": True}, "/enforcerole"),
            ("POST", "/v2/tasks/delete", {"ids": [], "id": 1}, "/id"),
            ("PUT", "/v3/freeze", {"app": []}, "/app"),
            ("PUT", "/v3/replacements", {"pace": "held", "for": 1}, "/for"),
        ],
    )
    def test_wherever_it_stands(
        self,
        client: FlaskClient,
        scheduler: Recorder,
        method: str,
        path: str,
        body: Any,
        where: str,
    ) -> None:
        response = client.open(f"{path}?strict=true", method=method, json=body)
        assert response.status_code == 422
        assert [*paths_told(response.get_json())] == [where]
        assert scheduler.asked == []

    def test_names_of_users_are_free(self, client: FlaskClient) -> None:
        body = {"id": "/a", "cmd": "x", "labels": {"any": "x"}, "env": {"ANY": "x"}}
        assert client.post("/v2/apps?strict=true", json=body).status_code == 201

    def test_a_body_that_may_be_left_out(self, client: FlaskClient) -> None:
        assert client.put("/v3/freeze?strict=true").status_code == 200

    def test_what_is_wrong_otherwise_is_told_as_ever(self, client: FlaskClient) -> None:
        bodies: tuple[Any, ...] = ({"id": "/a", "instances": "x"}, {"container": []}, [], "x")
        for body in bodies:
            strict = client.post("/v2/apps?strict=true", json=body)
            assert strict.get_json() == client.post("/v2/apps", json=body).get_json()

    def test_the_answer_stays_small(self, client: FlaskClient) -> None:
        body = {"x" * 5_000 + str(number): 1 for number in range(1_000)}
        response = client.post("/v2/apps?strict=true", json=body)
        assert len(response.get_json()["details"]) <= 100
        assert len(response.get_data()) < 20_000


class TestDryRun:
    def test_a_change_that_can_not_be_tried_is_not_made(
        self, client: FlaskClient, scheduler: Recorder
    ) -> None:
        refused = 0
        for method, path, operation in writes(client):
            if DRY_RUN not in operation.query:
                response = client.open(f"{path}?dryRun=true", method=method, json={})
                assert response.status_code == 422
                assert "dryRun is not possible" in response.get_json()["message"]
                refused += 1
        assert refused > 10
        assert scheduler.asked == []
        assert not scheduler.abdicated.is_set()

    def test_all_that_makes_a_deployment_can_be_tried(self, client: FlaskClient) -> None:
        making = [
            (method, path)
            for method, path, operation in writes(client)
            if any("DeploymentResult" in bodies for bodies in operation.answers.values())
            and DRY_RUN not in operation.query
        ]
        assert {path.rpartition("/")[2] for _, path in making} == {"pause", "resume"}

    @pytest.mark.parametrize(
        ("method", "path", "asked"),
        [
            ("POST", "/v2/apps/dev/web/restart", RestartApp("/dev/web", dry_run=True)),
            ("POST", "/v3/apps/dev/web/suspend", SuspendApp("/dev/web", dry_run=True)),
            ("DELETE", "/v2/deployments/d1", CancelDeployment("d1", dry_run=True)),
            ("DELETE", "/v3/deployments/d1", CancelDeployment("d1", dry_run=True)),
        ],
    )
    def test_the_plan_is_answered(
        self, client: FlaskClient, scheduler: Recorder, method: str, path: str, asked: object
    ) -> None:
        action = DeploymentAction(ActionName.RESTART, "/dev/web")
        scheduler.replies.append(Done("v", steps=((action,),), warnings=("no room",)))
        response = client.open(f"{path}?dryRun=true", method=method)
        told = {"action": "RestartApplication", "app": "/dev/web"}
        assert response.get_json() == {
            "steps": [{"actions": [told]}],
            "warnings": [{"message": "no room"}],
        }
        assert response.headers["Stayer-Warning"] == "no room"
        assert "Marathon-Deployment-Id" not in response.headers
        assert scheduler.asked == [asked]

    @pytest.mark.parametrize(
        "command",
        [
            ChangeApps(dry_run=True),
            RestartApp("/a", dry_run=True),
            SuspendApp("/a", dry_run=True),
            ResumeApp("/a", dry_run=True),
            KillTasks((), scale=True, dry_run=True),
            CancelDeployment("d", dry_run=True),
        ],
    )
    def test_no_event_tells_of_it(self, command: Command) -> None:
        assert not changes_definitions(command)
        assert changes_definitions(replace(command, dry_run=False))

    def test_kills_name_the_tasks(self, client: FlaskClient, scheduler: Recorder) -> None:
        ids = tuple(f"dev_web.instance-{UUID}{number}" for number in (1, 2))
        instances = tuple(scheduler.view.instances[one] for one in ids)
        scheduler.replies.append(Done(instances=instances))
        tasks = client.delete("/v2/apps/dev/web/tasks?dryRun=true").get_json()["tasks"]
        assert len(tasks) == 2
        scheduler.replies.append(Done("v", steps=()))
        scaled = client.delete("/v2/apps/dev/web/tasks?dryRun=true&scale=true")
        assert scaled.get_json() == {"steps": []}
        assert scheduler.asked == [
            KillTasks(ids, dry_run=True),
            KillTasks(ids, scale=True, dry_run=True),
        ]

    def test_nothing_is_changed_by_any(self) -> None:
        with running_application() as app:
            client = app.test_client()
            client.post("/v2/apps", json={"id": "/dev/web", "cmd": "x", "instances": 0})
            before = client.get("/v2/groups").get_json()
            for method, path, operation in writes(client):
                if DRY_RUN not in operation.query:
                    continue
                body: Any = {"id": "/dev/new", "cmd": "y", "ids": [], "enforceRole": True}
                sent = [body] if path == "/v2/apps" and method != "POST" else body
                response = client.open(f"{path}?dryRun=true", method=method, json=sent)
                assert response.status_code in {200, 404, 409, 422}, (
                    method,
                    path,
                    response.get_data(),
                )
                assert client.get("/v2/groups").get_json() == before
                assert client.get("/v2/deployments").get_json() == []


HOSTILE = {
    "repeated keys": b'{"id":"/a","id":"/b"}',
    "a repeated key that is no text": b'{"\\ud800":1,"\\ud800":2}',
    "NaN": b'{"id":"/a","cpus":NaN}',
    "Infinity": b'{"id":"/a","cpus":-Infinity}',
    "a number beyond floats": b'{"id":"/a","cpus":1e400}',
    "a number of endless digits": b'{"id":"/a","cpus":1' + b"0" * 400 + b"}",
    "a number of very many digits": b"1" * 1_000_000,
    "nesting": b'{"id":' * 40 + b"1" + b"}" * 40,
    "nesting without end": b"[" * 1_000_000,
    "megabytes of text": b'{"id":"/a","cmd":"' + b"x" * 4_000_000 + b'"}',
    "very many items": b"[" + b"{}," * 20_000 + b"{}]",
    "bytes that are no UTF-8": b'{"id":"/a","cmd":"\xff"}',
    "a surrogate in UTF-8": b'{"id":"/a","cmd":"\xed\xa0\x80"}',
    "half a surrogate pair": b'{"id":"/a","cmd":"\\ud800"}',
    "NUL": b'{"id":"/a","cmd":"a\\u0000b"}',
    "UTF-16": '{"id":"/a"}'.encode("utf-16"),
    "a mark of byte order": b'\xef\xbb\xbf{"id":"/a"}',
    "something after the end": b'{"id":"/a"}}',
    "not all of it": b'{"id":"/a"',
    "nothing": b" \n",
}


@pytest.mark.parametrize("strict", ["", "?strict=true"])
@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_bodies(client: FlaskClient, scheduler: Recorder, kind: str, strict: str) -> None:
    for method, path, operation in writes(client):
        if operation.body is None or "none" in path:
            continue
        response = client.open(
            path + strict, method=method, data=HOSTILE[kind], content_type="application/json"
        )
        assert response.status_code == 400, (method, path)
        told = response.get_json()
        assert told["message"] in {"Invalid JSON", "Please specify data in JSON format"}
        assert 0 < len(told["details"]) < 200
    assert scheduler.asked == []


@pytest.mark.parametrize(
    ("media", "status"),
    [
        ("application/json", 201),
        ("application/json; charset=utf-8", 201),
        ("application/vnd.api+json", 201),
        ("", 201),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("application/xml", 415),
        ("nonsense", 415),
    ],
)
def test_media_types(client: FlaskClient, media: str, status: int) -> None:
    headers = {"Content-Type": media} if media else {}
    response = client.post("/v2/apps", data=b'{"id":"/a","cmd":"x"}', headers=headers)
    assert response.status_code == status


def test_a_body_beyond_the_limit(client: FlaskClient, scheduler: Recorder) -> None:
    body = b'{"id":"' + b"a" * 9_000_000 + b'"}'
    response = client.post("/v2/apps", data=body, content_type="application/json")
    assert response.status_code == 413
    assert scheduler.asked == []


def test_texts_that_are_too_long_for_their_field(client: FlaskClient) -> None:
    body = {"id": "/a", "cmd": "x" * (TEXT_MAX_CHARS + 1)}
    response = client.post("/v2/apps", json=body)
    assert response.status_code == 422
    assert paths_told(response.get_json()) == {"/cmd": ["error.maxLength"]}
