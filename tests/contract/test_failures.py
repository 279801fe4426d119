"""``/v3/apps/<id>/failures``: the last failures of an app, with links to sandboxes."""

from flask.testing import FlaskClient

from framework.domain.instance import TaskFailure, failure_key
from framework.domain.records import replace
from framework.domain.rollout import Connection, Framework
from framework.domain.state import Kind
from tests.contract.cluster import NOW, NOW_MS, V1
from tests.unit.api.recorder import Recorder

FAILURE = TaskFailure(
    app_id="/dev/web",
    task_id="dev_web.instance-1._app.1",
    instance_id="dev_web.instance-1",
    state="TASK_FAILED",
    message="exit 1",
    host="agent1.local",
    agent_id="S1",
    timestamp_ms=NOW_MS,
    version=V1,
    reason="REASON_COMMAND_EXECUTOR_FAILED",
    staged_at_ms=NOW_MS - 5,
    number=20,
)
SHOWN = {
    "appId": "/dev/web",
    "taskId": "dev_web.instance-1._app.1",
    "instanceId": "dev_web.instance-1",
    "state": "TASK_FAILED",
    "reason": "REASON_COMMAND_EXECUTOR_FAILED",
    "message": "exit 1",
    "host": "agent1.local",
    "slaveId": "S1",
    "timestamp": NOW,
    "stagedAt": "2026-01-02T03:04:05.673Z",
    "version": V1,
}
LINK = "/#/agents/S1/frameworks/framework-1/executors/dev_web.instance-1._app.1/browse"


def test_the_newest_first(client: FlaskClient, scheduler: Recorder) -> None:
    path = "/v3/apps/dev/web/failures"
    assert client.get(path).get_json() == {"failures": []}
    scheduler.hold(Kind.PAST_FAILURE, failure_key("/dev/web", 0), FAILURE)
    scheduler.hold(
        Kind.PAST_FAILURE, failure_key("/dev/web", 19), replace(FAILURE, number=19, agent_id="")
    )
    scheduler.hold(Kind.PAST_FAILURE, failure_key("/other", 1), FAILURE)
    newest, older = client.get(path).get_json()["failures"]
    assert newest == SHOWN
    assert "slaveId" not in older


def test_where_the_files_are(
    client: FlaskClient, scheduler: Recorder, framework: Framework
) -> None:
    scheduler.hold(Kind.PAST_FAILURE, failure_key("/dev/web", 0), FAILURE)
    scheduler.hold(Kind.CONNECTION, "connection", Connection(True, True, "m1:5050", NOW_MS))
    path = "/v3/apps/dev/web/failures"
    assert client.get(path).get_json()["failures"] == [
        {**SHOWN, "sandbox": f"http://m1:5050{LINK}"}
    ]
    scheduler.facts["settings"] = {"mesos_leader_ui_url": "https://mesos.example/"}
    (told,) = client.get(path).get_json()["failures"]
    assert told["sandbox"] == f"https://mesos.example{LINK}"


def test_an_app_that_is_not_there(client: FlaskClient) -> None:
    response = client.get("/v3/apps/none/failures")
    assert (response.status_code, response.get_json()) == (
        404,
        {"message": "App '/none' does not exist"},
    )
