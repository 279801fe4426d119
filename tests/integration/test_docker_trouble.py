"""What becomes of containers when something around them dies, and of docker apps where there is
no engine."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from localmesos.apache.engine import ApacheEngine
from tests.docker_engine.fixtures import Docker, docker_cluster
from tests.integration.product import Stayer, all_pids, definition_of, is_running, serving
from tests.polling import eventually

pytestmark = pytest.mark.mesos

_PROGRAMS = ("mesos-docker-executor", "mesos-docker-container")


@pytest.fixture
def mesos(tmp_path: Path, task_ports: int, docker: Docker) -> Iterator[ApacheEngine]:
    """A cluster to damage."""
    with docker_cluster(tmp_path / "mesos", task_ports, docker, offset=50) as engine:
        yield engine


@pytest.fixture
def stayer(mesos: ApacheEngine, tmp_path: Path) -> Iterator[Stayer]:
    with serving(mesos.url, tmp_path / "stayer") as stayer:
        yield stayer


def _run(stayer: Stayer, docker: Docker, app_id: str, **fields: object) -> str:
    """The id of the one task of an app that runs and is replaced at once."""
    container = {"type": "DOCKER", "docker": {"image": docker.image}}
    fields = {"mem": 32, "container": container, "backoffSeconds": 0, **fields}
    return str(stayer.run(app_id, **fields)[0]["id"])


def _pid_of(program: str, folder: Path) -> int:
    """The one process of a program whose agent lives below a folder."""
    mark, home = f"sys.argv[0] = '{program}'".encode(), b"MESOS_DIRECTORY=" + bytes(folder)
    found = [pid for pid in all_pids() if is_running(pid) and _has(pid, mark, home)]
    assert len(found) == 1, found
    return found[0]


def _has(pid: int, in_command: bytes, in_environment: bytes) -> bool:
    try:
        return (
            in_command in Path(f"/proc/{pid}/cmdline").read_bytes()
            and in_environment in Path(f"/proc/{pid}/environ").read_bytes()
        )
    except OSError:
        return False


def _await_removed(docker: Docker, task_id: str) -> None:
    eventually(lambda: not docker.containers(task_id), f"the removal of {task_id}'s container")


def test_containers_outlive_stayer_and_the_agent(
    stayer: Stayer, mesos: ApacheEngine, docker: Docker
) -> None:
    task_id = _run(stayer, docker, "/kept")
    before = docker.container_of(task_id)

    stayer.crash()
    mesos.kill_agent(0)
    stayer.start()
    mesos.start_agent(0)
    stayer.await_running("/kept", 1, lambda tasks: tasks[0]["id"] == task_id)
    after = docker.container_of(task_id)
    assert (after["Id"], after["State"]) == (before["Id"], before["State"])

    stayer.client.delete_app("/kept", force=True)
    _await_removed(docker, task_id)


@pytest.mark.parametrize("program", _PROGRAMS)
def test_no_container_outlives_what_looks_after_it(
    stayer: Stayer, docker: Docker, tmp_path: Path, program: str
) -> None:
    task_id = _run(stayer, docker, "/orphan")
    os.kill(_pid_of(program, tmp_path), signal.SIGKILL)
    _await_removed(docker, task_id)
    (task,) = stayer.await_running("/orphan", 1, lambda tasks: tasks[0]["id"] != task_id)
    docker.container_of(task["id"])


def test_a_stopped_mesos_leaves_no_container(
    mesos: ApacheEngine, docker: Docker, tmp_path: Path
) -> None:
    store = f"sqlite:{tmp_path / 'stayer.db'}"
    master = mesos.url.removeprefix("http://")
    stayer = Stayer(tmp_path, ["serve", "--master", master, "--store", store])
    try:
        stayer.start()
        task_id = _run(stayer, docker, "/left")
        stayer.crash()
        mesos.stop()
        _await_removed(docker, task_id)
    finally:
        stayer.kill_if_running()


def _local(folder: Path, first_port: int, *more: str) -> Stayer:
    resources = f"cpus:8;mem:4096;disk:10000;ports:[{first_port}-{first_port + 49}]"
    command = ["local", "--mesos-port", "0", "--agents", "1", "--resources", resources, *more]
    return Stayer(folder, command)


def test_stayer_local_uses_the_engine_it_finds(
    docker: Docker, tmp_path: Path, task_ports: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", docker.host)
    local = _local(tmp_path, task_ports + 950)
    try:
        local.start()
        assert "Docker apps run on the Docker Engine" in local.output()
        task_id = _run(local, docker, "/docker")
        docker.container_of(task_id)
        assert local.end(signal.SIGINT) == 0
        assert docker.containers(task_id) == []
    finally:
        local.kill_if_running()


def test_without_an_engine_a_docker_app_says_so(
    tmp_path: Path, task_ports: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = tmp_path / "docker.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{nowhere}")
    local = _local(tmp_path, task_ports + 950)
    try:
        local.start()
        said = f"Docker apps cannot run: there is no Docker Engine at {nowhere}"
        assert said in local.output()
        container = {"type": "DOCKER", "docker": {"image": "web:1"}}
        app = definition_of("/docker", container=container, backoffSeconds=60)
        local.client.create_app(app)
        failure = eventually(
            lambda: local.app("/docker").get("lastTaskFailure", {}), "the task's failure"
        )
        assert f"no Docker Engine answers at {nowhere}" in failure["message"]
        local.run("/plain")
        assert local.end(signal.SIGINT) == 0
    finally:
        local.kill_if_running()


_V2_ONLY = """
for folder in $(awk '$3 == "cgroup" { print $2 }' /proc/mounts | tac); do umount "$folder"; done
! grep -q ' cgroup .*[ ,]cpu[ ,]' /proc/mounts
exec "$@"
"""


def test_agents_with_docker_boot_where_cgroups_are_of_version_2_only(
    tmp_path: Path, task_ports: int
) -> None:
    """In a mount namespace of its own; Mesos 1.11 by itself refuses there."""
    program = f"""
from pathlib import Path
from localmesos.apache.docker_engine import docker_flags
from localmesos.apache.engine import ApacheEngine
from localmesos.cluster import agent_specs

specs = agent_specs(1, resources="cpus:1;mem:64;ports:[{task_ports + 999}-{task_ports + 999}]")
flags = docker_flags("/nowhere.sock")
with ApacheEngine(specs, state_dir=Path({str(tmp_path)!r}), flags=flags) as engine:
    print("agents:", len(engine.agent_ids()))
"""
    shell = ["unshare", "--mount", "sh", "-e", "-c", _V2_ONLY, "sh"]
    done = subprocess.run(
        [*shell, sys.executable, "-c", program],
        check=False,
        capture_output=True,
        text=True,
        timeout=90,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout == "agents: 1\n", done.stderr
