"""Agents lost for a while or for good: instances move as the app wants, and nothing runs twice."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from localmesos.apache.engine import ApacheEngine
from tests.integration.conftest import ApacheCluster
from tests.integration.product import (
    Stayer,
    await_same_tasks,
    is_running,
    mesos_tasks,
    operator,
    pids_of,
    serving,
)
from tests.polling import eventually

pytestmark = pytest.mark.mesos

_QUICKLY_LOST = {
    "agent_ping_timeout": "1secs",
    "max_agent_ping_timeouts": "2",
    "registration_backoff_factor": "100ms",
    "executor_reregistration_timeout": "2secs",
}
_PER_AGENT = 2

Change = Callable[[ApacheEngine, int], None]


def _on(tasks: list[dict[str, object]], agent_id: str) -> set[str]:
    return {str(task["id"]) for task in tasks if task["slaveId"] == agent_id}


def _run_everywhere(stayer: Stayer, app_id: str, **fields: object) -> list[dict[str, object]]:
    tasks = stayer.run(app_id, instances=3 * _PER_AGENT, **fields)
    assert set(Counter(task["slaveId"] for task in tasks).values()) == {_PER_AGENT}
    return tasks


@pytest.mark.parametrize(
    ("lose", "bring_back"),
    [
        pytest.param(ApacheEngine.kill_agent, ApacheEngine.start_agent, id="killed"),
        pytest.param(ApacheEngine.stop_agent, ApacheEngine.start_agent, id="stopped"),
        pytest.param(ApacheEngine.pause_agent, ApacheEngine.resume_agent, id="paused"),
    ],
)
def test_a_lost_agent_is_replaced_and_on_its_return_nothing_runs_twice(
    apache_cluster: ApacheCluster, tmp_path: Path, lose: Change, bring_back: Change
) -> None:
    cluster = apache_cluster(3, flags=_QUICKLY_LOST)
    agent_id = cluster.agent_ids()[0]
    later = {"inactiveAfterSeconds": 2, "expungeAfterSeconds": 600}
    with serving(cluster.url, tmp_path / "stayer") as stayer:
        at_once = _run_everywhere(stayer, "/at-once")
        soon = _run_everywhere(stayer, "/soon", unreachableStrategy=later)
        never = _run_everywhere(stayer, "/never", unreachableStrategy="disabled")

        lose(cluster, 0)
        stayer.await_running("/at-once", 6, lambda tasks: not _on(tasks, agent_id))
        eventually(lambda: len(_running_elsewhere(stayer, "/soon", agent_id)) == 6, "new ones")
        waiting = stayer.app("/never")["tasks"]
        assert {task["id"] for task in waiting} == {task["id"] for task in never}
        states = {task["state"] for task in waiting if task["slaveId"] == agent_id}
        assert states == {"TASK_UNREACHABLE"}

        bring_back(cluster, 0)
        for app_id in ("/at-once", "/soon", "/never"):
            stayer.await_running(app_id, 6)
        known = {
            task["id"]
            for app_id in ("/at-once", "/soon", "/never")
            for task in stayer.running(app_id)
        }
        eventually(lambda: _ids_in_mesos(cluster, stayer) == known, "Mesos' and our tasks agree")
        assert len(known) == 18
        assert {task["id"] for task in stayer.running("/never")} == {t["id"] for t in never}
        gone = _on(at_once, agent_id) | (_on(soon, agent_id) - known)
        eventually(lambda: not any(map(pids_of, gone)), "the end of what was replaced")


def _running_elsewhere(stayer: Stayer, app_id: str, agent_id: str) -> list[dict[str, object]]:
    return [task for task in stayer.running(app_id) if task["slaveId"] != agent_id]


def _ids_in_mesos(cluster: ApacheEngine, stayer: Stayer) -> set[str]:
    return {task.id for task in mesos_tasks(cluster.url, stayer.framework_id)}


@pytest.mark.parametrize("stayer_is_away", [False, True])
def test_instances_move_from_an_agent_that_is_marked_gone(
    apache_cluster: ApacheCluster, tmp_path: Path, stayer_is_away: bool
) -> None:
    """Mesos does not repeat to a returning scheduler what it missed: it has to ask."""
    cluster = apache_cluster(3)
    agent_id = cluster.agent_ids()[1]
    with serving(cluster.url, tmp_path / "stayer") as stayer:
        tasks = _run_everywhere(stayer, "/moves", unreachableStrategy="disabled")
        pids = [pid for task_id in _on(tasks, agent_id) for pid in pids_of(task_id)]
        assert len(pids) >= _PER_AGENT
        gone = {"agent_id": {"value": agent_id}}

        if stayer_is_away:
            stayer.crash()
        operator(cluster.url, {"type": "MARK_AGENT_GONE", "mark_agent_gone": gone})
        if stayer_is_away:
            stayer.start()

        moved = stayer.await_running("/moves", 6, lambda now: not _on(now, agent_id))
        stay = {str(task["id"]) for task in tasks} - _on(tasks, agent_id)
        assert stay < {task["id"] for task in moved}
        await_same_tasks(stayer, cluster.url, "/moves", 6)
        eventually(lambda: not any(map(is_running, pids)), "the end of the agent's processes")
        assert "lastTaskFailure" not in stayer.app("/moves"), "the app did nothing wrong"
