"""The provisioning scripts on a machine of namespaces: run, run again, and what they set up."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine.machine import CHECKOUT, REPOSITORY, Machine
from tests.polling import eventually

ADDRESS = "192.168.56.11"
STEPS = (
    ("cluster.sh", "/cluster.env"),
    ("zookeeper.sh", ADDRESS),
    ("mesos-master.sh", ADDRESS, "a"),
    ("mesos-agent.sh", ADDRESS, "a", "r1"),
    ("scheduler.sh", ADDRESS),
    ("edge.sh",),
)
UNITS = ("stayer-zookeeper", "stayer-mesos-master", "stayer-mesos-agent", "stayer")
WHEELS = "/srv/wheels"
STAYER = "/opt/stayer/bin/stayer"
CREDENTIALS = "--credentials-file=/etc/stayer/credentials"
URL = f"--url=http://{ADDRESS}:8080"
ASK = """
import sys, urllib.request
request = urllib.request.Request(sys.argv[1], headers={"Host": "app.example"})
print(urllib.request.urlopen(request, timeout=10).read().decode())
"""
AWAIT = """
import base64, sys, time, urllib.request
secret = base64.b64encode(open("/etc/stayer/credentials", "rb").readline().strip()).decode()
request = urllib.request.Request(sys.argv[1], headers={"Authorization": f"Basic {secret}"})
deadline = time.monotonic() + 60
found = b""
while sys.argv[2].encode() not in found:
    assert time.monotonic() < deadline, found
    try:
        found = urllib.request.urlopen(request, timeout=10).read()
    except OSError as problem:
        found = str(problem).encode()
        time.sleep(0.1)
"""


@pytest.fixture
def machine() -> Iterator[Machine]:
    settings = {"ZOOKEEPER_SERVERS": ADDRESS, "SCHEDULERS": ADDRESS, "MESOS_MASTER": ""}
    lines = [f"{name}={value}\n" for name, value in {**settings, "WHEELS": WHEELS}.items()]
    with Machine([ADDRESS]) as machine:
        machine.path("/cluster.env").write_text("# one machine\n" + "".join(lines))
        yield machine
        for log in sorted(machine.path("/var/log").glob("*stayer*.log")):
            print(f"{log.name}\n{log.read_text(errors='replace')[-5000:]}")  # noqa: T201 - for pytest


def provision(machine: Machine) -> dict[str, int]:
    """How many changes each script counts; the machine reaches no other, so all is in WHEELS."""
    counts = {}
    for script, *arguments in STEPS:
        said = machine.run(f"{CHECKOUT}/vagrant/provision/{script}", *arguments, inside=True)
        counts[script] = int(said.split()[-2])
        assert said.count(": changed: ") == counts[script], said
    return counts


@pytest.mark.mesos
@pytest.mark.timeout(600)
def test_scripts_set_a_cluster_up_and_change_nothing_the_second_time(
    machine: Machine, tmp_path: Path
) -> None:
    gather = [sys.executable, "docker-images/build.py", "--wheels", str(tmp_path)]
    subprocess.run(gather, cwd=REPOSITORY, check=True, timeout=300)
    shutil.copytree(tmp_path, machine.path(WHEELS))
    first = provision(machine)
    assert 0 not in first.values(), first
    assert set(provision(machine).values()) == {0}
    assert machine.path("/etc/stayer/credentials").stat().st_mode & 0o777 == 0o400
    units = [f"/etc/systemd/system/{unit}.service" for unit in UNITS]
    machine.run("systemd-analyze", "verify", "--man=no", *units)

    for unit in UNITS:
        machine.start_unit(unit)
    app = {
        "id": "/hello",
        "cmd": 'echo hello >index.html && exec python3 -m http.server "$PORT0"',
        "cpus": 0.1,
        "mem": 32,
        "constraints": [["rack", "CLUSTER", "r1"], ["@zone", "CLUSTER", "a"]],
        "healthChecks": [{"protocol": "MESOS_TCP", "delaySeconds": 0, "intervalSeconds": 1}],
        "labels": {"HAPROXY_0_VHOST": "app.example"},
    }
    machine.path("/hello.json").write_text(json.dumps(app))
    _await(machine, "/v2/leader", ADDRESS)
    machine.run(STAYER, "app", "add", "--replace", "/hello.json", URL, CREDENTIALS, inside=True)
    _await(machine, "/v2/apps//hello", '"tasksHealthy":1')

    # As Debian's unit has it with the drop-in; its own configuration is what runs first.
    machine.run("install", "-d", "-o", "haproxy", "/run/haproxy")
    socket = "/run/haproxy-master.sock,mode,600"
    config = "/etc/haproxy/haproxy.cfg"
    machine.start("haproxy", "-Ws", "-S", socket, "-f", config, log="/var/log/haproxy.log")
    line = machine.path("/etc/cron.d/stayer-haproxy").read_text().splitlines()[-1]
    minutely = line.split(" root ", 1)[1]
    answer = eventually(lambda: _answer(machine, minutely), "the edge passes a request on")
    assert answer == "hello\n"


def _await(machine: Machine, path: str, text: str) -> None:
    """Wait within one process there until an answer of the API has this text."""
    machine.run("python3", "-c", AWAIT, f"http://{ADDRESS}:8080{path}", text, inside=True)


def _answer(machine: Machine, minutely: str) -> str:
    """What a client of the edge is told after cron's next run."""
    try:
        machine.run("sh", "-c", minutely, inside=True)
        return machine.run("python3", "-c", ASK, "http://127.0.0.1:80/", inside=True)[:-1]
    except AssertionError as refused:
        print(refused)  # noqa: T201 - as above
        return ""


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
    with pytest.raises(AssertionError, match=r"set ZOOKEEPER_SERVERS \(addresses"):
        machine.run(f"{CHECKOUT}/vagrant/provision/zookeeper.sh", ADDRESS)
    machine.run(f"{CHECKOUT}/vagrant/provision/cluster.sh", "/cluster.env")
    with pytest.raises(AssertionError, match=r"is none of ZOOKEEPER_SERVERS"):
        machine.run(f"{CHECKOUT}/vagrant/provision/zookeeper.sh", "192.168.56.99")
    with pytest.raises(AssertionError, match=r"which of ZOOKEEPER_SERVERS is this machine"):
        machine.run(f"{CHECKOUT}/vagrant/provision/zookeeper.sh")
