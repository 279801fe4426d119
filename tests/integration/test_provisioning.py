"""The provisioning scripts on machines of namespaces: run, run again, and what they set up."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine.machine import CHECKOUT, REPOSITORY, Machine
from tests.machine.provisioning import (
    NAME,
    await_answer,
    await_served,
    cron_line,
    gather_wheels,
    logs,
    provision,
    put_app,
    settle,
    start_haproxy,
)

ADDRESS = "192.168.56.11"
ONE = {"ZOOKEEPER_SERVERS": ADDRESS, "SCHEDULERS": ADDRESS, "MESOS_MASTER": ""}
STEPS = (
    ("cluster.sh", "/cluster.env"),
    ("zookeeper.sh", ADDRESS),
    ("mesos-master.sh", ADDRESS, "a"),
    ("mesos-agent.sh", ADDRESS, "a", "r1"),
    ("scheduler.sh", ADDRESS),
    ("edge.sh",),
)
UNITS = ("stayer-zookeeper", "stayer-mesos-master", "stayer-mesos-agent", "stayer")
APP = {
    "id": "/hello",
    "cmd": 'echo hello >index.html && exec python3 -m http.server "$PORT0"',
    "cpus": 0.1,
    "mem": 32,
    "constraints": [["rack", "CLUSTER", "r1"], ["@zone", "CLUSTER", "a"]],
    "healthChecks": [{"protocol": "MESOS_TCP", "delaySeconds": 0, "intervalSeconds": 1}],
    "labels": {"HAPROXY_0_VHOST": NAME},
}


@pytest.fixture
def machine() -> Iterator[Machine]:
    with Machine(ADDRESS) as machine:
        yield machine
        print(logs(machine))  # noqa: T201 - for pytest


@pytest.mark.mesos
@pytest.mark.timeout(600)
def test_scripts_set_a_cluster_up_and_change_nothing_the_second_time(
    machine: Machine, tmp_path: Path
) -> None:
    gather_wheels(tmp_path)
    settle(machine, ONE, tmp_path)
    first = provision(machine, STEPS)
    assert 0 not in first.values(), first
    assert set(provision(machine, STEPS).values()) == {0}
    assert machine.path("/etc/stayer/credentials").stat().st_mode & 0o777 == 0o400
    units = [f"/etc/systemd/system/{unit}.service" for unit in UNITS]
    machine.run("systemd-analyze", "verify", "--man=no", *units)

    for unit in UNITS:
        machine.start_unit(unit)
    await_answer(machine, "/v2/leader", ADDRESS)
    put_app(machine, APP)
    await_answer(machine, "/v2/apps//hello", '"tasksHealthy":1')
    start_haproxy(machine)
    await_served(machine, "hello", minutely=cron_line(machine))


def test_all_shell_scripts_are_clean() -> None:
    folders = ("scripts", "vagrant/provision", "docker-images/files", ".ci")
    files = [file for folder in folders for file in (REPOSITORY / folder).iterdir()]
    scripts = [file for file in files if file.is_file() and _is_shell(file)]
    assert len(scripts) > 8
    done = subprocess.run(
        ["shellcheck", "--external-sources", *scripts], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _is_shell(file: Path) -> bool:
    first = file.read_bytes().partition(b"\n")[0]
    return file.suffix == ".sh" or (first.startswith(b"#!") and first.endswith((b"sh", b"bash")))


def test_what_is_missing_is_asked_for(machine: Machine) -> None:
    settle(machine, ONE)
    with pytest.raises(AssertionError, match=r"set ZOOKEEPER_SERVERS \(addresses"):
        machine.run(f"{CHECKOUT}/vagrant/provision/zookeeper.sh", ADDRESS)
    machine.run(f"{CHECKOUT}/vagrant/provision/cluster.sh", "/cluster.env")
    with pytest.raises(AssertionError, match=r"is none of ZOOKEEPER_SERVERS"):
        machine.run(f"{CHECKOUT}/vagrant/provision/zookeeper.sh", "192.168.56.99")
    with pytest.raises(AssertionError, match=r"which of ZOOKEEPER_SERVERS is this machine"):
        machine.run(f"{CHECKOUT}/vagrant/provision/zookeeper.sh")
