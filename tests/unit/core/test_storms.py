"""Storms: when many are lost at once, they are replaced at a bounded rate, or not at all."""

import pytest

from framework.core.policy import Policy
from framework.domain.app import HealthCheck, UnreachableStrategy
from framework.domain.events import FreezeApps, KillTasks, LiftFreeze, PaceReplacements
from framework.domain.instance import Condition, Instance
from framework.domain.mesos import Agent, TaskState
from framework.domain.notices import AlarmCleared, AlarmRaised
from framework.domain.records import replace
from framework.domain.state import Kind
from framework.domain.storm import Pace
from tests.unit.core.session import WEB, Session, agent, killed, launches, status_of

POLICY = Policy(
    storm_share=20, storm_min_instances=4, storm_window=60_000, storm_replacements_per_second=2
)
TEN = replace(WEB, instances=10)
SLOW = replace(TEN, unreachable_strategy=UnreachableStrategy(120, 600))
AGENTS = [agent(number) for number in range(1, 11)]


def cluster(policy: Policy = POLICY, app: object = TEN) -> tuple[Session, list[Instance]]:
    """Ten instances run on ten agents."""
    session = Session(policy)
    assert isinstance(app, type(TEN))
    instances = session.running(app, *AGENTS)
    session.wait(1)
    return session, instances


def lose(session: Session, instances: list[Instance], state: TaskState) -> None:
    session.step(*(status_of(one, state) for one in instances))


def gone(session: Session, were: list[Instance]) -> int:
    """How many of these were given up."""
    return sum(
        one.id not in session.state.instances or session.state.instances[one.id].waits
        for one in were
    )


LOST = [TaskState.UNREACHABLE, TaskState.UNKNOWN, TaskState.GONE, TaskState.GONE_BY_OPERATOR]


@pytest.mark.parametrize("state", LOST)
class TestBegins:
    def test_with_more_than_the_share(self, state: TaskState) -> None:
        session, instances = cluster()
        lose(session, instances[:3], state)
        assert session.state.storm is None, "three are a few, although 30 %"
        assert gone(session, instances) == 3
        lose(session, instances[3:8], state)
        storm = session.state.storm
        assert storm is not None
        assert (storm.lost, storm.instances) == (8, 10)
        assert session.state.alarms["replacements"].message.startswith("more than 20 %")
        # Of the five that came with and after the storm one had its turn.
        assert gone(session, instances) == 4

    def test_not_below_the_share(self, state: TaskState) -> None:
        session, instances = cluster(replace_policy(storm_share=50))
        lose(session, instances[:5], state)
        assert session.state.storm is None, "half is not more than half"
        assert gone(session, instances) == 5

    def test_not_slowly(self, state: TaskState) -> None:
        session, instances = cluster(replace_policy(storm_window=10_000))
        for one in instances[:6]:
            lose(session, [one], state)
            session.wait(4)
        assert session.state.storm is None
        assert gone(session, instances) == 6

    def test_turns_come_one_after_the_other(self, state: TaskState) -> None:
        session, instances = cluster()
        lose(session, instances[:8], state)
        before = gone(session, instances)
        for turns in range(1, 9 - before):
            session.wait(0.5)
            assert gone(session, instances) == before + turns
        assert session.state.storm is not None, "it was but a moment ago"
        session.wait(60)
        assert session.state.storm is None
        assert session.state.alarms == {}


def replace_policy(**settings: int) -> Policy:
    known = {name: getattr(POLICY, name) for name in Policy.__slots__ if name.startswith("storm_")}
    return Policy(**(known | settings))


def test_what_ends_by_itself_is_no_loss() -> None:
    for state in (TaskState.FAILED, TaskState.FINISHED, TaskState.KILLED, TaskState.DROPPED):
        session, instances = cluster()
        lose(session, instances, state)
        assert session.state.storm is None, state
        assert gone(session, instances) == 10


def test_launches_that_never_arrived_are_no_loss() -> None:
    session = Session(POLICY)
    session.put(TEN)
    session.offer(*(session.offer_of(one) for one in AGENTS))
    lose(session, session.instances(), TaskState.UNKNOWN)
    assert session.state.storm is None


def test_what_is_to_be_stopped_is_no_loss() -> None:
    session, instances = cluster()
    session.put(replace(TEN, instances=0), force=True)
    lose(session, instances, TaskState.UNREACHABLE)
    assert session.state.storm is None


def test_who_returns_goes_on_as_it_was() -> None:
    for state in LOST[:2]:
        session, instances = cluster()
        lose(session, instances[:9], state)
        given_up = gone(session, instances)
        kept = [one for one in instances if session.state.instances.get(one.id)]
        kept = [one for one in kept if not session.state.instances[one.id].waits]
        session.step(*(status_of(one, TaskState.RUNNING) for one in kept))
        decided = session.last
        assert not killed(decided)
        again = [session.state.instances[one.id] for one in kept]
        assert {one.condition for one in again} == {Condition.RUNNING}
        assert not any(one.held_back for one in again)
        assert not session.state.tombstones.keys() & {one.task_id for one in again}
        session.wait(70)
        assert session.state.storm is None
        assert gone(session, instances) == given_up, "nobody waits any more"


def test_nothing_is_launched_for_those_that_wait() -> None:
    session, instances = cluster()
    lose(session, instances, TaskState.UNKNOWN)
    missing = gone(session, instances)
    decided = session.offer(*(session.offer_of(one) for one in AGENTS))
    assert len(launches(decided)) == missing
    session.wait(0.5)
    decided = session.offer(*(session.offer_of(one) for one in AGENTS))
    assert len(launches(decided)) == 1


def test_other_apps_know_of_no_storm() -> None:
    session, instances = cluster()
    lose(session, instances, TaskState.UNREACHABLE)
    session.put(replace(WEB, id="/other", instances=5))
    session.offer(*(session.offer_of(one) for one in AGENTS))
    assert len(session.instances("/other")) == 5


def test_the_strategy_decides_who_waits() -> None:
    session, instances = cluster(app=SLOW)
    lose(session, instances, TaskState.UNREACHABLE)
    session.wait(119)
    storm = session.state.storm
    assert storm is not None, "it lasts as long as they are to be replaced"
    assert storm.waiting == storm.replaced == 0
    session.wait(3)
    inactive = [
        one for one in session.instances() if one.condition is Condition.UNREACHABLE_INACTIVE
    ]
    assert 3 <= len(inactive) <= 6, "two a second since the strategy allows it"
    session.wait(70)
    assert session.state.storm is None
    assert len(session.instances()) == 10, "none is forgotten yet"


def test_those_of_a_disabled_strategy_need_none() -> None:
    app = replace(TEN, unreachable_strategy=UnreachableStrategy(disabled=True))
    session, instances = cluster(app=app)
    lose(session, instances, TaskState.UNREACHABLE)
    assert session.state.storm is not None
    session.wait(70)
    assert session.state.storm is None
    assert gone(session, instances) == 0


class TestAsked:
    def test_hold_and_release(self) -> None:
        session, instances = cluster()
        lose(session, instances, TaskState.UNREACHABLE)
        before = gone(session, instances)
        session.ask_step(PaceReplacements(Pace.HELD, "a switch is broken"))
        alarm = session.state.alarms["replacements"]
        assert "on request (a switch is broken)" in alarm.message
        session.wait(300)
        assert gone(session, instances) == before
        assert session.state.storm is not None
        assert session.state.storm.waiting == 10 - before
        session.ask_step(PaceReplacements(Pace.RELEASED))
        assert gone(session, instances) == 10
        session.wait(2)
        assert session.state.storm is None, "it was long ago"
        assert session.state.alarms == {}

    def test_what_is_lost_after_a_release_does_not_wait(self) -> None:
        session, instances = cluster()
        lose(session, instances[:8], TaskState.UNKNOWN)
        session.ask_step(PaceReplacements(Pace.RELEASED))
        lose(session, instances[8:], TaskState.UNKNOWN)
        assert gone(session, instances) == 10

    def test_back_to_the_bound(self) -> None:
        session, instances = cluster()
        lose(session, instances, TaskState.UNKNOWN)
        session.ask_step(PaceReplacements(Pace.HELD))
        session.wait(30)
        before = gone(session, instances)
        session.ask_step(PaceReplacements(Pace.PACED))
        assert gone(session, instances) - before == 1
        session.wait(0.5)
        assert gone(session, instances) - before == 2

    def test_hold_before_anything_happens(self) -> None:
        session, instances = cluster()
        decided = session.ask_step(PaceReplacements(Pace.HELD))
        assert any(isinstance(one, AlarmRaised) for one in decided.notices)
        lose(session, instances[:1], TaskState.UNREACHABLE)
        session.wait(1_000)
        assert gone(session, instances) == 0
        session.ask_step(PaceReplacements(Pace.RELEASED))
        assert gone(session, instances) == 1
        assert any(isinstance(one, AlarmCleared) for one in session.last.notices)
        assert session.state.storm is None

    def test_a_storm_meets_a_hold(self) -> None:
        session, instances = cluster()
        session.ask_step(PaceReplacements(Pace.HELD, "switch"))
        since_ms = session.now_ms
        session.wait(30)
        lose(session, instances, TaskState.UNREACHABLE)
        session.wait(2)
        storm = session.state.storm
        assert storm is not None
        assert (storm.since_ms, storm.pace, storm.reason) == (since_ms, Pace.HELD, "switch")
        assert (storm.lost, storm.instances, storm.waiting) == (10, 10, 10)
        assert "more than 20 %" in session.state.alarms["replacements"].message

    def test_nothing_to_release(self) -> None:
        for pace in (Pace.RELEASED, Pace.PACED):
            session, _ = cluster()
            assert session.ask_step(PaceReplacements(pace)).changes == ()

    def test_a_person_may_replace_one(self) -> None:
        for state in LOST[:2]:
            session, instances = cluster()
            session.ask_step(PaceReplacements(Pace.HELD))
            lose(session, instances, state)
            session.ask_step(KillTasks((instances[0].id,), wipe=True))
            assert gone(session, instances) == 1


class TestFailover:
    @pytest.mark.parametrize("state", LOST[:2])
    def test_it_goes_on(self, state: TaskState) -> None:
        session, instances = cluster()
        lose(session, instances, state)
        before = gone(session, instances)
        session.restart(seconds_later=5)
        session.connect()
        assert session.state.storm is not None
        assert gone(session, instances) == before, "turns begin anew"
        session.wait(1.5)
        assert gone(session, instances) - before == 3
        session.wait(100)
        assert gone(session, instances) == 10
        assert session.state.storm is None

    def test_a_hold_is_kept(self) -> None:
        session, instances = cluster()
        session.ask_step(PaceReplacements(Pace.HELD, "switch"))
        lose(session, instances, TaskState.UNREACHABLE)
        session.restart(seconds_later=3_600)
        session.connect()
        session.wait(100)
        assert gone(session, instances) == 0
        storm = session.state.storm
        assert storm is not None
        assert (storm.pace, storm.reason, storm.waiting) == (Pace.HELD, "switch", 10)

    def test_losses_of_a_moment_ago_count(self) -> None:
        session, instances = cluster(app=SLOW)
        lose(session, instances[:3], TaskState.UNREACHABLE)
        session.restart(seconds_later=5)
        lose(session, instances[3:4], TaskState.UNREACHABLE)
        assert session.state.storm is not None

    def test_after_a_long_time(self) -> None:
        session, instances = cluster(app=SLOW)
        lose(session, instances[:3], TaskState.UNREACHABLE)
        session.restart(seconds_later=90)
        lose(session, instances[3:4], TaskState.UNREACHABLE)
        assert session.state.storm is None


def test_a_new_master_forgets_them() -> None:
    session, instances = cluster()
    session.connect()
    answers = (
        status_of(one, TaskState.UNKNOWN, uuid="", reason="REASON_RECONCILIATION")
        for one in instances
    )
    session.step(*answers)
    assert session.state.storm is not None
    assert gone(session, instances) == 4
    # Asked again, Mesos says the same again: nothing new, and nothing is let go for it.
    answers = (
        status_of(one, TaskState.UNKNOWN, uuid="", reason="REASON_RECONCILIATION")
        for one in instances
    )
    session.step(*answers)
    assert session.state.storm.lost == 10
    assert gone(session, instances) == 4


def test_out_of_reach_and_then_forgotten_is_one_loss() -> None:
    session, instances = cluster(app=SLOW)
    lose(session, instances[:3], TaskState.UNREACHABLE)
    lose(session, instances[:3], TaskState.GONE)
    assert session.state.storm is None


def test_frozen_apps_wait_for_the_thaw() -> None:
    session, instances = cluster()
    session.ask_step(FreezeApps())
    lose(session, instances, TaskState.UNREACHABLE)
    session.wait(30)
    assert gone(session, instances) == 0
    session.ask_step(LiftFreeze())
    assert gone(session, instances) <= 1
    session.wait(1)
    assert gone(session, instances) in {2, 3}


def test_many_a_second_in_few_steps() -> None:
    agents = [Agent(f"a{number}", f"host{number}") for number in range(100)]
    session = Session(replace_policy(storm_replacements_per_second=1_000))
    instances = session.running(replace(WEB, instances=100), *agents)
    lose(session, instances, TaskState.UNREACHABLE)
    steps = len(session.steps)
    session.wait(0.2)
    assert gone(session, instances) == 100
    assert len(session.steps) - steps < 120


def test_the_record_is_bounded_work() -> None:
    """What waits is stored with the instances, not in the storm's record."""
    session, instances = cluster()
    lose(session, instances, TaskState.UNKNOWN)
    kinds = [change.kind for change in session.last.changes]
    assert kinds.count(Kind.STORM) == 1
    assert kinds.count(Kind.ALARM) == 1


class TestReturn:
    """Of what returned and its replacement the older healthy one stays."""

    APP = replace(
        WEB,
        instances=1,
        unreachable_strategy=UnreachableStrategy(0, 600),
        health_checks=(HealthCheck("MESOS_TCP", port_index=0),),
    )

    def back(self, *, healthy: bool) -> tuple[Session, Instance, Instance]:
        """The old one is back beside its healthy replacement."""
        session = Session()
        (old,) = session.running(self.APP, agent(1))
        session.status(old, TaskState.RUNNING, healthy=True)
        session.wait(1)
        session.status(old, TaskState.UNREACHABLE)
        session.offer(session.offer_of(agent(2)))
        (new,) = (one for one in session.instances() if one.id != old.id)
        session.status(new, TaskState.RUNNING, healthy=True)
        session.status(old, TaskState.RUNNING, healthy=healthy)
        return session, old, new

    def test_the_older_one_stays(self) -> None:
        session, old, new = self.back(healthy=True)
        assert killed(session.last) == [new.task_id]
        session.status(new, TaskState.KILLED)
        assert [one.id for one in session.instances()] == [old.id]

    def test_one_that_is_ill_goes(self) -> None:
        session, old, new = self.back(healthy=False)
        assert killed(session.last) == [old.task_id]
        session.status(old, TaskState.KILLED)
        assert [one.id for one in session.instances()] == [new.id]


def test_what_was_lost_long_ago_is_forgotten_though_nothing_is_replaced() -> None:
    session, instances = cluster()
    lose(session, instances[:4], TaskState.UNREACHABLE)
    session.ask(PaceReplacements(Pace.HELD))
    for instance in instances[4:]:
        lose(session, [instance], TaskState.UNREACHABLE)
        session.wait(100)
    assert len(session.world.losses.recent) == 1
