"""Events of the wire as events of the core, from JSON as masters write it."""

import json
from typing import Any

import pytest

from framework.domain.actions import Acknowledge, Decline
from framework.domain.disks import DiskType
from framework.domain.draining import InverseOffer
from framework.domain.events import (
    AgentFailed,
    FrameworkRefused,
    InverseOfferRescinded,
    InverseOffersReceived,
    OfferRescinded,
    OffersReceived,
    TaskStatusReceived,
)
from framework.domain.instance import Instance
from framework.domain.mesos import Agent, Attribute, Offer, OfferResource, TaskState, TaskStatus
from framework.domain.state import Change, Kind
from framework.mesos.decoding import Decoded, decode
from framework.store.codec import Codec


def decoded(kind: str, **bodies: Any) -> Decoded:
    return decode(json.dumps({"type": kind, **bodies}).encode())


def offer(**changes: Any) -> dict[str, Any]:
    """An offer with everything a master sends."""
    fields = {
        "id": {"value": "offer-1"},
        "framework_id": {"value": "framework-1"},
        "agent_id": {"value": "agent-1"},
        "hostname": "host1",
        "allocation_info": {"role": "web"},
        "url": {"scheme": "http", "address": {"hostname": "host1", "ip": "10.0.0.1", "port": 7}},
        "domain": {"fault_domain": {"region": {"name": "eu"}, "zone": {"name": "eu-1"}}},
        "attributes": [
            {"name": "rack", "type": "TEXT", "text": {"value": "r1"}},
            {"name": "weight", "type": "SCALAR", "scalar": {"value": -1.5}},
            {"name": "slots", "type": "RANGES", "ranges": {"range": [{"begin": 1, "end": 3}]}},
            {"name": "disks", "type": "SET", "set": {"item": ["a", "b"]}},
        ],
        "resources": [
            {"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.3}, "role": "*"},
            {"name": "ports", "type": "RANGES", "ranges": {"range": [{"begin": 5, "end": 9}]}},
            {"name": "things", "type": "SET", "set": {"item": ["x"]}},
        ],
        "unavailability": {
            "start": {"nanoseconds": 5_000_000_000},
            "duration": {"nanoseconds": 7_000_000},
        },
    }
    return fields | changes


def offers_in(*wire: dict[str, Any]) -> tuple[Offer, ...]:
    found = decoded("OFFERS", offers={"offers": list(wire)})
    assert found.problems == ()
    (event,) = found.events
    assert isinstance(event, OffersReceived)
    return event.offers


def test_a_whole_offer() -> None:
    attributes = (
        Attribute("rack", text="r1"),
        Attribute("weight", scalar=-1.5),
        Attribute("slots", ranges=((1, 3),)),
        Attribute("disks", items=("a", "b")),
    )
    assert offers_in(offer()) == (
        Offer(
            id="offer-1",
            agent=Agent("agent-1", "host1", attributes, "eu", "eu-1", "10.0.0.1", 7),
            role="web",
            resources=(
                OfferResource("cpus", 300),
                OfferResource("ports", ranges=((5, 9),)),
                OfferResource("things", items=("x",)),
            ),
            unavailable_from_ms=5_000,
            unavailable_for_ms=7,
        ),
    )


def test_the_least_an_offer_can_be() -> None:
    wire = {"id": {"value": "o"}, "agent_id": {"value": "a"}, "hostname": "h"}
    assert offers_in(wire) == (Offer("o", Agent("a", "h"), "*", ()),)


def test_the_order_and_batch_of_offers_is_kept() -> None:
    wire = [offer(id={"value": f"o{number}"}) for number in (3, 1, 2)]
    assert [each.id for each in offers_in(*wire)] == ["o3", "o1", "o2"]


STATIC = {"type": "STATIC", "role": "eng"}
DYNAMIC = {"type": "DYNAMIC", "role": "eng/web", "principal": "p"}


@pytest.mark.parametrize(
    ("extra", "role", "plain"),
    [
        ({}, "*", True),
        ({"reservations": []}, "*", True),
        ({"reservations": [STATIC]}, "eng", True),
        ({"reservations": [STATIC, DYNAMIC]}, "eng/web", True),
        ({"reservations": [STATIC, DYNAMIC | {"labels": {"labels": []}}]}, "eng/web", False),
        ({"reservations": [STATIC | {"labels": {}}, DYNAMIC]}, "eng/web", False),
        ({"role": "eng"}, "eng", False),
        ({"role": "eng", "reservation": {"principal": "p"}}, "eng", False),
        ({"disk": {}}, "*", True),
        ({"disk": None}, "*", True),
        ({"disk": {"persistence": {"id": "p"}}}, "*", False),
        ({"disk": {"volume": {"container_path": "p", "mode": "RW"}}}, "*", False),
        ({"disk": {"source": {"type": "PATH", "path": {"root": "/d"}}}}, "*", False),
        ({"disk": {"source": {"type": "MOUNT"}}}, "*", False),
        ({"disk": {"source": {"type": "BLOCK"}}}, "*", False),
        ({"disk": {"source": {"type": "RAW"}}}, "*", False),
        ({"revocable": {}}, "*", False),
        ({"shared": {}}, "*", False),
        ({"provider_id": {"value": "p"}}, "*", False),
    ],
)
def test_what_is_a_plain_resource(extra: dict[str, Any], role: str, plain: bool) -> None:
    wire = {"name": "disk", "type": "SCALAR", "scalar": {"value": 10.0}} | extra
    (found,) = offers_in(offer(resources=[wire]))
    (resource,) = found.resources
    assert (resource.role, resource.plain, resource.millis) == (role, plain, 10_000)
    expected = extra.get("reservations") or None
    assert (json.loads(resource.reservations) if resource.reservations else None) == expected


PATH = {"type": "PATH", "path": {"root": "/ssd"}}
MOUNT = {"type": "MOUNT", "mount": {"root": "/mnt/1"}}
VOLUME = {"persistence": {"id": "p"}, "volume": {"container_path": "data", "mode": "RW"}}


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ({"disk": {"source": PATH}}, (DiskType.PATH, "/ssd")),
        ({"disk": {"source": MOUNT}, "reservations": []}, (DiskType.MOUNT, "/mnt/1")),
        ({"disk": {"source": PATH}, "reservations": [STATIC]}, (DiskType.PATH, "/ssd")),
        ({}, None),
        ({"disk": {"source": {"type": "PATH"}}}, None),
        ({"disk": {"source": {"type": "BLOCK"}}}, None),
        ({"disk": {"source": MOUNT | {"profile": "fast"}}}, None),
        ({"disk": {"source": MOUNT} | VOLUME}, None),
        ({"disk": {"source": PATH}, "provider_id": {"value": "p"}}, None),
        ({"disk": {"source": PATH}, "revocable": {}}, None),
        ({"disk": {"source": PATH}, "shared": {}}, None),
        (
            {"disk": {"source": PATH}, "reservations": [DYNAMIC | {"labels": {"labels": []}}]},
            None,
        ),
    ],
)
def test_which_disks_volumes_may_be_made_of(
    extra: dict[str, Any], expected: tuple[DiskType, str] | None
) -> None:
    wire = {"name": "disk", "type": "SCALAR", "scalar": {"value": 10.0}} | extra
    (found,) = offers_in(offer(resources=[wire]))
    (resource,) = found.resources
    source = resource.disk_source
    assert (None if source is None else (source.type, source.root)) == expected
    if source is not None:
        assert json.loads(source.json) == extra["disk"]["source"]
        assert (resource.plain, resource.disk) == (False, "")


OURS = {
    "labels": [
        {"key": "marathon_framework_id", "value": "f"},
        {"key": "marathon_task_id", "value": "i"},
    ]
}


@pytest.mark.parametrize("disk", [{"source": MOUNT}, {"source": MOUNT} | VOLUME])
def test_what_is_reserved_of_a_disk_is_an_instances(disk: dict[str, Any]) -> None:
    wire = {"name": "disk", "type": "SCALAR", "scalar": {"value": 10.0}, "disk": disk}
    (found,) = offers_in(offer(resources=[wire | {"reservations": [DYNAMIC | {"labels": OURS}]}]))
    (resource,) = found.resources
    assert resource.owner == ("f", "i")
    assert resource.disk_source is not None
    assert resource.disk_source.root == "/mnt/1"
    assert (json.loads(resource.disk) if resource.disk else disk) == disk
    assert bool(resource.disk) is bool(resource.volume_id) is ("persistence" in disk)


BAD_OFFERS = [
    offer(resources=[{"name": "cpus", "scalar": {"value": "many"}}]),
    offer(resources=[{"name": "cpus", "scalar": {"value": -1}}]),
    offer(resources=[{"name": "ports", "ranges": {"range": [{"begin": 9, "end": 5}]}}]),
    offer(resources=[{"name": "cpus", "scalar": {"value": 1}, "reservations": {"role": "x"}}]),
    offer(attributes=[{"name": "rack"}]),
    offer(attributes={"rack": "r"}),
    offer(hostname=None),
]


@pytest.mark.parametrize("bad", BAD_OFFERS)
def test_one_bad_offer_does_not_lose_the_others_and_is_given_back(bad: dict[str, Any]) -> None:
    bad = bad | {"id": {"value": "bad"}}
    wire = [offer(id={"value": "first"}), bad, offer(id={"value": "last"})]
    found = decoded("OFFERS", offers={"offers": wire})
    (event,) = found.events
    assert isinstance(event, OffersReceived)
    assert [each.id for each in event.offers] == ["first", "last"]
    (answer,) = found.answers
    assert isinstance(answer, Decline)
    assert answer.offer_ids == ("bad",)
    assert len(found.problems) == 1


def test_an_offer_without_an_id_can_not_be_given_back() -> None:
    found = decoded("OFFERS", offers={"offers": [{"hostname": "h"}]})
    assert (found.events, found.answers) == ((OffersReceived(()),), ())
    assert len(found.problems) == 1


def status(**changes: Any) -> dict[str, Any]:
    fields = {
        "task_id": {"value": "task-1"},
        "agent_id": {"value": "agent-1"},
        "state": "TASK_RUNNING",
        "uuid": "4J9LSO5PQpG6AAAAAAAAAw==",
        "source": "SOURCE_EXECUTOR",
        "timestamp": 1_700_000_000.25,
    }
    return fields | changes


def status_in(**changes: Any) -> TaskStatus:
    found = decoded("UPDATE", update={"status": status(**changes)})
    (event,) = found.events
    assert isinstance(event, TaskStatusReceived)
    return event.status


@pytest.mark.parametrize("state", list(TaskState))
def test_every_state(state: TaskState) -> None:
    assert status_in(state=state.value).state is state


def test_a_whole_status() -> None:
    networks = [
        {"ip_addresses": [{"ip_address": "10.1.1.1"}, {"protocol": "IPv6"}]},
        {"ip_addresses": [{"ip_address": "fd00::1", "protocol": "IPv6"}]},
    ]
    found = status_in(
        reason="REASON_OF_A_NEWER_MESOS",
        message="words",
        healthy=False,
        container_status={"network_infos": networks, "executor_pid": 5},
        check_status={"type": "HTTP", "http": {"status_code": 200}},
        unreachable_time={"nanoseconds": 3_000_000_000},
    )
    assert json.loads(found.check_json) == {"type": "HTTP", "http": {"status_code": 200}}
    assert found == TaskStatus(
        task_id="task-1",
        state=TaskState.RUNNING,
        agent_id="agent-1",
        uuid="4J9LSO5PQpG6AAAAAAAAAw==",
        reason="REASON_OF_A_NEWER_MESOS",
        message="words",
        source="SOURCE_EXECUTOR",
        timestamp_ms=1_700_000_000_250,
        healthy=False,
        addresses=("10.1.1.1", "fd00::1"),
        check_json=found.check_json,
        unreachable_since_ms=3_000,
    )


def test_whatever_a_status_says_an_instance_with_it_can_be_stored() -> None:
    much = "m" * 600_000
    addresses = [{"ip_address": much}, *({"ip_address": f"10.0.0.{n}"} for n in range(40_000))]
    found = status_in(
        reason=much,
        message=much,
        source=much,
        container_status={"network_infos": [{"ip_addresses": addresses}]},
        check_status={"type": "COMMAND", "command": {"output": much}},
    )
    assert len(found.message) == 10_000
    instance = Instance(
        id="i",
        app_id="/web",
        version="v",
        addresses=found.addresses,
        check_json=found.check_json,
        reason=found.reason,
        message=found.message,
    )
    assert Codec().encode(Change(Kind.INSTANCE, "i", instance))


def test_the_least_a_status_can_be() -> None:
    found = decoded("UPDATE", update={"status": {"task_id": {"value": "t"}, "state": "TASK_LOST"}})
    assert found.events == (TaskStatusReceived(TaskStatus("t", TaskState.LOST)),)


def test_an_unknown_state_passes_for_no_other_and_is_acknowledged() -> None:
    found = decoded("UPDATE", update={"status": status(state="TASK_NEW")})
    assert found.events == ()
    assert found.answers == (Acknowledge("task-1", "agent-1", "4J9LSO5PQpG6AAAAAAAAAw=="),)
    assert found.unknown
    assert "TASK_NEW" in found.problems[0]


def test_an_unreadable_update_is_acknowledged_where_that_can_be() -> None:
    found = decoded("UPDATE", update={"status": status(healthy="perhaps")})
    assert (found.events, len(found.answers), found.unknown) == ((), 1, False)
    without_uuid = {name: value for name, value in status(message=7).items() if name != "uuid"}
    found = decoded("UPDATE", update={"status": without_uuid})
    assert (found.events, found.answers, len(found.problems)) == ((), (), 1)


def test_the_other_events() -> None:
    assert decoded("RESCIND", rescind={"offer_id": {"value": "o"}}).events == (OfferRescinded("o"),)
    assert decoded("ERROR", error={"message": "no"}).events == (FrameworkRefused("no"),)
    agent = {"agent_id": {"value": "a"}}
    assert decoded("FAILURE", failure=agent).events == (AgentFailed("a"),)
    executor = agent | {"executor_id": {"value": "e"}, "status": 9}
    assert decoded("FAILURE", failure=executor) == Decoded("FAILURE")
    found = decoded("SUBSCRIBED", subscribed={"framework_id": {"value": "f"}}).subscribed
    assert found is not None
    assert found.framework_id.value == "f"


def test_inverse_offers() -> None:
    window = {
        "start": {"nanoseconds": 5_000_000_000},
        "duration": {"nanoseconds": 1_000_000_000},
    }
    offer = {"id": {"value": "i"}, "agent_id": {"value": "a"}, "unavailability": window}
    (event,) = decoded("INVERSE_OFFERS", inverse_offers={"inverse_offers": [offer]}).events
    assert event == InverseOffersReceived((InverseOffer("i", "a", 5_000, 1_000),))
    for_good = offer | {"unavailability": {"start": {"nanoseconds": 5_000_000_000}}}
    (event,) = decoded("INVERSE_OFFERS", inverse_offers={"inverse_offers": [for_good]}).events
    assert event == InverseOffersReceived((InverseOffer("i", "a", 5_000),))
    nameless = {"id": {"value": "i"}, "unavailability": window}
    found = decoded("INVERSE_OFFERS", inverse_offers={"inverse_offers": [nameless]})
    assert (found.events, len(found.problems)) == ((), 1)
    rescinded = {"inverse_offer_id": {"value": "i"}}
    found = decoded("RESCIND_INVERSE_OFFER", rescind_inverse_offer=rescinded)
    assert found.events == (InverseOfferRescinded("i"),)


@pytest.mark.parametrize(
    "kind",
    ["HEARTBEAT", "MESSAGE"],
)
def test_events_that_ask_nothing_of_us(kind: str) -> None:
    assert decoded(kind, message={"data": "x"}, inverse_offers={}) == Decoded(kind)


def test_an_unknown_event_is_a_problem_and_no_more() -> None:
    found = decoded("NEWS", news={})
    assert (found.events, found.answers, found.unknown) == ((), (), True)
    assert "NEWS" in found.problems[0]


@pytest.mark.parametrize(
    "record", [b"", b"{", b"[]", b'"x"', b"{}", b'{"type":5}', b'{"type":"OFFERS"}', b"\xff"]
)
def test_malformed_records(record: bytes) -> None:
    found = decode(record)
    assert (found.events, found.answers, len(found.problems)) == ((), (), 1)
