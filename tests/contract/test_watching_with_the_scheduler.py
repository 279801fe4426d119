"""Deployments over a Mesos that runs tasks: canaries, readiness and health as they are shown."""

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.contract.running import LivelyMesos, running_application

PATIENCE_SECONDS = 30.0
EMPTY = dict.fromkeys(("newServing", "newTotal", "oldServing", "oldTotal", "leaving"), 0)


class Service(BaseHTTPRequestHandler):
    """A task: healthy; ready once it was told to be."""

    ready = threading.Event()

    def do_GET(self) -> None:
        status = 503 if self.path == "/ready" and not self.ready.is_set() else 200
        body = b"not yet" if status == 503 else b"yes"
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        pass


@pytest.fixture
def service() -> Iterator[int]:
    """The port on which every task's first port answers."""
    Service.ready = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def client(service: int) -> Iterator[FlaskClient]:
    with running_application(LivelyMesos(service)) as application:
        yield application.test_client()


def until(look: Callable[[], Any]) -> Any:
    """What ``look`` finds, once it is anything."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        threading.Event().wait(0.01)
    raise AssertionError("nothing was found in time")


def quiet(client: FlaskClient) -> None:
    until(lambda: client.get("/v2/deployments").get_json() == [])


def test_a_canary_is_shown_and_promoted(client: FlaskClient) -> None:
    strategy = {"minimumHealthCapacity": 1, "maximumOverCapacity": 1, "canary": 1}
    body = {"id": "/web", "cmd": "x", "instances": 3, "upgradeStrategy": strategy}
    assert client.post("/v2/apps", json=body).get_json()["upgradeStrategy"] == strategy
    quiet(client)
    upgrade = client.patch("/v2/apps/web", json={"cmd": "y"}).get_json()["deploymentId"]
    one = f"/v3/deployments/{upgrade}"

    counts = {"newServing": 1, "newTotal": 1, "oldServing": 2, "oldTotal": 2}
    replaced = [{"id": "/web", "wanted": 3, **EMPTY, **counts}]
    until(lambda: client.get(one).get_json()["apps"] == replaced)
    shown = client.get(one).get_json()
    assert (shown["paused"], shown["canary"]) == (True, True)

    assert client.post(f"{one}/resume").status_code == 200
    quiet(client)
    assert client.get(one).status_code == 404
    version = client.get("/v2/apps/web").get_json()["app"]["version"]
    tasks = client.get("/v2/apps/web/tasks").get_json()["tasks"]
    assert [task["version"] for task in tasks] == [version] * 3


def test_a_canary_is_taken_back(client: FlaskClient) -> None:
    strategy = {"minimumHealthCapacity": 1, "maximumOverCapacity": 1, "canary": 1}
    client.post("/v2/apps", json={"id": "/web", "cmd": "x", "instances": 2})
    quiet(client)
    before = {task["id"] for task in client.get("/v2/tasks").get_json()["tasks"]}
    change = {"cmd": "y", "upgradeStrategy": strategy}
    upgrade = client.patch("/v2/apps/web", json=change).get_json()["deploymentId"]
    until(lambda: client.get(f"/v3/deployments/{upgrade}").get_json()["canary"])
    assert client.delete(f"/v3/deployments/{upgrade}").status_code == 200
    quiet(client)
    assert client.get("/v2/apps/web").get_json()["app"]["cmd"] == "x"
    after = {task["id"] for task in client.get("/v2/tasks").get_json()["tasks"]}
    assert (len(after), len(after & before)) == (2, 1)


def test_readiness_and_health_are_told_as_our_checks_find_them(client: FlaskClient) -> None:
    body = {
        "id": "/web",
        "cmd": "x",
        "portDefinitions": [{"name": "http"}],
        "healthChecks": [
            {"protocol": "HTTP", "path": "/health", "delaySeconds": 0},
            {"protocol": "TCP", "delaySeconds": 0},
        ],
        "readinessChecks": [
            {
                "name": "warm",
                "portName": "http",
                "path": "/ready",
                "intervalSeconds": 2,
                "timeoutSeconds": 1,
                "preserveLastResponse": True,
            }
        ],
    }
    client.post("/v2/apps", json=body)

    def answered() -> Any:
        (deployment,) = client.get("/v2/deployments").get_json()
        (action,) = deployment["currentActions"]
        return action["readinessCheckResults"]

    (result,) = until(answered)
    (task,) = client.get("/v2/tasks").get_json()["tasks"]
    assert result == {
        "name": "warm",
        "taskId": task["id"],
        "ready": False,
        "lastResponse": {"status": 503, "contentType": "text/plain", "body": "not yet"},
    }
    shown = client.get("/v2/apps/web?embed=app.readiness").get_json()["app"]
    assert shown["readinessCheckResults"] == [result]

    def both_checked() -> Any:
        (task,) = client.get("/v2/apps/web/tasks").get_json()["tasks"]
        results = task.get("healthCheckResults", [])
        return results if len(results) == 2 else []

    for health in until(both_checked):
        assert health.keys() == {
            "alive",
            "consecutiveFailures",
            "firstSuccess",
            "lastSuccess",
            "instanceId",
        }
        assert (health["alive"], health["consecutiveFailures"]) == (True, 0)
    Service.ready.set()
    quiet(client)
    app = client.get("/v2/apps/web?embed=app.readiness").get_json()["app"]
    assert (app["tasksHealthy"], app["readinessCheckResults"][0]["ready"]) == (1, True)
