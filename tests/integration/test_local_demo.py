"""`stayer local --demo`, the first minutes of a new user: it runs, it is reachable, Ctrl-C leaves
nothing behind, and the same folder brings the apps back."""

import os
import re
import signal
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.integration.product import Stayer, is_running, processes_of
from tests.polling import eventually

pytestmark = pytest.mark.mesos

_PROCESSES = 1 + 1 + 3 + 3  # stayer, master, agents, tasks; executors come on top


def _local(folder: Path, first_port: int, *more: str) -> Stayer:
    """Like the default cluster, but on ports that no other test uses."""
    ports = f"ports:[{{{first_port}+i*100}}-{{{first_port + 99}+i*100}}]"
    resources = f"cpus:4;mem:4096;disk:10000;{ports}"
    command = ["local", "--mesos-port", "0", "--resources", resources]
    return Stayer(folder, [*command, "--state", str(folder / "state"), *more])


def _healthy(stayer: Stayer) -> list[dict[str, Any]]:
    """The three instances when each is healthy."""
    assert "/hello" in [app["id"] for app in stayer.client.list_apps()]
    app = stayer.app("/hello")
    assert app["tasksHealthy"] == 3, app
    tasks: list[dict[str, Any]] = app["tasks"]
    return tasks


def _page(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as answer:
        return str(answer.read().decode())


def test_the_demo_runs_ends_and_comes_back(tmp_path: Path, task_ports: int) -> None:
    demo = _local(tmp_path, task_ports + 300, "--demo")
    try:
        demo.start()
        tasks = eventually(lambda: _healthy(demo), "three healthy instances")
        racks = {
            agent["hostname"]: agent["attributes"]["rack"] for agent in demo.client.list_agents()
        }
        assert {racks[task["host"]] for task in tasks} == {"r0", "r1", "r2"}
        for task in tasks:
            page = _page(task["ports"][0])
            assert f"Hello from {task['host']}" in page
            assert task["id"] in page
        eventually(lambda: demo.output().count("healthy") >= 3, "the table")
        assert "rack" in demo.output().lower()
        processes = processes_of(tmp_path)
        assert len(processes) >= _PROCESSES

        os.killpg(demo.process.pid, signal.SIGINT)  # as a terminal does on Ctrl-C
        assert demo.process.wait(30) == 0
        assert [pid for pid in processes if is_running(pid)] == []
        assert processes_of(tmp_path) == []
        assert not re.search("Traceback|WARNING|CRITICAL", demo.output())
    finally:
        demo.kill_if_running()

    again = _local(tmp_path, task_ports + 300)
    try:
        again.start()
        assert [app["id"] for app in again.client.list_apps()] == ["/hello"]
        new = {task["id"] for task in eventually(lambda: _healthy(again), "the same app")}
        assert not new & {task["id"] for task in tasks}
        assert again.end(signal.SIGTERM) == 0
        assert processes_of(tmp_path) == []
    finally:
        again.kill_if_running()
