"""Rows of the contract that need a scheduler that runs: groups that go back, dry runs, merges,
answers to what was killed (rest-api.md, sections 2 to 5)."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.contract.running import LivelyMesos, running_application
from tests.contract.table.rows import ABSENT, Row, ask, check
from tests.polling import eventually

APP: dict[str, Any] = {"id": "/dev/web", "cmd": "x", "instances": 2, "cpus": 0.1, "mem": 16}
RESULT = {"version", "deploymentId"}


@pytest.fixture
def client() -> Iterator[FlaskClient]:
    """Over a Mesos that runs two instances of ``/dev/web``."""
    with running_application(LivelyMesos()) as application:
        client = application.test_client()
        created = client.post("/v2/apps", json=APP)
        assert created.status_code == 201
        settled(client)
        yield client


def settled(client: FlaskClient) -> None:
    eventually(lambda: client.get("/v2/deployments").get_json() == [], "the end of deployments")


def shown(client: FlaskClient, app_id: str = "/dev/web") -> dict[str, Any]:
    app: dict[str, Any] = client.get(f"/v2/apps{app_id}").get_json()["app"]
    return app


def task_ids(client: FlaskClient) -> list[str]:
    tasks = client.get("/v2/apps/dev/web/tasks").get_json()["tasks"]
    return sorted(task["id"] for task in tasks)


@pytest.mark.parametrize("group", ["/dev", ""])
def test_a_group_goes_back_by_its_url(client: FlaskClient, group: str) -> None:
    """As marathon-python asks for it."""
    version = client.get(f"/v2/groups{group}/versions").get_json()[0]
    client.put("/v2/apps/dev/web", json={"cmd": "other"})
    settled(client)
    response = client.put(f"/v2/groups{group}/versions/{version}")
    assert response.status_code == 200
    assert response.get_json().keys() == RESULT
    assert shown(client)["cmd"] == "x"
    unknown = {"message": f"Group {group or '/'} not available in version 2020-01-01T00:00:00.000Z"}
    path = f"/v2/groups{group}/versions/2020-01-01T00:00:00.000Z"
    check(client, Row("PUT", path, 422, unknown))


START = {"action": "StartApplication", "app": "/dev/new"}
SCALE = {"action": "ScaleApplication", "app": "/dev/new"}
RESTART = {"action": "RestartApplication", "app": "/dev/web"}
STOP = {"action": "StopApplication", "app": "/dev/web"}
DOWN = {"action": "ScaleApplication", "app": "/dev/web"}
NEW = {**APP, "id": "/dev/new"}


@pytest.mark.parametrize(
    ("method", "path", "sent", "steps"),
    [
        ("POST", "/v2/apps", NEW, [[START], [SCALE]]),
        ("PUT", "/v2/apps", [NEW], [[START], [SCALE]]),
        ("PUT", "/v2/apps/dev/new", NEW, [[START], [SCALE]]),
        ("PUT", "/v2/apps/dev/web", {"cmd": "y"}, [[RESTART]]),
        ("PATCH", "/v2/apps/dev/web", {"instances": 1}, [[DOWN]]),
        ("PATCH", "/v2/apps", [{"id": "/dev/web", "instances": 1}], [[DOWN]]),
        ("PUT", "/v2/apps/dev/web", {"cmd": "x"}, []),
        ("DELETE", "/v2/apps/dev/web", None, [[STOP]]),
        ("PUT", "/v2/groups/dev", {"scaleBy": 0.5}, [[DOWN]]),
        ("PUT", "/v2/groups/dev", {"apps": []}, [[STOP]]),
        ("PUT", "/v2/groups", {"apps": []}, []),
        ("POST", "/v2/groups", {"id": "/other"}, []),
        ("DELETE", "/v2/groups/dev", None, [[STOP]]),
    ],
)
def test_dry_runs(client: FlaskClient, method: str, path: str, sent: Any, steps: Any) -> None:
    before = client.get("/v2/groups").get_json()
    answer = {"steps": [{"actions": actions} for actions in steps]}
    headers = {"Marathon-Deployment-Id": ABSENT, "Location": ABSENT}
    check(client, Row(method, f"{path}?dryRun=true", 200, answer, headers, sent=sent))
    assert client.get("/v2/groups").get_json() == before
    assert client.get("/v2/deployments").get_json() == []


@pytest.mark.parametrize(
    ("method", "path", "sent"),
    [
        ("POST", "/v2/apps", {**NEW, "cpus": 1_000}),
        ("PUT", "/v2/apps/dev/new", {**NEW, "cpus": 1_000}),
        ("PUT", "/v2/groups/dev", {"apps": [APP, {**NEW, "cpus": 1_000}]}),
    ],
)
def test_a_dry_run_tells_what_would_not_fit(
    client: FlaskClient, method: str, path: str, sent: Any
) -> None:
    reason = "needs 1000 cpus, the most in one offer was 64"
    message = (
        "/dev/new: no room for any of 2 instances in the offers last seen of 2 agents, "
        f"which tell what was free then: 2 agents: {reason}"
    )
    warning = {
        "message": message,
        "id": "/dev/new",
        "instances": 2,
        "agentsSeen": 2,
        "agentsLookedAt": 2,
        "reasons": [{"reason": "InsufficientCpus", "agents": 2, "message": reason}],
    }
    steps = [{"actions": [action]} for action in (START, SCALE)]
    headers = {"Stayer-Warning": message}
    answer: dict[str, Any] = {"steps": steps}
    if "/groups" not in path:  # Marathon has dry runs of groups, and its clients know no warnings
        answer["warnings"] = [warning]
    check(client, Row(method, f"{path}?dryRun=true", 200, answer, headers, sent=sent))
    made = ask(client, Row(method, path, 200, sent=sent))
    assert made.status_code < 300
    assert "warnings" not in made.get_json()
    assert "Stayer-Warning" not in made.headers


@pytest.mark.parametrize(
    ("method", "path", "sent", "status"),
    [
        ("PUT", "/v2/apps/dev/web", {"instances": 3}, 200),
        ("PATCH", "/v2/apps/dev/web", {"instances": 3}, 200),
        ("PUT", "/v2/apps/dev/web?partialUpdate=false", APP, 200),
        ("PUT", "/v2/apps/dev/web?partialUpdate=yes", APP, 200),
        ("PUT", "/v2/apps/dev/new", NEW, 201),
        ("PUT", "/v2/apps", [NEW], 200),
        ("PATCH", "/v2/apps", [{"id": "dev/web", "cmd": "y"}], 200),
        ("DELETE", "/v2/apps/dev/web", None, 200),
        ("POST", "/v2/apps/dev/web/restart", None, 200),
        ("POST", "/v2/apps/dev/web/restart", b"", 200),
        ("DELETE", "/v2/apps/dev/web/tasks?scale=true", None, 200),
        ("POST", "/v2/groups", {"id": "/g"}, 201),
        ("PUT", "/v2/groups/dev", {"dependencies": []}, 200),
        ("DELETE", "/v2/groups/dev", None, 200),
        ("DELETE", "/v2/groups", None, 200),
    ],
)
def test_changes_answer_with_their_deployment(
    client: FlaskClient, method: str, path: str, sent: Any, status: int
) -> None:
    response = ask(client, Row(method, path, status, sent=sent))
    assert (response.status_code, response.get_json().keys()) == (status, RESULT)
    assert response.headers["Marathon-Deployment-Id"] == response.get_json()["deploymentId"]
    assert ("Location" in response.headers) == (status == 201)


class TestKilled:
    def test_tasks_are_told_as_they_were(self, client: FlaskClient) -> None:
        before = client.get("/v2/apps/dev/web/tasks").get_json()["tasks"]
        response = client.delete("/v2/apps/dev/web/tasks")
        assert response.status_code == 200
        told = response.get_json()["tasks"]
        assert sorted(task["id"] for task in told) == sorted(task["id"] for task in before)
        assert {task["appId"] for task in told} == {"/dev/web"}
        assert "Marathon-Deployment-Id" not in response.headers

    @pytest.mark.parametrize("wipe", ["", "&wipe=true", "&wipe=True&scale=False"])
    def test_it_is_replaced(self, client: FlaskClient, wipe: str) -> None:
        """In place, with the next incarnation's id; or wiped, by a new instance."""
        first, second = task_ids(client)
        body = client.delete(f"/v2/apps/dev/web/tasks/{first}?force=true{wipe}").get_json()
        assert (body["task"]["id"], body["task"]["appId"]) == (first, "/dev/web")

        def look() -> list[str]:
            ids = task_ids(client)
            assert len(ids) == 2, ids
            assert first not in ids, ids
            return ids

        ids = set(eventually(look, "the next task")) - {second}
        (after,) = ids
        same_instance = after.rpartition("._app.")[0] == first.rpartition("._app.")[0]
        assert same_instance == (wipe == "")
        assert shown(client)["instances"] == 2

    def test_it_is_not_replaced_when_the_app_shrinks(self, client: FlaskClient) -> None:
        first, second = task_ids(client)
        response = client.post("/v2/tasks/delete?scale=True", json={"ids": [first]})
        assert response.get_json().keys() == RESULT
        settled(client)
        assert task_ids(client) == [second]
        assert shown(client)["instances"] == 1


class TestMerging:
    """A field that is given replaces the whole of it; what is null or left out is kept."""

    GIVEN: dict[str, Any] = {
        "env": {"A": "1", "B": "2"},
        "labels": {"a": "1", "b": "2"},
        "constraints": [["hostname", "UNIQUE"]],
        "healthChecks": [{"protocol": "COMMAND", "command": {"value": "true"}}],
        "upgradeStrategy": {"minimumHealthCapacity": 0.5, "maximumOverCapacity": 0.25},
        "fetch": [{"uri": "http://h/a"}],
        "dependencies": ["/other"],
        "user": "nobody",
        "resourceLimits": {"cpus": "unlimited", "mem": 64},
        "unreachableStrategy": {"inactiveAfterSeconds": 5, "expungeAfterSeconds": 6},
        "killSelection": "OLDEST_FIRST",
        "taskKillGracePeriodSeconds": 7,
        "backoffSeconds": 2,
        "maxLaunchDelaySeconds": 9,
        "portDefinitions": [{"port": 7_000, "name": "p"}],
        "requirePorts": True,
    }

    @pytest.fixture
    def full(self, client: FlaskClient) -> dict[str, Any]:
        """The definition of an app that has all of it."""
        body = {**APP, **self.GIVEN, "id": "/full", "instances": 0}
        assert client.post("/v2/apps", json=body).status_code == 201
        return self.definition(client)

    def definition(self, client: FlaskClient) -> dict[str, Any]:
        version = client.get("/v2/apps/full/versions").get_json()["versions"][0]
        found: dict[str, Any] = client.get(f"/v2/apps/full/versions/{version}").get_json()
        for stamp in ("version", "versionInfo"):
            del found[stamp]
        return found

    @pytest.mark.parametrize("method", ["PUT", "PATCH"])
    def test_what_is_not_given_stays(
        self, client: FlaskClient, full: dict[str, Any], method: str
    ) -> None:
        for sent in ({}, dict.fromkeys(self.GIVEN), {"unheard": {"of": 1}, "tasksRunning": 3}):
            assert client.open("/v2/apps/full", method=method, json=sent).status_code == 200
            assert self.definition(client) == full

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("env", {"C": "3"}),
            ("env", {}),
            ("labels", {"c": "3"}),
            ("constraints", [["rack", "GROUP_BY", "2"]]),
            ("constraints", []),
            ("healthChecks", []),
            ("fetch", []),
            ("dependencies", []),
            ("user", "other"),
            ("resourceLimits", {"mem": "unlimited"}),
            ("unreachableStrategy", "disabled"),
            ("killSelection", "YOUNGEST_FIRST"),
            ("upgradeStrategy", {"minimumHealthCapacity": 0, "maximumOverCapacity": 1}),
            ("taskKillGracePeriodSeconds", 0),
            ("backoffSeconds", 0),
            ("requirePorts", False),
        ],
    )
    def test_what_is_given_takes_its_place(
        self, client: FlaskClient, full: dict[str, Any], name: str, value: Any
    ) -> None:
        assert client.put("/v2/apps/full", json={name: value}).status_code == 200
        now = self.definition(client)
        assert now.get(name, type(value)()) == value
        assert {**now, name: None} == {**full, name: None}

    def test_replacing_brings_the_defaults_back(
        self, client: FlaskClient, full: dict[str, Any]
    ) -> None:
        client.put("/v2/apps/full?partialUpdate=false", json={"cmd": "x", "instances": 0})
        now = self.definition(client)
        for name in ("env", "constraints", "healthChecks", "fetch", "user", "resourceLimits"):
            assert name in full
            assert name not in now
        assert (now["labels"], now["killSelection"], now["backoffSeconds"]) == (
            {},
            "YOUNGEST_FIRST",
            1,
        )
