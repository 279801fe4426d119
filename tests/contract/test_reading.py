"""GET requests and their exact answers."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from api.answers import EPOCH_HEADER
from framework.domain.app import App
from framework.domain.instance import Condition, Instance, TaskFailure
from framework.domain.records import replace
from framework.domain.rollout import Connection, Deployment, Framework, LaunchStats
from framework.domain.state import Kind
from tests.contract.cluster import (
    BATCH_JSON,
    COUNTS,
    NO_COUNTS,
    NOW,
    TASK_1,
    TASK_2,
    UUID,
    V1,
    V2,
    WEB_JSON,
)
from tests.unit.api.recorder import Recorder

WEB_LISTED = {**WEB_JSON, **COUNTS, "deployments": []}
BATCH_LISTED = {**BATCH_JSON, **NO_COUNTS, "deployments": []}
WEB_SHOWN = {**WEB_LISTED, "tasks": [TASK_1, TASK_2]}
BATCH_SHOWN = {**BATCH_LISTED, "tasks": []}
WITH_PORTS = {"servicePorts": [10_000, 10_001]}


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/v2/apps", {"apps": [BATCH_LISTED, WEB_LISTED]}),
        ("/v2/apps/?embed=apps.counts", {"apps": [BATCH_LISTED, WEB_LISTED]}),
        ("/v2/apps?id=WEB", {"apps": [WEB_LISTED]}),
        ("/v2/apps?cmd=Sleep", {"apps": [BATCH_LISTED]}),
        ("/v2/apps?label=team==red", {"apps": [WEB_LISTED]}),
        ("/v2/apps?label=team%20notin(red)&id=", {"apps": []}),
        ("/v2/apps?embed=app.tasks&embed=unheard.of", {"apps": [BATCH_SHOWN, WEB_SHOWN]}),
        ("/v2/apps/dev/web", {"app": WEB_SHOWN}),
        ("/v2/apps//dev/web", {"app": WEB_SHOWN}),
        ("/v2/apps/dev//web/", {"app": WEB_SHOWN}),
        ("/v2/apps/%2Fdev%2Fweb", {"app": WEB_SHOWN}),
        ("/v2/apps/dev/*", {"*": [WEB_SHOWN]}),
        ("/v2/apps/*", {"*": [BATCH_SHOWN, WEB_SHOWN]}),
        ("/v2/apps/dev/web/versions", {"versions": [V2, V1]}),
        (f"/v2/apps/dev/web/versions/{V2}", WEB_JSON),
        ("/v2/apps/dev/web/versions/2026-01-02T01:00:00%2B01:00", WEB_JSON),
        ("/v2/apps/dev/web/tasks", {"tasks": [TASK_1, TASK_2]}),
        ("/v2/apps/dev/*/tasks", {"tasks": [TASK_1, TASK_2]}),
        ("/v2/tasks", {"tasks": [{**TASK_1, **WITH_PORTS}, {**TASK_2, **WITH_PORTS}]}),
        (
            "/v2/tasks?status=running&status[]=nonsense",
            {"tasks": [{**TASK_1, **WITH_PORTS}, {**TASK_2, **WITH_PORTS}]},
        ),
        ("/v2/tasks?status=staging", {"tasks": []}),
        ("/v2/queue", {"queue": []}),
        ("/v2/deployments", []),
        ("/v2/leader", {"leader": "h1:8080"}),
        ("/v3/orphans", {"orphans": []}),
        (
            "/v3/agents",
            [
                {
                    "id": "S1",
                    "hostname": "agent1.local",
                    "attributes": {"rack": "r1"},
                    "region": "eu",
                    "zone": "z1",
                },
                {"id": "S2", "hostname": "agent2.local", "attributes": {}},
            ],
        ),
        (
            "/v3/apps/batch/waiting",
            {
                "appId": "/batch",
                "role": "*",
                "waiting": 0,
                "delay": {"timeLeftSeconds": 0, "overdue": True},
                "explanation": [],
            },
        ),
    ],
)
def test_what_is_there(client: FlaskClient, path: str, answer: Any) -> None:
    response = client.get(path)
    assert response.status_code == 200
    assert response.mimetype == "application/json"
    assert response.get_json() == answer


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/v2/apps/dev", 404, "App '/dev' does not exist"),
        ("/v2/apps/Nope_1", 404, "App '/Nope_1' does not exist"),
        ("/v2/apps/none/*", 404, "Group '/none' does not exist"),
        ("/v2/apps/none/tasks", 404, "App '/none' does not exist"),
        ("/v2/apps/none/versions", 404, "App '/none' does not exist"),
        (f"/v2/apps/none/versions/{V1}", 404, "App '/none' does not exist"),
        (
            f"/v2/apps/dev/web/versions/{NOW}",
            404,
            f"App '/dev/web' does not exist in version {NOW}",
        ),
        (
            "/v2/apps/dev/web/versions/yesterday",
            422,
            "Invalid timestamp provided 'yesterday'. Expecting ISO-8601 datetime string.",
        ),
        (
            "/v2/apps?label=a%3D",
            422,
            "Can not parse label selector a=. Reason: ',' or end of text expected at position 2",
        ),
        ("/v3/apps/none/waiting", 404, "App '/none' does not exist"),
        ("/v2/nonsense", 404, "URI not found"),
        ("/v1/apps", 404, "URI not found"),
        ("/v2/artifacts/x", 404, "URI not found"),
    ],
)
def test_what_is_not(client: FlaskClient, path: str, status: int, message: str) -> None:
    response = client.get(path)
    assert (response.status_code, response.get_json()) == (status, {"message": message})


def test_every_embed(client: FlaskClient, deployment: Deployment, failure: TaskFailure) -> None:
    failures = {
        "appId": "/dev/web",
        "host": "agent1.local",
        "message": "exit 1",
        "state": "TASK_FAILED",
        "taskId": "t1",
        "timestamp": NOW,
        "version": V1,
        "slaveId": "S1",
    }
    counts = {"staged": 0, "running": 2, "healthy": 1, "unhealthy": 1}
    stats = {"stats": {"counts": counts, "lifeTime": {"averageSeconds": 9, "medianSeconds": 9}}}
    task_stats = dict.fromkeys(
        ("startedAfterLastScaling", "withLatestConfig", "totalSummary"), stats
    )
    answer = client.get(
        "/v2/apps?id=web&embed=apps.failures,group.apps.taskStats&embed=readiness"
    ).get_json()
    assert answer["apps"] == [
        {
            **WEB_SHOWN,
            "deployments": [{"id": deployment.id}],
            "lastTaskFailure": failures,
            "readinessCheckResults": [],
            "tasksStats": task_stats,
            "taskStats": task_stats,
        }
    ]
    assert client.get("/v2/apps/dev/web").get_json()["app"]["lastTaskFailure"] == failures


@pytest.mark.parametrize(
    ("condition", "state", "active"),
    [
        (Condition.PROVISIONED, "TASK_STAGING", True),
        (Condition.STAGING, "TASK_STAGING", True),
        (Condition.STARTING, "TASK_STARTING", True),
        (Condition.RUNNING, "TASK_RUNNING", True),
        (Condition.KILLING, "TASK_KILLING", True),
        (Condition.UNREACHABLE, "TASK_UNREACHABLE", True),
        (Condition.UNREACHABLE_INACTIVE, "TASK_UNREACHABLE", False),
        (Condition.FAILED, "TASK_FAILED", False),
        (Condition.FINISHED, "TASK_FINISHED", False),
        (Condition.KILLED, "TASK_KILLED", False),
        (Condition.ERROR, "TASK_ERROR", False),
        (Condition.GONE, "TASK_GONE", False),
        (Condition.DROPPED, "TASK_DROPPED", False),
        (Condition.UNKNOWN, "TASK_UNKNOWN", False),
        (Condition.SCHEDULED, "TASK_STAGING", False),
    ],
)
def test_task_states(
    client: FlaskClient, scheduler: Recorder, condition: Condition, state: str, active: bool
) -> None:
    instance = Instance("batch.instance-x", "/batch", V1, "S2", 3, condition=condition, ports=(5,))
    scheduler.hold(Kind.INSTANCE, instance.id, instance)
    task: dict[str, Any] = {
        "id": "batch.instance-x._app.3",
        "appId": "/batch",
        "host": "agent2.local",
        "ports": [5] if active else [],
        "slaveId": "S2",
        "state": state,
        "role": "*",
    }
    if active:
        task["version"] = V1
    assert client.get("/v2/apps/batch/tasks").get_json() == {"tasks": [task]}


def test_an_instance_that_waits_for_its_first_agent_is_no_task(
    client: FlaskClient, scheduler: Recorder
) -> None:
    instance = Instance("batch.instance-x", "/batch", V1, condition=Condition.SCHEDULED)
    scheduler.hold(Kind.INSTANCE, instance.id, instance)
    assert client.get("/v2/apps/batch/tasks").get_json() == {"tasks": []}
    assert client.get("/v2/apps/batch").get_json() == {"app": BATCH_SHOWN}


def test_health_is_counted_only_where_it_is_checked(
    client: FlaskClient, scheduler: Recorder
) -> None:
    instance = Instance(
        "batch.instance-x", "/batch", V1, "S2", condition=Condition.RUNNING, healthy=True
    )
    scheduler.hold(Kind.INSTANCE, instance.id, instance)
    (app,) = client.get("/v2/apps?id=batch").get_json()["apps"]
    assert (app["tasksRunning"], app["tasksHealthy"], app["tasksUnhealthy"]) == (1, 0, 0)


def test_a_group_is_not_its_namesake_prefix(client: FlaskClient, scheduler: Recorder) -> None:
    scheduler.hold_app(App(id="/developer", version=V1))
    members = client.get("/v2/apps/dev/*").get_json()["*"]
    assert [app["id"] for app in members] == ["/dev/web"]


class TestText:
    LINES = (
        "batch\t \t\n"
        "dev_web\t10000\tagent1.local:31001\tagent2.local:31002\t\n"
        "dev_web\t10001\tagent1.local:32001\tagent2.local:32002\t\n"
    )

    @pytest.mark.parametrize("accept", ["text/plain", "text/plain, application/json;q=0.5"])
    def test_all_tasks(self, client: FlaskClient, accept: str) -> None:
        response = client.get("/v2/tasks", headers={"Accept": accept})
        assert response.mimetype == "text/plain"
        assert response.get_data(as_text=True) == self.LINES

    def test_of_one_app(self, client: FlaskClient) -> None:
        response = client.get("/v2/apps/dev/web/tasks", headers={"Accept": "text/plain"})
        assert response.get_data(as_text=True) == self.LINES.split("\n", 1)[1]

    @pytest.mark.parametrize("accept", ["*/*", "application/json", "application/json, text/plain"])
    def test_json_unless_text_is_preferred(self, client: FlaskClient, accept: str) -> None:
        assert client.get("/v2/tasks", headers={"Accept": accept}).mimetype == "application/json"

    def test_only_running_ones_and_a_missing_port_is_left_out(
        self, client: FlaskClient, scheduler: Recorder
    ) -> None:
        first = scheduler.view.instances[f"dev_web.instance-{UUID}1"]
        fewer = Instance(
            first.id, "/dev/web", V2, "S1", condition=Condition.RUNNING, ports=(31_001,)
        )
        scheduler.hold(Kind.INSTANCE, first.id, fewer)
        second = f"dev_web.instance-{UUID}2"
        killed = Instance(second, "/dev/web", V2, "S2", condition=Condition.KILLED, ports=(1, 2))
        scheduler.hold(Kind.INSTANCE, second, killed)
        response = client.get("/v2/apps/dev/web/tasks", headers={"Accept": "text/plain"})
        assert response.get_data(as_text=True) == (
            "dev_web\t10000\tagent1.local:31001\t\ndev_web\t10001\t\n"
        )


def test_deployments(client: FlaskClient, deployment: Deployment) -> None:
    scale = {"action": "ScaleApplication", "app": "/dev/web"}
    assert client.get("/v2/deployments").get_json() == [
        {
            "id": deployment.id,
            "version": V2,
            "affectedApps": ["/dev/web"],
            "affectedPods": [],
            "steps": [
                {"actions": [{"action": "StartApplication", "app": "/dev/web"}]},
                {"actions": [scale]},
            ],
            "currentActions": [{**scale, "readinessCheckResults": []}],
            "currentStep": 2,
            "totalSteps": 2,
        }
    ]


class TestQueue:
    LAST_OFFER = {
        "offer": {
            "id": "O1",
            "hostname": "agent2.local",
            "agentId": "S2",
            "resources": [
                {"name": "cpus", "role": "*", "scalar": 0.5},
                {"name": "ports", "role": "*", "ranges": [{"begin": 1, "end": 2}]},
            ],
            "attributes": [],
        },
        "reason": ["InsufficientCpus"],
        "timestamp": "2026-01-02T03:04:04.678Z",
    }

    def test_an_item(self, client: FlaskClient, waiting: LaunchStats) -> None:
        rows = (
            ("UnfulfilledRole", 0, 10, 0, 2),
            ("UnfulfilledConstraint", 2, 10, 0, 2),
            ("NoCorrespondingReservationFound", 0, 8, 0, 2),
            ("AgentMaintenance", 0, 8, 0, 2),
            ("InsufficientCpus", 5, 8, 1, 2),
            ("InsufficientMemory", 0, 3, 0, 1),
            ("InsufficientDisk", 0, 3, 0, 1),
            ("InsufficientGpus", 0, 3, 0, 1),
            ("InsufficientPorts", 0, 3, 0, 1),
            ("DeclinedScarceResources", 0, 3, 0, 1),
        )
        attempt = [
            {"reason": reason, "declined": declined, "processed": processed}
            for reason, declined, processed, _, _ in rows
        ]
        last = [
            {"reason": reason, "declined": declined, "processed": processed}
            for reason, _, _, declined, processed in rows
        ]
        item = {
            "count": 1,
            "delay": {"timeLeftSeconds": 2, "overdue": False},
            "since": "2026-01-02T03:03:05.678Z",
            "processedOffersSummary": {
                "processedOffersCount": 10,
                "unusedOffersCount": 7,
                "lastUnusedOfferAt": "2026-01-02T03:04:04.678Z",
                "lastUsedOfferAt": "2026-01-02T03:03:15.678Z",
                "rejectSummaryLastOffers": last,
                "rejectSummaryLaunchAttempt": attempt,
            },
            "app": WEB_JSON,
        }
        assert client.get("/v2/queue").get_json() == {"queue": [item]}
        assert client.get("/v2/queue?embed=lastUnusedOffers").get_json() == {
            "queue": [{**item, "lastUnusedOffers": [self.LAST_OFFER]}]
        }

    def test_a_back_off_of_an_earlier_configuration_is_over(
        self, client: FlaskClient, scheduler: Recorder, waiting: LaunchStats
    ) -> None:
        delay = scheduler.view.delays["/dev/web"]
        scheduler.hold(Kind.DELAY, "/dev/web", replace(delay, config=V1))
        (item,) = client.get("/v2/queue").get_json()["queue"]
        assert item["delay"] == {"timeLeftSeconds": 0, "overdue": True}

    def test_the_role_is_told_where_it_is_not_the_default(
        self, client: FlaskClient, scheduler: Recorder, waiting: LaunchStats
    ) -> None:
        scheduler.hold(Kind.LAUNCH_STATS, waiting.app_id, replace(waiting, role="dev"))
        assert client.get("/v2/queue").get_json()["queue"][0]["role"] == "dev"

    def test_the_explanation(self, client: FlaskClient, waiting: LaunchStats) -> None:
        why = {
            "appId": "/dev/web",
            "role": "*",
            "waiting": 1,
            "since": "2026-01-02T03:03:05.678Z",
            "delay": {"timeLeftSeconds": 2, "overdue": False},
            "explanation": ["1 of 2 offers: needs 1 cpus, offered 0.5"],
            "offers": {
                "processed": 10,
                "unused": 7,
                "lastUsedAt": "2026-01-02T03:03:15.678Z",
                "lastUnusedAt": "2026-01-02T03:04:04.678Z",
            },
            "refused": {
                "sinceWaiting": {"InsufficientCpus": 5, "UnfulfilledConstraint": 2},
                "lastOfferOfEachAgent": {"InsufficientCpus": 1},
                "agents": 2,
            },
            "lastUnusedOffers": [self.LAST_OFFER],
        }
        assert client.get("/v3/apps/dev/web/waiting").get_json() == why
        assert client.get("/v3/explain/dev/web").get_json() == {"waiting": [why]}
        assert client.get("/v3/explain").get_json() == {"waiting": [why]}


class TestSystem:
    def test_info(self, client: FlaskClient, scheduler: Recorder, framework: Framework) -> None:
        scheduler.facts["settings"] = {
            "master": "zk://user:se@cret@z1:2181,z2:2181/mesos",
            "mesos_role": "*",
            "enable_features": ("gpu_resources",),
            "zk": "zk://user:se@cret@z1:2181/stayer",
            "http_credentials": "user:se@cret",
            "http_port": 8080,
        }
        answer = client.get("/v2/info").get_json()
        assert {
            name: value
            for name, value in answer.items()
            if name not in ("marathon_config", "zookeeper_config")
        } == {
            "name": "marathon",
            "version": "1.11.0",
            "buildref": "stayer-9.9",
            "elected": True,
            "leader": "h1:8080",
            "frameworkId": "framework-1",
            "http_config": {"http_port": 8080, "https_port": None},
        }
        given = {name: value for name, value in answer["marathon_config"].items() if value}
        assert given == {
            "master": "zk://z1:2181,z2:2181/mesos",
            "mesos_role": "*",
            "features": ["gpu_resources"],
        }
        assert len(answer["marathon_config"]) == 41
        assert len(answer["zookeeper_config"]) == 8
        assert answer["zookeeper_config"]["zk"] == "zk://z1:2181/stayer"
        assert "cret" not in str(answer)

    def test_no_leader(self, client: FlaskClient, scheduler: Recorder) -> None:
        scheduler.facts["leader"] = ""
        response = client.get("/v2/leader")
        assert (response.status_code, response.get_json()) == (
            404,
            {"message": "There is no leader"},
        )
        assert "X-Marathon-Leader" not in response.headers

    @pytest.mark.parametrize(
        ("accept", "status", "mimetype", "body"),
        [
            ("", 200, "text/plain", "pong"),
            ("*/*", 200, "text/plain", "pong"),
            ("text/html", 200, "text/html", "pong"),
            ("application/json", 200, "application/json", '"pong"'),
            ("image/png", 204, "", ""),
        ],
    )
    def test_ping(
        self, client: FlaskClient, accept: str, status: int, mimetype: str, body: str
    ) -> None:
        response = client.get("/ping", headers={"Accept": accept} if accept else {})
        assert (response.status_code, response.get_data(as_text=True)) == (status, body)
        if status == 200:
            assert response.mimetype == mimetype
        assert client.head("/ping").status_code == 200

    def test_metrics(self, client: FlaskClient, scheduler: Recorder) -> None:
        scheduler.exposition = (
            b"# TYPE a_counter_total counter\na_counter_total 3\n"
            b'# TYPE b gauge\nb{kind="x"} 0.5\nb{kind="y"} 1\n'
        )
        assert client.get("/metrics").get_json() == {
            "version": "4.0.0",
            "counters": {"a_counter_total": {"count": 3}},
            "gauges": {"b.x": {"value": 0.5}, "b.y": {"value": 1}},
            "histograms": {},
            "meters": {},
            "timers": {},
        }
        for path, accept in (
            ("/metrics/prometheus", "*/*"),
            ("/metrics", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"),
        ):
            response = client.get(path, headers={"Accept": accept})
            assert response.mimetype == "text/plain"
            assert response.get_data() == scheduler.exposition

    def test_home_leads_somewhere(self, client: FlaskClient) -> None:
        assert client.get("/", follow_redirects=True).get_json()["name"] == "marathon"


def test_headers_of_every_answer(client: FlaskClient) -> None:
    for path in ("/v2/apps", "/v2/nonsense", "/ping"):
        headers = client.get(path).headers
        assert headers["Cache-Control"] == "no-cache, no-store, must-revalidate"
        assert headers["Pragma"] == "no-cache"
        assert headers["Expires"] == "0"
        assert headers["X-Marathon-Leader"] == "http://h1:8080"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["X-XSS-Protection"] == "1; mode=block"


def test_whose_answer_it_is(client: FlaskClient, scheduler: Recorder) -> None:
    """Also of one that is sent again, and of one that the client has already."""

    def told() -> tuple[str | None, str | None]:
        whole = client.get("/v2/apps")
        known = client.get("/v2/apps", headers={"If-None-Match": whole.headers["ETag"]})
        assert (whole.status_code, known.status_code) == (200, 304)
        return whole.headers.get(EPOCH_HEADER), known.headers.get(EPOCH_HEADER)

    scheduler.hold(Kind.FRAMEWORK, "framework", Framework("s-1", epoch=7))
    scheduler.hold(Kind.CONNECTION, "connection", Connection(subscribed=True))
    assert told() == told() == ("s-1 7; synced=false",) * 2
    scheduler.hold(Kind.CONNECTION, "connection", Connection(subscribed=True, synced=True))
    assert told() == ("s-1 7; synced=true",) * 2
    scheduler.hold(Kind.FRAMEWORK, "framework", None)
    assert told() == (None, None)


def test_no_answer_holds_a_null_or_a_negative_port(
    client: FlaskClient, waiting: LaunchStats, deployment: Deployment, failure: TaskFailure
) -> None:
    for path in ("/v2/apps?embed=failures", "/v2/tasks", "/v2/queue", "/v2/deployments"):
        body = client.get(path).get_data(as_text=True)
        assert "null" not in body
        assert ":-" not in body
