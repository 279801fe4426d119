"""`stayer mesos ...` as a person starts it: a process in the foreground, ended by a signal."""

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from localmesos.apache.ports import free_port
from tests.polling import eventually

ROOT = Path(__file__).parents[2]


@contextmanager
def mesos(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The command as a process; killed in the end if it still runs."""
    command = [sys.executable, "-c", "from cli.mesos import mesos; mesos()", *arguments]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def end(process: subprocess.Popen[str], number: int) -> tuple[int, str]:
    process.send_signal(number)
    output, _ = process.communicate(timeout=30)
    return process.returncode, output


def registered(url: str) -> list[dict[str, Any]]:
    body = json.dumps({"type": "GET_AGENTS"}).encode()
    request = urllib.request.Request(f"{url}/api/v1", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            found = json.loads(answer.read())["get_agents"].get("agents", [])
    except OSError:
        return []
    return [agent["agent_info"] for agent in found if agent["active"]]


def nodes_of(process: subprocess.Popen[str]) -> list[int]:
    text = Path(f"/proc/{process.pid}/task").iterdir()
    return [int(pid) for thread in text for pid in (thread / "children").read_text().split()]


@pytest.mark.parametrize(
    ("engine", "number"),
    [
        pytest.param("apache", signal.SIGINT, marks=pytest.mark.mesos),
        pytest.param("apache", signal.SIGTERM, marks=pytest.mark.mesos),
        ("simulated", signal.SIGTERM),
    ],
)
def test_a_cluster_runs_until_a_signal(tmp_path: Path, engine: str, number: int) -> None:
    ready = tmp_path / "ready.json"
    ready.write_text("left over")
    arguments = ["--engine", engine, "--agents", "2", "--mesos-port", "0", "--zone", "z{i}"]
    with mesos("up", *arguments, "--region", "r", "--ready-file", str(ready)) as process:
        eventually(lambda: "{" in ready.read_text(), "the ready file")
        content = json.loads(ready.read_text())
        assert content["pid"] == process.pid
        agents = registered(content["mesos"])
        assert sorted(agent["hostname"] for agent in agents) == ["agent1.local", "agent2.local"]
        assert {agent["domain"]["fault_domain"]["zone"]["name"] for agent in agents} == {"z0", "z1"}
        nodes = nodes_of(process)
        assert len(nodes) == (3 if engine == "apache" else 0)
        code, output = end(process, number)
    assert code == 0
    assert content["mesos"] in output
    assert not ready.exists()
    assert [pid for pid in nodes if Path(f"/proc/{pid}").exists()] == []
    assert registered(content["mesos"]) == []


@pytest.mark.mesos
def test_a_master_and_an_agent_started_singly_form_a_cluster(tmp_path: Path) -> None:
    master_port, agent_port = str(free_port("127.0.0.1")), str(free_port("127.0.0.1"))
    url = f"http://127.0.0.1:{master_port}"
    master_arguments = ["--port", master_port, "--work-dir", str(tmp_path / "master")]
    agent_arguments = ["--master", f"localhost:{master_port}", "--port", agent_port]
    agent_arguments += ["--work-dir", str(tmp_path / "agent"), "--hostname", "one.example"]
    agent_arguments += ["--attributes", "rack:r7", "--resources", "cpus:1;mem:128;disk:100"]
    quick = [
        "--mesos-flag",
        "agent_ping_timeout=1secs",
        "--mesos-flag",
        "max_agent_ping_timeouts=1",
    ]
    with mesos("agent", *agent_arguments) as agent:
        with mesos("master", *master_arguments, *quick) as master:
            eventually(lambda: registered(url), "the registration")
            (info,) = registered(url)
            assert info["hostname"] == "one.example"
            assert info["attributes"][0]["text"]["value"] == "r7"
            assert end(master, signal.SIGTERM)[0] == 0
        with mesos("master", *master_arguments, *quick) as master:
            eventually(lambda: registered(url), "the registration with the master's successor")
            assert registered(url)[0]["id"] == info["id"]
        assert end(agent, signal.SIGINT)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["up", "--attributes", "rack:{j}"], "cannot understand {j}"),
        (["up", "--region", "r"], "needs both a region and a zone"),
        (["up", "--mesos-flag", "quorum"], "not NAME=VALUE"),
        (["up", "--mesos-flag", "a b=1"], "write it as in agent_ping_timeout"),
        (["agent", "--master", "nowhere"], "'nowhere' is no HOST:PORT"),
        (["agent", "--master", "127.0.0.1:0"], "no HOST:PORT"),
        (["master", "--ip", "0.0.0.0"], "not 0.0.0.0"),
    ],
)
@pytest.mark.mesos
def test_a_wrong_option_is_explained(arguments: list[str], message: str) -> None:
    with mesos(*arguments) as process:
        output, _ = process.communicate(timeout=60)
    assert process.returncode in (1, 2)
    assert message in " ".join(output.split())
    assert "Traceback" not in output
