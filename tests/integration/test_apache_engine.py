"""The genuine Mesos boots, survives the loss of its parts, and leaves nothing behind."""

import itertools
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from localmesos.apache.engine import ApacheEngine
from localmesos.apache.errors import EngineError
from localmesos.apache.leftovers import tasks_of
from localmesos.cluster import AgentSpec, agent_specs
from tests.integration.scheduler_client import Scheduler
from tests.polling import eventually

pytestmark = pytest.mark.mesos

ApacheCluster = Callable[..., ApacheEngine]
QUICK_LOSS = {"agent_ping_timeout": "1secs", "max_agent_ping_timeouts": "2"}


def call(engine: ApacheEngine, body: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(
        f"{engine.url}/api/v1",
        json.dumps(body).encode(),
        {"Content-Type": "application/json", "Accept": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read() or b"{}")  # type: ignore[no-any-return]  # JSON


def agents(engine: ApacheEngine) -> list[dict[str, Any]]:
    found = call(engine, {"type": "GET_AGENTS"})["get_agents"].get("agents", [])
    return sorted(found, key=lambda agent: agent["agent_info"]["hostname"])


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def texts(agent: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["text"]["value"] for each in agent["agent_info"]["attributes"]}


def test_agents_register_as_described(apache: ApacheEngine) -> None:
    # An agent that had to be started again while it booted may be listed as its former self too.
    registered = apache.agent_ids()
    found = [one for one in agents(apache) if one["agent_info"]["id"]["value"] in registered]
    assert [agent["agent_info"]["hostname"] for agent in found] == [
        "agent1.local",
        "agent2.local",
        "agent3.local",
    ]
    assert [texts(agent) for agent in found] == [
        {"rack": "r0", "zone": "z0"},
        {"rack": "r1", "zone": "z1"},
        {"rack": "r2", "zone": "z0"},
    ]
    assert [agent["agent_info"]["id"]["value"] for agent in found] == list(apache.agent_ids())
    assert {agent["version"] for agent in found} == {"1.11.0"}
    ranges = [
        (each["ranges"]["range"][0]["begin"], each["ranges"]["range"][0]["end"])
        for agent in found
        for each in agent["agent_info"]["resources"]
        if each["name"] == "ports"
    ]
    assert len(ranges) == 3
    assert all(before[1] < after[0] for before, after in itertools.pairwise(ranges))


def test_each_node_is_a_process_of_its_own(apache: ApacheEngine) -> None:
    pids = {apache.master_pid, *(apache.agent_pid(index) for index in range(3))}
    assert len(pids) == 4
    assert os.getpid() not in pids


def test_an_agent_killed_comes_back_as_itself(apache_cluster: ApacheCluster) -> None:
    engine = apache_cluster(2, flags=QUICK_LOSS)
    ids, pid = engine.agent_ids(), engine.agent_pid(1)
    engine.kill_agent(1)
    assert not is_running(pid)
    eventually(lambda: len([a for a in agents(engine) if a["active"]]) == 1, "the loss")
    eventually(lambda: len(agents(engine)) == 1, "the agent is unreachable")
    engine.start_agent(1)
    assert engine.agent_ids() == ids
    assert engine.agent_pid(1) != pid
    assert len([agent for agent in agents(engine) if agent["active"]]) == 2


def test_tasks_outlive_their_agent_and_master_but_not_stop(
    apache_cluster: ApacheCluster, tmp_path: Path
) -> None:
    engine = apache_cluster(1, flags=QUICK_LOSS, state_dir=tmp_path / "state")
    framework = Scheduler(engine.url, checkpoint=True, failover_seconds=60.0)
    with closing(framework.stream):
        task_id = framework.run(framework.offer(), "exec sleep 1000")["task_id"]["value"]
        eventually(lambda: len(tasks_of(tmp_path / "state")) == 2, "executor and task")
        processes = tasks_of(tmp_path / "state")
        engine.kill_agent(0)
        framework.status(task_id, "TASK_UNREACHABLE")
        since = framework.mark
        engine.start_agent(0)
        framework.status(task_id, "TASK_RUNNING", since)
        engine.restart_master()
        framework.stream.wait_end()
        assert tasks_of(tmp_path / "state") == processes
        engine.stop()
        assert [each for each in processes if is_running(each.pid)] == []


def test_a_paused_agent_becomes_unreachable_and_returns(apache_cluster: ApacheCluster) -> None:
    engine = apache_cluster(2, flags=QUICK_LOSS)
    engine.pause_agent(0)
    eventually(lambda: len(agents(engine)) == 1, "the agent is unreachable")
    engine.resume_agent(0)
    eventually(lambda: len([a for a in agents(engine) if a["active"]]) == 2, "its return")


def test_an_agent_marked_gone_can_only_return_as_another(apache_cluster: ApacheCluster) -> None:
    engine = apache_cluster(2)
    before = engine.agent_ids()
    gone = {"agent_id": {"value": before[0]}}
    call(engine, {"type": "MARK_AGENT_GONE", "mark_agent_gone": gone})
    eventually(lambda: len(agents(engine)) == 1, "the removal")
    engine.kill_agent(0)
    engine.start_agent(0, fresh=True)
    assert engine.agent_ids()[0] not in before
    assert engine.agent_ids()[1] == before[1]


def test_the_master_comes_back_with_its_agents(apache_cluster: ApacheCluster) -> None:
    engine = apache_cluster(2)
    ids, pid, url = engine.agent_ids(), engine.master_pid, engine.url
    engine.restart_master()
    assert engine.master_pid != pid
    assert engine.url == url
    assert sorted(agent["agent_info"]["id"]["value"] for agent in agents(engine)) == sorted(ids)


def test_the_same_state_is_the_same_cluster(apache_cluster: ApacheCluster, tmp_path: Path) -> None:
    specs = agent_specs(2)
    first = apache_cluster(specs=specs, state_dir=tmp_path / "kept")
    ids, url = first.agent_ids(), first.url
    with pytest.raises(EngineError, match="another cluster is running"):
        apache_cluster(specs=specs, state_dir=tmp_path / "kept")
    first.stop()
    again = apache_cluster(specs=specs, state_dir=tmp_path / "kept")
    assert (again.agent_ids(), again.url) == (ids, url)
    again.stop()
    with pytest.raises(EngineError, match="use a fresh folder"):
        apache_cluster(specs=agent_specs(2, attributes="rack:x"), state_dir=tmp_path / "kept")


def test_a_supervised_agent_is_brought_back(apache_cluster: ApacheCluster) -> None:
    engine = apache_cluster(1, supervise=True)
    pid = engine.agent_pid(0)
    os.kill(pid, signal.SIGKILL)

    def is_back() -> bool:
        try:
            return engine.agent_pid(0) != pid
        except ProcessLookupError:
            return False

    eventually(is_back, "a new process")
    eventually(lambda: [a for a in agents(engine) if a["active"]], "its registration")
    engine.kill_agent(0)
    with pytest.raises(ProcessLookupError):
        engine.agent_pid(0)


def test_many_agents_in_one_process(apache_cluster: ApacheCluster) -> None:
    specs = agent_specs(
        30, attributes="number:n{i}", domain_region="r", domain_zone="z{i}", hostname="h{100+i}"
    )
    engine = apache_cluster(specs=specs, single_process=True)
    found = agents(engine)
    assert [agent["agent_info"]["hostname"] for agent in found] == [
        f"h{100 + i}" for i in range(30)
    ]
    assert [texts(agent) for agent in found] == [{"number": f"n{i}"} for i in range(30)]
    zones = [a["agent_info"]["domain"]["fault_domain"]["zone"]["name"] for a in found]
    assert zones == [f"z{i}" for i in range(30)]
    assert [agent["agent_info"]["id"]["value"] for agent in found] == list(engine.agent_ids())
    with pytest.raises(EngineError, match="share one process"):
        engine.kill_agent(0)


def test_stop_leaves_no_process(apache_cluster: ApacheCluster, tmp_path: Path) -> None:
    engine = apache_cluster(2, state_dir=tmp_path / "state")
    pids = [engine.master_pid, engine.agent_pid(0), engine.agent_pid(1)]
    # A task that has left its parent and its session, and its grandchild without the variables.
    sandbox = {"MESOS_SANDBOX": str(tmp_path / "state" / "agent-0" / "sandbox")}
    script = "trap '' TERM; env -i setsid sleep 1000 & sleep 1000 & wait"
    with subprocess.Popen(["sh", "-c", script], env=sandbox, start_new_session=True) as task:
        eventually(lambda: len(tasks_of(tmp_path / "state")) == 3, "the task")
        tasks = [each.pid for each in tasks_of(tmp_path / "state")]
        engine.stop()
        task.wait(60)
    assert [pid for pid in [*pids, *tasks] if is_running(pid)] == []
    engine.stop()


@contextmanager
def engine_in_another_process(state: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A starter to be killed, and the address of its master; its second agent is paused."""
    script = (
        "import pathlib, sys, time\n"
        "from localmesos.apache.engine import ApacheEngine\n"
        "from localmesos.cluster import agent_specs\n"
        "engine = ApacheEngine(agent_specs(2), state_dir=pathlib.Path(sys.argv[1]))\n"
        "engine.start()\n"
        "engine.pause_agent(1)\n"
        "pids = [engine.master_pid, engine.agent_pid(0), engine.agent_pid(1)]\n"
        "print(engine.url, *pids, flush=True)\n"
        "time.sleep(1000)\n"
    )
    command = [sys.executable, "-c", script, str(state)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root, text=True) as starter:
        try:
            assert starter.stdout is not None
            yield starter, starter.stdout.readline()
        finally:
            starter.kill()


def test_a_starter_killed_leaves_no_node(tmp_path: Path) -> None:
    with engine_in_another_process(tmp_path / "state") as (starter, line):
        pids = [int(word) for word in line.split()[1:]]
        assert [is_running(pid) for pid in pids] == [True, True, True]
        starter.kill()
        eventually(lambda: not any(is_running(pid) for pid in pids), "the end of all nodes")


def test_tasks_of_a_starter_killed_are_found_again(tmp_path: Path) -> None:
    with engine_in_another_process(tmp_path / "state") as (starter, line):
        url = line.split()[0]
        framework = Scheduler(url, checkpoint=True, failover_seconds=60.0)
        offer = framework.offer(0, lambda offer: offer["hostname"] == "agent1.local")
        task_id = framework.run(offer)["task_id"]["value"]
        framework.stream.close()
        starter.kill()
    tasks = tasks_of(tmp_path / "state")
    with ApacheEngine(agent_specs(2), state_dir=tmp_path / "state") as engine:
        assert engine.url == url
        again = Scheduler(
            url, checkpoint=True, failover_seconds=60.0, framework_id=framework.framework_id
        )
        with closing(again.stream):
            again.reconcile((task_id, None))
            again.status(task_id, "TASK_RUNNING")
            assert tasks
            assert tasks_of(tmp_path / "state") >= tasks


def test_a_failed_start_shows_the_log_and_ends_all(tmp_path: Path) -> None:
    spec = AgentSpec("agent1.local", "", "cpus:nonsense")
    engine = ApacheEngine([spec], state_dir=tmp_path / "state")
    with pytest.raises(EngineError, match="nonsense"):
        engine.start()
    with pytest.raises(ProcessLookupError):
        _ = engine.master_pid


def test_a_port_that_is_taken_is_named(apache: ApacheEngine, tmp_path: Path) -> None:
    port = int(apache.url.rpartition(":")[2])
    engine = ApacheEngine(agent_specs(1), state_dir=tmp_path / "state", port=port)
    with pytest.raises(EngineError, match=str(port)):
        engine.start()
