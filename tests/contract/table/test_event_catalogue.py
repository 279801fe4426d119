"""Each of Marathon's events with its exact fields (rest-api.md, section 9.1), from the notice that
causes it."""

from typing import Any

import msgspec
import pytest

from api.events.catalogue import happenings
from api.events.log import Event
from framework.domain.app import App, HealthCheck
from framework.domain.instance import Condition, Goal, Instance
from framework.domain.mesos import Agent, TaskState, TaskStatus
from framework.domain.notices import (
    DeploymentEnded,
    DeploymentStarted,
    DeploymentStepped,
    HealthChanged,
    HealthCheckFailed,
    InstanceChanged,
    Notice,
    SchedulerDisconnected,
    SchedulerRegistered,
    SharesChanged,
    StatusUpdated,
    UnhealthyKilled,
    UnknownInstanceTerminated,
)
from framework.domain.records import replace
from framework.domain.rollout import ActionName, Deployment, DeploymentAction, Plan
from framework.domain.state import Kind, State, version_key
from tests.contract.cluster import NOW, NOW_MS, V1, V2

ID = "web.instance-1"
INSTANCE = Instance(
    id=ID,
    app_id="/web",
    version=V2,
    agent_id="S1",
    condition=Condition.RUNNING,
    ports=(31_000,),
    addresses=("10.0.0.1", "fd00::1"),
    healthy=True,
)
CHECK = HealthCheck("HTTP", path="/health", port_index=0)
CHECK_JSON = {
    "protocol": "HTTP",
    "path": "/health",
    "portIndex": 0,
    "gracePeriodSeconds": 300,
    "intervalSeconds": 60,
    "timeoutSeconds": 20,
    "maxConsecutiveFailures": 3,
    "delaySeconds": 15,
    "ipProtocol": "IPv4",
    "ignoreHttp1xx": False,
}
STATUS = TaskStatus(f"{ID}._app.1", TaskState.RUNNING, "S1", "u-1", message="it runs")
DEPLOYMENT = Deployment(id="d-1", version=V2, parts=1, total_steps=2, current_step=1)
PLAN = Plan(
    (
        (
            DeploymentAction(ActionName.START, "/web"),
            DeploymentAction(ActionName.STOP, "/gone"),
        ),
        (DeploymentAction(ActionName.SCALE, "/web"),),
    ),
    ("/gone", "/web"),
    {"/web": "", "/gone": V1},
    {},
)
FIRST = {
    "actions": [
        {"action": "StartApplication", "app": "/web"},
        {"action": "StopApplication", "app": "/gone"},
    ]
}
SECOND = {"actions": [{"action": "ScaleApplication", "app": "/web"}]}
PLAN_JSON = {"id": "d-1", "version": V2, "steps": [FIRST, SECOND]}
AT_SECOND = replace(DEPLOYMENT, current_step=2)
HEALTHY = {"instanceId": ID, "version": V2}
KILLED = {
    "taskId": f"{ID}._app.1",
    "instanceId": ID,
    "version": V2,
    "reason": "refused",
    "host": "agent1.local",
    "slaveId": "S1",
}


@pytest.fixture
def view() -> State:
    state = State()
    state.put(Kind.AGENT, "S1", Agent("S1", "agent1.local"))
    state.put(Kind.APP, "/web", App(id="/web", version=V2, health_checks=(CHECK,)))
    gone = App(id="/gone", version=V1, health_checks=(CHECK, CHECK))
    state.put(Kind.APP_VERSION, version_key("/gone", V1), gone)
    return state


Told = tuple[str, dict[str, Any]]
ADDED: Told = (
    "add_health_check_event",
    {"appId": "/web", "version": V2, "healthCheck": CHECK_JSON},
)
TERMINATED: list[Told] = [
    ("remove_health_check_event", {"appId": "/gone"}),
    ("remove_health_check_event", {"appId": "/gone"}),
    ("app_terminated_event", {"appId": "/gone"}),
]


def instance_changed(condition: str, **fields: Any) -> Told:
    told = {
        "instanceId": ID,
        "condition": condition,
        "runSpecId": "/web",
        "agentId": "S1",
        "host": "agent1.local",
        "runSpecVersion": V2,
    }
    return "instance_changed_event", told | fields


def status_updated(**fields: Any) -> Told:
    told = {
        "slaveId": "S1",
        "taskId": f"{ID}._app.1",
        "taskStatus": "TASK_RUNNING",
        "message": "it runs",
        "appId": "/web",
        "host": "agent1.local",
        "ipAddresses": [
            {"ipAddress": "10.0.0.1", "protocol": "IPv4"},
            {"ipAddress": "fd00::1", "protocol": "IPv6"},
        ],
        "ports": [31_000],
        "version": V2,
    }
    return "status_update_event", told | fields


def health_changed(alive: bool, healthy: bool | None) -> list[Told]:
    about = {"instanceId": ID, "runSpecId": "/web", "runSpecVersion": V2}
    return [
        (
            "health_status_changed_event",
            {"appId": "/web", "instanceId": ID, "version": V2, "alive": alive},
        ),
        ("instance_health_changed_event", {**about, "healthy": healthy}),
    ]


def check_failed(check: dict[str, Any]) -> Told:
    about = {"appId": "/web", "taskId": ID, "instanceId": ID}
    return "failed_health_check_event", {**about, "healthCheck": check}


@pytest.mark.parametrize(
    ("notice", "expected"),
    [
        (InstanceChanged(INSTANCE, "agent1.local"), [instance_changed("Running")]),
        (
            InstanceChanged(replace(INSTANCE, condition=Condition.SCHEDULED, agent_id=""), ""),
            [instance_changed("Scheduled", agentId=None, host=None)],
        ),
        (
            InstanceChanged(
                replace(INSTANCE, condition=Condition.UNREACHABLE_INACTIVE), "agent1.local"
            ),
            [instance_changed("UnreachableInactive")],
        ),
        (
            InstanceChanged(replace(INSTANCE, goal=Goal.DECOMMISSIONED), "agent1.local"),
            [instance_changed("Killing")],
        ),
        (StatusUpdated(STATUS, INSTANCE, "agent1.local"), [status_updated()]),
        (
            StatusUpdated(STATUS, replace(INSTANCE, goal=Goal.DECOMMISSIONED), "agent1.local"),
            [status_updated(taskStatus="TASK_KILLING")],
        ),
        (HealthChanged(INSTANCE), health_changed(alive=True, healthy=True)),
        (
            HealthChanged(replace(INSTANCE, healthy=False)),
            health_changed(alive=False, healthy=False),
        ),
        (
            HealthChanged(replace(INSTANCE, healthy=None)),
            health_changed(alive=False, healthy=None),
        ),
        (HealthCheckFailed(INSTANCE, 0, "refused"), [check_failed(CHECK_JSON)]),
        (
            UnhealthyKilled(INSTANCE, "refused"),
            [("unhealthy_instance_kill_event", {"appId": "/web", **KILLED})],
        ),
        (
            DeploymentStarted(DEPLOYMENT, PLAN),
            [("deployment_info", {"plan": PLAN_JSON, "currentStep": FIRST}), ADDED],
        ),
        (
            DeploymentStepped(AT_SECOND, PLAN),
            [
                *TERMINATED,
                ("deployment_step_success", {"plan": PLAN_JSON, "currentStep": FIRST}),
                ("deployment_info", {"plan": PLAN_JSON, "currentStep": SECOND}),
            ],
        ),
        (
            DeploymentEnded(AT_SECOND, PLAN),
            [
                ("deployment_step_success", {"plan": PLAN_JSON, "currentStep": SECOND}),
                ("deployment_success", {"id": "d-1", "plan": PLAN_JSON}),
            ],
        ),
        (
            DeploymentEnded(AT_SECOND, PLAN, "cancelled"),
            [("deployment_failed", {"id": "d-1", "plan": PLAN_JSON, "reason": "cancelled"})],
        ),
        (
            DeploymentEnded(replace(DEPLOYMENT, total_steps=0), Plan((), (), {}, {})),
            [
                (
                    "deployment_success",
                    {"id": "d-1", "plan": {"id": "d-1", "version": V2, "steps": []}},
                )
            ],
        ),
        (
            SchedulerRegistered("f-1", "m1:5050", again=False),
            [("scheduler_registered_event", {"frameworkId": "f-1", "master": "m1:5050"})],
        ),
        (
            SchedulerRegistered("f-1", "m2:5050", again=True),
            [("scheduler_reregistered_event", {"master": "m2:5050"})],
        ),
        (SchedulerDisconnected(), [("scheduler_disconnected_event", {})]),
        (
            SharesChanged("web", ("/web", "/web-2")),
            [("shares_changed", {"name": "web", "appIds": ["/web", "/web-2"]})],
        ),
        (
            UnknownInstanceTerminated("dev_my.web.instance-7", Condition.FINISHED),
            [
                (
                    "unknown_instance_terminated_event",
                    {
                        "instanceId": "dev_my.web.instance-7",
                        "runSpecId": "/dev/my.web",
                        "condition": "Finished",
                    },
                )
            ],
        ),
    ],
)
def test_fields(view: State, notice: Notice, expected: list[Told]) -> None:
    events = [Event(1, NOW_MS, one) for one in happenings(notice, view)]
    told = [msgspec.json.decode(event.body()) for event in events]
    common = [{"eventType": kind, "timestamp": NOW} for kind, _ in expected]
    assert told == [fields | shared for (_, fields), shared in zip(expected, common, strict=True)]


def test_plans_as_old_clients_parse_them(view: State) -> None:
    (event, _) = [
        Event(1, NOW_MS, one) for one in happenings(DeploymentStarted(DEPLOYMENT, PLAN), view)
    ]
    for _ in range(2):
        whole = msgspec.json.decode(event.body(whole_plans=True))
        assert whole["plan"] == {**PLAN_JSON, "original": {}, "target": {}}
        assert msgspec.json.decode(event.body())["plan"] == PLAN_JSON


def test_a_check_of_a_definition_that_is_gone(view: State) -> None:
    view.put(Kind.APP, "/web", None)
    (event,) = [
        Event(1, NOW_MS, one) for one in happenings(HealthCheckFailed(INSTANCE, 0, "x"), view)
    ]
    assert msgspec.json.decode(event.body())["healthCheck"] == {}
