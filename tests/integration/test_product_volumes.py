"""Persistent volumes on a genuine Mesos: the data is there again, whatever ended in between."""

import json
import os
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localmesos.apache.engine import ApacheEngine
from localmesos.cluster import AgentSpec
from tests.integration.conftest import ApacheCluster
from tests.integration.product import (
    Stayer,
    definition_of,
    mesos_tasks,
    pids_of,
    serving,
)
from tests.polling import eventually

pytestmark = pytest.mark.mesos

Json = dict[str, Any]
# Each task adds a line, so that a file tells how many tasks have had it.
APPENDS = "echo $MESOS_TASK_ID >> data/lines; exec sleep 1000"
QUICK = {"agent_ping_timeout": "1secs", "executor_reregistration_timeout": "2secs"}


def with_volume(app_id: str, **fields: object) -> Json:
    volume = {"containerPath": "data", "mode": "RW", "persistent": {"size": 16}}
    container = {"type": "MESOS", "volumes": [volume]}
    return definition_of(app_id, **{"cmd": APPENDS, "container": container, **fields})


def run(stayer: Stayer, app_id: str, **fields: object) -> Json:
    """Create the app; its one running task, whose file has one line."""
    stayer.client.create_app(with_volume(app_id, **fields))
    (task,) = stayer.await_running(app_id, 1)
    await_lines(task, 1)
    return task


def lines_of(task: Json) -> list[str]:
    """What the task's volume holds, seen by its process."""
    for pid in pids_of(task["id"]):
        file = Path(f"/proc/{pid}/cwd/data/lines")
        if file.exists():
            return file.read_text().split()
    return []


def await_lines(task: Json, count: int) -> list[str]:
    return eventually(
        lambda: lines if len(lines := lines_of(task)) == count else [], f"{count} lines"
    )


def reserved(engine: ApacheEngine) -> dict[str, float]:
    """What is reserved on all agents together."""
    with urllib.request.urlopen(f"{engine.url}/slaves", timeout=60) as answer:
        agents = json.loads(answer.read())["slaves"]
    sums: dict[str, float] = {}
    for agent in agents:
        for amounts in agent["reserved_resources"].values():
            for name in ("cpus", "mem", "disk"):
                sums[name] = sums.get(name, 0) + amounts.get(name, 0)
    return {name: amount for name, amount in sums.items() if amount}


def again(stayer: Stayer, app_id: str, before: Json) -> Json:
    """The next task of the same instance, once it runs."""
    (task,) = stayer.await_running(app_id, 1, lambda tasks: tasks[0]["id"] != before["id"])
    assert task["id"].partition("._app.")[0] == before["id"].partition("._app.")[0]
    assert task["slaveId"] == before["slaveId"]
    assert task["localVolumes"] == before["localVolumes"]
    return task


def test_data_outlives_tasks_versions_and_scaling(
    apache_cluster: ApacheCluster, tmp_path: Path
) -> None:
    cluster = apache_cluster(3)
    with serving(cluster.url, tmp_path / "stayer", "--volume_role", "stateful") as stayer:
        first = run(stayer, "/db")
        (volume,) = first["localVolumes"]
        assert (volume["containerPath"], first["role"]) == ("data", "stateful")
        assert reserved(cluster) == {"cpus": 0.01, "mem": 16, "disk": 16}

        stayer.client.kill_tasks([first["id"]])
        second = again(stayer, "/db", first)
        assert await_lines(second, 2) == [first["id"], second["id"]]

        stayer.client.update_app("/db", {"env": {"NEW": "yes"}})
        third = again(stayer, "/db", second)
        await_lines(third, 3)

        stayer.client.scale_app("/db", 0)
        eventually(lambda: not stayer.app("/db")["tasks"], "the end of the task")
        assert reserved(cluster), "kept for the day that it is scaled up again"
        stayer.client.scale_app("/db", 1)
        (fourth,) = stayer.await_running("/db", 1)
        await_lines(fourth, 4)
        assert fourth["localVolumes"] == first["localVolumes"]

        stayer.client.delete_app("/db")
        eventually(lambda: not reserved(cluster), "the resources back")


def test_data_outlives_stayer_and_the_agent(apache_cluster: ApacheCluster, tmp_path: Path) -> None:
    cluster = apache_cluster(1, flags=QUICK)
    with serving(cluster.url, tmp_path / "stayer", "--volume_role", "stateful") as stayer:
        first = run(stayer, "/db")
        stayer.crash()
        stayer.start()
        assert [task["id"] for task in stayer.await_running("/db", 1)] == [first["id"]]

        cluster.kill_agent(0)
        cluster.start_agent(0)
        stayer.client.kill_tasks([first["id"]])
        (second,) = stayer.await_running("/db", 1, lambda tasks: tasks[0]["id"] != first["id"])
        await_lines(second, 2)

        stayer.crash()
        stayer.start()
        stayer.client.kill_tasks([second["id"]])
        third = again(stayer, "/db", second)
        await_lines(third, 3)
        assert [task.id for task in mesos_tasks(cluster.url, stayer.framework_id)] == [third["id"]]
        assert reserved(cluster) == {"cpus": 0.01, "mem": 16, "disk": 16}


def test_wiped_it_starts_with_a_new_volume(apache_cluster: ApacheCluster, tmp_path: Path) -> None:
    cluster = apache_cluster(1)
    with serving(cluster.url, tmp_path / "stayer", "--volume_role", "stateful") as stayer:
        first = run(stayer, "/db")
        stayer.client.kill_tasks([first["id"]], wipe=True)
        (second,) = stayer.await_running("/db", 1, lambda tasks: tasks[0]["id"] != first["id"])
        await_lines(second, 1)
        assert second["localVolumes"] != first["localVolumes"]
        eventually(
            lambda: reserved(cluster) == {"cpus": 0.01, "mem": 16, "disk": 16},
            "the resources of the first back",
        )
        assert stayer.end(signal.SIGTERM) == 0


def test_data_outlives_a_teardown(apache_cluster: ApacheCluster, tmp_path: Path) -> None:
    cluster = apache_cluster(1)
    with serving(cluster.url, tmp_path / "stayer", "--volume_role", "stateful") as stayer:
        first = run(stayer, "/db")
        stayer.command("framework", "teardown", "--yes")
        assert stayer.process.wait(60) == 0
        assert reserved(cluster) == {"cpus": 0.01, "mem": 16, "disk": 16}

        stayer.start()
        second = again(stayer, "/db", first)
        assert await_lines(second, 2) == [first["id"], second["id"]]
        stayer.client.delete_app("/db")
        eventually(lambda: not reserved(cluster), "the resources back")


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own: Mesos takes no other for a MOUNT disk."""
    assert os.geteuid() == 0, "only root can mount one"
    place = tmp_path / "mounted"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "stayer-test", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def with_disks(path: Path, mount: Path) -> AgentSpec:
    """An agent that offers a directory and a file system beside its own disk."""
    sources = (
        {"type": "PATH", "path": _root(path)},
        {"type": "MOUNT", "mount": _root(mount)},
    )
    amounts = {"cpus": 4, "mem": 4096, "disk": 1000}
    resources: list[Json] = [_scalar(name, amount) for name, amount in amounts.items()]
    resources += [_scalar("disk", 200) | {"disk": {"source": one}} for one in sources]
    return AgentSpec("host1", "", json.dumps(resources))


def _root(place: Path) -> Json:
    return {"root": str(place)}


def _scalar(name: str, amount: float) -> Json:
    return {"name": name, "type": "SCALAR", "scalar": {"value": amount}}


def test_data_on_disks_of_their_own_is_kept_and_the_disks_come_back(
    apache_cluster: ApacheCluster, tmp_path: Path, mounted: Path
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    cluster = apache_cluster(1, specs=[with_disks(shared, mounted)])
    volumes = [
        {"containerPath": "data", "persistent": {"size": 50, "type": "path"}},
        {
            "containerPath": "whole",
            "persistent": {
                "size": 100,
                "maxSize": 300,
                "type": "mount",
                "constraints": [["path", "LIKE", ".*/mounted"]],
            },
        },
    ]
    both = {"container": {"type": "MESOS", "volumes": volumes}, "portDefinitions": []}
    appends = "echo $MESOS_TASK_ID >> whole/lines; " + APPENDS
    with serving(cluster.url, tmp_path / "stayer", "--volume_role", "stateful") as stayer:
        first = run(stayer, "/db", cmd=appends, **both)
        shown = {one["containerPath"]: one for one in stayer.client.list_volumes()}
        assert {name: (one["type"], one["path"], one["size"]) for name, one in shown.items()} == {
            "data": ("path", str(shared), 50),
            "whole": ("mount", str(mounted), 200),
        }
        assert reserved(cluster) == {"cpus": 0.01, "mem": 16, "disk": 250}

        stayer.client.kill_tasks([first["id"]])
        second = again(stayer, "/db", first)
        tasks = [first["id"], second["id"]]
        assert await_lines(second, 2) == tasks
        assert (mounted / "lines").read_text().split() == tasks
        assert [one.read_text().split() for one in shared.rglob("lines")] == [tasks]

        stayer.client.delete_app("/db")
        eventually(lambda: not reserved(cluster), "the resources back")
        eventually(lambda: not [*mounted.iterdir(), *shared.rglob("lines")], "the end of the data")
        fresh = run(stayer, "/db", cmd=appends, **both)  # the disks are offered again
        assert fresh["localVolumes"] != first["localVolumes"]
