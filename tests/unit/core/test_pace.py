"""No step does so much that what comes meanwhile has to wait."""

from collections import Counter
from collections.abc import Callable

from cli.patterns import linear_full_match
from framework.domain.actions import Accept, Decline, Reconcile, Revive
from framework.domain.app import App
from framework.domain.events import Disconnected, DrainAgent, OfferRescinded, TimerFired
from framework.domain.records import replace
from tests.unit.core.session import WEB, Session, agent, launches, of_type

MANY = 1_200
SMALL = replace(WEB, instances=MANY, cpus_millis=1, mem_millis=1_000)
UNIQUE = replace(SMALL, constraints=(("hostname", "UNIQUE"),))
HUGE = replace(WEB, cpus_millis=1_000_000)


def cut_short(app: App, agents: int) -> Session:
    """The app has these agents' offers, and waits for the rest of its instances."""
    session = Session()
    session.put(app)
    decided = session.offer(*(session.offer_of(agent(n)) for n in range(agents)))
    assert len(launches(decided)) == 1_000
    assert of_type(decided.actions, Decline) == []
    return session


def test_what_is_too_much_for_one_step_goes_on_in_the_next() -> None:
    session = cut_short(UNIQUE, MANY)
    assert session.last.wake_at_ms == session.now_ms
    session.put(replace(HUGE, id="/other"))
    assert len(launches(session.last)) == MANY - 1_000, "a command's step goes on too"
    assert session.world.offers == {}
    assert len({one.agent_id for one in session.instances()}) == MANY


def test_an_offer_that_was_rescinded_meanwhile_is_not_used() -> None:
    session = cut_short(UNIQUE, MANY)
    offer = next(iter(session.world.offers.values()))
    decided = session.step(OfferRescinded(offer.id))
    assert len(launches(decided)) == MANY - 1_000 - 1
    assert offer.agent.id not in {one.agent_id for one in session.instances()}


def test_offers_that_are_wanted_no_more_are_declined() -> None:
    session = cut_short(UNIQUE, MANY)
    session.put(replace(UNIQUE, instances=1_000), force=True)
    assert launches(session.last) == []
    (decline,) = of_type(session.last.actions, Decline)
    assert len(decline.offer_ids) == MANY - 1_000


def test_where_all_offers_are_used_what_is_left_of_them_is_asked_for_at_once() -> None:
    session = cut_short(SMALL, 50)
    assert of_type(session.last.actions, Revive) == []
    assert of_type(session.wait(0.1), Revive) == [Revive(("*",))]


def test_where_the_held_offers_did_not_do_the_others_are_asked_for_again() -> None:
    session = cut_short(replace(UNIQUE, instances=MANY + 1), MANY)
    session.step(TimerFired())
    assert of_type([*session.last.actions, *session.wait(0.1)], Revive) == [Revive(("*",))]


def test_while_much_else_has_happened_offers_wait_but_not_for_long() -> None:
    session = Session()
    session.behind = True
    session.put(WEB)
    assert launches(session.offer(session.offer_of(agent(1)))) == []
    session.now_ms += 999
    assert session.step(TimerFired()).actions == ()
    session.now_ms += 1
    assert len(launches(session.step(TimerFired()))) == 1


def test_they_are_used_as_soon_as_it_is_taken_in() -> None:
    session = Session()
    session.behind = True
    session.put(WEB)
    session.offer(session.offer_of(agent(1)))
    session.behind = False
    assert len(launches(session.step(TimerFired()))) == 1


def explained(session: Session) -> set[str]:
    """The apps of which it was said what offers lack."""
    stats = session.state.launch_stats.items()
    return {app_id for app_id, one in stats if "offers: " in one.explanation[-1]}


def test_of_many_apps_that_wait_some_are_explained_each_second_in_turns() -> None:
    session = Session()
    session.put(*(replace(HUGE, id=f"/app{number}") for number in range(250)))
    for seen in (100, 200, 250):
        session.offer(session.offer_of(agent(1)))
        assert len(explained(session)) == seen
        session.offer(session.offer_of(agent(1)))
        assert len(explained(session)) == seen, "in the same second"
        session.wait(1)
    assert {one.processed for one in session.state.launch_stats.values()} == {6}


def test_launches_without_a_word_are_asked_about_in_one_call() -> None:
    session = Session()
    session.put(replace(WEB, instances=3))
    session.offer(session.offer_of(agent(1)))
    asked = of_type(session.wait(10), Reconcile)
    assert asked == [Reconcile(tuple((one.task_id, "a1") for one in session.instances()))]


def test_what_was_held_is_judged_by_what_is_true_now() -> None:
    session = cut_short(UNIQUE, MANY)
    drained, *_ = (offer.agent.id for offer in session.world.offers.values())
    session.ask_step(DrainAgent(drained))
    assert len(session.instances()) == MANY - 1
    assert drained not in {one.agent_id for one in session.instances()}


def test_of_many_apps_that_start_at_once_each_gets_its_share_of_a_step() -> None:
    session = Session()
    many = [replace(SMALL, id=f"/app{number}", instances=10) for number in range(300)]
    session.put(replace(HUGE, id="/app"), *many)  # the first one asked for fits nowhere
    decided = session.offer(*(session.offer_of(agent(n)) for n in range(100)))
    started = Counter(launch.app.id for launch in launches(decided))
    assert started.total() == 1_000
    assert set(started) == {app.id for app in many}
    assert set(started.values()) == {3, 4}


def test_what_one_app_has_used_up_is_used_by_no_other_of_the_same_need() -> None:
    session = Session()
    offered = [session.offer_of(agent(n)) for n in range(3)]
    (cpus_millis,) = (entry.millis for entry in offered[0].resources if entry.name == "cpus")
    half = replace(WEB, cpus_millis=cpus_millis // 2, instances=3)
    session.put(*(replace(half, id=f"/app{number}") for number in range(3)))
    on = Counter(one.agent.id for one in launches(session.offer(*offered)))
    assert on == {f"a{number}": 2 for number in range(3)}
    assert sum(demand.wanted for demand in session.world.demand.values()) == 3


def test_an_app_whose_turn_to_be_explained_has_not_come_does_not_say_that_no_offer_came() -> None:
    session = Session()
    session.put(*(replace(HUGE, id=f"/app{number}") for number in range(150)))
    session.offer(session.offer_of(agent(1)))
    session.wait(1)
    told = [one.explanation[-1] for one in session.state.launch_stats.values()]
    assert sum("1 of 1 offers" in one for one in told) == 100
    assert sum("still to be looked at" in one for one in told) == 50


def test_a_lost_connection_takes_the_offers_that_were_held() -> None:
    session = cut_short(UNIQUE, MANY)
    session.step(Disconnected("the master is gone"))
    world = session.world
    assert (world.offers, world.remainders, world.cut_short) == ({}, {}, False)
    assert of_type(session.wait(1), Accept) == []


def test_of_ten_thousand_offers_a_step_uses_half_and_compares_few_more_than_once() -> None:
    """It is as long as what came, whatever waits."""
    offers, apps = 10_000, 20
    asked: list[str] = []

    def counting(pattern: str) -> Callable[[str], bool]:
        matches = linear_full_match(pattern)

        def ask(text: str) -> bool:
            asked.append(text)
            return matches(text)

        return ask

    session = Session(patterns=counting)
    constraints = (("hostname", "LIKE", "host[0-9]+"), ("hostname", "UNIQUE"))
    app = replace(SMALL, instances=4_000, constraints=constraints)
    session.put(*(replace(app, id=f"/app{number}") for number in range(apps)))
    decided = session.offer(*(session.offer_of(agent(n)) for n in range(offers)))
    started = Counter(one.app.id for one in launches(decided))
    assert started == {f"/app{number}": offers // 2 // apps for number in range(apps)}
    assert len(asked) <= 2 * offers
    session.step(TimerFired())
    assert len(asked) <= 3 * offers, "and in the next no more than what is left"
