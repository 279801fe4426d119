"""Nothing that users rely on is forgotten: what the API says before and after a restart.

The first scheduler runs tasks and ends; the next one on the same store never hears of Mesos, so
whatever it says is what it remembers.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from flask.testing import FlaskClient

from framework.core.policy import Policy
from framework.domain.crashes import Crash
from framework.domain.mesos import TaskState
from framework.domain.rollout import Wait
from framework.domain.state import Change, Kind
from framework.interfaces import Mesos
from framework.store.memory import MemoryDisk, MemoryStore
from tests.contract.cluster import NOW, NOW_MS
from tests.contract.running import LivelyMesos, SilentMesos, running_application
from tests.contract.test_watching_with_the_scheduler import quiet, until

# Back-offs of a second are over before anybody looks.
SLOW = {"backoffSeconds": 600, "maxLaunchDelaySeconds": 3600}


class Task(BaseHTTPRequestHandler):
    """Answers health checks as it was told to."""

    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        pass


@pytest.fixture
def task() -> Iterator[ThreadingHTTPServer]:
    """The server that is every task."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("OneTask", (Task,), {}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def disk() -> MemoryDisk:
    return MemoryDisk()


@contextmanager
def life(disk: MemoryDisk, mesos: Mesos | None = None) -> Iterator[FlaskClient]:
    """One scheduler on this store; without a Mesos, none ever answers it."""
    with running_application(mesos or SilentMesos(), Policy(), MemoryStore(disk)) as application:
        yield application.test_client()


EMBEDDED = ("counts", "deployments", "lastTaskFailure", "tasks", "readiness")
APPS = "/v2/apps?" + "&".join(f"embed=apps.{name}" for name in EMBEDDED)
PAGES = (
    APPS,
    "/v2/tasks",
    "/v2/deployments",
    "/v3/deployments",
    "/v2/groups?embed=group.apps&embed=group.groups",
    "/v3/agents",
    "/v3/freeze",
    "/v3/crashes",
)


def told(client: FlaskClient) -> dict[str, Any]:
    return {page: client.get(page).get_json() for page in PAGES}


def post(client: FlaskClient, app_id: str, **fields: object) -> None:
    definition = {"id": app_id, "cmd": "x", **fields}
    assert client.post("/v2/apps", json=definition).status_code == 201


def test_tasks_groups_freezes_and_versions(disk: MemoryDisk) -> None:
    with life(disk, LivelyMesos()) as client:
        post(client, "/dev/web", instances=2)
        quiet(client)
        client.put("/v2/apps/dev/web", json={"instances": 3})
        quiet(client)
        client.put("/v3/freeze", json={"reason": "racks"})
        client.put("/v3/apps/dev/web/freeze", json={"reason": "odd"})
        before, versions = told(client), client.get("/v2/apps/dev/web/versions").get_json()
        assert len(before["/v2/tasks"]["tasks"]) == 3
    with life(disk) as client:
        assert told(client) == before
        assert client.get("/v2/apps/dev/web/versions").get_json() == versions


def test_deployments_under_way(disk: MemoryDisk) -> None:
    with life(disk) as client:
        post(client, "/db")
        post(client, "/web", dependencies=["/db"])
        (waiting, _) = client.get("/v3/deployments").get_json()
        assert client.post(f"/v3/deployments/{waiting['id']}/pause").status_code == 200
        before = told(client)
    with life(disk) as client:
        assert told(client) == before
        assert {one["paused"] for one in client.get("/v3/deployments").get_json()} == {True, False}


def test_back_off_and_the_last_failure(disk: MemoryDisk) -> None:
    with life(disk, LivelyMesos(outcome=TaskState.FAILED)) as client:
        post(client, "/fails", **SLOW)
        until(lambda: _delay(client) > 590)
        before = told(client)
        (app,) = before[APPS]["apps"]
        assert app["lastTaskFailure"]["state"] == "TASK_FAILED"
        left = _delay(client)
    with life(disk) as client:
        assert told(client) == before
        assert left - 60 < _delay(client) <= left


def _delay(client: FlaskClient) -> int:
    queue = client.get("/v2/queue").get_json()["queue"]
    return queue[0]["delay"]["timeLeftSeconds"] if queue else 0


@pytest.mark.parametrize("alive", [True, False])
def test_health_is_told_at_once(
    disk: MemoryDisk, task: ThreadingHTTPServer, *, alive: bool
) -> None:
    check = {
        "protocol": "HTTP",
        "portIndex": 0,
        "gracePeriodSeconds": 0,
        "intervalSeconds": 1,
        "maxConsecutiveFailures": 0,
    }
    task.RequestHandlerClass.status = 200 if alive else 500  # type: ignore[attr-defined]  # a Task
    with life(disk, LivelyMesos(task.server_address[1])) as client:
        post(client, "/checked", healthChecks=[check], portDefinitions=[{"port": 0}])
        count = "tasksHealthy" if alive else "tasksUnhealthy"
        until(lambda: client.get("/v2/apps/checked").get_json()["app"][count] == 1)
        before = _health(client)
        assert before[0][count] == 1
    with life(disk) as client:
        assert _health(client) == before


def _health(client: FlaskClient) -> tuple[dict[str, int], list[bool]]:
    """How many are healthy and not, and the verdicts."""
    app = client.get("/v2/apps/checked").get_json()["app"]
    (found,) = app["tasks"]
    counts = {name: app[name] for name in ("tasksHealthy", "tasksUnhealthy", "tasksRunning")}
    return counts, [result["alive"] for result in found["healthCheckResults"]]


def test_since_when_an_app_waits_and_what_it_was_offered(disk: MemoryDisk) -> None:
    with life(disk) as client:
        post(client, "/waits")
    store = MemoryStore(disk)
    wait = Wait("/waits", NOW_MS, 40, 30, NOW_MS, NOW_MS, {"InsufficientCpus": 7})
    store.append([Change(Kind.WAIT, "/waits", wait)])
    store.close()
    with life(disk) as client:
        (item,) = client.get("/v2/queue").get_json()["queue"]
        summary = item["processedOffersSummary"]
        assert item["since"] == NOW
        assert (summary["processedOffersCount"], summary["unusedOffersCount"]) == (40, 30)
        assert summary["lastUsedOfferAt"] == summary["lastUnusedOfferAt"] == NOW
        rows = {row["reason"]: row["declined"] for row in summary["rejectSummaryLaunchAttempt"]}
        assert rows["InsufficientCpus"] == 7
        client.delete("/v2/apps/waits?force=true")
        quiet(client)
    with life(disk) as client:
        post(client, "/waits")
        (item,) = client.get("/v2/queue").get_json()["queue"]
        assert item["since"] != NOW, "a new wait"


def test_crashes(disk: MemoryDisk) -> None:
    store = MemoryStore(disk)
    crash = Crash("a1", "app", "/x", 3, NOW_MS, NOW_MS, "/x", "E at x", NOW_MS)
    store.append([Change(Kind.CRASH, "a1", crash)])
    store.close()
    with life(disk) as client:
        before = told(client)
        assert before["/v3/crashes"]["crashes"][0]["setAside"] is True
    with life(disk) as client:
        assert told(client) == before
