"""Waits that last are kept across restarts, and cost few writes."""

from framework.domain.events import ChangeApps, Disconnected
from framework.domain.mesos import OfferResource, TaskState
from framework.domain.records import replace
from framework.domain.rollout import Wait
from framework.domain.state import Kind
from tests.unit.core.session import START_MS, WEB, Session, agent, launches

HUGE = replace(WEB, cpus_millis=1_000_000)


def written(session: Session) -> list[Wait | None]:
    """Every write about waits, in order."""
    return [
        change.record  # type: ignore[misc]  # of this kind
        for decided in session.steps
        for change in decided.changes
        if change.kind is Kind.WAIT
    ]


def waiting(seconds: float) -> Session:
    """An app that is too large has waited for so long, with an offer every second."""
    session = Session()
    session.put(HUGE)
    for _ in range(round(seconds)):
        session.wait(1)
        session.offer(session.offer_of(agent(1)))
    return session


def test_what_is_launched_soon_writes_nothing() -> None:
    session = Session()
    for number in range(5):
        session.put(replace(WEB, id=f"/web{number}", instances=3))
        session.wait(9)
        session.offer(*(session.offer_of(agent(one)) for one in (1, 2, 3)))
        assert session.world.demand == {}
    session.wait(60)
    assert written(session) == []


def test_a_wait_that_lasts_is_written_now_and_then() -> None:
    session = waiting(9)
    assert written(session) == []
    session = waiting(100)
    waits = written(session)
    assert len(waits) == 4, "after 10 s, then every 30 s, whatever is offered"
    assert waits[0] is not None
    assert waits[0].since_ms == START_MS
    assert waits[-1] == session.state.waits["/web"]


def test_without_any_offer_it_is_written_too() -> None:
    session = Session()
    session.put(HUGE)
    session.wait(10)
    assert session.state.waits["/web"] == Wait("/web", START_MS)
    session.wait(600)
    assert len(written(session)) == 1, "nothing new is known of it"


def test_it_goes_on_after_a_restart() -> None:
    session = waiting(100)
    stored = session.state.waits["/web"]
    assert stored.processed > 60
    session.restart(seconds_later=5)
    stats = session.state.launch_stats["/web"]
    assert (stats.since_ms, stats.processed, stats.unused) == (
        START_MS,
        stored.processed,
        stored.unused,
    )
    assert stats.refused_attempt == stored.refused == {"InsufficientCpus": stored.processed}
    assert stats.last_unused_at_ms == stored.last_unused_at_ms
    session.connect()
    session.offer(session.offer_of(agent(1)))
    assert session.state.launch_stats["/web"].processed == stored.processed + 1


def test_a_clock_that_went_back_makes_no_wait_begin_in_the_future() -> None:
    session = waiting(100)
    session.restart(seconds_later=-500)
    assert session.state.launch_stats["/web"].since_ms == session.now_ms


def test_its_end_is_written_with_the_launch() -> None:
    session = waiting(20)
    decided = session.offer(session.offer_of(agent(1), OfferResource("cpus", 2_000_000)))
    assert len(launches(decided)) == 1
    assert session.state.waits == {}
    assert written(session)[-1] is None


def test_a_wait_of_an_app_that_went_or_has_all_it_wants_ends() -> None:
    session = waiting(20)
    session.put(replace(HUGE, instances=0), force=True)
    assert session.state.waits == {}
    session = waiting(20)
    session.ask(ChangeApps(removes=("/web",), force=True))
    assert session.state.waits == {}


def test_a_later_wait_is_timed_from_its_own_beginning() -> None:
    session = Session()
    session.put(HUGE)
    session.wait(6)
    session.put(replace(HUGE, instances=0), force=True)
    session.put(HUGE, force=True)
    session.wait(9)
    assert written(session) == []
    session.wait(1)
    assert len(written(session)) == 1


def test_what_is_said_is_true_again_at_once_when_the_connection_or_a_back_off_ends() -> None:
    session = Session()
    session.put(WEB)
    session.step(Disconnected("cut"))
    assert session.state.launch_stats["/web"].explanation[0] == "not connected to Mesos"
    session.connect()
    assert session.state.launch_stats["/web"].explanation == ("no offer has come yet",)
    session.offer(session.offer_of(agent(1)))
    session.status(session.only(), TaskState.FAILED)
    assert "back-off" in session.state.launch_stats["/web"].explanation[0]
    session.wait(2)
    assert session.state.launch_stats["/web"].explanation == ("no offer has come yet",)
