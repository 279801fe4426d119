"""`stayer local` and an app that keeps data: the example of the documentation, as it is written
there, and the role that volumes need without anybody setting one."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.integration.product import Stayer, processes_of
from tests.polling import eventually

pytestmark = pytest.mark.mesos

_EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "volume.json"


def _local(folder: Path, first_port: int) -> Stayer:
    ports = f"ports:[{{{first_port}+i*100}}-{{{first_port + 99}+i*100}}]"
    resources = f"cpus:4;mem:4096;disk:10000;{ports}"
    state = ["--state", str(folder / "state")]
    return Stayer(folder, ["local", "--mesos-port", "0", "--resources", resources, *state])


def _files(task: dict[str, Any], folder: Path) -> list[Path]:
    """The example's file in the volume, wherever the agent keeps that."""
    volume = task["localVolumes"][0]["persistenceId"]
    return [one for one in folder.rglob("tasks") if one.parent.name == volume]


def _lines(task: dict[str, Any], folder: Path, count: int) -> list[str]:
    def look() -> list[str]:
        files = _files(task, folder)
        lines = files[0].read_text().split() if files else []
        assert len(lines) == count, lines
        return lines

    return eventually(look, f"{count} lines of tasks")


def test_the_example_counts_on_after_a_restart(tmp_path: Path, task_ports: int) -> None:
    stayer = _local(tmp_path, task_ports + 300)
    example = json.loads(_EXAMPLE.read_text())
    del example["role"]  # what a user of Marathon would write
    app_id = example["id"]
    try:
        stayer.start()
        stayer.client.create_app(example)
        (first,) = stayer.await_running(app_id, 1)
        assert first["role"] == "stayer"
        assert _lines(first, tmp_path, 1) == [first["id"]]

        stayer.client.restart_app(app_id)
        (second,) = stayer.await_running(app_id, 1, lambda tasks: tasks[0]["id"] != first["id"])
        assert second["localVolumes"] == first["localVolumes"]
        assert _lines(second, tmp_path, 2) == [first["id"], second["id"]]

        stayer.client.delete_app(app_id)
        eventually(lambda: not _files(first, tmp_path), "the end of the data")
        assert stayer.end(signal.SIGTERM) == 0
        assert processes_of(tmp_path) == []
    finally:
        stayer.kill_if_running()
