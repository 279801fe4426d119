"""What only the simulated Mesos can be asked to do, seen by a scheduler on its API."""

from collections.abc import Iterator

import pytest

from localmesos.cluster import agent_specs
from localmesos.simulated import Options, SimulatedEngine, faults
from tests.integration.scheduler_client import Scheduler, acknowledge_to, all_offers, task

LONG = 1000.0


@pytest.fixture
def simulated() -> Iterator[SimulatedEngine]:
    with SimulatedEngine(agent_specs(1)) as engine:
        yield engine


def test_an_outage_answers_503_and_ends(simulated: SimulatedEngine) -> None:
    with Scheduler(simulated.url) as scheduler:
        simulated.do(faults.RefuseCalls(503, count=2))
        assert [scheduler.call({"type": "REVIVE"})[0] for _ in range(3)] == [503, 503, 202]


def test_a_master_that_does_not_lead_redirects(simulated: SimulatedEngine) -> None:
    with Scheduler(simulated.url) as scheduler:
        location = f"//{simulated.master}/api/v1/scheduler"
        simulated.do(faults.RefuseCalls(307, location=location))
        status, _, headers = scheduler.call({"type": "REVIVE"})
        assert (status, headers["location"]) == (307, location)
        simulated.do(faults.ServeCalls())
        assert scheduler.call({"type": "REVIVE"})[0] == 202


def test_updates_can_be_held_and_doubled() -> None:
    with SimulatedEngine(agent_specs(1)) as engine, Scheduler(engine.url) as scheduler:
        engine.do(faults.HoldUpdates())
        offer = scheduler.offer()
        info = task(offer)
        scheduler.launch([offer], [info])
        scheduler.reconcile((info["task_id"]["value"], None))
        scheduler.status(info["task_id"]["value"], "TASK_STARTING", reason="REASON_RECONCILIATION")
        assert not [each for each in scheduler.statuses() if "uuid" in each]
        engine.do(faults.DuplicateUpdates(1))
        engine.do(faults.ReleaseUpdates())
        acknowledge_to(scheduler, info["task_id"]["value"], "TASK_RUNNING")
        states = [each["state"] for each in scheduler.statuses() if "uuid" in each]
        assert states == ["TASK_STARTING", "TASK_STARTING", "TASK_RUNNING"]


def test_a_restarted_master_waits_in_silence_for_its_agents() -> None:
    options = Options(allocation_seconds=0.01)
    with SimulatedEngine(agent_specs(2), options=options) as engine:
        first = Scheduler(engine.url, failover_seconds=LONG)
        info = first.run(first.offer())
        task_id, agent_id = info["task_id"]["value"], info["agent_id"]["value"]
        engine.do(faults.RestartMaster())
        first.stream.wait_end()
        first.stream.close()
        with Scheduler(engine.url, failover_seconds=LONG, framework_id=first.framework_id) as again:
            again.reconcile((task_id, agent_id), (task_id, None), ("end", "elsewhere"))
            assert again.status("end")["state"] == "TASK_UNKNOWN"
            assert [each["task_id"]["value"] for each in again.statuses()] == ["end"]
            engine.do(faults.ReturnAgent())
            again.reconcile((task_id, agent_id))
            assert again.status(task_id)["state"] == "TASK_RUNNING"
            assert len(all_offers(again, 2)) == 2
