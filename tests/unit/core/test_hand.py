"""Offers at hand: few, open while nothing waits, used at once, and asked for without haste."""

from collections import Counter
from itertools import pairwise

import pytest

from framework.core.hand import FIRST_REFILL_MS, KEPT_MS, LONGEST_REFILL_MS
from framework.core.policy import Policy
from framework.core.turn import Step
from framework.domain.actions import Action, Decline, Revive, Suppress
from framework.domain.app import App
from framework.domain.draining import InverseOffer
from framework.domain.events import (
    AgentFailed,
    ChangeApps,
    Disconnected,
    DrainAgent,
    Event,
    FreezeApps,
    InverseOffersReceived,
    OfferRescinded,
    TearDown,
)
from framework.domain.instance import Condition
from framework.domain.mesos import Agent, Offer, OfferResource, TaskState
from framework.domain.records import replace
from tests.unit.core.session import (
    WEB,
    Session,
    agent,
    launches,
    of_type,
    roomy,
    status_of,
)

HAND = 4
POLICY = Policy(offers_at_hand=HAND)
LARGE = replace(WEB, id="/large", cpus_millis=65_000)


def running(policy: Policy = POLICY, app: App = WEB, agents: int = 6) -> Session:
    """One instance runs; offers of other agents were left."""
    session = Session(policy)
    session.running(app, *(agent(number) for number in range(agents)))
    session.wait(1)
    return session


def at_hand(session: Session) -> set[str]:
    """The agents whose offers are at hand."""
    return {rest.offer.agent.id for rest in session.world.hand.values()}


def declined(actions: tuple[Action, ...] | list[Action]) -> list[str]:
    return [one for decline in of_type(actions, Decline) for one in decline.offer_ids]


def revives(actions: tuple[Action, ...] | list[Action]) -> int:
    return len(of_type(actions, Revive))


def lose(session: Session) -> Step:
    """A task of WEB that runs is lost."""
    runs = next(one for one in session.instances() if one.condition is Condition.RUNNING)
    return session.status(runs, TaskState.LOST, reason="REASON_EXECUTOR_TERMINATED")


def moments(session: Session, seconds: float) -> list[float]:
    """When offers are asked for in that time, in seconds from now."""
    begin_ms, steps = session.now_ms, len(session.steps)
    seen = []
    until_ms = begin_ms + round(seconds * 1000)
    while (wake_at_ms := session.last.wake_at_ms) is not None and wake_at_ms <= until_ms:
        session.wait((wake_at_ms - session.now_ms) / 1000)
        new, steps = session.steps[steps:], len(session.steps)
        seen += [(session.now_ms - begin_ms) / 1000 for one in new if revives(one.actions)]
    session.wait((until_ms - session.now_ms) / 1000)
    return seen


def test_without_the_flag_no_offer_is_kept() -> None:
    session = running(Policy())
    assert session.world.hand == {}
    assert moments(session, 3_600) == []


def test_what_is_left_is_kept_up_to_the_number_and_the_rest_declined() -> None:
    session = Session(POLICY)
    session.put(WEB)
    decided = session.offer(*(session.offer_of(agent(number)) for number in range(7)))
    assert len(launches(decided)) == 1
    assert len(session.world.hand) == HAND
    assert len(declined(decided.actions)) == 7 - 1 - HAND
    assert of_type(decided.actions, Suppress) == [Suppress(("*",))]


def test_a_lost_task_is_replaced_in_the_same_step_and_nothing_is_asked_of_mesos() -> None:
    session = running()
    before = set(session.world.hand)
    decided = lose(session)
    (launch,) = launches(decided)
    assert launch.agent.id not in at_hand(session)
    assert len(session.world.hand) == HAND - 1
    assert set(session.world.hand) < before
    assert revives(decided.actions) == 0
    assert declined(decided.actions) == []


def test_few_more_instances_are_launched_from_the_hand() -> None:
    session = running()
    session.put(replace(WEB, instances=1 + HAND))
    assert len(launches(session.last)) == HAND
    assert revives(session.last.actions) == 0


def test_more_than_are_at_hand_are_spread_over_all_agents_as_ever() -> None:
    session = running()
    session.put(replace(WEB, instances=2 + HAND))
    assert launches(session.last) == []
    assert len(declined(session.last.actions)) == HAND
    assert {one.refuse_seconds for one in of_type(session.last.actions, Decline)} == {0}
    assert of_type(session.last.actions, Revive) == [Revive(("*",))]
    assert not session.world.hand


def test_what_does_not_fit_has_all_offered_anew() -> None:
    session = running()
    session.put(LARGE)
    assert len(declined(session.last.actions)) == HAND
    assert of_type(session.last.actions, Revive) == [Revive(("*",))]
    decided = session.offer(session.offer_of(agent(9)))
    assert len(declined(decided.actions)) == 1
    assert not session.world.hand, "nothing is kept while something waits"


def test_what_is_at_hand_of_one_role_goes_when_another_role_waits() -> None:
    session = running()
    session.put(replace(WEB, id="/dev", role="dev"))
    assert len(declined(session.last.actions)) == HAND
    assert Revive(("dev",)) in session.last.actions
    assert not session.world.hand


def test_each_role_has_its_own() -> None:
    session = running()
    session.put(replace(WEB, id="/dev", role="dev"))
    session.offer(*(session.offer_of(agent(number), role="dev") for number in range(9)))
    session.wait(1)
    session.offer(*(session.offer_of(agent(number)) for number in range(10, 19)))
    roles = Counter(rest.offer.role for rest in session.world.hand.values())
    assert roles == {"*": HAND, "dev": HAND}
    session.put(replace(WEB, id="/dev", role="dev", instances=2), force=True)
    assert len(launches(session.last)) == 1
    assert len(session.world.hand) == 2 * HAND - 1


def test_the_hand_is_filled_after_a_subscription_and_then_nothing_more_is_asked() -> None:
    session = running()
    session.step(Disconnected("cut"))
    assert not session.world.hand
    decided = session.connect()
    assert of_type(decided.actions, Revive) == [Revive(("*",))]
    assert of_type(decided.actions, Suppress) == []
    decided = session.offer(*(session.offer_of(agent(number)) for number in range(9)))
    assert len(session.world.hand) == HAND
    assert of_type(decided.actions, Suppress) == [Suppress(("*",))]
    assert moments(session, KEPT_MS / 1000 - 1) == []


def test_offers_that_do_not_come_are_not_waited_for() -> None:
    session = running()
    session.step(Disconnected("cut"))
    session.connect()
    assert Suppress(("*",)) in session.wait(5)


def test_below_a_half_it_is_filled_later_and_not_at_once() -> None:
    session = running()
    session.wait(20)
    session.put(replace(WEB, instances=4))
    assert len(launches(session.last)) == 3
    assert moments(session, 5) == [1]
    session.offer(*(session.offer_of(agent(number)) for number in range(20, 29)))
    assert len(session.world.hand) == HAND


def test_two_fillings_are_ten_seconds_apart() -> None:
    session = running()
    session.wait(20)
    session.put(replace(WEB, instances=4))
    session.wait(1)
    session.offer(*(session.offer_of(agent(number)) for number in range(20, 29)))
    session.put(replace(WEB, instances=8), force=True)
    assert len(launches(session.last)) == 4
    assert moments(session, 15) == [FIRST_REFILL_MS / 1000]


def test_where_agents_are_few_the_intervals_grow() -> None:
    session = running(Policy(offers_at_hand=100))
    asked = moments(session, 4_000)
    pauses = [round(later - earlier) for earlier, later in pairwise(asked)]
    assert pauses[:4] == [10, 20, 40, 80]
    assert max(pauses) <= LONGEST_REFILL_MS / 1000
    assert len(asked) < 30


def test_old_ones_go_and_others_are_asked_for() -> None:
    session = running()
    actions = session.wait(KEPT_MS / 1000)
    assert len(declined(actions)) == HAND
    assert revives(actions) == 1
    assert not session.world.hand


def test_use_does_not_make_the_others_young() -> None:
    session = running()
    session.wait(KEPT_MS / 1000 - 10)
    lose(session)
    assert len(session.world.hand) == HAND - 1
    session.wait(10)
    assert not session.world.hand


def test_a_rescinded_offer_is_never_used() -> None:
    session = running()
    for offer_id in list(session.world.hand):
        session.step(OfferRescinded(offer_id))
    assert not session.world.hand
    decided = lose(session)
    assert launches(decided) == []
    assert revives(decided.actions) == 1


INVERSE = InverseOffer("i1", "a1", 1_700_100_000_000, 60_000)


@pytest.mark.parametrize(
    "event",
    [AgentFailed("a1"), InverseOffersReceived((INVERSE,))],
    ids=["gone", "maintenance"],
)
def test_an_agent_that_leaves_has_no_offer_at_hand(event: Event) -> None:
    session = running()
    assert "a1" in at_hand(session)
    decided = session.step(event)
    assert "a1" not in at_hand(session)
    assert len(declined(decided.actions)) == 1


@pytest.mark.parametrize("name", ["a1", "host1"])
def test_nor_has_one_that_is_drained(name: str) -> None:
    session = running()
    decided = session.ask_step(DrainAgent(name))
    assert "a1" not in at_hand(session)
    assert len(declined(decided.actions)) == 1
    session.offer(session.offer_of(agent(1)))
    assert "a1" not in at_hand(session)


def test_a_task_out_of_reach_is_not_replaced_on_its_agent() -> None:
    session = running()
    (instance,) = session.instances()
    session.offer(session.offer_of(agent(0)))
    session.step(OfferRescinded(next(iter(session.world.hand))))
    session.offer(session.offer_of(agent(int(instance.agent_id[1:]))))
    assert instance.agent_id in at_hand(session)
    session.status(instance, TaskState.UNREACHABLE)
    assert instance.agent_id not in at_hand(session)


@pytest.mark.parametrize(
    "extra",
    [
        OfferResource("gpus", 1_000),
        OfferResource("disk", 1_000, plain=False, role="dev", owner=("framework-1", "x")),
        OfferResource("disk", 1_000, plain=False, volume_id="v"),
    ],
    ids=["gpus", "reserved", "volume"],
)
def test_what_others_may_wait_for_is_not_kept(extra: OfferResource) -> None:
    session = running(agents=1)
    session.offer(session.offer_of(agent(2), extra), session.offer_of(agent(3)))
    assert at_hand(session) == {"a3"}


def test_agents_in_other_regions_are_not_kept() -> None:
    session = Session(POLICY, connected=False)
    session.restart()
    session.connect("home")
    session.put(WEB)
    near, far = replace(agent(1), region="home"), replace(agent(2), region="away")
    session.offer(*(session.offer_of(one) for one in (near, replace(near, id="a3"), far)))
    assert at_hand(session) == {"a1", "a3"} - {session.only().agent_id}


def sized(session: Session, where: Agent, cpus_millis: int) -> Offer:
    offer = session.offer_of(where)
    return replace(offer, resources=(replace(roomy()[0], millis=cpus_millis), *roomy()[1:]))


def test_zones_take_turns_and_in_each_the_most_room_is_first() -> None:
    session = running(agents=1)
    zones = ["y", "y", "y", "x", "x", "x"]
    agents = [agent(number, zone=zone) for number, zone in enumerate(zones, 10)]
    offers = [sized(session, one, 1_000 * place) for place, one in enumerate(agents, 1)]
    session.world.home_region = "region"
    session.offer(*offers)
    assert at_hand(session) == {"a15", "a14", "a12", "a11"}


def test_one_offer_of_an_agent_is_enough() -> None:
    session = running(agents=1)
    decided = session.offer(session.offer_of(agent(5)), session.offer_of(agent(5)))
    assert len(session.world.hand) == 1
    assert len(declined(decided.actions)) == 1
    session.offer(session.offer_of(agent(5)))
    assert len(session.world.hand) == 1


def test_an_agent_described_otherwise_is_kept_as_it_is_now() -> None:
    session = running(agents=1)
    session.offer(session.offer_of(agent(5, rack="r1")))
    (old,) = session.world.hand
    decided = session.offer(session.offer_of(agent(5, rack="r2")))
    assert declined(decided.actions) == [old]
    (kept,) = session.world.hand.values()
    assert kept.values["rack"] == "r2"


def test_constraints_hold_at_hand() -> None:
    unique = replace(WEB, constraints=(("hostname", "UNIQUE"),), instances=2)
    session = running(app=unique, agents=6)
    used = {one.agent_id for one in session.instances()}
    session.put(replace(unique, instances=4))
    assert len(launches(session.last)) == 2
    assert len({one.agent_id for one in session.instances()} | used) == 4


def test_none_are_kept_where_nothing_can_be_launched() -> None:
    session = running()
    decided = session.ask_step(FreezeApps((), "because"))
    assert not session.world.hand
    assert len(declined(decided.actions)) == HAND
    assert moments(session, 1_000) == []
    session = Session(Policy(offers_at_hand=HAND, safe_mode=True))
    session.put(WEB)
    session.offer(session.offer_of(agent(1)))
    assert not session.world.hand


def test_a_role_without_apps_keeps_none() -> None:
    session = running()
    session.ask_step(ChangeApps((), removes=("/web",), force=True))
    session.status(session.only(), TaskState.KILLED)
    assert not session.world.hand
    assert moments(session, 1_000) == []


def test_a_framework_that_is_removed_keeps_none() -> None:
    session = running()
    session.ask_step(TearDown(force=True))
    assert not session.world.hand


def test_a_second_loss_while_the_hand_is_filled_is_asked_for() -> None:
    session = running()
    session.step(Disconnected("cut"))
    session.connect()
    session.step(status_of(session.only(), TaskState.LOST, reason="REASON_EXECUTOR_TERMINATED"))
    assert moments(session, 2) != []
