"""Requests that change something: what is asked of the scheduler, and every kind of answer."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from framework.domain.app import App, PortDefinition
from framework.domain.events import (
    ChangeApps,
    Command,
    KillTasks,
    PutApp,
    RestartApp,
)
from framework.domain.records import replace
from framework.domain.replies import Done, Refused, Reply, Why
from framework.domain.state import Kind
from framework.interfaces import CommandTimeoutError, OverloadedError
from tests.contract.cluster import NOW, TASK_1, TASK_2, UUID, V1, V2
from tests.unit.api.recorder import Recorder

RESULT = {"version": NOW, "deploymentId": "d-1"}
NEW = {"id": "/new", "cmd": "sleep 1"}
NEW_APP = App(id="/new", cmd="sleep 1", port_definitions=(PortDefinition(name="default"),))
LOCK_BODY = {
    "message": (
        "App is locked by one or more deployments. Override with the option '?force=true'. "
        "View details at '/v2/deployments/<DEPLOYMENT_ID>'."
    ),
    "deployments": [{"id": "97c136bf-5a28-4821-9d94-480d9fbb01c8"}],
}
FIRST, SECOND = f"dev_web.instance-{UUID}1", f"dev_web.instance-{UUID}2"


def only_put(scheduler: Recorder) -> PutApp:
    """The one app that the last command puts."""
    command = scheduler.asked[-1]
    assert isinstance(command, ChangeApps)
    assert command.removes == ()
    (put,) = command.puts
    return put


class TestCreate:
    def test_the_answer_is_the_stored_app(self, client: FlaskClient, scheduler: Recorder) -> None:
        stored = replace(
            NEW_APP,
            version=NOW,
            last_scaling_at=NOW,
            last_config_change_at=NOW,
            port_definitions=(PortDefinition(10_002, name="default"),),
        )
        scheduler.replies.append(Done(NOW, "d-7", (stored,)))
        response = client.post("/v2/apps", json=NEW)
        assert response.status_code == 201
        assert response.headers["Location"] == "http://localhost/v2/apps/new"
        assert response.headers["Marathon-Deployment-Id"] == "d-7"
        assert response.get_json() == {
            "id": "/new",
            "acceptedResourceRoles": ["*"],
            "backoffFactor": 1.15,
            "backoffSeconds": 1,
            "cmd": "sleep 1",
            "cpus": 1,
            "disk": 0,
            "executor": "",
            "gpus": 0,
            "instances": 1,
            "killSelection": "YOUNGEST_FIRST",
            "labels": {},
            "maxLaunchDelaySeconds": 300,
            "mem": 128,
            "networks": [{"mode": "host"}],
            "portDefinitions": [{"port": 10_002, "protocol": "tcp", "name": "default"}],
            "requirePorts": False,
            "role": "*",
            "unreachableStrategy": {"inactiveAfterSeconds": 0, "expungeAfterSeconds": 0},
            "upgradeStrategy": {"maximumOverCapacity": 1, "minimumHealthCapacity": 1},
            "version": NOW,
            "versionInfo": {"lastScalingAt": NOW, "lastConfigChangeAt": NOW},
            "tasksStaged": 0,
            "tasksRunning": 0,
            "tasksHealthy": 0,
            "tasksUnhealthy": 0,
            "deployments": [{"id": "d-7"}],
        }
        assert scheduler.asked == [ChangeApps((PutApp(NEW_APP, ""),))]
        assert scheduler.timeouts == [10.0]

    @pytest.mark.parametrize("value", ["true", "True"])
    def test_force(self, client: FlaskClient, scheduler: Recorder, value: str) -> None:
        assert client.post(f"/v2/apps/?force={value}", json=NEW).status_code == 201
        assert scheduler.asked == [ChangeApps((PutApp(NEW_APP, ""),), force=True)]

    @pytest.mark.parametrize("value", ["1", "", "yes", "False"])
    def test_anything_else_is_no_force(
        self, client: FlaskClient, scheduler: Recorder, value: str
    ) -> None:
        client.post(f"/v2/apps?force={value}", json=NEW)
        assert scheduler.asked == [ChangeApps((PutApp(NEW_APP, ""),))]


@pytest.mark.parametrize(
    ("refused", "status", "body"),
    [
        (
            Refused(Why.APP_EXISTS, "/new"),
            409,
            {"message": "An app with id [/new] already exists."},
        ),
        (
            Refused(Why.LOCKED, "", deployment_ids=("97c136bf-5a28-4821-9d94-480d9fbb01c8",)),
            409,
            LOCK_BODY,
        ),
        (
            Refused(Why.TOO_MANY_DEPLOYMENTS, ""),
            403,
            {
                "message": (
                    "Max number (100) of running deployments is achieved. Wait for existing "
                    "deployments to complete or cancel oneusing force=true parameter. You can "
                    "increase max deployment number by using --max_running_deployments parameter "
                    "but be advised that this can have negative effects on the performance."
                )
            },
        ),
        (
            Refused(Why.PORTS_EXHAUSTED, "/new", "All ports in the range [1-2) are already in use"),
            500,
            {"message": "All ports in the range [1-2) are already in use"},
        ),
        (
            Refused(Why.INVALID, "/new", "Object is not valid", (("/id", "a"), ("/id", "b"))),
            422,
            {
                "message": "Object is not valid",
                "details": [{"path": "/id", "errors": ["a", "b"]}],
            },
        ),
        (
            CommandTimeoutError("Futures timed out after [10000 milliseconds]"),
            503,
            {"message": "Futures timed out after [10000 milliseconds]"},
        ),
        (
            RuntimeError("a secret"),
            500,
            {"message": "Internal error; the log of the server has the details."},
        ),
    ],
)
def test_refusals_of_the_scheduler(
    client: FlaskClient,
    scheduler: Recorder,
    refused: Refused | Exception,
    status: int,
    body: dict[str, Any],
) -> None:
    scheduler.replies.append(refused)
    response = client.post("/v2/apps", json=NEW)
    assert (response.status_code, response.get_json()) == (status, body)


def test_an_overloaded_scheduler_says_when_to_come_back(
    client: FlaskClient, scheduler: Recorder
) -> None:
    scheduler.replies.append(OverloadedError("10000 events are queued"))
    response = client.post("/v2/apps", json=NEW)
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "1"
    assert response.get_json() == {"message": "10000 events are queued"}


class TestBadBodies:
    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("POST", "/v2/apps"),
            ("PUT", "/v2/apps"),
            ("PATCH", "/v2/apps"),
            ("PUT", "/v2/apps/dev/web"),
            ("PATCH", "/v2/apps/dev/web"),
            ("POST", "/v2/tasks/delete"),
        ],
    )
    def test_not_json(
        self, client: FlaskClient, scheduler: Recorder, method: str, path: str
    ) -> None:
        broken = client.open(path, method=method, data=b'{"id":}')
        assert broken.status_code == 400
        assert broken.get_json()["message"] == "Invalid JSON"
        assert "Expecting value" in broken.get_json()["details"]
        empty = client.open(path, method=method)
        assert empty.status_code == 400
        assert empty.get_json() == {
            "message": "Please specify data in JSON format",
            "details": "The request has no body.",
        }
        assert scheduler.asked == []

    def test_wrong_structure(self, client: FlaskClient, scheduler: Recorder) -> None:
        response = client.post("/v2/apps", json={"id": "/Bad", "cmd": 1, "instances": "2"})
        assert (response.status_code, response.get_json()) == (
            422,
            {
                "message": "Invalid JSON",
                "details": [
                    {"path": "/id", "errors": ["error.pattern"]},
                    {"path": "/cmd", "errors": ["error.expected.jsstring"]},
                    {"path": "/instances", "errors": ["error.expected.jsnumber"]},
                ],
            },
        )
        assert scheduler.asked == []

    def test_wrong_meaning(self, client: FlaskClient, scheduler: Recorder) -> None:
        strategy = {"minimumHealthCapacity": 1.2, "maximumOverCapacity": 0}
        response = client.post("/v2/apps", json={**NEW, "upgradeStrategy": strategy})
        assert (response.status_code, response.get_json()) == (
            422,
            {
                "message": "Object is not valid",
                "details": [
                    {
                        "path": "/upgradeStrategy/minimumHealthCapacity",
                        "errors": ["got 1.2, expected between 0.0 and 1.0"],
                    }
                ],
            },
        )
        assert scheduler.asked == []

    def test_an_item_of_an_array_is_named(self, client: FlaskClient, scheduler: Recorder) -> None:
        body = [{"id": "/batch", "instances": 1}, {"id": "/dev/web", "cpus": "x"}]
        response = client.put("/v2/apps", json=body)
        assert (response.status_code, response.get_json()) == (
            422,
            {
                "message": "Invalid JSON",
                "details": [{"path": "/(1)/cpus", "errors": ["error.expected.jsnumber"]}],
            },
        )
        assert scheduler.asked == []

    @pytest.mark.parametrize(
        ("path", "body", "answer"),
        [
            (
                "/v2/apps",
                {"id": "/a"},
                {
                    "message": "Invalid JSON",
                    "details": [{"path": "/", "errors": ["error.expected.jsarray"]}],
                },
            ),
            (
                "/v2/apps",
                [{"cmd": "x"}],
                {"message": "requirement failed: App Update must have app id set"},
            ),
            (
                "/v2/apps",
                [{"id": "/batch"}, {"id": "batch/"}],
                {
                    "message": "Object is not valid",
                    "details": [{"path": "/(1)/id", "errors": ["is named twice in this request"]}],
                },
            ),
            (
                "/v2/apps/batch",
                [],
                {
                    "message": "Invalid JSON",
                    "details": [{"path": "/", "errors": ["error.expected.jsobject"]}],
                },
            ),
            (
                "/v2/apps/batch",
                {"version": V2, "cmd": "x"},
                {
                    "message": "Object is not valid",
                    "details": [
                        {
                            "path": "/",
                            "errors": [
                                "The 'version' field may only be combined with the 'id' field."
                            ],
                        }
                    ],
                },
            ),
        ],
    )
    def test_updates(
        self,
        client: FlaskClient,
        scheduler: Recorder,
        path: str,
        body: Any,
        answer: dict[str, Any],
    ) -> None:
        response = client.put(path, json=body)
        assert (response.status_code, response.get_json()) == (422, answer)
        assert scheduler.asked == []

    def test_a_form_is_not_json(self, client: FlaskClient, scheduler: Recorder) -> None:
        response = client.post("/v2/apps", data={"id": "/x"})
        assert (response.status_code, response.get_json()) == (
            415,
            {"message": "Unsupported Media Type"},
        )
        assert scheduler.asked == []

    def test_a_body_beyond_the_limit(self, client: FlaskClient, scheduler: Recorder) -> None:
        response = client.post("/v2/apps", data=b" " * (8 * 1024 * 1024 + 1))
        assert (response.status_code, response.get_json()) == (
            413,
            {"message": "Request Entity Too Large"},
        )
        assert scheduler.asked == []


class TestUpdate:
    @pytest.mark.parametrize("method", ["PUT", "PATCH"])
    def test_fields_are_merged(self, client: FlaskClient, scheduler: Recorder, method: str) -> None:
        existing = scheduler.view.apps["/dev/web"]
        response = client.open(
            "/v2/apps//dev/web?force=true", method=method, json={"id": "/other", "instances": 5}
        )
        assert (response.status_code, response.get_json()) == (200, RESULT)
        assert response.headers["Marathon-Deployment-Id"] == "d-1"
        wanted = replace(
            existing, instances=5, version="", last_scaling_at="", last_config_change_at=""
        )
        assert scheduler.asked == [ChangeApps((PutApp(wanted, V2),), force=True)]

    def test_put_creates(self, client: FlaskClient, scheduler: Recorder) -> None:
        response = client.put("/v2/apps/new", json={"cmd": "sleep 1"})
        assert (response.status_code, response.get_json()) == (201, RESULT)
        assert response.headers["Location"] == "http://localhost/v2/apps/new"
        assert scheduler.asked == [ChangeApps((PutApp(NEW_APP, ""),))]

    def test_patch_does_not(self, client: FlaskClient, scheduler: Recorder) -> None:
        response = client.patch("/v2/apps/new", json={"cmd": "sleep 1"})
        assert (response.status_code, response.get_json()) == (
            404,
            {"message": "App '/new' does not exist"},
        )
        many = client.patch("/v2/apps", json=[{"id": "/dev/web"}, {"id": "/new", "cmd": "x"}])
        assert many.get_json() == {"message": "App '/new' does not exist"}
        assert scheduler.asked == []

    def test_put_can_replace(self, client: FlaskClient, scheduler: Recorder) -> None:
        response = client.put("/v2/apps/dev/web?partialUpdate=false", json={"cmd": "other"})
        assert (response.status_code, response.get_json()) == (200, RESULT)
        put = only_put(scheduler)
        assert put.expected_version is None
        assert put.app == replace(NEW_APP, id="/dev/web", cmd="other")

    def test_replacing_needs_a_whole_definition(
        self, client: FlaskClient, scheduler: Recorder
    ) -> None:
        response = client.put("/v2/apps/dev/web?partialUpdate=false", json={"instances": 2})
        assert response.status_code == 422
        assert scheduler.asked == []

    def test_an_array_is_one_command(self, client: FlaskClient, scheduler: Recorder) -> None:
        body = [{"id": "/batch", "instances": 4}, {"id": "/new", "cmd": "sleep 1"}]
        response = client.put("/v2/apps", json=body)
        assert (response.status_code, response.get_json()) == (200, RESULT)
        (command,) = scheduler.asked
        assert isinstance(command, ChangeApps)
        assert [(put.app.id, put.expected_version) for put in command.puts] == [
            ("/batch", V1),
            ("/new", ""),
        ]
        assert command.puts[0].app.instances == 4

    def test_an_array_of_whole_definitions(self, client: FlaskClient, scheduler: Recorder) -> None:
        response = client.put("/v2/apps?partialUpdate=false", json=[{"id": "batch", "cmd": "x"}])
        assert response.status_code == 200
        put = only_put(scheduler)
        assert (put.app, put.expected_version) == (replace(NEW_APP, id="/batch", cmd="x"), None)

    def test_a_version_alone_goes_back(self, client: FlaskClient, scheduler: Recorder) -> None:
        earlier = scheduler.view.versions_of["/dev/web"][V1]
        assert client.put("/v2/apps/dev/web", json={"version": V1}).status_code == 200
        put = only_put(scheduler)
        assert put.expected_version == V2
        assert put.app == replace(earlier, version="", last_scaling_at="", last_config_change_at="")
        response = client.put("/v2/apps/dev/web", json={"version": NOW})
        assert (response.status_code, response.get_json()) == (
            404,
            {"message": f"App '/dev/web' does not exist in version {NOW}"},
        )

    def test_a_change_by_somebody_else_is_merged_onto(
        self, client: FlaskClient, scheduler: Recorder
    ) -> None:
        """The other one sets the command, this one the count: neither is lost."""
        theirs = replace(scheduler.view.apps["/dev/web"], cmd="theirs", version=NOW)

        def refuse(_command: Command) -> Reply:
            scheduler.hold_app(theirs)
            return Refused(Why.CHANGED_MEANWHILE, "/dev/web")

        scheduler.replies.append(refuse)
        assert client.put("/v2/apps/dev/web", json={"instances": 9}).status_code == 200
        assert len(scheduler.asked) == 2
        put = only_put(scheduler)
        assert (put.expected_version, put.app.cmd, put.app.instances) == (NOW, "theirs", 9)

    def test_it_is_not_tried_for_ever(self, client: FlaskClient, scheduler: Recorder) -> None:
        scheduler.replies.extend([Refused(Why.CHANGED_MEANWHILE, "/dev/web")] * 99)
        response = client.put("/v2/apps/dev/web", json={"instances": 9})
        assert response.status_code == 409
        assert len(scheduler.asked) == 20

    def test_what_was_deleted_meanwhile(self, client: FlaskClient, scheduler: Recorder) -> None:
        def refuse(_command: Command) -> Reply:
            scheduler.hold(Kind.APP, "/dev/web", None)
            return Refused(Why.APP_UNKNOWN, "/dev/web")

        scheduler.replies.append(refuse)
        response = client.patch("/v2/apps/dev/web", json={"instances": 9})
        assert (response.status_code, response.get_json()) == (
            404,
            {"message": "App '/dev/web' does not exist"},
        )

    def test_a_lock_is_told_at_once(self, client: FlaskClient, scheduler: Recorder) -> None:
        scheduler.replies.append(
            Refused(Why.LOCKED, "", deployment_ids=(LOCK_BODY["deployments"][0]["id"],))  # type: ignore[index]  # a literal above
        )
        response = client.put("/v2/apps/dev/web", json={"instances": 9})
        assert (response.status_code, response.get_json()) == (409, LOCK_BODY)
        assert len(scheduler.asked) == 1


class TestDeleteAndRestart:
    def test_delete_forces_unless_told_otherwise(
        self, client: FlaskClient, scheduler: Recorder
    ) -> None:
        for query in ("", "?force=false"):
            response = client.delete(f"/v2/apps/dev/web{query}")
            assert (response.status_code, response.get_json()) == (200, RESULT)
        assert scheduler.asked == [
            ChangeApps(removes=("/dev/web",), force=True),
            ChangeApps(removes=("/dev/web",), force=False),
        ]

    def test_delete_of_nothing(self, client: FlaskClient, scheduler: Recorder) -> None:
        scheduler.replies.append(Refused(Why.APP_UNKNOWN, "/dev/web/restart"))
        response = client.delete("/v2/apps/dev/web/restart")
        assert (response.status_code, response.get_json()) == (
            404,
            {"message": "App '/dev/web/restart' does not exist"},
        )
        assert scheduler.asked == [ChangeApps(removes=("/dev/web/restart",), force=True)]

    def test_restart(self, client: FlaskClient, scheduler: Recorder) -> None:
        response = client.post("/v2/apps/dev/web/restart?force=True")
        assert (response.status_code, response.get_json()) == (200, RESULT)
        assert scheduler.asked == [RestartApp("/dev/web", force=True)]


class TestKill:
    def done(self, scheduler: Recorder, *ids: str) -> None:
        scheduler.replies.append(
            Done(NOW, "d-2", instances=tuple(scheduler.view.instances[one] for one in ids))
        )

    def test_all_of_an_app(self, client: FlaskClient, scheduler: Recorder) -> None:
        self.done(scheduler, FIRST, SECOND)
        response = client.delete("/v2/apps/dev/web/tasks?host=*&wipe=true")
        assert (response.status_code, response.get_json()) == (200, {"tasks": [TASK_1, TASK_2]})
        assert scheduler.asked == [KillTasks((FIRST, SECOND), wipe=True)]

    def test_those_on_a_host(self, client: FlaskClient, scheduler: Recorder) -> None:
        self.done(scheduler, SECOND)
        response = client.delete("/v2/apps/dev/web/tasks?host=agent2.local")
        assert response.get_json() == {"tasks": [TASK_2]}
        assert scheduler.asked == [KillTasks((SECOND,))]

    def test_none_on_a_host(self, client: FlaskClient, scheduler: Recorder) -> None:
        response = client.delete("/v2/apps/dev/web/tasks?host=agent")
        assert (response.status_code, response.get_json()) == (200, {"tasks": []})
        assert scheduler.asked == []

    def test_one(self, client: FlaskClient, scheduler: Recorder) -> None:
        self.done(scheduler, FIRST)
        response = client.delete(f"/v2/apps/dev/web/tasks/{FIRST}._app.1?force=true")
        assert (response.status_code, response.get_json()) == (200, {"task": TASK_1})
        assert scheduler.asked == [KillTasks((FIRST,), force=True)]

    @pytest.mark.parametrize(
        "path",
        [
            f"/v2/apps/dev/web/tasks/{FIRST}._app.2",
            f"/v2/apps/dev/web/tasks/{FIRST}",
            f"/v2/apps/batch/tasks/{FIRST}._app.1",
        ],
    )
    def test_another_incarnation_or_app_is_not_meant(
        self, client: FlaskClient, scheduler: Recorder, path: str
    ) -> None:
        response = client.delete(path)
        task_id = path.rpartition("/")[2]
        assert (response.status_code, response.get_json()) == (
            404,
            {"message": f"Task '{task_id}' does not exist"},
        )
        assert scheduler.asked == []

    def test_scaling_down(self, client: FlaskClient, scheduler: Recorder) -> None:
        for path in ("", f"/{FIRST}._app.1"):
            self.done(scheduler, FIRST)
            response = client.delete(f"/v2/apps/dev/web/tasks{path}?scale=True&wipe=False")
            assert (response.status_code, response.get_json()) == (
                200,
                {"version": NOW, "deploymentId": "d-2"},
            )
        assert scheduler.asked == [
            KillTasks((FIRST, SECOND), scale=True),
            KillTasks((FIRST,), scale=True),
        ]

    def test_scaling_an_app_without_instances(
        self, client: FlaskClient, scheduler: Recorder
    ) -> None:
        response = client.delete("/v2/apps/batch/tasks?scale=true")
        assert (response.status_code, response.get_json()) == (
            404,
            {"message": "Path '/batch' does not exist"},
        )
        assert scheduler.asked == []

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("DELETE", "/v2/apps/dev/web/tasks"),
            ("DELETE", f"/v2/apps/dev/web/tasks/{FIRST}._app.1"),
            ("POST", "/v2/tasks/delete"),
        ],
    )
    def test_not_both(
        self, client: FlaskClient, scheduler: Recorder, method: str, path: str
    ) -> None:
        response = client.open(f"{path}?scale=true&wipe=true", method=method, json={"ids": []})
        assert (response.status_code, response.get_json()) == (
            400,
            {"message": "You cannot use scale and wipe at the same time."},
        )
        assert scheduler.asked == []

    def test_by_ids(self, client: FlaskClient, scheduler: Recorder) -> None:
        self.done(scheduler, SECOND)
        ids = [f"{SECOND}._app.1", "old_app.0c6b1b6e", f"{FIRST}._app.7", f"{SECOND}._app.1"]
        response = client.post("/v2/tasks/delete", json={"ids": ids})
        assert (response.status_code, response.get_json()) == (200, {"tasks": [TASK_2]})
        assert scheduler.asked == [KillTasks((SECOND,))]

    def test_by_ids_that_nobody_knows(self, client: FlaskClient, scheduler: Recorder) -> None:
        response = client.post("/v2/tasks/delete", json={"ids": ["a.b"]})
        assert (response.status_code, response.get_json()) == (200, {"tasks": []})
        assert scheduler.asked == []

    @pytest.mark.parametrize(
        ("body", "status", "answer"),
        [
            (
                {"ids": ["nonsense"]},
                400,
                {"message": "Invalid task id 'nonsense'. [unable to parse]"},
            ),
            (
                {},
                422,
                {
                    "message": "Invalid JSON",
                    "details": [{"path": "/ids", "errors": ["error.path.missing"]}],
                },
            ),
            (
                {"ids": [1]},
                422,
                {
                    "message": "Invalid JSON",
                    "details": [{"path": "/ids(0)", "errors": ["error.expected.jsstring"]}],
                },
            ),
        ],
    )
    def test_bad_ids(
        self,
        client: FlaskClient,
        scheduler: Recorder,
        body: Any,
        status: int,
        answer: dict[str, Any],
    ) -> None:
        response = client.post("/v2/tasks/delete", json=body)
        assert (response.status_code, response.get_json()) == (status, answer)
        assert scheduler.asked == []


def test_a_service_port_is_assigned_by_the_scheduler(
    client: FlaskClient, scheduler: Recorder
) -> None:
    client.post("/v2/apps", json={**NEW, "ports": [0, 7]})
    assert only_put(scheduler).app.service_ports == (0, 7)
