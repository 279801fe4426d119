"""Maintenance and draining of the simulated Mesos where the conformance table does not go: agents
that are away, masters that fail, operations under way."""

import json
from typing import Any

import pytest

from localmesos.simulated import faults, operator_api
from localmesos.simulated.operator_wire import decode_operator_call
from tests.unit.localmesos.simulated_cluster import FakeMesos, FakeScheduler, Json, task

MACHINES = [{"hostname": f"agent{number}.local", "ip": "127.0.0.1"} for number in (1, 2)]
WINDOW = {"start": {"nanoseconds": 10**18}}


def ask(mesos: FakeMesos, kind: str, **part: Any) -> Json:
    """An operator's call, carried out; what it answers."""
    call = decode_operator_call(json.dumps({"type": kind, kind.lower(): part}).encode())
    answer = operator_api.answer(mesos.cluster, mesos.now, call)
    mesos.pass_time(0)
    return answer or {}


def plan(mesos: FakeMesos, *machines: Json) -> None:
    windows = [{"machine_ids": list(machines), "unavailability": WINDOW}] if machines else []
    ask(mesos, "UPDATE_MAINTENANCE_SCHEDULE", schedule={"windows": windows})
    mesos.pass_time(1)


def drain(mesos: FakeMesos, index: int = 0, **more: Any) -> None:
    ask(mesos, "DRAIN_AGENT", agent_id={"value": agent_id(mesos, index)}, **more)


def agent_id(mesos: FakeMesos, index: int = 0) -> str:
    return list(mesos.cluster.agents)[index]


def drain_states(mesos: FakeMesos) -> list[str]:
    agents: Any = ask(mesos, "GET_AGENTS")["get_agents"]
    return [each.get("drain_info", {}).get("state", "") for each in agents["agents"]]


def inverse_offers(scheduler: FakeScheduler) -> list[Json]:
    events = scheduler.take("INVERSE_OFFERS")
    return [each for event in events for each in event["inverse_offers"]["inverse_offers"]]


def answer(scheduler: FakeScheduler, offer: Json, refuse_seconds: float) -> None:
    body = {"inverse_offer_ids": [offer["id"]], "filters": {"refuse_seconds": refuse_seconds}}
    assert scheduler.call("DECLINE_INVERSE_OFFERS", decline_inverse_offers=body).status == 202


def running(mesos: FakeMesos, **info: Any) -> FakeScheduler:
    """A framework with the task "t" on the first of the agents."""
    scheduler = mesos.subscribe(**{"failover_timeout": 100.0, "checkpoint": True, **info})
    offer = scheduler.offers()[0]
    scheduler.accept([offer], [task(offer, "t")])
    scheduler.acknowledge_all()
    return scheduler


def test_an_agent_is_asked_about_once_until_the_filter_of_the_answer_expires() -> None:
    mesos = FakeMesos()
    scheduler = running(mesos)
    plan(mesos, MACHINES[0])
    (first,) = inverse_offers(scheduler)
    mesos.do(faults.RescindOffers())
    mesos.pass_time(60)
    assert inverse_offers(scheduler) == []
    answer(scheduler, first, 30.0)
    mesos.do(faults.RescindOffers())
    mesos.pass_time(29)
    assert inverse_offers(scheduler) == []
    mesos.pass_time(2)
    (second,) = inverse_offers(scheduler)
    answer(scheduler, first, 0.0)
    mesos.pass_time(60)
    assert inverse_offers(scheduler) == [], "the first is answered, the second is not"
    answer(scheduler, second, 0.0)
    mesos.pass_time(1)
    assert len(inverse_offers(scheduler)) == 1


def test_nobody_is_asked_whose_last_task_there_has_ended() -> None:
    mesos = FakeMesos()
    scheduler = running(mesos)
    scheduler.call("SUPPRESS", suppress={})
    scheduler.decline(scheduler.offers(), 1000.0)
    plan(mesos, MACHINES[0])
    (offer,) = inverse_offers(scheduler)
    scheduler.kill("t")
    (killing,) = scheduler.statuses()
    scheduler.acknowledge(killing)
    assert [each["state"] for each in scheduler.statuses()] == ["TASK_KILLED"], "not acknowledged"
    answer(scheduler, offer, 0.0)
    mesos.pass_time(60)
    assert inverse_offers(scheduler) == []


def test_who_returns_is_asked_about_an_agent_that_is_full() -> None:
    mesos = FakeMesos()
    scheduler = mesos.subscribe(failover_timeout=100.0, checkpoint=True)
    (offer,) = scheduler.offers()
    whole = {"name": "mem", "type": "SCALAR", "scalar": {"value": 4096.0}}
    info = task(offer, "t", cpus=4.0)
    info["resources"].append(whole)
    scheduler.accept([offer], [info])
    plan(mesos, MACHINES[0])
    assert len(inverse_offers(scheduler)) == 1
    scheduler.lose_connection()
    again = mesos.subscribe(id={"value": scheduler.framework_id}, failover_timeout=100.0)
    assert len(inverse_offers(again)) == 1


def test_inverse_offers_end_with_their_agent_and_come_back_with_it() -> None:
    mesos = FakeMesos(2)
    scheduler = running(mesos)
    plan(mesos, *MACHINES)
    asked = inverse_offers(scheduler)
    assert len(asked) == 2
    mesos.do(faults.LoseAgent(0))
    (rescind,) = scheduler.take("RESCIND_INVERSE_OFFER")
    assert rescind["rescind_inverse_offer"]["inverse_offer_id"] == asked[0]["id"]
    mesos.do(faults.ReturnAgent(0))
    mesos.pass_time(1)
    (again,) = inverse_offers(scheduler)
    assert again["agent_id"] == asked[0]["agent_id"]


def test_a_new_master_knows_the_schedule_but_no_answer() -> None:
    mesos = FakeMesos(2)
    scheduler = running(mesos)
    plan(mesos, MACHINES[0])
    answer(scheduler, inverse_offers(scheduler)[0], 1000.0)
    ask(mesos, "DEACTIVATE_AGENT", agent_id={"value": agent_id(mesos, 1)})
    mesos.do(faults.RestartMaster(return_seconds=0.0))
    mesos.pass_time(1)
    again = mesos.subscribe(id={"value": scheduler.framework_id}, failover_timeout=100.0)
    mesos.pass_time(1)
    assert [each["agent_id"]["value"] for each in inverse_offers(again)] == [agent_id(mesos)]
    assert [each["unavailability"] for each in again.offers()] == [WINDOW], "the other is inactive"
    status: Any = ask(mesos, "GET_MAINTENANCE_STATUS")["get_maintenance_status"]
    assert [each["id"].hostname for each in status["status"]["draining_machines"]] == [
        "agent1.local"
    ]
    assert "statuses" not in status["status"]["draining_machines"][0]


def test_a_new_master_without_registry_knows_neither_schedule_nor_drains() -> None:
    mesos = FakeMesos(2)
    scheduler = running(mesos)
    drain(mesos, 1)
    plan(mesos, MACHINES[0])
    mesos.do(faults.RestartMaster(return_seconds=0.0, registry=False))
    mesos.pass_time(1)
    again = mesos.subscribe(id={"value": scheduler.framework_id}, failover_timeout=100.0)
    offers = again.offers()
    assert len(offers) == 2
    assert not any("unavailability" in each for each in offers)
    assert drain_states(mesos) == ["", ""]


def test_agents_of_a_machine_that_was_down_register_anew() -> None:
    mesos = FakeMesos(2)
    scheduler = running(mesos)
    plan(mesos, *MACHINES)
    before = agent_id(mesos)
    ask(mesos, "START_MAINTENANCE", machines=MACHINES[:1])
    assert mesos.cluster.total == {"cpus": 4000, "mem": 4096_000}
    scheduler.offers()
    ask(mesos, "STOP_MAINTENANCE", machines=MACHINES[:1])
    mesos.pass_time(1)
    (offer,) = [each for each in scheduler.offers() if each["hostname"] == "agent1.local"]
    assert offer["agent_id"]["value"] != before
    assert "unavailability" not in offer
    schedule: Any = ask(mesos, "GET_MAINTENANCE_SCHEDULE")["get_maintenance_schedule"]["schedule"]
    assert [each.machine_ids[0].hostname for each in schedule.windows] == ["agent2.local"]


def test_an_agent_that_registers_on_a_machine_of_the_schedule_is_unavailable_too() -> None:
    mesos = FakeMesos(1)
    scheduler = mesos.subscribe()
    plan(mesos, {"hostname": "new.local", "ip": "127.0.0.1"})
    scheduler.offers()
    mesos.do(faults.AddAgent("NEW.local"))
    (offer,) = scheduler.offers()
    assert offer["unavailability"] == WINDOW
    (inverse,) = inverse_offers(scheduler)
    assert inverse["agent_id"] == offer["agent_id"]


def test_one_wrong_machine_leaves_all_as_they_are() -> None:
    mesos = FakeMesos(2)
    plan(mesos, MACHINES[0])
    with pytest.raises(ValueError, match="not in DRAINING mode"):
        ask(mesos, "START_MAINTENANCE", machines=MACHINES)
    assert not any(machine.down for machine in mesos.cluster.machines.values())
    assert len(mesos.cluster.agents) == 2


def test_an_unreachable_agent_is_drained_when_it_is_back() -> None:
    mesos = FakeMesos()
    scheduler = running(mesos)
    mesos.do(faults.LoseAgent(0))
    scheduler.statuses()
    drain(mesos)
    mesos.do(faults.ReturnAgent(0))
    assert [each["state"] for each in scheduler.statuses() if "uuid" in each] == ["TASK_KILLING"]
    assert drain_states(mesos) == ["DRAINING"]
    scheduler.acknowledge_all()
    mesos.pass_time(11)  # the update is told again
    assert scheduler.acknowledge_all() == ["TASK_KILLING", "TASK_KILLED"]
    assert drain_states(mesos) == ["DRAINED"]


def test_an_unacknowledged_operation_keeps_an_agent_draining() -> None:
    mesos = FakeMesos()
    scheduler = mesos.subscribe(roles=["data"])
    (offer,) = scheduler.offers()
    stack = [{"type": "DYNAMIC", "role": "data"}]
    amount = {"name": "cpus", "type": "SCALAR", "scalar": {"value": 1.0}, "reservations": stack}
    reserve = {"type": "RESERVE", "id": {"value": "r"}, "reserve": {"resources": [amount]}}
    accept = {"offer_ids": [offer["id"]], "operations": [reserve]}
    assert scheduler.call("ACCEPT", accept=accept).status == 202
    drain(mesos)
    assert drain_states(mesos) == ["DRAINING"]
    (told,) = scheduler.take("UPDATE_OPERATION_STATUS")
    status = told["update_operation_status"]["status"]
    parts = {"operation_id": status["operation_id"], "agent_id": status["agent_id"]}
    parts["uuid"] = status["uuid"]["value"]
    scheduler.call("ACKNOWLEDGE_OPERATION_STATUS", acknowledge_operation_status=parts)
    assert drain_states(mesos) == ["DRAINED"]


@pytest.mark.parametrize(
    ("policy_seconds", "drain_seconds", "ends_after"), [(5, 2, 2), (2, 5, 2), (None, 3, 3)]
)
def test_a_drained_task_has_the_shorter_grace(
    policy_seconds: int | None, drain_seconds: int, ends_after: int
) -> None:
    mesos = FakeMesos()
    scheduler = mesos.subscribe()
    (offer,) = scheduler.offers()
    labels = {"labels": [{"key": "SIMULATED_KILL_SECONDS", "value": "60"}]}
    policy: Json = {}
    if policy_seconds is not None:
        policy = {"kill_policy": {"grace_period": {"nanoseconds": policy_seconds * 10**9}}}
    scheduler.accept([offer], [task(offer, "t", labels=labels, **policy)])
    scheduler.acknowledge_all()
    drain(mesos, max_grace_period={"seconds": drain_seconds})
    mesos.pass_time(ends_after - 0.1)
    assert scheduler.acknowledge_all() == ["TASK_KILLING"]
    mesos.pass_time(0.2)
    (killed,) = scheduler.statuses()
    assert (killed["state"], killed["message"]) == (
        "TASK_KILLED",
        "Command terminated with signal Killed",
    )
