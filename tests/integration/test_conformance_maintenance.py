"""Maintenance, inverse offers, and agents drained or deactivated: the same of both Mesoses.

The schedule is the whole cluster's, so each test has a cluster of its own.
"""

import json
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from localmesos.apache.engine import ApacheEngine
from localmesos.cluster import agent_specs
from localmesos.simulated import SimulatedEngine
from tests.integration.scheduler_client import (
    CAPABILITIES,
    Json,
    Scheduler,
    acknowledge_to,
    all_offers,
    eventually,
    on,
    post,
    task,
)

ENGINES = ["simulated", pytest.param("apache", marks=pytest.mark.mesos)]
FIRST = {"hostname": "agent1.local", "ip": "127.0.0.1"}
SECOND = {"hostname": "agent2.local", "ip": "127.0.0.1"}
HOUR = 3600 * 10**9
START = (int(time.time()) + 3600) * 10**9
WINDOW = {"start": {"nanoseconds": START}, "duration": {"nanoseconds": HOUR}}


@pytest.fixture(params=ENGINES)
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A master with two agents of one's own."""
    if request.param == "simulated":
        with SimulatedEngine(agent_specs(2)) as engine:
            yield engine.url
        return
    start: Callable[..., ApacheEngine] = request.getfixturevalue("apache_cluster")
    yield start(2).url


def ask(url: str, kind: str, **parts: object) -> tuple[int, str]:
    status, text, _ = post(url, {"type": kind, **parts}, path="/api/v1")
    return status, text


def command(url: str, kind: str, **parts: object) -> None:
    status, text = ask(url, kind, **{kind.lower(): parts})
    assert status == 200, f"{kind}: {text}"


def about_agent(url: str, kind: str, agent_id: Json, **more: object) -> tuple[int, str]:
    """DRAIN_AGENT, DEACTIVATE_AGENT or REACTIVATE_AGENT."""
    return ask(url, kind, **{kind.lower(): {"agent_id": agent_id, **more}})


def schedule(*machines: Json, unavailability: Json = WINDOW) -> Json:
    window = {"machine_ids": list(machines), "unavailability": unavailability}
    return {"windows": [window] if machines else []}


def plan(url: str, *machines: Json) -> None:
    command(url, "UPDATE_MAINTENANCE_SCHEDULE", schedule=schedule(*machines))


def maintenance(url: str, what: str) -> Json:
    """The present STATUS or SCHEDULE."""
    status, text = ask(url, f"GET_MAINTENANCE_{what}")
    assert status == 200, text
    answer: Json = json.loads(text)[f"get_maintenance_{what.lower()}"][what.lower()]
    return answer


def agent(url: str, agent_id: Json) -> Json | None:
    """What GET_AGENTS says of it."""
    found: list[Json] = json.loads(ask(url, "GET_AGENTS")[1])["get_agents"]["agents"]
    return next((each for each in found if each["agent_info"]["id"] == agent_id), None)


def drain_state(url: str, agent_id: Json) -> str:
    found = agent(url, agent_id)
    return "gone" if found is None else found.get("drain_info", {}).get("state", "none")


def inverse_offer(scheduler: Scheduler, since: int = 0) -> Json:
    """The first that came, alone in its event."""
    event = scheduler.stream.wait(lambda e: e["type"] == "INVERSE_OFFERS", since)
    (found,) = event["inverse_offers"]["inverse_offers"]
    return dict(found)


def answer_inverse(scheduler: Scheduler, verb: str, offer: Json, refuse_seconds: float) -> None:
    body = {"inverse_offer_ids": [offer["id"]], "filters": {"refuse_seconds": refuse_seconds}}
    kind = f"{verb}_INVERSE_OFFERS"
    scheduler.send({"type": kind, kind.lower(): body})


def has(part: str, value: Json, event: Json) -> bool:
    return event.get(part) == value


def kinds(scheduler: Scheduler, since: int) -> list[str]:
    return [e["type"] for e in scheduler.stream.events[since:] if e["type"] != "HEARTBEAT"]


# Maintenance


def test_a_schedule_voids_all_offers_and_tells_when_the_agent_is_away(url: str) -> None:
    with Scheduler(url) as scheduler:
        first, second = all_offers(scheduler, 2)
        since = scheduler.mark
        plan(url, {"hostname": "AGENT1.local", "ip": "127.0.0.1"})
        for offer in (first, second):
            told = {"offer_id": offer["id"]}
            scheduler.stream.wait(partial(has, "rescind", told), since)
        first, second = all_offers(scheduler, 2, since)
        assert first["unavailability"] == WINDOW
        assert "unavailability" not in second
        inverse = inverse_offer(scheduler, since)
        assert inverse["agent_id"] == first["agent_id"]
        assert inverse["unavailability"] == WINDOW
        assert inverse["framework_id"]["value"] == scheduler.framework_id
        assert inverse["url"]["address"]["hostname"] == "agent1.local"
        assert "resources" not in inverse
        since = scheduler.mark
        plan(url)
        rescind = scheduler.stream.wait(lambda e: e["type"] == "RESCIND_INVERSE_OFFER", since)
        assert rescind["rescind_inverse_offer"] == {"inverse_offer_id": inverse["id"]}
        assert all("unavailability" not in each for each in all_offers(scheduler, 2, since))
        assert maintenance(url, "STATUS") == maintenance(url, "SCHEDULE") == {}


def test_a_machine_is_known_by_hostname_and_address_together(url: str) -> None:
    with Scheduler(url) as scheduler:
        all_offers(scheduler, 2)
        since = scheduler.mark
        plan(url, {"hostname": "agent1.local"}, SECOND)
        first, second = all_offers(scheduler, 2, since)
        assert "unavailability" not in first
        assert second["unavailability"] == WINDOW
        machines = maintenance(url, "STATUS")["draining_machines"]
        assert {"id": {"hostname": "agent1.local"}} in machines


def test_an_inverse_offer_is_answered_and_comes_again(url: str) -> None:
    with Scheduler(url) as scheduler:
        first, second = all_offers(scheduler, 2)
        scheduler.run(first)
        scheduler.decline([second], 1000.0)
        plan(url, FIRST)
        inverse = inverse_offer(scheduler)
        (machine,) = maintenance(url, "STATUS")["draining_machines"]
        assert machine == {"id": FIRST}
        for verb in ("DECLINE", "ACCEPT"):
            since = scheduler.mark
            answer_inverse(scheduler, verb, inverse, 0.5)
            eventually(partial(is_answered, url, verb), f"{verb} is not kept")
            inverse = inverse_offer(scheduler, since)
        answers = maintenance(url, "STATUS")["draining_machines"][0]["statuses"]
        assert [each["framework_id"]["value"] for each in answers] == [scheduler.framework_id]
        assert answers[0]["timestamp"]["nanoseconds"] > 10**18


def is_answered(url: str, verb: str) -> bool:
    """Whether the only machine's inverse offer was answered like this."""
    (machine,) = maintenance(url, "STATUS")["draining_machines"]
    return [each["status"] for each in machine.get("statuses", [])] == [verb]


def test_who_has_nothing_on_the_agent_is_not_asked(url: str) -> None:
    with Scheduler(url) as scheduler, Scheduler(url, suppressed=["*"]) as idle:
        first, second = all_offers(scheduler, 2)
        scheduler.run(first)
        scheduler.decline([second], 1000.0)
        plan(url, FIRST)
        answer_inverse(scheduler, "DECLINE", inverse_offer(scheduler), 0.0)
        inverse_offer(scheduler, scheduler.mark)
        assert "INVERSE_OFFERS" not in kinds(idle, 0)
        for kind in ("ACCEPT_INVERSE_OFFERS", "DECLINE_INVERSE_OFFERS"):
            status, text, _ = scheduler.call({"type": kind})
            assert (status, kind.lower() in text) == (400, True), kind


def test_a_framework_that_returns_is_asked_anew(url: str) -> None:
    with Scheduler(url, failover_seconds=1000.0) as former:
        first, _ = all_offers(former, 2)
        former.run(first)
        plan(url, FIRST)
        answer_inverse(former, "DECLINE", inverse_offer(former), 1000.0)
        eventually(partial(is_answered, url, "DECLINE"), "it is not kept")
        same = former.framework_id
        with Scheduler(url, failover_seconds=1000.0, framework_id=same) as latter:
            assert inverse_offer(latter)["agent_id"] == first["agent_id"]


NEGATIVE = {"start": {"nanoseconds": 0}, "duration": {"nanoseconds": -1}}
WRONG_SCHEDULES: list[tuple[Json, str]] = [
    ({"windows": [{"machine_ids": [], "unavailability": WINDOW}]}, "maintenance window is empty"),
    (schedule({}), "Both 'hostname' and 'ip' for a machine are empty"),
    (schedule({"hostname": "a", "ip": "x"}), "Failed to parse IPv4: x"),
    (schedule(FIRST, unavailability=NEGATIVE), "Unavailability 'duration' is negative"),
    (
        schedule({"hostname": "a"}, {"hostname": "A"}),
        """Machine '{"hostname":"A"}' appears more than once in the schedule""",
    ),
]


def test_wrong_schedules_machines_and_agents_are_refused(url: str) -> None:
    for wrong, message in WRONG_SCHEDULES:
        parts = {"update_maintenance_schedule": {"schedule": wrong}}
        status, text = ask(url, "UPDATE_MAINTENANCE_SCHEDULE", **parts)
        assert (status, message in text) == (400, True), text
    plan(url, FIRST)
    for kind, machines, message in (
        ("START_MAINTENANCE", [], "List of machines is empty"),
        ("START_MAINTENANCE", [{"hostname": "other"}], "is not part of a maintenance schedule"),
        ("START_MAINTENANCE", [SECOND], "is not in DRAINING mode and cannot be brought down"),
        ("STOP_MAINTENANCE", [FIRST], "is not in DOWN mode and cannot be brought up"),
    ):
        status, text = ask(url, kind, **{kind.lower(): {"machines": machines}})
        assert (status, message in text) == (400, True), text
    assert maintenance(url, "SCHEDULE") == schedule(FIRST)
    for kind in ("DRAIN_AGENT", "DEACTIVATE_AGENT", "REACTIVATE_AGENT"):
        refusal = "Agent is not deactivated" if kind == "REACTIVATE_AGENT" else "Unknown agent"
        assert about_agent(url, kind, {"value": "nobody"}) == (400, refusal)
        status, text = ask(url, kind)
        assert (status, f"Expecting '{kind.lower()}' to be present" in text) == (400, True)


def test_a_machine_goes_down_and_leaves_the_schedule(url: str) -> None:
    with Scheduler(url, failover_seconds=1000.0, checkpoint=True) as scheduler:
        first, _ = all_offers(scheduler, 2)
        task_id = scheduler.run(first)["task_id"]["value"]
        plan(url, FIRST)
        inverse = inverse_offer(scheduler)
        since = scheduler.mark
        command(url, "START_MAINTENANCE", machines=[FIRST])
        lost = scheduler.status(task_id, "TASK_LOST", since)
        assert (lost["reason"], lost["source"]) == ("REASON_AGENT_REMOVED", "SOURCE_MASTER")
        assert lost["message"] == "Agent agent1.local removed: Operator initiated 'Machine DOWN'"
        failure = scheduler.stream.wait(lambda e: e["type"] == "FAILURE", since)
        assert failure["failure"]["agent_id"] == first["agent_id"]
        rescind = scheduler.stream.wait(lambda e: e["type"] == "RESCIND_INVERSE_OFFER", since)
        assert rescind["rescind_inverse_offer"] == {"inverse_offer_id": inverse["id"]}
        assert maintenance(url, "STATUS") == {"down_machines": [FIRST]}
        assert agent(url, first["agent_id"]) is None
        scheduler.reconcile((task_id, first["agent_id"]["value"]))
        assert scheduler.status(task_id, "TASK_UNKNOWN", since)["reason"] == "REASON_RECONCILIATION"
        parts = {"update_maintenance_schedule": {"schedule": schedule(SECOND)}}
        status, text = ask(url, "UPDATE_MAINTENANCE_SCHEDULE", **parts)
        assert (status, "is deactivated and cannot be removed" in text) == (400, True), text
        command(url, "STOP_MAINTENANCE", machines=[FIRST])
        assert maintenance(url, "STATUS") == maintenance(url, "SCHEDULE") == {}


# Draining


def test_a_deactivated_agent_runs_on_without_offers(url: str) -> None:
    with Scheduler(url) as scheduler:
        first, second = all_offers(scheduler, 2)
        info = scheduler.run(first)
        since = scheduler.mark
        assert about_agent(url, "DEACTIVATE_AGENT", first["agent_id"]) == (200, "")
        assert about_agent(url, "DEACTIVATE_AGENT", second["agent_id"]) == (200, "")
        rescind = scheduler.stream.wait(lambda e: e["type"] == "RESCIND", since)
        assert rescind["rescind"] == {"offer_id": second["id"]}
        for each in (first, second):
            found = agent(url, each["agent_id"])
            assert found is not None
            assert (found["active"], found["deactivated"]) == (False, True)
        assert about_agent(url, "REACTIVATE_AGENT", second["agent_id"]) == (200, "")
        scheduler.send({"type": "REVIVE"})
        offered = scheduler.offer(since)
        assert on(second)(offered)
        assert drain_state(url, first["agent_id"]) == "none"
        task_id = info["task_id"]["value"]
        scheduler.reconcile((task_id, None))
        assert scheduler.status(task_id, "TASK_RUNNING", since)["source"] == "SOURCE_MASTER"


def test_a_drained_agent_ends_its_tasks_and_waits_for_acknowledgements(url: str) -> None:
    with Scheduler(url) as scheduler:
        first, second = all_offers(scheduler, 2)
        scheduler.decline([second], 1000.0)
        task_id = scheduler.run(first)["task_id"]["value"]
        agent_id = first["agent_id"]
        assert about_agent(url, "DRAIN_AGENT", agent_id) == (200, "")
        killing = scheduler.status(task_id, "TASK_KILLING")
        assert killing["reason"] == "REASON_AGENT_DRAINING"
        assert killing["source"] == "SOURCE_EXECUTOR"
        scheduler.acknowledge(killing)
        killed = scheduler.status(task_id, "TASK_KILLED")
        assert killed["reason"] == "REASON_AGENT_DRAINING"
        found = agent(url, agent_id)
        assert found is not None
        assert (found["active"], found["deactivated"]) == (False, True)
        assert found["drain_info"] == {"state": "DRAINING", "config": {"mark_gone": False}}
        assert found["estimated_drain_start_time"]["nanoseconds"] > 10**18
        refused = (400, "Agent is still in the DRAINING state")
        assert about_agent(url, "REACTIVATE_AGENT", agent_id) == refused
        scheduler.acknowledge(killed)
        eventually(lambda: drain_state(url, agent_id) == "DRAINED", "it is not drained")
        since = scheduler.mark
        assert about_agent(url, "REACTIVATE_AGENT", agent_id) == (200, "")
        scheduler.send({"type": "REVIVE"})
        scheduler.offer(since, on(first))
        assert drain_state(url, agent_id) == "none"


STUBBORN = "trap '' TERM; while true; do sleep 1; done"
SLOW = {"labels": [{"key": "SIMULATED_KILL_SECONDS", "value": "600"}]}


def test_a_drain_bounds_the_grace_of_tasks(url: str) -> None:
    """The genuine task ignores SIGTERM; the simulated one is told to take its time."""
    policy = {"grace_period": {"nanoseconds": 900 * 10**9}}
    with Scheduler(url) as scheduler:
        offer = all_offers(scheduler, 2)[0]
        agent_id = offer["agent_id"]
        info = scheduler.run(offer, STUBBORN, labels=SLOW, kill_policy=policy)
        more = {"max_grace_period": {"seconds": 0, "nanos": 500_000_000}}
        assert about_agent(url, "DRAIN_AGENT", agent_id, **more) == (200, "")
        found = agent(url, agent_id)
        assert found is not None
        grace = {"nanoseconds": 500_000_000}
        assert found["drain_info"]["config"] == {"max_grace_period": grace, "mark_gone": False}
        killed = acknowledge_to(scheduler, info["task_id"]["value"], "TASK_KILLED")
        assert "signal Killed" in killed["message"]
        eventually(lambda: drain_state(url, agent_id) == "DRAINED", "it is not drained")


def test_an_agent_drained_for_good_is_gone_when_its_tasks_are(url: str) -> None:
    with Scheduler(url) as scheduler:
        first, second = all_offers(scheduler, 2)
        task_id = scheduler.run(first)["task_id"]["value"]
        since = scheduler.mark
        assert about_agent(url, "DRAIN_AGENT", first["agent_id"], mark_gone=True) == (200, "")
        gone = acknowledge_to(scheduler, task_id, "TASK_GONE_BY_OPERATOR")
        assert gone["reason"] == "REASON_AGENT_DRAINING"
        assert gone["source"] == "SOURCE_EXECUTOR"
        failure = scheduler.stream.wait(lambda e: e["type"] == "FAILURE", since)
        assert failure["failure"]["agent_id"] == first["agent_id"]
        assert agent(url, first["agent_id"]) is None
        assert about_agent(url, "DRAIN_AGENT", first["agent_id"]) == (400, "Unknown agent")
        assert about_agent(url, "DRAIN_AGENT", second["agent_id"]) == (200, "")
        eventually(lambda: drain_state(url, second["agent_id"]) == "DRAINED", "it had no tasks")


def test_without_partition_awareness_the_drained_are_killed(url: str) -> None:
    capabilities = [each for each in CAPABILITIES if each != "PARTITION_AWARE"]
    with Scheduler(url, capabilities=capabilities) as scheduler:
        offer = all_offers(scheduler, 2)[0]
        info = scheduler.run(offer)
        assert about_agent(url, "DRAIN_AGENT", offer["agent_id"], mark_gone=True) == (200, "")
        killed = acknowledge_to(scheduler, info["task_id"]["value"], "TASK_KILLED")
        assert killed["reason"] == "REASON_AGENT_DRAINING"
        eventually(lambda: agent(url, offer["agent_id"]) is None, "it is not gone")


def test_draining_and_maintenance_exclude_one_another(url: str) -> None:
    with Scheduler(url) as scheduler:
        first = all_offers(scheduler, 2)[0]
        plan(url, FIRST)
        status, text = about_agent(url, "DRAIN_AGENT", first["agent_id"])
        assert status == 400
        assert "is part of a maintenance schedule under Machine agent1.local (127.0.0.1)" in text
        dropped = task(first)
        scheduler.launch([first], [dropped])
        told = scheduler.status(dropped["task_id"]["value"])
        assert told["reason"] == "REASON_INVALID_OFFERS"
