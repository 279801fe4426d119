"""What is told of tasks and deployments: who is leaving, what checks found, how far a change is."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from framework.domain.app import App, CanaryStep, HealthCheck, ReadinessCheck, UpgradeStrategy
from framework.domain.health import CheckHealth, InstanceHealth, ProbeAnswer, ProbeResult
from framework.domain.instance import Condition, Goal, Instance
from framework.domain.records import replace
from framework.domain.rollout import ActionName, Deployment, DeploymentPart, PlannedAction, part_key
from framework.domain.state import Kind
from tests.contract.cluster import NOW, NOW_MS, UUID, V1, V2
from tests.unit.api.recorder import Recorder

FIRST, SECOND = f"dev_web.instance-{UUID}1", f"dev_web.instance-{UUID}2"
AT = "2026-01-02T03:04:00.678Z"


def change_instance(scheduler: Recorder, key: str, **fields: Any) -> Instance:
    changed = replace(scheduler.view.instances[key], **fields)
    scheduler.hold(Kind.INSTANCE, key, changed)
    return changed


def change_app(scheduler: Recorder, **fields: Any) -> App:
    app = replace(scheduler.view.apps["/dev/web"], **fields)
    scheduler.hold_app(app)
    return app


def task_of(client: FlaskClient, key: str) -> dict[str, Any]:
    tasks = client.get("/v2/tasks").get_json()["tasks"]
    (found,) = [one for one in tasks if one["id"].startswith(key)]
    result: dict[str, Any] = found
    return result


@pytest.mark.parametrize(
    ("condition", "fields", "state"),
    [
        (Condition.RUNNING, {"goal": Goal.DECOMMISSIONED}, "TASK_KILLING"),
        (Condition.RUNNING, {"kill_reason": "killed on request"}, "TASK_KILLING"),
        (Condition.RUNNING, {}, "TASK_RUNNING"),
        (Condition.STAGING, {"goal": Goal.DECOMMISSIONED}, "TASK_STAGING"),
        (Condition.UNREACHABLE, {"goal": Goal.DECOMMISSIONED}, "TASK_UNREACHABLE"),
    ],
)
def test_one_that_is_to_be_killed_is_said_to_be_in_killing(
    client: FlaskClient,
    scheduler: Recorder,
    condition: Condition,
    fields: dict[str, Any],
    state: str,
) -> None:
    change_instance(scheduler, FIRST, condition=condition, **fields)
    assert task_of(client, FIRST)["state"] == state


def test_one_that_is_to_be_killed_is_not_to_be_used(
    client: FlaskClient, scheduler: Recorder
) -> None:
    change_instance(scheduler, FIRST, goal=Goal.DECOMMISSIONED)
    app = client.get("/v2/apps/dev/web").get_json()["app"]
    assert (app["tasksRunning"], app["tasksHealthy"], app["tasksUnhealthy"]) == (1, 0, 1)
    running = client.get("/v2/tasks?status=running").get_json()["tasks"]
    assert [task["host"] for task in running] == ["agent2.local"]
    text = client.get("/v2/tasks", headers={"Accept": "text/plain"}).get_data(as_text=True)
    assert "agent1" not in text
    assert "agent2.local:31002" in text


class TestHealth:
    OURS = (HealthCheck("HTTP", port_index=0), HealthCheck("TCP", port_index=1))
    GOOD = CheckHealth(True, 0, NOW_MS - 5_000, NOW_MS, None)
    BAD = CheckHealth(False, 7, None, None, NOW_MS - 5_000, "connection refused")
    GOOD_JSON = {
        "alive": True,
        "consecutiveFailures": 0,
        "firstSuccess": AT,
        "lastSuccess": NOW,
        "instanceId": FIRST,
    }
    BAD_JSON = {
        "alive": False,
        "consecutiveFailures": 7,
        "lastFailure": AT,
        "lastFailureCause": "connection refused",
        "instanceId": FIRST,
    }
    VERDICT = {
        "alive": True,
        "consecutiveFailures": 0,
        "firstSuccess": AT,
        "lastSuccess": AT,
        "instanceId": FIRST,
    }

    def results(
        self, client: FlaskClient, scheduler: Recorder, checks: dict[int, CheckHealth]
    ) -> Any:
        known = InstanceHealth(scheduler.view.instances[FIRST].task_id, checks)
        scheduler.hold(Kind.HEALTH, FIRST, known)
        return task_of(client, FIRST).get("healthCheckResults")

    def test_one_result_for_each_check_of_ours(
        self, client: FlaskClient, scheduler: Recorder
    ) -> None:
        change_app(scheduler, health_checks=self.OURS)
        both = {0: self.GOOD, 1: self.BAD}
        assert self.results(client, scheduler, both) == [self.GOOD_JSON, self.BAD_JSON]
        assert self.results(client, scheduler, {1: self.BAD}) == [self.BAD_JSON]

    def test_the_executors_check_beside_ours(
        self, client: FlaskClient, scheduler: Recorder
    ) -> None:
        checks = (HealthCheck("MESOS_HTTP", port_index=0), self.OURS[1])
        change_app(scheduler, health_checks=checks)
        both = {0: self.GOOD, 1: self.BAD}
        assert self.results(client, scheduler, both) == [self.GOOD_JSON, self.BAD_JSON]
        assert self.results(client, scheduler, {1: self.BAD}) == [self.BAD_JSON], "not heard of yet"

    def test_the_remembered_verdict_until_there_is_a_result(
        self, client: FlaskClient, scheduler: Recorder
    ) -> None:
        change_app(scheduler, health_checks=self.OURS)
        assert self.results(client, scheduler, {}) == [self.VERDICT]
        of_another_task = InstanceHealth("another", {0: self.BAD})
        scheduler.hold(Kind.HEALTH, FIRST, of_another_task)
        assert task_of(client, FIRST)["healthCheckResults"] == [self.VERDICT]
        change_instance(scheduler, FIRST, healthy=None)
        assert "healthCheckResults" not in task_of(client, FIRST)

    def test_an_old_instance_by_the_checks_it_was_launched_with(
        self, client: FlaskClient, scheduler: Recorder
    ) -> None:
        change_app(scheduler, version=NOW, health_checks=())
        assert self.results(client, scheduler, {}) == [self.VERDICT]


def watched(scheduler: Recorder, **fields: Any) -> Deployment:
    """A restart of ``/dev/web`` and, later, a removal of what is not there any more."""
    record = Deployment(
        **{
            "id": "d-1",
            "version": V2,
            "parts": 1,
            "total_steps": 2,
            "current_step": 1,
            "started_at_ms": NOW_MS - 5_000,
            "progress_at_ms": NOW_MS - 5_000,
            **fields,
        }
    )
    part = DeploymentPart(
        record.id,
        (
            PlannedAction(1, ActionName.RESTART, "/dev/web", V1),
            PlannedAction(2, ActionName.STOP, "/gone", V1),
        ),
    )
    scheduler.hold(Kind.DEPLOYMENT_PART, part_key(record.id, 0), part)
    scheduler.hold(Kind.DEPLOYMENT, record.id, record)
    return record


STEPS = [
    {"actions": [{"action": "RestartApplication", "app": "/dev/web"}]},
    {"actions": [{"action": "StopApplication", "app": "/gone"}]},
]


def test_how_far_a_deployment_is(client: FlaskClient, scheduler: Recorder) -> None:
    watched(scheduler, reverts="d-0")
    change_app(scheduler, config=V2)
    change_instance(scheduler, FIRST, config=V1)
    change_instance(scheduler, SECOND, config=V2)
    others: dict[str, dict[str, Any]] = {
        "staged": {"condition": Condition.STAGING},
        "waiting": {"condition": Condition.FAILED},
        "serving": {"condition": Condition.RUNNING, "healthy": True},
        "leaving": {"condition": Condition.RUNNING, "goal": Goal.DECOMMISSIONED},
    }
    for name, fields in others.items():
        one = Instance(f"dev_web.{name}", "/dev/web", V2, "S1", config=V2, **fields)
        scheduler.hold(Kind.INSTANCE, one.id, one)
    last = Instance("gone.last", "/gone", V1, "S1", condition=Condition.RUNNING)
    scheduler.hold(Kind.INSTANCE, last.id, last)
    shown = {
        "id": "d-1",
        "version": V2,
        "affectedApps": ["/dev/web", "/gone"],
        "steps": STEPS,
        "currentStep": 1,
        "totalSteps": 2,
        "paused": False,
        "canary": False,
        "apps": [
            {
                "id": "/dev/web",
                "wanted": 3,
                "newServing": 1,
                "newTotal": 3,
                "oldServing": 1,
                "oldTotal": 1,
                "leaving": 1,
            },
            {
                "id": "/gone",
                "wanted": 0,
                "newServing": 0,
                "newTotal": 0,
                "oldServing": 0,
                "oldTotal": 0,
                "leaving": 1,
            },
        ],
        "startedAt": AT,
        "progressAt": AT,
        "reverts": "d-0",
        "warnings": [],
    }
    assert client.get("/v3/deployments").get_json() == [shown]
    assert client.get("/v3/deployments/d-1").get_json() == shown


def test_one_counts_as_serving_once_it_served_long_enough(
    client: FlaskClient, scheduler: Recorder
) -> None:
    watched(scheduler)
    change_app(scheduler, upgrade_strategy=UpgradeStrategy(minimum_healthy_seconds=10))
    for proved in (False, True):
        change_instance(scheduler, FIRST, proved=proved)
        (app, _) = client.get("/v3/deployments/d-1").get_json()["apps"]
        assert app["newServing"] == int(proved)


def test_those_that_edges_do_not_use_yet(client: FlaskClient, scheduler: Recorder) -> None:
    watched(scheduler)
    for waits in (True, False):
        change_instance(scheduler, FIRST, awaits_edges=waits)
        (app, _) = client.get("/v3/deployments/d-1").get_json()["apps"]
        assert (app["newServing"], app.get("awaitingEdges", 0)) == (int(not waits), int(waits))


def test_until_when_there_must_be_progress(client: FlaskClient, scheduler: Recorder) -> None:
    change_app(scheduler, upgrade_strategy=UpgradeStrategy(progress_deadline_seconds=5))
    watched(scheduler)
    assert client.get("/v3/deployments/d-1").get_json()["deadlineAt"] == NOW
    for fields in ({"paused": True}, {"current_step": 2}):
        watched(scheduler, **fields)
        assert "deadlineAt" not in client.get("/v3/deployments/d-1").get_json()


def test_where_the_steps_of_canaries_stand(client: FlaskClient, scheduler: Recorder) -> None:
    steps = (CanaryStep(5.0, 60), CanaryStep(50.0, 60))
    change_app(scheduler, upgrade_strategy=UpgradeStrategy(canary=1, canary_steps=steps))
    watched(scheduler, paused=True, canary=True, canary_step=1, canary_until_ms=NOW_MS)
    shown = client.get("/v3/deployments/d-1").get_json()
    stands = [shown[name] for name in ("canaryStep", "canarySteps", "nextStepAt")]
    assert stands == [1, 2, NOW]
    watched(scheduler, paused=True, canary=True, canary_step=1, by_hand=True)
    assert "canaryStep" not in client.get("/v3/deployments/d-1").get_json()


def test_readiness_of_the_instances_that_were_asked(
    client: FlaskClient, scheduler: Recorder
) -> None:
    watched(scheduler)
    change_app(scheduler, config=V2, readiness_checks=(ReadinessCheck("warm"),))
    change_instance(scheduler, FIRST, config=V2, ready=False)
    change_instance(scheduler, SECOND, config=V2, ready=True)
    old = Instance("dev_web.old", "/dev/web", V1, "S1", config=V1, ready=True)
    scheduler.hold(Kind.INSTANCE, old.id, old)

    def results() -> Any:
        (shown,) = client.get("/v2/deployments").get_json()
        (action,) = shown["currentActions"]
        embedded = client.get("/v2/apps/dev/web?embed=readiness").get_json()["app"]
        assert embedded["readinessCheckResults"] == action["readinessCheckResults"]
        return action["readinessCheckResults"]

    second = {"name": "warm", "taskId": f"{SECOND}._app.1", "ready": True}
    assert results() == [second]
    answer = ProbeAnswer(503, "text/plain", "no")
    found = ProbeResult("key", NOW_MS, alive=False, answer=answer)
    scheduler.hold(Kind.HEALTH, FIRST, InstanceHealth(f"{FIRST}._app.1", readiness=found))
    last = {"status": 503, "contentType": "text/plain", "body": "no"}
    first = {
        "name": "warm",
        "taskId": f"{FIRST}._app.1",
        "ready": False,
        "lastResponse": last,
    }
    assert results() == [first, second]
