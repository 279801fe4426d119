"""The simulated Mesos as an engine in a thread, as a process, and for people to look at."""

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from localmesos.cluster import AgentSpec, agent_specs
from localmesos.simulated import Options, SimulatedEngine, faults
from tests.integration.scheduler_client import Scheduler, eventually, task

Json = dict[str, Any]


def fetch(url: str, body: bytes | None = None) -> Any:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        data = answer.read()
    return json.loads(data) if data else None


def operator(url: str, kind: str) -> Json:
    answer = fetch(f"{url}/api/v1", json.dumps({"type": kind}).encode())
    assert answer["type"] == kind
    part: Json = answer[kind.lower()]
    return part


def test_an_engine_starts_and_stops_and_frees_its_port() -> None:
    engine = SimulatedEngine(agent_specs(2))
    engine.start()
    address = engine.master
    assert engine.url == f"http://{address}"
    engine.stop()
    engine.stop()
    host, _, port = address.partition(":")
    again = SimulatedEngine(agent_specs(1), port=int(port))
    again.start()
    assert again.master == address
    again.stop()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((host, int(port)), timeout=5)


def test_a_taken_port_is_an_error_and_so_are_wrong_agents() -> None:
    with SimulatedEngine(agent_specs(1)) as engine:
        port = int(engine.master.partition(":")[2])
        with pytest.raises(OSError, match="in use"):
            SimulatedEngine(agent_specs(1), port=port).start()
    with pytest.raises(ValueError, match="cannot read the resource"):
        SimulatedEngine([AgentSpec("a", "", "cpus")]).start()
    with pytest.raises(ValueError, match="cannot read the attribute"):
        SimulatedEngine([AgentSpec("a", "rack", "cpus:1")]).start()


def test_wrong_options_are_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        Options(allocation_seconds=0)
    with pytest.raises(ValueError, match="negative"):
        Options(start_delay_seconds=-1)


def test_the_operator_api_shows_agents_frameworks_and_tasks() -> None:
    with SimulatedEngine(agent_specs(2)) as engine, Scheduler(engine.url) as scheduler:
        info = scheduler.run(scheduler.offer())
        agents = {
            each["agent_info"]["id"]["value"]: each
            for each in operator(engine.url, "GET_AGENTS")["agents"]
        }
        busy = agents[info["agent_id"]["value"]]
        assert busy["active"] is True
        used = {each["name"]: each["scalar"]["value"] for each in busy["allocated_resources"]}
        assert used == {"cpus": 0.1, "mem": 32.0}
        assert busy["agent_info"]["attributes"][0]["name"] == "rack"
        assert len(agents) == 2
        (framework,) = operator(engine.url, "GET_FRAMEWORKS")["frameworks"]
        assert framework["framework_info"]["id"]["value"] == scheduler.framework_id
        assert framework["framework_info"]["name"] == "test"
        assert (framework["active"], framework["connected"]) == (True, True)
        (shown,) = operator(engine.url, "GET_TASKS")["tasks"]
        assert (shown["task_id"], shown["state"]) == (info["task_id"], "TASK_RUNNING")
        assert len(operator(engine.url, "GET_STATE")["get_tasks"]["tasks"]) == 1
        page = fetch(f"{engine.url}/state")
        assert (page["activated_slaves"], page["version"]) == (2, "1.11.0")
        assert page["frameworks"][0]["tasks"][0]["state"] == "TASK_RUNNING"
        engine.do(faults.LoseAgent(info["agent_id"]["value"]))
        (shown,) = operator(engine.url, "GET_TASKS")["unreachable_tasks"]
        assert shown["state"] == "TASK_UNREACHABLE"
        assert fetch(f"{engine.url}/state")["unreachable_slaves"] == 1
    # The removed framework's task is listed with those that ended.


def test_the_operator_api_says_what_it_cannot_do() -> None:
    with SimulatedEngine(agent_specs(1)) as engine:
        for call, status in (
            ({"type": "GET_QUOTA"}, 400),
            ({"type": "MARK_AGENT_GONE"}, 400),
            ({"type": "MARK_AGENT_GONE", "mark_agent_gone": {"agent_id": {"value": "x"}}}, 404),
        ):
            with pytest.raises(urllib.error.HTTPError) as caught:
                fetch(f"{engine.url}/api/v1", json.dumps(call).encode())
            caught.value.close()
            assert caught.value.code == status


def test_faults_can_be_asked_for_over_http() -> None:
    with SimulatedEngine(agent_specs(1)) as engine, Scheduler(engine.url) as scheduler:
        url = f"{engine.url}/simulated"
        added = fetch(f"{url}/add_agent", b'{"hostname":"late.local","attributes":"rack:r9"}')
        offer = scheduler.offer(0, lambda each: bool(each["hostname"] == "late.local"))
        assert offer["agent_id"]["value"] == added["agent_id"]
        info = task(offer)
        scheduler.launch([offer], [info])
        for state in ("TASK_STARTING", "TASK_RUNNING"):
            scheduler.acknowledge(scheduler.status(info["task_id"]["value"], state))
        end = {"task_id": info["task_id"]["value"], "state": "TASK_FINISHED", "message": "done"}
        fetch(f"{url}/end_task", json.dumps(end).encode())
        assert scheduler.status(info["task_id"]["value"], "TASK_FINISHED")["message"] == "done"
        stats = fetch(f"{url}/stats")
        assert (stats["agents"], stats["launched"]) == (2, 1)
        assert stats["thread_cpu_seconds"] > 0
        for path, body in (
            ("nothing", b"{}"),
            ("lose_agent", b"{}"),
            ("lose_agent", b'{"agent":"nobody"}'),
            ("lose_agent", b"["),
            ("refuse_calls", b'{"status":500}'),
        ):
            with pytest.raises(urllib.error.HTTPError) as caught:
                fetch(f"{url}/{path}", body)
            caught.value.close()
            assert caught.value.code == 400, (path, body)


def test_a_restarted_master_serves_after_its_time_and_agents_return_later() -> None:
    with SimulatedEngine(agent_specs(1)) as engine:
        first = Scheduler(engine.url, failover_seconds=1000.0)
        info = first.run(first.offer())
        task_id, agent_id = info["task_id"]["value"], info["agent_id"]["value"]
        engine.do(faults.RestartMaster(down_seconds=0.3, return_seconds=0.3, registry=False))
        first.stream.wait_end()
        first.stream.close()
        assert first.call({"type": "REVIVE"})[0] == 503
        eventually(lambda: first.call({"type": "REVIVE"})[0] != 503, "the outage does not end")
        with Scheduler(
            engine.url, failover_seconds=1000.0, framework_id=first.framework_id
        ) as again:
            again.offer()
            since = again.mark
            again.reconcile((task_id, agent_id))
            assert again.status(task_id, since=since)["state"] == "TASK_RUNNING"


def test_it_runs_as_a_process_of_its_own(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    command = [sys.executable, "-m", "localmesos.simulated", "--agents", "4", "--port", "0"]
    command += ["--attributes", "rack:r{i//2}", "--region", "eu", "--zone", "eu-{i%2}"]
    command += ["--starting", "no", "--ready-file", str(ready)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            deadline = time.monotonic() + 30
            assert process.stdout is not None
            assert "4 agents" in process.stdout.readline()
            assert time.monotonic() < deadline
            told = json.loads(ready.read_text())
            assert told["pid"] == process.pid
            with Scheduler(told["mesos"]) as scheduler:
                offer = scheduler.offer(0, lambda each: bool(each["hostname"] == "agent4.local"))
                assert offer["attributes"][0]["text"]["value"] == "r1"
                assert offer["domain"]["fault_domain"]["zone"]["name"] == "eu-1"
                info = task(offer)
                scheduler.launch([offer], [info])
                assert scheduler.status(info["task_id"]["value"])["state"] == "TASK_RUNNING"
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            process.kill()


def test_a_wrong_command_line_is_explained() -> None:
    command = [sys.executable, "-m", "localmesos.simulated", "--agents", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "the number of agents must be between" in done.stderr
