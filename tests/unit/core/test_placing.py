"""Which offer an app prefers, how apps share, and what a launch looks like."""

from collections import Counter
from typing import Any

import pytest

from framework.core.policy import Policy
from framework.core.turn import Step
from framework.domain.actions import Accept, Decline
from framework.domain.app import App, Container, Network, NetworkMode, PortDefinition, PortMapping
from framework.domain.events import ChangeApps, OfferRescinded, OffersReceived, PutApp
from framework.domain.instance import Condition
from framework.domain.mesos import Agent, Attribute, Offer, OfferResource, TaskState
from framework.domain.records import replace
from framework.domain.state import Kind, Record
from tests.unit.core.session import WEB, Session, agent, launches, of_type, put_records


def by_agent(decided: Step) -> Counter[str]:
    """How many launches each agent got."""
    return Counter(launch.agent.id for launch in launches(decided))


def small_offer(number: int, host: Agent, *scalars: tuple[str, int]) -> Offer:
    """An offer of exactly these thousandths."""
    return Offer(f"small-{number}", host, "*", tuple(OfferResource(*one) for one in scalars))


def test_twelve_on_three_equal_agents_are_four_each() -> None:
    session = Session()
    session.put(replace(WEB, instances=12))
    decided = session.offer(*(session.offer_of(agent(n)) for n in range(3)))
    assert by_agent(decided) == {"a0": 4, "a1": 4, "a2": 4}


def test_running_instances_count_for_the_spread() -> None:
    session = Session()
    session.running(replace(WEB, instances=2), agent(0))
    session.put(replace(WEB, instances=4))
    decided = session.offer(*(session.offer_of(agent(n)) for n in range(2)))
    assert by_agent(decided) == {"a1": 2}


def test_of_equal_agents_the_emptier_zone_goes_first() -> None:
    session = Session()
    zones = {"a0": "z0", "a1": "z0", "a2": "z1", "a3": "z1", "a4": "z2"}
    session.connect("region")
    session.put(replace(WEB, instances=6))
    offers = [session.offer_of(agent(n, zone=zones[f"a{n}"])) for n in range(5)]
    decided = session.offer(*offers)
    in_zones = Counter(zones[launch.agent.id] for launch in launches(decided))
    assert max(in_zones.values()) == 2, "spread evenly over zones as long as agents are equal"
    assert by_agent(decided).total() == 6


def test_an_emptier_agent_goes_before_an_emptier_zone() -> None:
    session = Session()
    session.connect("region")
    session.running(WEB, agent(1, zone="z0"))
    session.put(replace(WEB, instances=3))
    session.offer(session.offer_of(agent(2, zone="z1")))
    session.put(replace(WEB, instances=4), force=True)
    decided = session.offer(*(session.offer_of(agent(n, zone=f"z{n // 3}")) for n in (1, 3)))
    assert by_agent(decided) == {"a3": 1}, "its zone has two, but it has none"


def test_of_equal_places_the_tightest_fit_goes_first() -> None:
    session = Session()
    session.put(WEB)
    sizes = {0: 4_000, 1: 500, 2: 2_000, 3: 50}
    decided = session.offer(
        *(small_offer(n, agent(n), ("cpus", c), ("mem", 64_000)) for n, c in sizes.items())
    )
    assert by_agent(decided) == {"a1": 1}
    session.put(replace(WEB, id="/other"))
    memory = {4: 64_000, 5: 33_000, 6: 40_000}
    decided = session.offer(
        *(small_offer(n, agent(n), ("cpus", 500), ("mem", m)) for n, m in memory.items())
    )
    assert by_agent(decided) == {"a5": 1}


def test_apps_take_turns_on_scarce_offers() -> None:
    session = Session()
    session.put(*(replace(WEB, id=f"/app{n}", instances=10) for n in range(3)))
    decided = session.offer(small_offer(1, agent(1), ("cpus", 600), ("mem", 1_000_000)))
    assert Counter(launch.app.id for launch in launches(decided)) == {
        "/app0": 2,
        "/app1": 2,
        "/app2": 2,
    }


def test_who_waits_longest_goes_first() -> None:
    session = Session()
    session.put(replace(WEB, id="/zz-first"))
    session.wait(1)
    session.put(replace(WEB, id="/aa-second"))
    decided = session.offer(small_offer(1, agent(1), ("cpus", 100), ("mem", 64_000)))
    assert [launch.app.id for launch in launches(decided)] == ["/zz-first"]


def test_several_entries_make_up_one_amount_exactly() -> None:
    session = Session()
    session.put(replace(WEB, cpus_millis=100, accepted_resource_roles=("*", "dev")))
    entries = (
        OfferResource("cpus", 40),
        OfferResource("cpus", 50, role="dev"),
        OfferResource("cpus", 1_000, role="prod"),
        OfferResource("cpus", 1_000, plain=False),
        OfferResource("cpus", 30),
        OfferResource("mem", 32_000),
    )
    decided = session.offer(Offer("o", agent(1), "*", entries))
    (launch,) = launches(decided)
    assert [(part.source, part.millis) for part in launch.resources] == [
        (entries[0], 40),
        (entries[1], 50),
        (entries[4], 10),
        (entries[5], 32_000),
    ]


def test_a_hair_less_than_needed_is_not_enough() -> None:
    session = Session()
    session.put(WEB)
    decided = session.offer(small_offer(1, agent(1), ("cpus", 99), ("mem", 32_000)))
    assert launches(decided) == []
    decided = session.offer(small_offer(2, agent(1), ("cpus", 100), ("mem", 32_000)))
    assert len(launches(decided)) == 1


def test_no_more_than_allowed_start_on_an_agent_at_once() -> None:
    session = Session(Policy(max_launches_per_agent=2))
    session.put(replace(WEB, instances=5))
    assert by_agent(session.offer(session.offer_of(agent(1)))) == {"a1": 2}
    assert by_agent(session.offer(session.offer_of(agent(1)))) == {}
    session.status(session.instances()[0], TaskState.STAGING)
    assert by_agent(session.offer(session.offer_of(agent(1)))) == {}
    session.status(session.instances()[0], TaskState.RUNNING)
    assert by_agent(session.offer(session.offer_of(agent(1)), session.offer_of(agent(2)))) == {
        "a2": 2,
        "a1": 1,
    }


def test_every_offer_is_answered_in_its_own_turn() -> None:
    session = Session(Policy(decline_offer_duration=7_500))
    session.put(WEB)
    offers = [session.offer_of(agent(n)) for n in range(4)]
    decided = session.offer(*offers)
    (accept,) = of_type(decided.actions, Accept)
    (decline,) = of_type(decided.actions, Decline)
    assert accept.refuse_seconds == decline.refuse_seconds == 7.5
    assert {*accept.offer_ids, *decline.offer_ids} == {offer.id for offer in offers}
    assert len(decline.offer_ids) == 3
    assert not session.step().actions, "nothing is held"


def test_a_rescinded_offer_is_neither_used_nor_declined() -> None:
    session = Session()
    session.put(WEB)
    kept, taken_back = session.offer_of(agent(1)), session.offer_of(agent(2))
    decided = session.step(OffersReceived((taken_back, kept)), OfferRescinded(taken_back.id))
    assert [accept.offer_ids for accept in of_type(decided.actions, Accept)] == [(kept.id,)]
    assert of_type(decided.actions, Decline) == []


def test_what_is_stored_is_what_is_launched() -> None:
    session = Session()
    app = replace(WEB, port_definitions=(PortDefinition(), PortDefinition()))
    session.put(app)
    decided = session.offer(session.offer_of(agent(1)))
    (launch,) = launches(decided)
    instance = session.only()
    assert instance.condition is Condition.PROVISIONED
    assert launch.task_id == instance.task_id
    assert launch.task_id == f"{instance.id}._app.1"
    assert launch.app == session.state.apps["/web"]
    assert instance.version == launch.app.version
    assert instance.ports == launch.host_ports == launch.effective_ports == (31_000, 31_001)
    assert instance.staged_at_ms == instance.since_ms == session.now_ms
    assert session.state.agents == {"a1": agent(1)}
    stored = {(change.kind, change.id) for change in decided.changes}
    assert {(Kind.INSTANCE, instance.id), (Kind.AGENT, "a1")} <= stored


def test_a_relaunch_keeps_the_instance_and_counts_the_incarnation() -> None:
    session = Session()
    (before,) = session.running(WEB, agent(1))
    session.status(before, TaskState.KILLED, healthy=False)
    decided = session.offer(session.offer_of(agent(2)))
    again = session.only()
    assert (again.id, again.incarnation, again.agent_id) == (before.id, 2, "a2")
    assert again.healthy is None
    assert [launch.task_id for launch in launches(decided)] == [f"{before.id}._app.2"]
    assert set(session.state.agents) == {"a2"}, "the agent that nothing runs on is forgotten"


@pytest.mark.parametrize(
    ("mapping", "effective"),
    [
        (PortMapping(8080, None), 8080),
        (PortMapping(8080, 0), 31_000),
        (PortMapping(8080, 31_500), 31_500),
        (PortMapping(0, 0), 31_000),
        (PortMapping(0, None), 1025 + 7),
    ],
)
def test_the_port_a_task_is_shown(mapping: PortMapping, effective: int) -> None:
    session = Session(chance=lambda most: 7 if most > 2_000 else 0)
    app = App(
        id="/web",
        networks=(Network(NetworkMode.BRIDGE),),
        container=Container(port_mappings=(mapping,)),
    )
    session.put(app)
    (launch,) = launches(session.offer(session.offer_of(agent(1))))
    assert launch.effective_ports == (effective,)
    assert launch.host_ports == (() if mapping.host_port is None else (effective,))


def test_group_by_decides_the_group_before_preference_decides_the_offer() -> None:
    session = Session()
    racks = {0: "r0", 1: "r0", 2: "r0", 3: "r1"}
    session.put(replace(WEB, instances=4, constraints=(("rack", "GROUP_BY"),)))
    decided = session.offer(*(session.offer_of(agent(n, rack=rack)) for n, rack in racks.items()))
    in_racks = Counter(racks[int(launch.agent.id[1:])] for launch in launches(decided))
    assert in_racks == {"r0": 2, "r1": 2}


def test_what_one_group_by_refuses_at_first_another_launch_may_let_in() -> None:
    session = Session()

    def at(number: int, rack: str, row: str) -> Agent:
        return Agent(f"a{number}", f"h{number}", (Attribute("rack", rack), Attribute("row", row)))

    app = replace(WEB, constraints=(("rack", "GROUP_BY"), ("row", "GROUP_BY", "2")))
    session.running(app, at(1, "r1", "w0"))
    session.put(replace(app, instances=3))
    offers = [session.offer_of(at(2, "r0", "w0")), session.offer_of(at(3, "r1", "w1"))]
    assert by_agent(session.offer(*offers)) == {"a3": 1, "a2": 1}


def test_one_change_may_put_several_apps_and_one_turn_places_them_all() -> None:
    session = Session()
    puts = tuple(PutApp(replace(WEB, id=f"/app{n}")) for n in range(5))
    offers = OffersReceived((session.offer_of(agent(1)),))
    session.ask(ChangeApps(puts))
    assert {launch.app.id for launch in launches(session.step(offers))} == {
        put.app.id for put in puts
    }


def test_records_of_an_earlier_process_count_too() -> None:
    first = Session()
    first.running(replace(WEB, instances=3), agent(1))
    second = Session(state=put_records(type(first.state)(), *first.state.changes()))
    second.put(replace(WEB, instances=6))
    decided = second.offer(second.offer_of(agent(1)), second.offer_of(agent(2)))
    assert by_agent(decided) == {"a2": 3}


def with_racks(*racks: str) -> list[Agent]:
    """An agent of each."""
    return [agent(number, rack=rack) for number, rack in enumerate(racks)]


class Looked(dict[str, Record]):
    """A table that counts how often all of it was looked at."""

    times = 0

    def values(self) -> Any:
        """All, counting."""
        self.times += 1
        return super().values()


def looked_at(session: Session) -> Looked:
    """From now on, how often all instances are looked at."""
    looked = Looked(session.state.tables[Kind.INSTANCE])
    session.state.tables[Kind.INSTANCE] = looked
    return looked


def test_agents_that_come_back_in_other_racks_are_counted_there() -> None:
    session = Session()
    grouped = replace(WEB, instances=3, constraints=(("rack", "GROUP_BY"),))
    session.running(grouped, *with_racks("r0", "r1", "r2"))
    session.put(replace(grouped, instances=6))
    looked = looked_at(session)
    decided = session.offer(*map(session.offer_of, with_racks("r1", "r1", "r0", "r2", "r2")))
    assert by_agent(decided).total() == 3
    counts = session.world.apps["/web"].counts["rack"]
    assert [counts.get(rack) for rack in ("r0", "r1", "r2")] == [2, 2, 2]
    assert looked.times == 1, "once for all of them"


def test_an_agent_with_another_address_is_where_it_was() -> None:
    session = Session()
    there = with_racks("r0", "r1")
    session.running(replace(WEB, instances=2, constraints=(("rack", "GROUP_BY"),)), *there)
    session.put(replace(WEB, id="/other"))
    looked = looked_at(session)
    moved = [replace(one, address="10.0.0.9", port=6051) for one in there]
    session.offer(*map(session.offer_of, moved))
    assert list(session.state.agents.values()) == moved
    assert looked.times == 0
