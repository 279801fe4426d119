"""Requests that operate the scheduler: waits, deployments, orphans, teardown; and foreign pages."""

import pytest
from flask.testing import FlaskClient

from framework.domain.events import (
    AdoptOrphan,
    CancelDeployment,
    KillOrphan,
    ResetDelay,
    TearDown,
)
from framework.domain.instance import Condition, Instance, Orphan
from framework.domain.replies import Done, Refused, Why
from framework.domain.state import Kind
from tests.contract.cluster import NOW, V1
from tests.unit.api.recorder import Recorder

RESULT = {"version": NOW, "deploymentId": "d-1"}


class TestQueueAndDeployments:
    def test_resetting_a_delay(self, client: FlaskClient, scheduler: Recorder) -> None:
        scheduler.replies.append(Done())
        response = client.delete("/v2/queue//dev/web/delay")
        assert (response.status_code, response.get_data()) == (204, b"")
        assert scheduler.asked == [ResetDelay("/dev/web")]

    @pytest.mark.parametrize("why", [Why.NOT_WAITING, Why.APP_UNKNOWN])
    def test_of_what_does_not_wait(
        self, client: FlaskClient, scheduler: Recorder, why: Why
    ) -> None:
        scheduler.replies.append(Refused(why, "/x"))
        response = client.delete("/v2/queue/x/delay")
        assert (response.status_code, response.get_json()) == (
            404,
            {"message": "Application /x not found in tasks queue."},
        )

    def test_taking_a_deployment_back(self, client: FlaskClient, scheduler: Recorder) -> None:
        response = client.delete("/v2/deployments/97c1")
        assert (response.status_code, response.get_json()) == (200, RESULT)
        forced = client.delete("/v2/deployments/97c1?force=true")
        assert (forced.status_code, forced.get_data()) == (202, b"")
        assert scheduler.asked == [
            CancelDeployment("97c1"),
            CancelDeployment("97c1", force=True),
        ]

    def test_an_unknown_one(self, client: FlaskClient, scheduler: Recorder) -> None:
        scheduler.replies.append(Refused(Why.DEPLOYMENT_UNKNOWN, "97c1"))
        response = client.delete("/v2/deployments/97c1")
        assert (response.status_code, response.get_json()) == (
            404,
            {"message": "DeploymentPlan 97c1 does not exist"},
        )


class TestOrphans:
    @pytest.fixture
    def orphan(self, scheduler: Recorder) -> Orphan:
        record = Orphan("batch.instance-z._app.4", "S2", "TASK_RUNNING", 1_767_323_045_678, "hi")
        scheduler.hold(Kind.ORPHAN, record.task_id, record)
        return record

    def test_the_list(self, client: FlaskClient, orphan: Orphan) -> None:
        assert client.get("/v3/orphans").get_json() == {
            "orphans": [
                {
                    "taskId": orphan.task_id,
                    "agentId": "S2",
                    "host": "agent2.local",
                    "state": "TASK_RUNNING",
                    "firstSeen": NOW,
                    "message": "hi",
                    "killRequested": False,
                }
            ]
        }

    def test_adopting(self, client: FlaskClient, scheduler: Recorder, orphan: Orphan) -> None:
        adopted = Instance("batch.instance-z", "/batch", V1, "S2", 4, condition=Condition.RUNNING)
        scheduler.replies.append(Done(instances=(adopted,)))
        response = client.post(f"/v3/orphans/{orphan.task_id}/adopt", json={"appId": "batch"})
        assert response.status_code == 200
        assert [task["id"] for task in response.get_json()["tasks"]] == [orphan.task_id]
        assert scheduler.asked == [AdoptOrphan(orphan.task_id, "/batch")]

    def test_adopting_into_nothing(self, client: FlaskClient, scheduler: Recorder) -> None:
        response = client.post("/v3/orphans/x/adopt", json={})
        assert response.status_code == 422
        assert scheduler.asked == []

    def test_killing(self, client: FlaskClient, scheduler: Recorder, orphan: Orphan) -> None:
        assert client.delete(f"/v3/orphans/{orphan.task_id}").status_code == 202
        assert scheduler.asked == [KillOrphan(orphan.task_id)]
        scheduler.replies.append(Refused(Why.ORPHAN_UNKNOWN, "x"))
        response = client.delete("/v3/orphans/x")
        assert (response.status_code, response.get_json()) == (
            404,
            {"message": "Task 'x' does not exist"},
        )


def test_tearing_down(client: FlaskClient, scheduler: Recorder) -> None:
    assert client.get("/v3/framework/teardown").status_code == 405
    assert scheduler.asked == []
    assert client.post("/v3/framework/teardown", json={}).status_code == 200
    assert scheduler.asked == [TearDown()]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/v2/apps", {"GET", "HEAD", "POST", "PUT", "PATCH"}),
        ("POST", "/v2/apps/dev/web", {"GET", "HEAD", "PUT", "PATCH", "DELETE"}),
        ("PUT", "/v2/tasks", {"GET", "HEAD"}),
        ("GET", "/v2/tasks/delete", {"POST"}),
        ("POST", "/v2/leader", {"GET", "HEAD", "DELETE"}),
    ],
)
def test_wrong_methods(
    client: FlaskClient, scheduler: Recorder, method: str, path: str, allowed: set[str]
) -> None:
    response = client.open(path, method=method)
    assert (response.status_code, response.get_json()) == (
        405,
        {"message": "Method Not Allowed"},
    )
    assert set(response.headers["Allow"].split(", ")) == allowed
    assert scheduler.asked == []


class TestForeignPages:
    @pytest.mark.parametrize(
        ("origin", "host"),
        [
            ("http://evil.example", "127.0.0.1:8080"),
            ("http://evil.example:8080", "evil.example:8080"),
            ("http://127.0.0.1:9090", "127.0.0.1:8080"),
            ("null", "127.0.0.1:8080"),
            ("http://[", "127.0.0.1:8080"),
        ],
    )
    def test_may_not_change_anything(
        self, client: FlaskClient, scheduler: Recorder, origin: str, host: str
    ) -> None:
        headers = {"Origin": origin, "Host": host}
        response = client.post("/v2/apps/dev/web/restart", headers=headers)
        assert response.status_code == 403
        assert scheduler.asked == []

    @pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:8080", "[::1]:8080"])
    def test_our_own_may(self, client: FlaskClient, scheduler: Recorder, host: str) -> None:
        headers = {"Origin": f"http://{host}", "Host": host}
        response = client.post("/v2/apps/dev/web/restart", headers=headers)
        assert response.status_code == 200
        assert len(scheduler.asked) == 1


def test_abdicating_once_the_answer_is_out(client: FlaskClient, scheduler: Recorder) -> None:
    with client.delete("/v2/leader", buffered=False) as response:
        assert not scheduler.abdicated.is_set()
        assert (response.status_code, response.get_json()) == (
            200,
            {"message": "Leadership abdicated"},
        )
    assert scheduler.abdicated.is_set()


@pytest.mark.parametrize("name", ["backup", "restore"])
def test_abdication_does_not_back_up(client: FlaskClient, scheduler: Recorder, name: str) -> None:
    with client.delete(f"/v2/leader?{name}=file:///tmp/x", buffered=False) as response:
        assert response.status_code == 422
        assert f"stayer state {name}" in response.get_json()["message"]
    assert not scheduler.abdicated.is_set()
