"""The simulated Mesos under load: tasks preloaded, failures and losses by chance, its own cost."""

import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from localmesos.cluster import agent_specs
from localmesos.simulated import Options, SimulatedEngine, faults, settings
from localmesos.simulated.chance import Chances
from tests.polling import eventually
from tests.unit.localmesos.simulated_cluster import FakeMesos, FakeScheduler, cpus, task


def preloaded(mesos: FakeMesos, framework_id: str = "preloaded") -> FakeScheduler:
    """The framework of preloaded tasks subscribes."""
    info = {"id": {"value": framework_id}, "failover_timeout": 1e6, "checkpoint": True}
    return mesos.subscribe(**info)


def test_preloaded_tasks_are_spread_over_all_agents_and_known_to_their_framework() -> None:
    mesos = FakeMesos(3)
    mesos.do(faults.Preload(7, resources="cpus:0.5;mem:10"))
    assert [len(agent.tasks) for agent in mesos.cluster.agents.values()] == [3, 2, 2]
    scheduler = preloaded(mesos)
    assert [cpus(offer) for offer in scheduler.offers()] == [2.5, 3.0, 3.0]
    scheduler.call("RECONCILE", reconcile={"tasks": []})
    statuses = scheduler.statuses()
    assert len({each["task_id"]["value"] for each in statuses}) == 7
    assert {each["state"] for each in statuses} == {"TASK_RUNNING"}
    assert mesos.do(faults.Stats())["tasks"] == 7


def test_of_many_tasks_the_master_tells_as_they_are_read() -> None:
    mesos = FakeMesos(3)
    mesos.do(faults.Preload(2_500, resources="cpus:0.001;mem:1"))
    scheduler = preloaded(mesos)
    scheduler.call("RECONCILE", reconcile={"tasks": []})
    told = scheduler.statuses()
    assert len(told) == 1_000, "the first ones at once"
    scheduler.stream.waiting_bytes = lambda: mesos.cluster.options.max_stream_bytes
    mesos.pass_time(1)
    assert scheduler.statuses() == [], "they would only wait"
    scheduler.stream.waiting_bytes = int
    mesos.pass_time(1)
    told += scheduler.statuses()
    assert len({each["task_id"]["value"] for each in told}) == len(told) == 2_500


@pytest.mark.parametrize(
    ("count", "resources", "message"),
    [(0, "cpus:1", "must be above 0"), (5, "cpus:3", "no room"), (1, "cpus", "cannot read")],
)
def test_what_cannot_be_preloaded_is_refused(count: int, resources: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FakeMesos(2).do(faults.Preload(count, resources=resources))


def test_tasks_fail_at_the_rate_that_is_asked_for_until_it_ends() -> None:
    mesos = FakeMesos(4, resources="cpus:100;mem:100000")
    mesos.do(faults.Preload(1000))
    scheduler = preloaded(mesos)
    mesos.do(Chances(failures_per_minute=0.12))
    mesos.pass_time(60)
    failed = {each["task_id"]["value"] for each in scheduler.statuses()}
    # The ended ones count until they are acknowledged, so the number of tasks stays the same.
    assert len(failed) == 120
    assert mesos.do(faults.Stats())["ended"] == 120
    mesos.do(Chances())
    mesos.pass_time(600)
    assert mesos.do(faults.Stats())["ended"] == 120


def test_agents_are_lost_at_the_rate_that_is_asked_for_and_return() -> None:
    mesos = FakeMesos(10)
    mesos.do(faults.Preload(20))
    scheduler = preloaded(mesos)
    mesos.do(Chances(losses_per_minute=0.3, lost_seconds=45.0))
    mesos.pass_time(61)
    states = [each["state"] for each in scheduler.statuses() if "uuid" not in each]
    assert states.count("TASK_UNREACHABLE") == 6, "three agents with two tasks each"
    mesos.do(Chances())
    mesos.pass_time(50)
    returned = [each for each in scheduler.statuses() if each["state"] == "TASK_RUNNING"]
    assert {each["reason"] for each in returned} == {"REASON_AGENT_REREGISTERED"}
    assert {agent.state.value for agent in mesos.cluster.agents.values()} == {"registered"}


def test_chance_without_any_task_or_agent_does_nothing() -> None:
    mesos = FakeMesos(1)
    mesos.do(faults.MarkAgentGone(0))
    mesos.do(Chances(failures_per_minute=60.0, losses_per_minute=60.0))
    mesos.pass_time(10)
    assert mesos.do(faults.Stats())["ended"] == 0
    with pytest.raises(ValueError, match="rates must be"):
        mesos.do(Chances(failures_per_minute=-1.0))


def test_reviving_looks_at_what_was_refused_and_at_nothing_else() -> None:
    mesos = FakeMesos(10)
    scheduler = mesos.subscribe()
    offers = scheduler.offers()
    scheduler.decline(offers[:3], 1000.0)
    mesos.pass_time(1)
    before = mesos.cluster.counters.allocations
    scheduler.call("REVIVE", revive={})
    assert {each["hostname"] for each in scheduler.offers()} == {
        each["hostname"] for each in offers[:3]
    }
    scheduler.call("REVIVE", revive={})
    mesos.pass_time(1)
    assert mesos.cluster.counters.allocations == before + 1
    assert scheduler.offers() == []


def test_what_came_free_while_suppressed_is_offered_when_revived() -> None:
    mesos = FakeMesos(1)
    scheduler = mesos.subscribe()
    (offer,) = scheduler.offers()
    scheduler.call("SUPPRESS", suppress={})
    scheduler.accept([offer], [task(offer, "t")], refuse=0.0)
    scheduler.acknowledge_all()
    scheduler.kill("t")
    scheduler.acknowledge_all()
    mesos.pass_time(10)
    assert scheduler.offers() == []
    scheduler.call("REVIVE", revive={})
    assert [cpus(each) for each in scheduler.offers()] == [4.0]


def test_equal_tasks_share_what_they_need() -> None:
    mesos = FakeMesos(2)
    scheduler = mesos.subscribe()
    for offer in scheduler.offers():
        scheduler.accept([offer], [task(offer, f"on-{offer['hostname']}")])
    first, second = mesos.cluster.frameworks[scheduler.framework_id].tasks.values()
    assert first.bag is second.bag


def test_the_engine_tells_its_own_cost() -> None:
    said: list[str] = []
    engine = SimulatedEngine(agent_specs(2), on_end=said.append)
    with engine:
        with urllib.request.urlopen(f"{engine.url}/metrics/snapshot", timeout=30) as answer:
            metrics = json.loads(answer.read())
        assert metrics["simulated/agents"] == 2
        assert metrics["simulated/own_cpu_seconds"] > 0
        assert engine.summary() == ""
    assert said == [engine.summary()]
    assert "0 tasks launched" in said[0]
    assert "s of processor time" in said[0]


def test_the_settings_can_be_given_as_flags_of_mesos() -> None:
    flags = {"start_delay": "0.5", "preload": "7", "losses_per_minute": "0.1", "starting": "no"}
    options, at_start = settings.from_flags(flags)
    assert (options.start_delay_seconds, options.send_starting) == (0.5, False)
    assert at_start == (faults.Preload(7), Chances(losses_per_minute=0.1))
    assert settings.from_flags({}) == settings.Settings(Options(), ())
    wrong = [{"work_dir": "/x"}, {"start_delay": "soon"}, {"start_delay": "-1"}, {"pre": "1"}]
    for each in wrong:
        with pytest.raises(ValueError, match=r"does not take this|negative"):
            settings.from_flags(each)


def ask(url: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


def test_the_command_preloads_and_prints_its_cost_in_the_end(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    flags = "--agents 3 --port 0 --preload 30 --preload-framework mine --losses-per-minute 0.01"
    command = [sys.executable, "-m", "localmesos.simulated", *flags.split()]
    with subprocess.Popen(
        [*command, "--ready-file", str(ready)], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            eventually(ready.exists, "it is ready")
            url = json.loads(ready.read_text())["mesos"]
            found = ask(f"{url}/api/v1", {"type": "GET_TASKS"})["get_tasks"]["tasks"]
            assert {each["framework_id"]["value"] for each in found} == {"mine"}
            assert len(found) == 30
        finally:
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "s of processor time" in output.splitlines()[-1]


def test_the_command_refuses_more_than_fits() -> None:
    command = [sys.executable, "-m", "localmesos.simulated", "--agents", "1", "--port", "0"]
    done = subprocess.run(
        [*command, "--preload", "100000"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "no room on agent1.local" in done.stderr
