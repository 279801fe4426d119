"""The API over the scheduler as it runs: loop, pipeline and store, with a Mesos that is silent."""

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api.application import create_app
from api.options import ApiOptions
from framework.core.policy import Policy
from framework.domain.actions import Action
from framework.health.options import HealthOptions
from framework.health.prober import AsyncProber
from framework.interfaces import SubmitEvent
from framework.runtime.scheduler import RunningScheduler
from framework.store.memory import MemoryStore
from tests.unit.api.reading import compile_pattern


class SilentMesos:
    """Takes every call and never says anything: apps wait for offers."""

    def start(self, submit: SubmitEvent, framework_id: str, roles: Sequence[str]) -> None:
        pass

    def perform(self, actions: Sequence[Action]) -> None:
        pass

    def stop(self) -> None:
        pass


@pytest.fixture
def application() -> Iterator[Flask]:
    ended: list[object] = []
    scheduler = RunningScheduler(
        MemoryStore(),
        SilentMesos(),
        AsyncProber(HealthOptions(), on_failure=ended.append),
        Policy(),
        compile_pattern,
        on_end=ended.append,
    )
    scheduler.start()
    try:
        yield create_app(scheduler, ApiOptions(), compile_pattern)
    finally:
        scheduler.stop()
    assert ended == []


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


def test_sending_back_what_is_shown_changes_nothing(client: FlaskClient) -> None:
    client.post("/v2/apps", json={"id": "/web", "cmd": "x", "healthChecks": [{}]})
    shown = client.get("/v2/apps/web").get_json()["app"]
    version = shown.pop("version")
    for query in ("", "&partialUpdate=false"):
        assert client.put(f"/v2/apps/web?force=true{query}", json=shown).status_code == 200
    assert client.get("/v2/apps/web").get_json()["app"]["version"] == version


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


def test_metrics_and_info(client: FlaskClient) -> None:
    text = client.get("/metrics/prometheus").get_data(as_text=True)
    assert re.search(r"^marathon_apps_active_gauge 0\.0$", text, re.MULTILINE)
    gauges = client.get("/metrics").get_json()["gauges"]
    assert gauges["marathon_apps_active_gauge"] == {"value": 0}
    assert client.get("/v2/info").get_json()["frameworkId"] is None
