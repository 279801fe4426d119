"""One table for the simulated and the genuine Mesos: what a scheduler may rely on.

The genuine one decides. No test waits for silence: that an agent is not offered is shown by
offers of another agent, which would not have come before it.
"""

import base64
import signal
import uuid
from collections.abc import Iterator

import pytest

from localmesos.apache.engine import ApacheEngine
from localmesos.cluster import agent_specs
from localmesos.simulated import Options, SimulatedEngine
from tests.integration.scheduler_client import (
    CAPABILITIES,
    Json,
    Scheduler,
    UnexpectedError,
    acknowledge_to,
    all_offers,
    amount,
    eventually,
    on,
    post,
    scalar,
    task,
)

AGENTS = 3
ENGINES = ["simulated", pytest.param("apache", marks=pytest.mark.mesos)]
LONG = 1000.0


@pytest.fixture(scope="module")
def simulated() -> Iterator[SimulatedEngine]:
    with SimulatedEngine(agent_specs(AGENTS), options=Options(update_retry_seconds=2.0)) as engine:
        yield engine


@pytest.fixture(params=ENGINES)
def url(request: pytest.FixtureRequest) -> str:
    """A master with three agents that others use too."""
    engine = request.getfixturevalue(request.param)
    assert isinstance(engine, ApacheEngine | SimulatedEngine)
    return engine.url


def beat(scheduler: Scheduler, offer: Json, count: int = 2) -> Json:
    """Let that many allocations pass, by declining one agent; its last offer."""
    for _ in range(count):
        since = scheduler.mark
        scheduler.decline([offer], 0)
        offer = scheduler.offer(since, on(offer))
    return offer


# Subscribing


def test_a_subscription_begins_with_subscribed_and_a_heartbeat(url: str) -> None:
    with Scheduler(url) as scheduler:
        scheduler.stream.wait(lambda event: event["type"] == "HEARTBEAT")
        first = scheduler.stream.events[0]  # offers may come before the heartbeat
        assert first["type"] == "SUBSCRIBED"
        assert first["subscribed"]["heartbeat_interval_seconds"] == 15.0
        assert first["subscribed"]["master_info"]["version"] == "1.11.0"
        assert scheduler.stream.id


def test_an_offer_says_all_about_its_agent(url: str) -> None:
    with Scheduler(url, roles=["web"]) as scheduler:
        second = all_offers(scheduler)[1]
        assert second["hostname"] == "agent2.local"
        assert second["framework_id"]["value"] == scheduler.framework_id
        assert second["attributes"] == [
            {"name": "rack", "type": "TEXT", "text": {"value": "r1"}},
            {"name": "zone", "type": "TEXT", "text": {"value": "z1"}},
        ]
        assert second["url"]["address"]["hostname"] == "agent2.local"
        assert second["url"]["address"]["ip"] == "127.0.0.1"
        assert second["allocation_info"] == {"role": "web"}
        assert {each["name"] for each in second["resources"]} == {"cpus", "mem", "disk", "ports"}
        assert all(each["allocation_info"] == {"role": "web"} for each in second["resources"])
        assert amount(second, "cpus") == 4.0


def test_calls_need_the_id_of_the_present_stream(url: str) -> None:
    with Scheduler(url) as scheduler:
        assert scheduler.call({"type": "REVIVE"})[0] == 202
        status, text, _ = scheduler.call({"type": "REVIVE"}, stream_id=str(uuid.uuid4()))
        assert (status, "didn't match" in text) == (400, True)
        call: Json = {"type": "REVIVE", "framework_id": {"value": scheduler.framework_id}}
        status, text, _ = post(url, call)
        assert (status, "should include the 'Mesos-Stream-Id'" in text) == (400, True)
        call["framework_id"]["value"] = "nobody"
        assert post(url, call, {"Mesos-Stream-Id": str(scheduler.stream.id)})[:2] == (
            400,
            "Framework cannot be found",
        )


BAD_CALLS: list[tuple[Json | bytes, dict[str, str], int]] = [
    (b"{nope", {}, 400),
    (b"[]", {}, 400),
    ({"type": "NOPE"}, {}, 400),
    ({"type": "REVIVE"}, {}, 400),
    ({"type": "SUBSCRIBE"}, {}, 400),
    ({"type": "SUBSCRIBE", "subscribe": {"framework_info": {"user": "root"}}}, {}, 400),
    ({"type": "SUBSCRIBE"}, {"Content-Type": "text/plain"}, 415),
    (
        {"type": "SUBSCRIBE", "subscribe": {"framework_info": {"user": "root", "name": "x"}}},
        {"Mesos-Stream-Id": "x"},
        400,
    ),
    (
        {"type": "SUBSCRIBE", "subscribe": {"framework_info": {"user": "root", "name": "x"}}},
        {"Accept": "text/plain"},
        406,
    ),
]


@pytest.mark.parametrize(("call", "headers", "status"), BAD_CALLS)
def test_a_bad_call_is_refused(
    url: str, call: Json | bytes, headers: dict[str, str], status: int
) -> None:
    assert post(url, call, headers)[0] == status


def test_a_call_lacking_its_part_is_refused(url: str) -> None:
    with Scheduler(url) as scheduler:
        for kind in ("ACCEPT", "DECLINE", "KILL", "ACKNOWLEDGE", "RECONCILE"):
            status, text, _ = scheduler.call({"type": kind})
            assert (status, kind.lower() in text) == (400, True), kind


BAD_FRAMEWORKS: list[tuple[Json, str]] = [
    ({"roles": ["a b"]}, "whitespace"),
    ({"roles": ["-a"]}, "starts with a dash"),
    ({"roles": ["a/*"]}, "cannot include '*'"),
    ({"roles": [""]}, "empty string"),
    ({"roles": ["a", "a"]}, "duplicate items"),
    ({"suppressed": ["other"]}, "Suppressed role 'other'"),
    ({"role": "a"}, "must not be set"),
    ({"roles": ["a"], "capabilities": []}, "must not be set"),
    ({"framework_id": "dead"}, "Framework has been removed"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD_FRAMEWORKS)
def test_a_bad_framework_gets_an_error_event(url: str, arguments: Json, message: str) -> None:
    if arguments.get("framework_id") == "dead":
        with Scheduler(url) as removed:
            arguments = {"framework_id": removed.framework_id}
    with pytest.raises(UnexpectedError, match=message):
        Scheduler(url, **arguments)


def test_who_subscribes_with_the_id_displaces_the_former(url: str) -> None:
    with Scheduler(url, failover_seconds=LONG) as former:
        held = all_offers(former)
        with Scheduler(url, failover_seconds=LONG, framework_id=former.framework_id) as latter:
            former.stream.wait_end()
            last = former.stream.events[-1]
            assert last == {"type": "ERROR", "error": {"message": "Framework failed over"}}
            assert former.call({"type": "REVIVE"})[0] == 400
            info = task(held[0])
            latter.launch([held[0]], [info])
            dropped = latter.status(info["task_id"]["value"])
            assert dropped["reason"] == "REASON_INVALID_OFFERS"
            assert len(all_offers(latter)) == AGENTS


def test_a_framework_away_keeps_its_tasks_until_its_failover_timeout(url: str) -> None:
    first = Scheduler(url, failover_seconds=LONG)
    task_id = first.run(first.offer())["task_id"]["value"]
    first.stream.close()
    eventually(lambda: first.call({"type": "REVIVE"})[0] == 403, "it is still subscribed")
    with Scheduler(url, failover_seconds=LONG, framework_id=first.framework_id) as again:
        again.reconcile((task_id, None))
        assert again.status(task_id)["state"] == "TASK_RUNNING"


def test_without_failover_timeout_a_cut_stream_is_the_end(url: str) -> None:
    first = Scheduler(url)
    first.stream.close()
    eventually(lambda: first.call({"type": "REVIVE"})[0] == 400, "it is still known")
    with pytest.raises(UnexpectedError, match="Framework has been removed"):
        Scheduler(url, framework_id=first.framework_id)


def test_principal_stays_and_checkpoint_is_kept(url: str) -> None:
    with Scheduler(url, failover_seconds=LONG) as scheduler:
        same = scheduler.framework_id
        with pytest.raises(UnexpectedError, match="principal is not allowed"):
            Scheduler(url, framework_id=same, principal="other")
        info = {**scheduler.info, "id": {"value": same}, "checkpoint": True}
        call = {"type": "UPDATE_FRAMEWORK", "update_framework": {"framework_info": info}}
        status, text, _ = scheduler.call(call)
        assert (status, "'FrameworkInfo.checkpoint' is unsupported" in text) == (400, True)


def test_teardown_kills_and_ends_the_stream(url: str) -> None:
    with Scheduler(url) as scheduler:
        scheduler.run(scheduler.offer())
        scheduler.send({"type": "TEARDOWN"})
        scheduler.stream.wait_end()
        assert scheduler.call({"type": "REVIVE"})[0] == 400
    with Scheduler(url) as after:
        since = {offer["hostname"]: offer for offer in all_offers(after)}
        eventually(
            lambda: all(
                sum(amount(o, "cpus") for o in after.offers() if o["hostname"] == host) == 4.0
                for host in since
            ),
            "the resources of the killed task were not offered",
        )


# Offers, filters, roles


def test_refuse_seconds_hide_an_agent_and_revive_shows_it(url: str) -> None:
    with Scheduler(url) as scheduler:
        first, second, third = all_offers(scheduler)
        since = scheduler.mark
        scheduler.decline([first, third], LONG)
        beat(scheduler, second, 3)
        assert {offer["hostname"] for offer in scheduler.offers(since)} == {"agent2.local"}
        since = scheduler.mark
        scheduler.send({"type": "REVIVE"})
        scheduler.offer(since, on(first))
        scheduler.offer(since, on(third))


def test_a_filter_ends_after_its_seconds(url: str) -> None:
    with Scheduler(url) as scheduler:
        first, second, _ = all_offers(scheduler)
        since = scheduler.mark
        scheduler.decline([first], 1.0)
        beat(scheduler, second, 1)
        scheduler.offer(since, on(first))
        hosts = [offer["hostname"] for offer in scheduler.offers(since)]
        assert hosts.index("agent2.local") < hosts.index("agent1.local")


def test_a_filter_hides_subsets_of_what_was_refused_and_nothing_more(url: str) -> None:
    with Scheduler(url, capabilities=CAPABILITIES) as scheduler:
        first, second, _ = all_offers(scheduler)
        small = task(first, cpus=1.0)
        since = scheduler.mark
        scheduler.launch([first], [small], refuse_seconds=0)
        rest = scheduler.offer(since, on(first))
        assert amount(rest, "cpus") == 3.0
        scheduler.decline([rest], LONG)
        second = beat(scheduler, second)
        assert len([o for o in scheduler.offers(since) if on(first)(o)]) == 1
        # What the task frees comes with what was refused: together it is no subset.
        whole = end_and_await_offer(scheduler, small)
        assert amount(whole, "cpus") == 4.0
        big = task(whole, cpus=2.0)
        since = scheduler.mark
        scheduler.launch([whole], [big], refuse_seconds=0)
        second = beat(scheduler, second)
        # 2 cpus are a subset of the 3 that are still refused.
        assert [o for o in scheduler.offers(since) if on(first)(o)] == []
        assert amount(end_and_await_offer(scheduler, big), "cpus") == 4.0


def end_and_await_offer(scheduler: Scheduler, info: Json) -> Json:
    """Kill a task of which no update was acknowledged yet; the next offer of its agent."""
    task_id = info["task_id"]["value"]
    since = scheduler.mark
    scheduler.status(task_id, "TASK_STARTING")
    acknowledge_to(scheduler, task_id, "TASK_RUNNING")
    scheduler.kill(task_id)
    acknowledge_to(scheduler, task_id, "TASK_KILLED")
    return scheduler.offer(since, lambda offer: bool(offer["agent_id"] == info["agent_id"]))


def test_suppress_and_revive_are_by_role(url: str) -> None:
    with Scheduler(url, roles=["one", "two"]) as scheduler:
        held = all_offers(scheduler)
        since = scheduler.mark
        scheduler.send({"type": "SUPPRESS", "suppress": {"roles": ["one"]}})
        scheduler.decline(held, 0)
        offers = all_offers(scheduler, since=since)
        assert {offer["allocation_info"]["role"] for offer in offers} == {"two"}
        assert not [e for e in scheduler.stream.events if e["type"] == "RESCIND"]
        scheduler.decline(offers, LONG)
        since = scheduler.mark
        scheduler.send({"type": "REVIVE", "revive": {"roles": ["one"]}})
        offers = all_offers(scheduler, since=since)
        assert {offer["allocation_info"]["role"] for offer in offers} == {"one"}


def test_suppressed_roles_at_subscription_get_nothing(url: str) -> None:
    with Scheduler(url, roles=["one", "two"], suppressed=["one"]) as scheduler:
        offers = all_offers(scheduler)
        assert {offer["allocation_info"]["role"] for offer in offers} == {"two"}


def test_offers_to_a_role_given_up_are_rescinded_and_void(url: str) -> None:
    with Scheduler(url, roles=["one"]) as scheduler:
        held = all_offers(scheduler)
        info = {**scheduler.info, "roles": ["two"], "id": {"value": scheduler.framework_id}}
        call = {"type": "UPDATE_FRAMEWORK", "update_framework": {"framework_info": info}}
        since = scheduler.mark
        assert scheduler.call(call)[0] == 200
        for offer in held:
            scheduler.stream.wait(
                lambda e, o=offer: (  # type: ignore[misc] # mypy cannot infer a bound default
                    e["type"] == "RESCIND" and e["rescind"]["offer_id"] == o["id"]
                ),
                since,
            )
        wanted = task(held[0])
        scheduler.launch([held[0]], [wanted])
        dropped = scheduler.status(wanted["task_id"]["value"])
        assert (dropped["state"], dropped["reason"]) == ("TASK_DROPPED", "REASON_INVALID_OFFERS")
        offers = all_offers(scheduler, since=since)
        assert {offer["allocation_info"]["role"] for offer in offers} == {"two"}


def test_what_one_framework_declines_another_gets(url: str) -> None:
    with Scheduler(url) as first:
        held = all_offers(first)
        with Scheduler(url) as second:
            first.decline(held, LONG)
            assert len(all_offers(second)) == AGENTS


# Launching


@pytest.mark.parametrize("kind", ["used", "twice", "of two agents", "none", "unknown"])
def test_wrong_offers_drop_all_tasks(url: str, kind: str) -> None:
    with Scheduler(url) as scheduler:
        first, second, _ = all_offers(scheduler)
        since = scheduler.mark
        if kind == "used":
            scheduler.decline([first], LONG)
        offers = {
            "used": [first],
            "twice": [first, first],
            "of two agents": [first, second],
            "none": [],
            "unknown": [{**first, "id": {"value": "unknown"}}],
        }[kind]
        tasks = [task(first), task(first)]
        scheduler.launch(offers, tasks)
        for info in tasks:
            dropped = scheduler.status(info["task_id"]["value"])
            assert dropped["state"] == "TASK_DROPPED"
            assert dropped["reason"] == "REASON_INVALID_OFFERS"
            assert dropped["source"] == "SOURCE_MASTER"
            assert dropped["message"].startswith("Task launched with invalid offers: ")
            assert "uuid" not in dropped
        if kind in ("twice", "of two agents"):
            scheduler.offer(since, on(first))


BAD_TASKS: list[tuple[Json, str]] = [
    ({"resources": [scalar("cpus", 5.0)]}, "more than available"),
    ({"resources": [scalar("cpus", 1.0), scalar("unheard", 1.0)]}, "more than available"),
    ({"resources": []}, "Task uses no resources"),
    ({"task_id": {"value": "a/b"}}, "contains invalid characters"),
    ({"task_id": {"value": ".."}}, "disallowed"),
    ({"task_id": {"value": "x" * 256}}, "255 characters"),
    ({"agent_id": {"value": "elsewhere"}}, "invalid agent elsewhere"),
    ({"command": None}, "CommandInfo or ExecutorInfo"),
]


@pytest.mark.parametrize(("change", "message"), BAD_TASKS)
def test_a_wrong_task_errs_and_the_rest_is_launched(url: str, change: Json, message: str) -> None:
    with Scheduler(url) as scheduler:
        offer = scheduler.offer()
        wrong, good = task(offer) | change, task(offer)
        wrong = {name: value for name, value in wrong.items() if value is not None}
        scheduler.launch([offer], [wrong, good])
        error = scheduler.status(wrong["task_id"]["value"])
        assert (error["state"], error["reason"]) == ("TASK_ERROR", "REASON_TASK_INVALID")
        assert message in error["message"]
        assert "uuid" not in error
        acknowledge_to(scheduler, good["task_id"]["value"], "TASK_RUNNING")


WRONG_RESOURCES: list[tuple[Json, str]] = [
    (scalar("cpus", -1.0), "Invalid scalar resource"),
    (
        {"name": "ports", "type": "RANGES", "ranges": {"range": [{"begin": 3, "end": 2}]}},
        "Invalid ranges resource",
    ),
]


@pytest.mark.parametrize(("resource", "message"), WRONG_RESOURCES)
def test_wrong_resources_of_one_task_err_all_of_its_launch(
    url: str, resource: Json, message: str
) -> None:
    with Scheduler(url) as scheduler:
        offer = scheduler.offer()
        wrong, good = task(offer) | {"resources": [resource]}, task(offer)
        scheduler.launch([offer], [good, wrong])
        for info in (good, wrong):
            error = scheduler.status(info["task_id"]["value"])
            assert (error["state"], message in error["message"]) == ("TASK_ERROR", True)


def test_two_tasks_may_not_take_more_than_the_offer(url: str) -> None:
    with Scheduler(url) as scheduler:
        offer = scheduler.offer()
        first, second = task(offer, cpus=2.5), task(offer, cpus=2.5)
        scheduler.launch([offer], [first, second])
        assert scheduler.status(second["task_id"]["value"])["state"] == "TASK_ERROR"
        acknowledge_to(scheduler, first["task_id"]["value"], "TASK_RUNNING")


def test_the_id_of_a_living_task_is_taken(url: str) -> None:
    with Scheduler(url) as scheduler:
        first, second, _ = all_offers(scheduler)
        info = scheduler.run(first)
        same = task(second) | {"task_id": info["task_id"]}
        since = scheduler.mark
        scheduler.launch([second], [same])
        error = scheduler.status(info["task_id"]["value"], since=since)
        assert (error["state"], "duplicate ID" in error["message"]) == ("TASK_ERROR", True)


def test_several_offers_of_one_agent_serve_one_task(url: str) -> None:
    with Scheduler(url) as scheduler:
        first = all_offers(scheduler)[0]
        small = task(first, cpus=1.0)
        since = scheduler.mark
        scheduler.launch([first], [small], refuse_seconds=0)
        rest = scheduler.offer(since, on(first))
        freed = end_and_await_offer(scheduler, small)
        assert (amount(rest, "cpus"), amount(freed, "cpus")) in ((3.0, 1.0), (3.0, 3.0))
        freed = scheduler.offer(since, lambda o: on(first)(o) and amount(o, "cpus") == 1.0)
        big = task(first, cpus=4.0)
        scheduler.launch([rest, freed], [big])
        acknowledge_to(scheduler, big["task_id"]["value"], "TASK_RUNNING")


# The life of a task

# The executor signals the whole tree at once: a shell whose child dies before the signal
# reaches the shell itself still says how the child ended, as shells do.
KILLED_BY_REQUEST = (
    "Command terminated with signal Terminated",
    f"Command exited with status {128 + signal.SIGTERM}",
)


def test_a_task_starts_runs_and_is_killed(url: str) -> None:
    with Scheduler(url) as scheduler:
        info = scheduler.run(scheduler.offer())
        task_id = info["task_id"]["value"]
        running = scheduler.status(task_id, "TASK_RUNNING")
        assert running["source"] == "SOURCE_EXECUTOR"
        assert running["agent_id"] == info["agent_id"]
        address = running["container_status"]["network_infos"][0]["ip_addresses"][0]
        assert address == {"protocol": "IPv4", "ip_address": "127.0.0.1"}
        scheduler.kill(task_id, info["agent_id"]["value"])
        killing = scheduler.status(task_id, "TASK_KILLING")
        assert "message" not in killing
        scheduler.acknowledge(killing)
        killed = scheduler.status(task_id, "TASK_KILLED")
        assert killed["message"] in KILLED_BY_REQUEST
        since = scheduler.mark
        scheduler.acknowledge(killed)
        scheduler.reconcile((task_id, info["agent_id"]["value"]))
        assert scheduler.status(task_id, since=since)["state"] == "TASK_GONE"


@pytest.mark.parametrize(("code", "state"), [(0, "TASK_FINISHED"), (3, "TASK_FAILED")])
def test_a_command_ends_with_its_code(url: str, code: int, state: str) -> None:
    with Scheduler(url) as scheduler:
        offer = scheduler.offer()
        info = task(offer, f"exit {code}")
        scheduler.launch([offer], [info], refuse_seconds=LONG)
        ended = acknowledge_to(scheduler, info["task_id"]["value"], state)
        assert ended["message"] == f"Command exited with status {code}"
        freed = scheduler.offer(0, lambda o: on(offer)(o) and o["id"] != offer["id"])
        assert amount(freed, "cpus") == 4.0


def test_a_health_check_reports_with_its_own_reason(url: str) -> None:
    check = {"type": "COMMAND", "command": {"value": "true"}, "delay_seconds": 0.0}
    with Scheduler(url) as scheduler:
        info = scheduler.run(scheduler.offer(), health_check=check)
        task_id = info["task_id"]["value"]
        status = scheduler.status(task_id, healthy=True)
        assert status["state"] == "TASK_RUNNING"
        assert status["reason"] == "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED"
        assert "healthy" not in scheduler.status(task_id, "TASK_STARTING")
        scheduler.acknowledge(status)
        since = scheduler.mark
        scheduler.reconcile((task_id, None))
        assert scheduler.status(task_id, since=since)["healthy"] is True


def test_the_next_update_comes_after_the_acknowledgement(url: str) -> None:
    with Scheduler(url) as scheduler:
        offer = scheduler.offer()
        info = task(offer, "exit 0")
        task_id, agent_id = info["task_id"]["value"], offer["agent_id"]["value"]
        scheduler.launch([offer], [info], refuse_seconds=LONG)
        starting = scheduler.status(task_id, "TASK_STARTING")
        foreign = base64.b64encode(uuid.uuid4().bytes).decode()
        scheduler.acknowledge(starting | {"uuid": foreign})
        scheduler.reconcile((task_id, agent_id))
        latest = scheduler.status(task_id, reason="REASON_RECONCILIATION")
        assert latest["state"] == "TASK_STARTING"
        assert {each["state"] for each in scheduler.statuses()} == {"TASK_STARTING"}
        assert latest["message"] == "Reconciliation: Latest task state"
        assert "uuid" not in latest
        acknowledge_to(scheduler, task_id, "TASK_FINISHED")
        states = [each["state"] for each in scheduler.statuses() if "uuid" in each]
        assert list(dict.fromkeys(states)) == ["TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED"]


def test_an_acknowledgement_needs_a_uuid(url: str) -> None:
    with Scheduler(url) as scheduler:
        status = {"agent_id": {"value": "a"}, "task_id": {"value": "t"}}
        for wrong in ("", "AAAA", "!!!", "A" * 22 + "=="):
            call = {"type": "ACKNOWLEDGE", "acknowledge": status | {"uuid": wrong}}
            assert scheduler.call(call)[0] == 400, wrong


def test_an_unacknowledged_update_is_sent_again(url: str) -> None:
    with Scheduler(url) as scheduler:
        offer = scheduler.offer()
        info = task(offer)
        scheduler.launch([offer], [info])
        first = scheduler.status(info["task_id"]["value"], "TASK_STARTING")
        position = next(
            number
            for number, event in enumerate(scheduler.stream.events)
            if event["type"] == "UPDATE" and event["update"]["status"] == first
        )
        again = scheduler.status(info["task_id"]["value"], since=position + 1)
        assert again == first


# Reconciliation


@pytest.mark.parametrize("call", ["kill", "reconcile"])
def test_unknown_tasks_are_judged_by_their_agent(url: str, call: str) -> None:
    with Scheduler(url) as scheduler:
        agent_id = scheduler.offer()["agent_id"]["value"]
        asked = [("t1", agent_id), ("t2", None), ("t3", "elsewhere")]
        if call == "kill":
            for task_id, agent in asked:
                scheduler.kill(task_id, agent)
        else:
            scheduler.reconcile(*asked)
        states = [scheduler.status(task_id)["state"] for task_id, _ in asked]
        assert states == ["TASK_GONE", "TASK_UNKNOWN", "TASK_UNKNOWN"]
        assert {each["reason"] for each in scheduler.statuses()} == {"REASON_RECONCILIATION"}
        assert [each["task_id"]["value"] for each in scheduler.statuses()] == ["t1", "t2", "t3"]


def test_implicit_reconciliation_tells_all_known_tasks(url: str) -> None:
    with Scheduler(url) as scheduler:
        ids = {scheduler.run(each)["task_id"]["value"] for each in all_offers(scheduler)}
        since = scheduler.mark
        scheduler.reconcile()
        for task_id in ids:
            status = scheduler.status(task_id, since=since)
            assert (status["state"], status["source"]) == ("TASK_RUNNING", "SOURCE_MASTER")


def test_a_task_on_another_agent_than_named_is_still_known_but_not_killed(url: str) -> None:
    with Scheduler(url) as scheduler:
        task_id = scheduler.run(scheduler.offer())["task_id"]["value"]
        since = scheduler.mark
        scheduler.kill(task_id, "elsewhere")
        scheduler.reconcile((task_id, "elsewhere"))
        assert scheduler.status(task_id, since=since)["state"] == "TASK_RUNNING"


def test_frameworks_not_partition_aware_know_only_lost(url: str) -> None:
    with Scheduler(url, capabilities=["MULTI_ROLE"]) as scheduler:
        offer = scheduler.offer()
        scheduler.reconcile(("t1", offer["agent_id"]["value"]), ("t2", None))
        assert scheduler.status("t1")["state"] == "TASK_LOST"
        assert scheduler.status("t2")["state"] == "TASK_LOST"
        scheduler.decline([offer], LONG)
        info = task(offer)
        scheduler.launch([offer], [info])
        assert scheduler.status(info["task_id"]["value"])["state"] == "TASK_LOST"
