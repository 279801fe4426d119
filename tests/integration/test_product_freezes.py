"""Freezes, safe mode and a poisoned request, with real tasks and a scheduler that restarts."""

from pathlib import Path

import pytest

from api.client import ClientError, ConflictError, RefusedError
from framework.domain.exits import ExitCode
from localmesos.apache.engine import ApacheEngine
from tests.integration.product import Stayer, await_same_tasks, serving
from tests.polling import eventually

pytestmark = pytest.mark.mesos

# What Python runs in every process that finds it: a bug that one label brings out.
BUG = """
from framework.core import commands

right = commands.change_apps

def wrong(turn, command):
    if any(put.app.labels.get("poison") for put in command.puts):
        raise RuntimeError("hunter2")
    return right(turn, command)

commands.change_apps = wrong
"""


def ids(stayer: Stayer, app_id: str) -> set[str]:
    return {task["id"] for task in stayer.running(app_id)}


def test_frozen_nothing_moves_and_a_restart_changes_nothing(
    apache: ApacheEngine, tmp_path: Path
) -> None:
    with serving(apache.url, tmp_path) as stayer:
        before = {task["id"] for task in stayer.run("/still", instances=3)}
        assert "moving racks" in stayer.command("freeze", "--reason", "moving racks")
        stayer.client.scale_app("/still", 4)
        eventually(lambda: "frozen: moving racks" in stayer.command("queue"), "the reason")
        with pytest.raises(ConflictError, match="moving racks"):
            stayer.client.kill_tasks([min(before)])

        stayer.crash()
        stayer.start()
        assert stayer.client.freezes()["reason"] == "moving racks"
        stayer.client.scale_app("/still", 1, force=True)
        tasks = await_same_tasks(stayer, apache.url, "/still", 3)
        assert {task["id"] for task in tasks} == before

        assert stayer.command("unfreeze") == "Nothing is frozen.\n"
        (left,) = stayer.await_running("/still", 1)
        assert left["id"] in before


def test_safe_mode_lasts_for_one_process(apache: ApacheEngine, tmp_path: Path) -> None:
    with serving(apache.url, tmp_path, "--safe-mode") as stayer:
        stayer.client.create_app({"id": "/safe", "cmd": "exec sleep 1000", "cpus": 0.01, "mem": 16})
        eventually(lambda: "safe mode" in stayer.command("queue"), "the reason")
        assert stayer.client.unfreeze()["safeMode"] is True
        assert stayer.running("/safe") == []
        framework_id = stayer.framework_id
        stayer.kill_if_running()
        stayer._command.remove("--safe-mode")
        stayer.start()
        assert stayer.framework_id == framework_id
        stayer.await_running("/safe", 1)
        assert stayer.client.freezes()["frozen"] is False


def test_a_poisoned_request_ends_three_processes_and_not_the_fourth(
    apache: ApacheEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(BUG)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with serving(apache.url, tmp_path) as stayer:
        web = {task["id"] for task in stayer.run("/web", instances=2)}
        poisoned = {"labels": {"poison": "yes"}}
        for _ in range(3):
            with pytest.raises(ClientError):
                stayer.client.update_app("/web", poisoned)
            assert stayer.process.wait(60) == ExitCode.BUG
            stayer.start()

        with pytest.raises(RefusedError) as refused:
            stayer.client.update_app("/web", poisoned)
        assert refused.value.status == 500
        (crash,) = stayer.client.list_crashes()
        assert crash["id"] in refused.value.message
        assert (crash["appId"], crash["crashes"], crash["setAside"]) == ("/web", 3, True)
        assert "hunter2" not in str(crash)
        assert crash["id"] in stayer.command("crash", "list")

        stayer.run("/other", instances=1)
        assert ids(stayer, "/web") == web
        assert [one["id"] for one in stayer.client.freezes()["apps"]] == ["/web"]
        stayer.command("crash", "forget", crash["id"])
        assert stayer.client.freezes()["apps"] == []
        stayer.client.scale_app("/web", 3)
        assert web < {task["id"] for task in stayer.await_running("/web", 3)}
