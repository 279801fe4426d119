"""Docker apps on a genuine Mesos and a genuine Docker Engine, as their owner sees them."""

import pwd
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localmesos.apache.engine import ApacheEngine
from tests.docker_engine.apps import (
    await_no_containers,
    docker_app,
    failure_of,
    page,
    sandbox_of,
)
from tests.docker_engine.fixtures import Docker
from tests.integration.product import Stayer, agents_of, sandbox_text, serving
from tests.polling import eventually

pytestmark = pytest.mark.mesos

Json = dict[str, Any]
NO_NETWORK = [{"mode": "container", "name": "none"}]
SERVE = (
    'echo "hello from $NAME" > index.html; date > "$MESOS_SANDBOX/kept/written"; '
    'exec httpd -f -p "127.0.0.1:$PORT0"'
)


@pytest.fixture
def stayer(docker_apache: ApacheEngine, tmp_path: Path) -> Iterator[Stayer]:
    with serving(docker_apache.url, tmp_path / "stayer") as stayer:
        yield stayer


def test_a_container_serves_and_is_what_its_definition_says(
    stayer: Stayer, docker: Docker, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    parameters = {
        "label": "owner=web",
        "ulimit": "nofile=100:200",
        "cap-drop": "NET_RAW",
        "tmpfs": "/scratch:size=1m",
        "workdir": "/scratch",
        "add-host": "db:10.1.2.3",
        "memory-swap": "64m",
    }
    app = docker_app(
        docker,
        "/web",
        cmd=SERVE,
        cpus=0.25,
        mem=48,
        env={"NAME": "a container"},
        portDefinitions=[{"port": 0}],
        requirePorts=False,
        container={
            "docker": {
                "parameters": [{"key": key, "value": parameters[key]} for key in parameters],
            },
            "volumes": [
                {"containerPath": "/data", "hostPath": str(data), "mode": "RO"},
                {"containerPath": "kept", "hostPath": "kept", "mode": "RW"},
            ],
        },
    )
    stayer.client.create_app(app)
    (task,) = stayer.await_running("/web", 1)
    assert eventually(lambda: page(task["ports"][0]), "its page") == "hello from a container\n"

    found = docker.container_of(task["id"])
    assert found["Name"].startswith("/mesos-")
    config, host = found["Config"], found["HostConfig"]
    assert config["Labels"] == {"owner": "web", "MESOS_TASK_ID": task["id"]}
    assert {
        "NAME=a container",
        "FROM_IMAGE=yes",
        "MESOS_SANDBOX=/mnt/mesos/sandbox",
        f"PORT0={task['ports'][0]}",
        "MARATHON_APP_ID=/web",
    } <= set(config["Env"])
    assert config["WorkingDir"] == "/scratch"
    assert (config["Entrypoint"], config["Cmd"]) == (["/bin/sh"], ["-c", SERVE])
    assert (host["NetworkMode"], host["CapDrop"]) == ("host", ["NET_RAW"])
    assert (host["CpuShares"], host["Memory"], host["MemorySwap"]) == (256, 48 << 20, 64 << 20)
    assert host["Ulimits"] == [{"Name": "nofile", "Soft": 100, "Hard": 200}]
    assert (host["Tmpfs"], host["ExtraHosts"]) == ({"/scratch": "size=1m"}, ["db:10.1.2.3"])
    sandbox = Path(host["Binds"][0].partition(":")[0])
    assert host["Binds"][1:] == [
        f"{data}:/data:ro",
        f"{sandbox}/kept:/mnt/mesos/sandbox/kept:rw",
    ]
    assert (sandbox / "kept" / "written").read_text()


def test_another_user_arguments_and_no_network(
    stayer: Stayer, docker: Docker, docker_apache: ApacheEngine
) -> None:
    """The end of a container comes with its exit code, and the container is gone."""
    script = (
        "id -u; hostname; ls /sys/class/net; touch $MESOS_SANDBOX/mine; echo problem >&2; exit 7"
    )
    hostname = {"docker": {"parameters": [{"key": "hostname", "value": "web"}]}}
    app = docker_app(
        docker,
        "/none",
        args=["sh", "-c", script],
        networks=NO_NETWORK,
        user="nobody",
        container=hostname,
    )
    del app["cmd"]
    stayer.client.create_app(app)
    failure = failure_of(stayer, "/none")
    assert (failure["state"], failure["message"]) == (
        "TASK_FAILED",
        "Container exited with status 7",
    )
    uid = pwd.getpwnam("nobody").pw_uid
    entry = f"entry: sh -c {script}\n"
    assert sandbox_of(docker_apache, failure, "stdout") == f"{entry}{uid}\nweb\nlo\n"
    log = sandbox_of(docker_apache, failure, "stderr")
    assert "problem\n" in log
    assert "Started container mesos-" in log
    await_no_containers(docker, failure["taskId"])


def test_what_takes_too_much_memory_is_told(stayer: Stayer, docker: Docker) -> None:
    app = docker_app(docker, "/greedy", cmd="x=0123456789; while true; do x=$x$x; done")
    stayer.client.create_app(app)
    failure = failure_of(stayer, "/greedy")
    assert failure["state"] == "TASK_FAILED"
    assert failure["message"] == "Memory limit exceeded: container exited with status 137"
    await_no_containers(docker, failure["taskId"])


def test_a_container_has_its_grace_to_stop(
    stayer: Stayer, docker: Docker, docker_apache: ApacheEngine
) -> None:
    """One uses it, the other has to be killed when it is over."""
    polite = (
        'trap "echo told to stop; touch leaving; while [ -e leaving ]; do sleep 0.1; done; '
        'echo left; exit 0" TERM; touch ready; while true; do sleep 0.1; done'
    )
    stubborn = 'trap "" TERM; touch ready; while true; do sleep 0.1; done'
    stayer.client.create_app(
        docker_app(docker, "/polite", cmd=polite, taskKillGracePeriodSeconds=300)
    )
    stayer.client.create_app(
        docker_app(docker, "/stubborn", cmd=stubborn, taskKillGracePeriodSeconds=1)
    )
    tasks = {app_id: stayer.await_running(app_id, 1)[0] for app_id in ("/polite", "/stubborn")}
    for task in tasks.values():
        _await_file(docker, task["id"], "ready")
    for app_id in tasks:
        stayer.client.delete_app(app_id)

    await_no_containers(docker, tasks["/stubborn"]["id"])
    _await_file(docker, tasks["/polite"]["id"], "leaving")
    docker.execute(tasks["/polite"]["id"], "rm", "/leaving")
    await_no_containers(docker, tasks["/polite"]["id"])
    url = agents_of(docker_apache.url)[tasks["/polite"]["slaveId"]]
    said = eventually(lambda: sandbox_text(url, tasks["/polite"]["id"], "stdout"), "its output")
    assert said == "told to stop\nleft\n"


def _await_file(docker: Docker, task_id: str, name: str) -> None:
    def look() -> bool:
        docker.execute(task_id, "test", "-e", f"/{name}")
        return True

    eventually(look, f"the file {name} in the container")


def test_what_cannot_start_says_why(stayer: Stayer, docker: Docker) -> None:
    nowhere = {"image": "127.0.0.1:1/none:1", "forcePullImage": True}
    unknown = {"parameters": [{"key": "restart", "value": "always"}]}
    for app_id, fields, expected in (
        ("/nowhere", {"docker": nowhere}, "Failed to start a container of 127.0.0.1:1/none:1: "),
        ("/unknown", {"docker": unknown}, "the docker parameter 'restart' is not supported"),
    ):
        stayer.client.create_app(docker_app(docker, app_id, container=fields))
        failure = failure_of(stayer, app_id)
        assert failure["state"] == "TASK_FAILED"
        assert expected in failure["message"]
        assert docker.containers(failure["taskId"]) == []


def test_checks_look_into_the_container(stayer: Stayer, docker: Docker) -> None:
    """A command runs inside; a page is asked for on the container's own loopback network."""
    timing = {"intervalSeconds": 1, "timeoutSeconds": 20, "gracePeriodSeconds": 60}
    timing["delaySeconds"] = 0
    inside = {"protocol": "COMMAND", "command": {"value": "test ! -e /sick"}, **timing}
    page = {"protocol": "MESOS_HTTP", "path": "/", "port": 8080, **timing}
    serve = "echo fine > /tmp/index.html; exec httpd -f -p 127.0.0.1:8080 -h /tmp"
    stayer.client.create_app(
        docker_app(
            docker,
            "/inside",
            healthChecks=[inside | {"maxConsecutiveFailures": 1}],
            backoffSeconds=0,
        )
    )
    stayer.client.create_app(
        docker_app(docker, "/page", cmd=serve, networks=NO_NETWORK, healthChecks=[page])
    )
    eventually(lambda: stayer.app("/inside")["tasksHealthy"] == 1, "the command's success")
    eventually(lambda: stayer.app("/page")["tasksHealthy"] == 1, "the page")

    (sick,) = stayer.running("/inside")
    docker.execute(sick["id"], "touch", "/sick")
    failure = failure_of(stayer, "/inside")
    assert failure["taskId"] == sick["id"]
    eventually(lambda: stayer.app("/inside")["tasksHealthy"] == 1, "a healthy replacement")
    assert stayer.running("/inside")[0]["id"] != sick["id"]
    await_no_containers(docker, sick["id"])
