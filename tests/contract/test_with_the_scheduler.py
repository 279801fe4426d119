"""The life of apps, through the API of a scheduler that runs with a silent Mesos."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.contract.running import running_application


@pytest.fixture
def application() -> Iterator[Flask]:
    with running_application() as application:
        yield application


@pytest.fixture
def client(application: Flask) -> FlaskClient:
    return application.test_client()


def test_the_life_of_an_app(client: FlaskClient) -> None:
    created = client.post("/v2/apps", json={"id": "web", "cmd": "serve", "instances": 2})
    assert created.status_code == 201
    app = created.get_json()
    assert app["portDefinitions"] == [{"port": 10_000, "protocol": "tcp", "name": "default"}]
    assert app["versionInfo"]["lastScalingAt"] == app["version"]

    again = client.post("/v2/apps", json={"id": "/web", "cmd": "serve"})
    assert (again.status_code, again.get_json()) == (
        409,
        {"message": "An app with id [/web] already exists."},
    )
    below = client.post("/v2/apps", json={"id": "/web/below", "cmd": "serve"})
    assert (below.status_code, below.get_json()["details"][0]["path"]) == (422, "/id")

    deployments = client.get("/v2/deployments").get_json()
    assert [one["affectedApps"] for one in deployments] == [["/web"]]
    locked = client.put("/v2/apps/web", json={"instances": 3})
    assert locked.status_code == 409
    assert locked.get_json()["deployments"] == [{"id": deployments[0]["id"]}]

    scaled = client.put("/v2/apps/web?force=true", json={"instances": 3})
    assert scaled.status_code == 200
    shown = client.get("/v2/apps/web").get_json()["app"]
    assert shown["version"] == scaled.get_json()["version"]
    assert shown["versionInfo"]["lastConfigChangeAt"] == app["version"]
    assert (shown["instances"], shown["tasks"]) == (3, [])
    assert client.get("/v2/apps/web/versions").get_json() == {
        "versions": [shown["version"], app["version"]]
    }

    (item,) = client.get("/v2/queue").get_json()["queue"]
    assert (item["count"], item["app"]["id"]) == (3, "/web")
    assert client.get("/v3/apps/web/waiting").get_json()["explanation"] == [
        "not connected to Mesos"
    ]
    assert client.delete("/v2/queue/web/delay").status_code == 204

    back = client.put("/v2/apps/web?force=true", json={"version": app["version"]})
    assert back.status_code == 200
    assert client.get("/v2/apps/web").get_json()["app"]["instances"] == 2

    (running,) = client.get("/v2/deployments").get_json()
    reverted = client.delete(f"/v2/deployments/{running['id']}")
    assert reverted.status_code == 200
    assert client.get("/v2/apps/web").get_json()["app"]["instances"] == 3

    assert client.delete("/v2/apps/web").status_code == 200
    gone = client.get("/v2/apps/web")
    assert (gone.status_code, gone.get_json()) == (404, {"message": "App '/web' does not exist"})
    assert client.get("/v2/queue").get_json() == {"queue": []}


def test_changes_of_different_fields_at_the_same_time_all_survive(
    application: Flask, client: FlaskClient
) -> None:
    client.post("/v2/apps", json={"id": "/web", "cmd": "x"})
    changes: list[dict[str, object]] = [
        {"cpus": 2},
        {"mem": 64},
        {"disk": 7},
        {"instances": 4},
        {"user": "me"},
    ]

    def change(body: dict[str, object]) -> int:
        response = application.test_client().put("/v2/apps/web?force=true", json=body)
        return response.status_code

    with ThreadPoolExecutor(len(changes)) as pool:
        assert list(pool.map(change, changes)) == [200] * len(changes)
    app = client.get("/v2/apps/web").get_json()["app"]
    assert {name: app[name] for body in changes for name in body} == {
        name: value for body in changes for name, value in body.items()
    }


def test_an_array_is_stored_whole_or_not_at_all(client: FlaskClient) -> None:
    apps = [{"id": f"/app-{number}", "cmd": "x"} for number in range(3)]
    collision = {"id": "/app-0/below", "cmd": "x"}
    client.post("/v2/apps", json=apps[0])
    refused = client.put("/v2/apps?force=true", json=[*apps[1:], collision])
    assert refused.status_code == 422
    assert [app["id"] for app in client.get("/v2/apps").get_json()["apps"]] == ["/app-0"]
    stored = client.put("/v2/apps?force=true", json=apps[1:])
    assert stored.status_code == 200
    versions = {
        app["version"] for app in client.get("/v2/apps").get_json()["apps"] if app["id"] != "/app-0"
    }
    assert versions == {stored.get_json()["version"]}


def test_a_dry_run_changes_nothing(client: FlaskClient) -> None:
    idle = {"id": "/web", "cmd": "x", "instances": 0}
    start_and_scale = {
        "steps": [
            {"actions": [{"action": "StartApplication", "app": "/web"}]},
            {"actions": [{"action": "ScaleApplication", "app": "/web"}]},
        ]
    }
    for method, path in (("POST", "/v2/apps"), ("PUT", "/v2/apps/web")):
        answer = client.open(f"{path}?dryRun=true", method=method, json=idle)
        assert (answer.status_code, answer.get_json()) == (200, start_and_scale)
    assert client.get("/v2/apps").get_json() == {"apps": []}

    shown = client.post("/v2/apps", json=idle).get_json()
    nothing = "no offer was seen lately, so nothing is known of what would fit"
    scale = {
        "steps": [{"actions": [{"action": "ScaleApplication", "app": "/web"}]}],
        "warnings": [{"message": nothing}],
    }
    for path, body in (
        ("/v2/apps/web", {"instances": 2}),
        ("/v2/apps", [{"id": "/web", "instances": 2}]),
    ):
        assert client.patch(f"{path}?dryRun=true", json=body).get_json() == scale
        assert client.put(f"{path}?dryRun=true", json=body).get_json() == scale
    stop = client.delete("/v2/apps/web?dryRun=true").get_json()
    assert stop == {"steps": [{"actions": [{"action": "StopApplication", "app": "/web"}]}]}
    kept = client.get("/v2/apps/web").get_json()["app"]
    assert (kept["version"], kept["instances"]) == (shown["version"], 0)


def test_what_may_keep_a_change_from_ending_is_told_in_a_header(client: FlaskClient) -> None:
    ports = {"requirePorts": True, "portDefinitions": [{"port": 8_080}]}
    client.post("/v2/apps", json={"id": "/web", "cmd": "x", "instances": 1, **ports})
    for query in ("dryRun=true&force=true", "force=true"):
        answer = client.put(f"/v2/apps/web?{query}", json={"cmd": "y"})
        assert answer.status_code == 200
        warning, *others = answer.headers.getlist("Stayer-Warning")
        assert len(others) == query.startswith("dryRun")  # that nothing is known of offers
        assert warning.startswith("/web: all 1 instances must stay up")
        assert "fixed host ports" in warning
    (deployment,) = client.get("/v3/deployments").get_json()
    assert deployment["warnings"] == [warning]


def test_suspend_and_resume(client: FlaskClient) -> None:
    client.post("/v2/apps", json={"id": "/dev/web", "cmd": "x", "instances": 3})
    assert client.post("/v3/apps/dev/web/suspend").status_code == 409
    assert client.post("/v3/apps/dev/web/suspend?force=true").status_code == 200
    assert client.get("/v2/apps/dev/web").get_json()["app"]["instances"] == 0
    resumed = client.post("/v3/apps/dev/web/resume?force=true")
    assert resumed.get_json().keys() == {"version", "deploymentId"}
    assert client.get("/v2/apps/dev/web").get_json()["app"]["instances"] == 3
    again = client.post("/v3/apps/dev/web/resume?force=true")
    assert (again.status_code, again.get_json()) == (
        409,
        {"message": "App '/dev/web' is not suspended."},
    )
    for verb in ("suspend", "resume"):
        assert client.post(f"/v3/apps/none/{verb}").status_code == 404


def test_a_deployment_is_paused_and_goes_on(client: FlaskClient) -> None:
    strategy = {
        "minimumHealthCapacity": 1,
        "maximumOverCapacity": 1,
        "progressDeadlineSeconds": 600,
    }
    body = {"id": "/web", "cmd": "x", "instances": 2, "upgradeStrategy": strategy}
    deployment_id = client.post("/v2/apps", json=body).get_json()["deployments"][0]["id"]
    one = f"/v3/deployments/{deployment_id}"
    shown = client.get(one).get_json()
    assert shown["apps"] == [
        {
            "id": "/web",
            "wanted": 2,
            "newServing": 0,
            "newTotal": 0,
            "oldServing": 0,
            "oldTotal": 0,
            "leaving": 0,
        }
    ]
    assert (shown["paused"], shown["currentStep"], shown["totalSteps"]) == (False, 2, 2)
    assert shown["deadlineAt"] > shown["progressAt"] >= shown["startedAt"]

    assert client.post(f"{one}/pause").get_json()["deploymentId"] == deployment_id
    (paused,) = client.get("/v3/deployments").get_json()
    assert paused["paused"] is True
    assert "deadlineAt" not in paused
    share = client.put(f"{one}/share", json={"share": 12.5})
    assert (share.status_code, share.get_json()["share"]) == (200, 12.5)
    (web,) = client.get("/v3/services").get_json()["services"]
    assert (web["newShare"], web["deploying"]) == (12.5, True)
    assert client.put(f"{one}/share", json={"share": 101}).status_code == 422
    assert client.put(f"{one}/share", json={}).status_code == 422
    assert client.delete(f"{one}/share").status_code == 204
    assert "newShare" not in client.get("/v3/services").get_json()["services"][0]
    assert client.post(f"{one}/resume").status_code == 200
    assert client.get(one).get_json()["paused"] is False
    refused = client.put(f"{one}/share", json={"share": 1})
    assert (refused.status_code, "canaries" in refused.get_data(as_text=True)) == (422, True)

    cancelled = client.delete(f"{one}?force=true")
    assert (cancelled.status_code, cancelled.data) == (202, b"")
    gone = {"message": f"DeploymentPlan {deployment_id} does not exist"}
    for method, path in (
        ("GET", one),
        ("POST", f"{one}/pause"),
        ("POST", f"{one}/resume"),
        ("DELETE", f"{one}/share"),
        ("DELETE", one),
        ("DELETE", f"/v2/deployments/{deployment_id}"),
    ):
        answer = client.open(path, method=method)
        assert (answer.status_code, answer.get_json()) == (404, gone)


def test_the_way_back_says_what_it_takes_back(client: FlaskClient) -> None:
    client.post("/v2/apps", json={"id": "/web", "cmd": "x", "instances": 0})
    first = client.put("/v2/apps/web", json={"instances": 2}).get_json()["deploymentId"]
    back = client.delete(f"/v2/deployments/{first}")
    assert back.status_code == 200
    assert back.get_json()["deploymentId"] != first
    assert client.get("/v2/apps/web").get_json()["app"]["instances"] == 0


def test_metrics_and_info(client: FlaskClient) -> None:
    text = client.get("/metrics/prometheus").get_data(as_text=True)
    assert re.search(r"^marathon_apps_active_gauge 0\.0$", text, re.MULTILINE)
    gauges = client.get("/metrics").get_json()["gauges"]
    assert gauges["marathon.apps.active.gauge"] == {"value": 0}
    assert client.get("/v2/info").get_json()["frameworkId"] is None
