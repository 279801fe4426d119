"""Stayer itself killed, stopped, started before its Mesos, and removed: what becomes of
the tasks."""

import re
import signal
import subprocess
from pathlib import Path

import pytest

from localmesos.apache.engine import ApacheEngine
from localmesos.apache.ports import free_port
from tests.integration.conftest import ApacheCluster
from tests.integration.product import (
    STAYER,
    Stayer,
    await_same_tasks,
    definition_of,
    is_running,
    mesos_tasks,
    pids_of,
    serving,
)
from tests.polling import eventually

pytestmark = pytest.mark.mesos


def _ids(tasks: list[dict[str, object]]) -> set[str]:
    return {str(task["id"]) for task in tasks}


def test_killed_it_comes_back_with_the_same_tasks(apache: ApacheEngine, tmp_path: Path) -> None:
    with serving(apache.url, tmp_path) as stayer:
        framework_id = stayer.framework_id
        before = _ids(stayer.run("/kept", instances=6))

        stayer.crash()
        assert {task.id for task in mesos_tasks(apache.url, framework_id)} == before
        stayer.start()

        assert stayer.framework_id == framework_id
        assert _ids(stayer.running("/kept")) == before
        assert _ids(await_same_tasks(stayer, apache.url, "/kept", 6)) == before

        stayer.client.scale_app("/kept", 7)
        after = _ids(stayer.await_running("/kept", 7))
        assert before < after, "it launches again, and what ran still runs"


def test_killed_while_scaling_it_loses_and_doubles_nothing(
    apache: ApacheEngine, tmp_path: Path
) -> None:
    with serving(apache.url, tmp_path) as stayer:
        framework_id, count = stayer.framework_id, 4
        survivors = _ids(stayer.run("/grown", instances=count))
        for started in (0, 1, 5):  # of ten, before it is killed
            stayer.client.scale_app("/grown", count + 10, force=True)
            _await_at_least(apache, framework_id, count + started)
            count += 10
            stayer.crash()
            stayer.start()
            assert survivors <= _ids(stayer.running("/grown"))
        assert stayer.framework_id == framework_id

        stayer.await_running("/grown", count)
        assert survivors < _ids(await_same_tasks(stayer, apache.url, "/grown", count))


def _await_at_least(apache: ApacheEngine, framework_id: str, count: int) -> None:
    eventually(
        lambda: len(mesos_tasks(apache.url, framework_id)) >= count, f"{count} tasks in Mesos"
    )


def test_stopped_it_leaves_tasks_and_a_teardown_ends_them(
    apache: ApacheEngine, tmp_path: Path
) -> None:
    with serving(apache.url, tmp_path) as stayer:
        framework_id = stayer.framework_id
        before = _ids(stayer.run("/left", instances=3))
        pids = [pid for task_id in before for pid in pids_of(task_id)]

        assert stayer.end(signal.SIGTERM) == 0
        assert not stayer.is_ready
        assert {task.id for task in mesos_tasks(apache.url, framework_id)} == before
        stayer.start()
        assert _ids(await_same_tasks(stayer, apache.url, "/left", 3)) == before

        _refuse_teardown_without_yes(stayer)
        stayer.command("framework", "teardown", "--yes")
        assert stayer.process.wait(30) == 0
        assert not re.search("WARNING|ERROR|CRITICAL", stayer.output())
        assert mesos_tasks(apache.url, framework_id) == []
        eventually(lambda: not any(map(is_running, pids)), "the end of the tasks' processes")
        assert len(pids) >= 3


def test_a_teardown_waits_for_mesos(apache_cluster: ApacheCluster, tmp_path: Path) -> None:
    cluster = apache_cluster(1)
    with serving(cluster.url, tmp_path / "stayer") as stayer:
        pids = [pid for task in stayer.run("/ends", instances=2) for pid in pids_of(task["id"])]
        cluster.stop_master()
        eventually(lambda: "disconnected from Mesos" in stayer.output(), "the loss of Mesos")
        stayer.command("framework", "teardown", "--yes")
        assert all(map(is_running, pids))
        assert stayer.process.poll() is None, "what is not done yet must not be forgotten"

        cluster.start_master()
        assert stayer.process.wait(30) == 0
        eventually(lambda: not any(map(is_running, pids)), "the end of the tasks' processes")
        assert len(pids) >= 2


def _refuse_teardown_without_yes(stayer: Stayer) -> None:
    command = [STAYER, "framework", "teardown", "--url", *stayer.client.urls]
    asked = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert asked.returncode == 2
    assert "--yes" in asked.stderr
    assert len(stayer.running("/left")) == 3


def test_it_serves_before_mesos_is_there(apache_cluster: ApacheCluster, tmp_path: Path) -> None:
    port = free_port("127.0.0.1")
    with serving(f"http://127.0.0.1:{port}", tmp_path / "s", started=False) as stayer:
        stayer.start_unready()
        stayer.wait_for_api()
        stayer.client.create_app(definition_of("/early", instances=2))
        eventually(
            lambda: "not connected to Mesos" in stayer.command("queue"), "the reason in the queue"
        )
        assert stayer.app("/early")["tasks"] == []
        assert stayer.client.info()["frameworkId"] is None
        assert not stayer.is_ready

        cluster = apache_cluster(2, port=port)
        stayer.await_running("/early", 2)
        eventually(lambda: stayer.is_ready, "the ready file")
        await_same_tasks(stayer, cluster.url, "/early", 2)
