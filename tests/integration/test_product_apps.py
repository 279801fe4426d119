"""Apps on a genuine Mesos, as their owner sees them: kept running, scaled, waiting, failing,
unhealthy, refused."""

import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.client import InvalidError
from localmesos.apache.engine import ApacheEngine
from tests.integration.product import (
    Stayer,
    agents_of,
    await_same_tasks,
    definition_of,
    is_running,
    pids_of,
    sandbox_text,
    serving,
)
from tests.polling import eventually

pytestmark = pytest.mark.mesos


@pytest.fixture
def stayer(apache: ApacheEngine, tmp_path: Path) -> Iterator[Stayer]:
    with serving(apache.url, tmp_path) as stayer:
        yield stayer


def _pid_of(task_id: str) -> int:
    pids = eventually(lambda: pids_of(task_id), f"a process of {task_id}")
    return pids[0]


def test_a_killed_process_is_replaced(stayer: Stayer, apache: ApacheEngine) -> None:
    tasks = stayer.run("/kept", instances=3)
    victim = tasks[0]["id"]

    os.kill(_pid_of(victim), signal.SIGKILL)

    replaced = stayer.await_running(
        "/kept", 3, lambda now: victim not in {task["id"] for task in now}
    )
    ids, before = {task["id"] for task in replaced}, {task["id"] for task in tasks}
    assert ids & before == before - {victim}
    failure = stayer.app("/kept")["lastTaskFailure"]
    assert failure["taskId"] == victim
    assert failure["state"] == "TASK_FAILED"
    assert "signal" in failure["message"].lower()
    assert failure["host"] == tasks[0]["host"]
    await_same_tasks(stayer, apache.url, "/kept", 3)


def test_pymesos_carries_what_our_own_driver_carries(apache: ApacheEngine, tmp_path: Path) -> None:
    with serving(apache.url, tmp_path, "--mesos-driver", "pymesos") as stayer:
        victim = stayer.run("/carried", instances=2)[0]["id"]
        os.kill(_pid_of(victim), signal.SIGKILL)
        stayer.await_running("/carried", 2, lambda now: victim not in {task["id"] for task in now})
        await_same_tasks(stayer, apache.url, "/carried", 2)
        stayer.client.scale_app("/carried", 1)
        stayer.await_running("/carried", 1)
        await_same_tasks(stayer, apache.url, "/carried", 1)


def test_an_app_is_scaled_up_and_down(stayer: Stayer, apache: ApacheEngine) -> None:
    first = {task["id"] for task in stayer.run("/scaled", instances=3)}

    stayer.client.scale_app("/scaled", 10)
    tasks = stayer.await_running("/scaled", 10)
    assert first < {task["id"] for task in tasks}
    pids = {task["id"]: _pid_of(task["id"]) for task in tasks}

    stayer.client.scale_app("/scaled", 2)
    left = {task["id"] for task in stayer.await_running("/scaled", 2)}
    await_same_tasks(stayer, apache.url, "/scaled", 2)
    assert left < first, "the youngest go first"
    alive = {task_id for task_id, pid in pids.items() if is_running(pid)}
    assert alive == left


def test_twelve_instances_spread_evenly_over_three_equal_agents(stayer: Stayer) -> None:
    tasks = stayer.run("/spread", instances=12)
    assert sorted(Counter(task["host"] for task in tasks).values()) == [4, 4, 4]


def test_unique_hosts_run_out_and_the_queue_says_why(stayer: Stayer) -> None:
    unique = definition_of("/alone", instances=5, constraints=[["hostname", "UNIQUE"]])
    stayer.client.create_app(unique)
    tasks = eventually(lambda: _exactly(stayer.running("/alone"), 3), "one task an agent")
    assert len({task["host"] for task in tasks}) == 3

    def refused() -> dict[str, Any]:
        (entry,) = stayer.client.queue()
        summary = {
            row["reason"]: (row["declined"], row["processed"])
            for row in entry["processedOffersSummary"]["rejectSummaryLastOffers"]
        }
        assert summary["UnfulfilledConstraint"] == (3, 3), summary
        return entry

    entry = eventually(refused, "the verdict on all three agents")
    assert entry["count"] == 2
    assert entry["app"]["id"] == "/alone"
    row = next(line for line in stayer.command("queue").splitlines() if "/alone" in line)
    assert "UNIQUE" in stayer.command("queue", "/alone")
    assert row.split()[1] == "2"
    assert "hostname" in row
    assert len(stayer.running("/alone")) == 3

    stayer.client.scale_app("/alone", 3, force=True)
    stayer.await_running("/alone", 3)
    assert stayer.client.queue() == []


def _exactly(tasks: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    assert len(tasks) == count, tasks
    return tasks


def test_a_failing_app_is_relaunched_ever_slower(stayer: Stayer, apache: ApacheEngine) -> None:
    failing = definition_of(
        "/fails", cmd="echo my last words; exit 3", backoffSeconds=1, backoffFactor=60
    )
    stayer.client.create_app(failing)

    def second_failure() -> dict[str, Any]:
        failure: dict[str, Any] = stayer.app("/fails").get("lastTaskFailure", {})
        assert failure.get("taskId", "").endswith("._app.2"), failure
        return failure

    failure = eventually(second_failure, "the failure of the second task")
    assert failure["state"] == "TASK_FAILED"
    assert "status 3" in failure["message"]
    (entry,) = stayer.client.queue()
    assert not entry["delay"]["overdue"]
    assert 30 < entry["delay"]["timeLeftSeconds"] <= 60
    agent_url = agents_of(apache.url)[failure["slaveId"]]
    stdout = eventually(lambda: sandbox_text(agent_url, failure["taskId"], "stdout"), "the output")
    assert "my last words" in stdout

    stayer.client.reset_delay("/fails")
    eventually(
        lambda: stayer.app("/fails")["lastTaskFailure"]["taskId"].endswith("._app.3"),
        "the third task, without its back-off",
    )


def test_an_unhealthy_instance_is_killed_and_replaced(stayer: Stayer) -> None:
    server = f'echo fine > health && exec {sys.executable} -m http.server --bind 127.0.0.1 "$PORT0"'
    check = {
        "protocol": "MESOS_HTTP",
        "path": "/health",
        "portIndex": 0,
        "delaySeconds": 0,
        "intervalSeconds": 1,
        "timeoutSeconds": 5,
        "gracePeriodSeconds": 60,
        "maxConsecutiveFailures": 3,
    }
    (sick, well) = stayer.run("/checked", instances=2, mem=32, cmd=server, healthChecks=[check])

    def alive() -> dict[str, bool | None]:
        return {
            task["id"]: next((each["alive"] for each in task.get("healthCheckResults", [])), None)
            for task in stayer.app("/checked")["tasks"]
        }

    healthy = {sick["id"]: True, well["id"]: True}
    eventually(lambda: alive() == healthy, "both healthy")
    Path(f"/proc/{_pid_of(sick['id'])}/cwd/health").unlink()
    eventually(lambda: alive().get(sick["id"]) is False, "the verdict unhealthy")

    def replaced() -> bool:
        now = alive()
        return sick["id"] not in now and well["id"] in now and list(now.values()) == [True, True]

    eventually(replaced, "a healthy replacement")
    failure = stayer.app("/checked")["lastTaskFailure"]
    assert failure["taskId"] == sick["id"]
    assert "health" in failure["message"].lower()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"instances": "many", "cpus": []}, {"/instances": "number", "/cpus": "number"}),
        (
            {
                "constraints": [
                    ["hostname", "NEAR"],
                    ["rack", "LIKE", "r("],
                    ["rack", "GROUP_BY", "three"],
                ]
            },
            {
                "/constraints(0)": "UNIQUE, CLUSTER, GROUP_BY, LIKE, MAX_PER, UNLIKE or IS",
                "/constraints(1)": "regular expression",
                "/constraints(2)": "integer",
            },
        ),
        ({"id": "/no_underscores"}, {"/id": "pattern"}),
    ],
)
def test_an_invalid_app_is_refused_by_field(
    stayer: Stayer, changes: dict[str, object], expected: dict[str, str]
) -> None:
    with pytest.raises(InvalidError) as refused:
        stayer.client.create_app(definition_of("/invalid") | changes)
    assert refused.value.status == 422
    details = dict(refused.value.details)
    assert details.keys() == expected.keys()
    for path, words in expected.items():
        assert words in details[path]
    assert stayer.client.list_apps() == []
    assert stayer.client.list_deployments() == []
