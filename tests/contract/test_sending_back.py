"""Read, change, write: what was read is taken back as it is, with all that the server adds to it,
and changes nothing; unless somebody was faster."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.contract.running import LivelyMesos, SilentMesos, running_application
from tests.polling import eventually

EXAMPLES = sorted(Path(__file__).parents[2].joinpath("examples").glob("*.json"))
SCALE_UP = {"minimumHealthCapacity": 0.5, "maximumOverCapacity": 0.25}
DOCKER = {"image": "nginx", "parameters": [{"key": "init", "value": "true"}]}
KINDS: dict[str, dict[str, Any]] = {
    "a command": {"cmd": "x", "env": {"A": "b"}, "labels": {"a.b": "c"}},
    "arguments": {"args": ["x", "y"], "user": "nobody", "executor": "//cmd"},
    "no ports": {"cmd": "x", "portDefinitions": []},
    "old ports": {"cmd": "x", "ports": [0, 10_100]},
    "old URIs": {"cmd": "x", "uris": ["http://x/a.tgz", "http://x/b"]},
    "files": {"cmd": "x", "fetch": [{"uri": "http://x/a", "cache": True, "destPath": "b"}]},
    "named ports": {
        "cmd": "x",
        "requirePorts": True,
        "portDefinitions": [{"port": 9_000, "name": "a", "protocol": "udp", "labels": {"b": "c"}}],
    },
    "on the host": {"container": {"type": "DOCKER", "docker": DOCKER, "volumes": []}},
    "behind a bridge": {
        "container": {
            "docker": DOCKER,
            "portMappings": [{"containerPort": 80, "hostPort": 0, "name": "http"}],
        },
        "networks": [{"mode": "container/bridge"}],
    },
    "the old bridge": {
        "container": {
            "docker": {**DOCKER, "network": "BRIDGE", "portMappings": [{"containerPort": 80}]}
        }
    },
    "a network": {
        "cmd": "x",
        "container": {"type": "MESOS", "portMappings": [{"containerPort": 80}]},
        "networks": [{"mode": "container", "name": "net", "labels": {"a": "b"}}],
    },
    "an address": {
        "cmd": "x",
        "ipAddress": {
            "networkName": "net",
            "discovery": {"ports": [{"number": 80, "name": "http", "protocol": "tcp"}]},
        },
    },
    "volumes": {
        "cmd": "x",
        "container": {
            "type": "MESOS",
            "volumes": [{"containerPath": "/a", "hostPath": "/b", "mode": "RO"}],
        },
    },
    "health checks": {
        "cmd": "x",
        "healthChecks": [
            {},
            {"protocol": "COMMAND", "command": {"value": "true"}},
            {"protocol": "MESOS_TCP", "portIndex": 0},
            {"protocol": "TCP", "port": 80},
        ],
    },
    "a check": {"cmd": "x", "check": {"exec": {"command": {"shell": "true"}}}},
    "readiness": {
        "cmd": "x",
        "portDefinitions": [{"port": 0, "name": "http-api"}],
        "readinessChecks": [{}],
    },
    "constraints": {"cmd": "x", "constraints": [["hostname", "UNIQUE"], ["rack", "LIKE", "a.*"]]},
    "strategies": {
        "cmd": "x",
        "upgradeStrategy": {**SCALE_UP, "canary": 1, "batchSize": 2, "countOldInstances": True},
        "killSelection": "OLDEST_FIRST",
        "unreachableStrategy": "disabled",
        "taskKillGracePeriodSeconds": 30,
    },
    "resources": {
        "cmd": "x",
        "cpus": 0.1,
        "mem": 32.5,
        "disk": 10,
        "resourceLimits": {"cpus": "unlimited", "mem": 64},
        "acceptedResourceRoles": ["*"],
        "tty": True,
        "backoffFactor": 2,
        "dependencies": ["../other"],
    },
    **{path.stem: json.loads(path.read_text()) for path in EXAMPLES},
}
KINDS["volume"]["role"] = "dev"  # that of the group in which all are put here


@pytest.fixture(scope="module")
def waiting() -> Iterator[FlaskClient]:
    """Apps are stored, and nothing is ever launched."""
    with running_application(SilentMesos()) as app:
        client = app.test_client()
        other = client.post("/v2/apps", json={"id": "/dev/other", "cmd": "x"})
        assert other.status_code == 201
        yield client


@pytest.fixture
def running() -> Iterator[Flask]:
    with running_application(LivelyMesos()) as app:
        yield app


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_app_is_taken_back_as_it_is_shown(waiting: FlaskClient, kind: str) -> None:
    where = "/v2/apps/dev/" + kind.lower().replace(" ", "-")
    body = {**KINDS[kind]}
    body.pop("id", None)
    created = waiting.put(where, json=body)
    assert created.status_code == 201, created.get_data()
    shown = waiting.get(where).get_json()["app"]
    assert {"version", "versionInfo", "deployments", "tasks", "tasksRunning"} <= shown.keys()

    for query in ("", "&partialUpdate=false"):
        back = waiting.put(f"{where}?force=true{query}", json=shown)
        assert back.status_code == 200, back.get_data()
    assert waiting.patch(f"{where}?force=true", json=shown).status_code == 200
    assert waiting.put("/v2/apps?force=true", json=[shown]).status_code == 200
    version = waiting.get(f"{where}/versions/{shown['version']}").get_json()
    assert waiting.put(f"{where}?force=true", json=version).status_code == 200

    again = waiting.get(where).get_json()["app"]
    told = ("deployments",)
    assert {**again, **dict.fromkeys(told)} == {**shown, **dict.fromkeys(told)}
    assert waiting.get(f"{where}/versions").get_json() == {"versions": [shown["version"]]}


def settled(client: FlaskClient) -> None:
    eventually(lambda: client.get("/v2/deployments").get_json() == [], "no deployment")


def test_what_runs_is_taken_back_with_all_that_can_be_shown_of_it(running: Flask) -> None:
    client = running.test_client()
    client.put("/v2/apps/dev/web", json={"cmd": "x", "instances": 2})
    settled(client)
    embeds = "apps.tasks&embed=apps.taskStats&embed=apps.readiness&embed=apps.failures"
    shown = client.get(f"/v2/apps/dev/web?embed={embeds}").get_json()["app"]
    tasks = [one["id"] for one in shown["tasks"]]
    assert len(tasks) == 2
    assert client.put("/v2/apps/dev/web", json=shown).status_code == 200
    settled(client)
    again = client.get("/v2/apps/dev/web").get_json()["app"]
    assert again["version"] == shown["version"]
    assert [one["id"] for one in again["tasks"]] == tasks


def test_a_change_of_what_was_read_is_made_if_nobody_was_faster(waiting: FlaskClient) -> None:
    where = "/v2/apps/dev/read-and-changed?force=true"
    waiting.put(where, json={"cmd": "x"})
    mine, theirs = (waiting.get(where).get_json()["app"] for _ in range(2))
    assert waiting.put(where, json={**theirs, "instances": 2}).status_code == 200
    late = waiting.put(where, json={**mine, "instances": 3})
    assert late.status_code == 422
    assert late.get_json()["details"] == [
        {"path": "/", "errors": ["The 'version' field may only be combined with the 'id' field."]}
    ]
    assert waiting.get(where).get_json()["app"]["instances"] == 2


def test_an_app_that_has_gone_is_made_again_of_what_was_read(waiting: FlaskClient) -> None:
    where = "/v2/apps/dev/comes-back"
    waiting.put(where, json={"cmd": "x", "instances": 3})
    shown = waiting.get(where).get_json()["app"]
    assert waiting.delete(where).status_code == 200
    assert waiting.put(where, json=shown).status_code == 201
    again = waiting.get(where).get_json()["app"]
    assert (again["cmd"], again["instances"]) == ("x", 3)
    assert again["version"] > shown["version"]


@pytest.mark.parametrize("path", ["/v2/groups", "/v2/groups/shop"])
def test_groups_are_taken_back_as_they_are_shown(running: Flask, path: str) -> None:
    client = running.test_client()
    body = {
        "groups": [
            {"id": "back", "apps": [{"id": "db", "cmd": "x"}], "groups": [{"id": "empty"}]},
            {"id": "front", "apps": [{"id": "web", "cmd": "x"}], "dependencies": ["/shop/back"]},
        ]
    }
    assert client.put("/v2/groups/shop", json=body).status_code == 200
    settled(client)
    shown = client.get(path).get_json()
    assert client.put(path, json=shown).status_code == 200
    settled(client)
    assert client.get(path).get_json() == shown

    assert client.put("/v2/apps/shop/back/db", json={"instances": 2}).status_code == 200
    settled(client)
    late = client.put(path, json=shown)
    assert late.status_code == 422
    assert client.get("/v2/apps/shop/back/db").get_json()["app"]["instances"] == 2
