"""Several masters of one simulated Mesos: who answers, and what is left when another leads."""

import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from localmesos.cluster import agent_specs
from localmesos.simulated import Options, SimulatedEngine, faults
from tests.integration.scheduler_client import Json, Scheduler, post
from tests.unit.localmesos.simulated_cluster import FakeMesos

LONG = 1000.0
REVIVE: Json = {"type": "REVIVE", "framework_id": {"value": "x"}}


@pytest.fixture
def two() -> Iterator[SimulatedEngine]:
    with SimulatedEngine(
        agent_specs(1), masters=2, options=Options(allocation_seconds=0.01)
    ) as engine:
        yield engine


def _url(engine: SimulatedEngine, number: int) -> str:
    return f"http://{engine.masters[number]}"


def test_a_master_that_does_not_lead_redirects_to_the_one_that_does(two: SimulatedEngine) -> None:
    first, second = two.masters
    for path in ("/api/v1/scheduler", "/master/api/v1/scheduler", "/api/v1"):
        status, _, headers = post(_url(two, 1), REVIVE, path=path)
        assert (status, headers["location"]) == (307, f"//{first}{path}")
    assert post(_url(two, 0), REVIVE)[:2] == (400, "Framework cannot be found")
    two.do(faults.MoveLeadership(1))
    assert post(_url(two, 0), REVIVE)[2]["location"] == f"//{second}/api/v1/scheduler"
    with urllib.request.urlopen(f"http://{first}/health") as answer:
        assert answer.status == 200, "it is well"


def test_while_none_leads_all_answer_503(two: SimulatedEngine) -> None:
    two.do(faults.MoveLeadership(None))
    for number in (0, 1):
        assert post(_url(two, number), REVIVE)[:2] == (503, "No leader elected")
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{_url(two, number)}/state")
        refused.value.close()
        assert refused.value.code == 503


def test_another_leader_knows_tasks_from_the_agents_that_came_back(two: SimulatedEngine) -> None:
    first = Scheduler(two.url, failover_seconds=LONG, checkpoint=True)
    info = first.run(first.offer())
    task_id, agent_id = info["task_id"]["value"], info["agent_id"]["value"]
    two.do(faults.MoveLeadership(1, return_seconds=None))
    first.stream.wait_end()
    first.stream.close()
    with Scheduler(_url(two, 1), failover_seconds=LONG, framework_id=first.framework_id) as again:
        port = int(two.masters[1].rpartition(":")[2])
        assert again.stream.events[0]["subscribed"]["master_info"]["address"]["port"] == port
        again.reconcile()
        again.reconcile((task_id, agent_id), ("end", "elsewhere"))
        again.status("end", "TASK_UNKNOWN")
        assert [each["task_id"]["value"] for each in again.statuses()] == ["end"]
        two.do(faults.ReturnAgent())
        again.reconcile()
        assert again.status(task_id)["state"] == "TASK_RUNNING"
        again.run(again.offer())


def test_a_master_that_hangs_leaves_its_streams_open_and_silent(two: SimulatedEngine) -> None:
    first = Scheduler(two.url, failover_seconds=LONG, checkpoint=True)
    two.do(faults.MoveLeadership(1, cut=False))
    since = first.mark
    with Scheduler(_url(two, 1), failover_seconds=LONG, framework_id=first.framework_id) as again:
        again.run(again.offer())
        assert first.stream.events[since:] == [], "not even that it was displaced"
        assert not first.stream.ended
    assert first.call({"type": "REVIVE"})[0] == 307
    first.stream.close()


def test_agents_come_back_after_a_delay_unless_another_leads_by_then() -> None:
    mesos = FakeMesos(1)
    mesos.cluster.masters *= 3
    scheduler = mesos.subscribe(failover_timeout=LONG)
    mesos.do(faults.MoveLeadership(1, down_seconds=2, return_seconds=3))
    mesos.pass_time(4)
    mesos.do(faults.MoveLeadership(2, return_seconds=10))
    again = mesos.subscribe(id={"value": scheduler.framework_id}, failover_timeout=LONG)
    mesos.pass_time(9)
    assert again.take("OFFERS") == []
    mesos.pass_time(2)
    assert len(again.take("OFFERS")) == 1


def test_a_framework_that_does_not_find_the_new_leader_in_time_is_removed() -> None:
    mesos = FakeMesos(1)
    mesos.cluster.masters *= 2
    scheduler = mesos.subscribe(failover_timeout=60)
    mesos.do(faults.MoveLeadership(1))
    mesos.pass_time(59)
    again = mesos.subscribe(id={"value": scheduler.framework_id}, failover_timeout=60)
    assert again.first[0]["type"] == "SUBSCRIBED"
    mesos.do(faults.MoveLeadership(0))
    mesos.pass_time(61)
    late = mesos.subscribe(id={"value": scheduler.framework_id})
    assert late.first[0]["error"]["message"] == "Framework has been removed"


def test_only_masters_that_are_there_can_lead(two: SimulatedEngine) -> None:
    for number in (2, -1):
        with pytest.raises(ValueError, match="no master number"):
            two.do(faults.MoveLeadership(number))
    assert len(set(two.masters)) == 2
