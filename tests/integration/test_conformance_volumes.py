"""Reservations and persistent volumes: what a scheduler may rely on, of both Mesoses.

Each test reserves on a cluster of its own, so that nothing stays behind on a shared one.
"""

from collections.abc import Callable, Iterator

import pytest

from localmesos.apache.engine import ApacheEngine
from localmesos.cluster import agent_specs
from localmesos.simulated import Options, SimulatedEngine
from tests.integration.scheduler_client import (
    Json,
    Scheduler,
    acknowledge_to,
    amount,
    scalar,
    task,
)

ENGINES = ["simulated", pytest.param("apache", marks=pytest.mark.mesos)]
ROLE = "stateful"
LABELS = {"labels": [{"key": "owner", "value": "test"}]}
STACK = [{"type": "DYNAMIC", "role": ROLE, "labels": LABELS}]
VOLUME = {"persistence": {"id": "db#data#1"}, "volume": {"container_path": "data", "mode": "RW"}}


@pytest.fixture(params=ENGINES)
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A master with one agent of one's own."""
    if request.param == "simulated":
        with SimulatedEngine(agent_specs(1), options=Options(update_retry_seconds=2.0)) as engine:
            yield engine.url
        return
    start: Callable[..., ApacheEngine] = request.getfixturevalue("apache_cluster")
    yield start(1).url


def reserved(name: str, value: float, **more: object) -> Json:
    return scalar(name, value) | {"reservations": STACK, **more}


RESERVED = [reserved("cpus", 0.5), reserved("mem", 64.0), reserved("disk", 50.0)]
VOLUMES = [reserved("disk", 50.0, disk=VOLUME)]


def operation(kind: str, operation_id: str = "") -> Json:
    """One of the four operations on the resources of these tests."""
    part = {"volumes": VOLUMES} if kind in {"CREATE", "DESTROY"} else {"resources": RESERVED}
    with_id = {"id": {"value": operation_id}} if operation_id else {}
    return {"type": kind, kind.lower(): part, **with_id}


def accept(scheduler: Scheduler, offer: Json, *operations: Json, seconds: float = 0.0) -> None:
    scheduler.send(
        {
            "type": "ACCEPT",
            "accept": {
                "offer_ids": [offer["id"]],
                "operations": list(operations),
                "filters": {"refuse_seconds": seconds},
            },
        }
    )


def told(scheduler: Scheduler, operation_id: str, since: int = 0) -> Json:
    """The first status of an operation."""
    event = scheduler.stream.wait(
        lambda e: (
            e["type"] == "UPDATE_OPERATION_STATUS"
            and e["update_operation_status"]["status"]["operation_id"]["value"] == operation_id
        ),
        since,
    )
    return dict(event["update_operation_status"]["status"])


def acknowledge(scheduler: Scheduler, status: Json) -> None:
    scheduler.send(
        {
            "type": "ACKNOWLEDGE_OPERATION_STATUS",
            "acknowledge_operation_status": {
                "operation_id": status["operation_id"],
                "agent_id": status["agent_id"],
                "uuid": status["uuid"]["value"],
            },
        }
    )


def has_volume(offer: Json) -> bool:
    return any(each.get("disk") == VOLUME for each in offer["resources"])


def plain(offer: Json) -> bool:
    return not any("reservations" in each for each in offer["resources"])


def launched(offer: Json, command: str) -> tuple[Json, Json]:
    info = task(offer, command) | {"resources": [*RESERVED[:2], *VOLUMES]}
    return info, {"type": "LAUNCH", "launch": {"task_infos": [info]}}


def test_one_accept_reserves_creates_and_launches(url: str) -> None:
    with Scheduler(url, roles=[ROLE]) as scheduler:
        offer = scheduler.offer()
        info, launch = launched(offer, "exit 0")
        since = scheduler.mark
        accept(scheduler, offer, operation("RESERVE", "r1"), operation("CREATE", "c1"), launch)
        for operation_id in ("r1", "c1"):
            status = told(scheduler, operation_id)
            assert status["state"] == "OPERATION_FINISHED"
            assert status["agent_id"] == offer["agent_id"]
            acknowledge(scheduler, status)
        acknowledge_to(scheduler, info["task_id"]["value"], "TASK_FINISHED")
        again = scheduler.offer(since, has_volume)
        kept = [each for each in again["resources"] if "reservations" in each]
        assert sorted(each["name"] for each in kept) == ["cpus", "disk", "mem"]
        assert all(each["reservations"] == STACK for each in kept)
        since = scheduler.mark
        accept(scheduler, again, operation("DESTROY", "d1"), operation("UNRESERVE", "u1"))
        assert told(scheduler, "d1")["state"] == told(scheduler, "u1")["state"]
        freed = scheduler.offer(since, plain)
        assert amount(freed, "disk") == amount(again, "disk")


def test_a_volume_is_offered_to_its_role_only(url: str) -> None:
    with Scheduler(url, roles=[ROLE, "other"], suppressed=["other"]) as scheduler:
        offer = scheduler.offer()
        scheduler.send({"type": "SUPPRESS", "suppress": {"roles": [ROLE]}})
        scheduler.send({"type": "REVIVE", "revive": {"roles": ["other"]}})
        since = scheduler.mark
        accept(scheduler, offer, operation("RESERVE", "r1"), operation("CREATE", "c1"))
        rest = scheduler.offer(since)
        assert rest["allocation_info"] == {"role": "other"}
        assert amount(rest, "cpus") == amount(offer, "cpus") - 0.5
        scheduler.send({"type": "REVIVE", "revive": {"roles": [ROLE]}})
        kept = scheduler.offer(since, has_volume)
        assert (kept["allocation_info"], amount(kept, "cpus")) == ({"role": ROLE}, 0.5)


def test_a_wrong_operation_is_answered_by_its_id_and_the_rest_is_done(url: str) -> None:
    with Scheduler(url, roles=[ROLE]) as scheduler:
        offer = scheduler.offer()
        reserve, create = operation("RESERVE", "r1"), operation("CREATE", "c1")
        accept(scheduler, offer, operation("DESTROY", "d0"), operation("CREATE"), reserve, create)
        error = told(scheduler, "d0")
        assert error["state"] == "OPERATION_ERROR"
        assert error["message"].startswith("Persistent volumes not found")
        assert "uuid" not in error
        assert told(scheduler, "c1")["state"] == "OPERATION_FINISHED"
        accept(scheduler, offer, operation("RESERVE", "r2"))
        late = told(scheduler, "r2")
        assert late["state"] == "OPERATION_ERROR"
        assert late["message"].startswith("Operation attempted with invalid offers: ")
        held = scheduler.offer(0, has_volume)
        accept(scheduler, held, operation("UNRESERVE", "u1"))
        assert told(scheduler, "u1")["state"] == "OPERATION_ERROR", "there is a volume on it"


def test_a_task_whose_reservation_fails_is_not_launched(url: str) -> None:
    with Scheduler(url, roles=[ROLE]) as scheduler:
        offer = scheduler.offer()
        info, launch = launched(offer, "exit 0")
        accept(scheduler, offer, operation("CREATE", "c1"), launch)
        assert told(scheduler, "c1")["state"] == "OPERATION_ERROR"
        assert scheduler.status(info["task_id"]["value"])["state"] == "TASK_ERROR"


def test_operations_are_told_until_acknowledged_and_can_be_asked_about(url: str) -> None:
    with Scheduler(url, roles=[ROLE]) as scheduler:
        offer = scheduler.offer()
        agent_id = offer["agent_id"]
        accept(scheduler, offer, operation("RESERVE", "r1"), seconds=1000.0)
        status = told(scheduler, "r1")

        def asked(operation_id: str, agent: Json | None) -> Json:
            since = scheduler.mark
            about = {"operation_id": {"value": operation_id}}
            about |= {} if agent is None else {"agent_id": agent}
            call = {"operations": [about]}
            scheduler.send({"type": "RECONCILE_OPERATIONS", "reconcile_operations": call})
            return told(scheduler, operation_id, since)

        known = asked("r1", agent_id)
        assert (known["state"], "uuid" in known) == ("OPERATION_FINISHED", False)
        again = told(scheduler, "r1", scheduler.mark)
        assert again == status, "it is sent again"
        acknowledge(scheduler, status)
        for operation_id, agent in (("x1", agent_id), ("x2", None), ("x3", {"value": "nobody"})):
            unknown = asked(operation_id, agent)
            assert unknown["state"] == "OPERATION_UNKNOWN", operation_id
            assert unknown["message"].startswith("Reconciliation: "), operation_id
        assert asked("r1", agent_id)["state"] == "OPERATION_UNKNOWN", "forgotten when acknowledged"


def test_a_status_of_an_operation_is_acknowledged_with_a_uuid(url: str) -> None:
    with Scheduler(url, roles=[ROLE]) as scheduler:
        status = {"operation_id": {"value": "o"}, "agent_id": {"value": "a"}, "uuid": "AAAA"}
        call = {"acknowledge_operation_status": status}
        assert scheduler.call({"type": "ACKNOWLEDGE_OPERATION_STATUS", **call})[0] == 400
