"""Replacement first: an unhealthy instance serves on, as far as it does, until another one serves;
without a place for that it is killed after a while, one at a time of each app."""

import pytest

from framework.core.policy import Policy
from framework.core.sizing import Have, Size, size
from framework.domain.actions import Kill
from framework.domain.app import (
    App,
    Container,
    HealthCheck,
    PersistentVolume,
    UpgradeStrategy,
)
from framework.domain.events import (
    FreezeApps,
    KillTasks,
    LiftFreeze,
    PauseDeployment,
    SuspendApp,
)
from framework.domain.health import ProbeResult, ProbesReported, health_key
from framework.domain.instance import Instance
from framework.domain.mesos import Agent, TaskState
from framework.domain.notices import UnhealthyKilled
from framework.domain.records import replace
from tests.unit.core.session import WEB, Session, agent, killed, launches, of_type, status_of

CHECK = HealthCheck("TCP", port_index=0, grace_period_seconds=0, max_consecutive_failures=2)
CHECKED = replace(WEB, health_checks=(CHECK,), port_definitions=())
THREE = replace(CHECKED, health_checks=(replace(CHECK, port_index=None, port=80),), instances=3)
UNIQUE = replace(THREE, constraints=(("hostname", "UNIQUE"),))
PATIENCE_SECONDS = 60


def look(session: Session, *instances: Instance, alive: bool, times: int = 1) -> list[str]:
    """Looks at these; what is killed for it."""
    found: list[str] = []
    for _ in range(times):
        results = tuple(
            ProbeResult(health_key(one.task_id, 0), session.now_ms, alive, "" if alive else "no")
            for one in instances
        )
        found += killed(session.step(ProbesReported(results)))
    return found


def serving(app: App = THREE, *agents: Agent, policy: Policy | None = None) -> Session:
    """All of the app's instances are healthy."""
    session = Session(policy)
    look(session, *session.running(app, *(agents or [agent(n) for n in range(1, 4)])), alive=True)
    return session


def sick(session: Session, number: int = 0) -> Instance:
    """One of the app's instances has failed too often."""
    instance = session.instances()[number]
    assert look(session, instance, alive=False, times=2) == []
    return session.state.instances[instance.id]


def run(session: Session, instance: Instance) -> list[str]:
    """It runs and is healthy; what is killed for that."""
    return killed(session.status(instance, TaskState.RUNNING)) + look(session, instance, alive=True)


def replacement(session: Session, *agents: Agent) -> Instance:
    """What is launched on these agents."""
    offers = [session.offer_of(one) for one in agents or [agent(9)]]
    (launch,) = launches(session.offer(*offers))
    return session.state.instances[launch.instance_id]


def test_the_replacement_comes_first() -> None:
    session = serving()
    ill = sick(session)
    new = replacement(session)
    assert new.stands_in_for == ill.id
    assert killed(session.status(new, TaskState.RUNNING)) == [], "it is not healthy yet"
    assert look(session, new, alive=True) == [ill.task_id]
    (notice,) = [one for one in session.last.notices if isinstance(one, UnhealthyKilled)]
    assert "health check failed. Reason: no" in notice.cause
    assert session.state.failures["/web"].task_id == ill.task_id
    session.status(session.state.instances[ill.id], TaskState.KILLED)
    assert len(session.instances()) == 3


def test_one_that_recovers_stays_and_the_surplus_leaves() -> None:
    session = serving()
    ill = sick(session)
    new = replacement(session)
    assert look(session, ill, alive=True) == [new.task_id]
    assert session.state.instances[ill.id].mark is None


def test_no_replacement_is_wanted_for_one_that_recovers_before() -> None:
    session = serving()
    ill = sick(session)
    look(session, ill, alive=True)
    assert session.world.demand == {}
    assert of_type(session.wait(300), Kill) == []


def test_without_a_place_it_is_killed_after_a_minute() -> None:
    session = serving(UNIQUE)
    ill = sick(session)
    assert launches(session.offer(session.offer_of(agent(2)))) == []
    explanation = session.state.launch_stats["/web"].explanation
    assert "until another one serves in its place" in explanation[0]
    assert of_type(session.wait(PATIENCE_SECONDS - 1), Kill) == []
    assert [one.task_id for one in of_type(session.wait(2), Kill)] == [ill.task_id]
    session.status(session.state.instances[ill.id], TaskState.KILLED)
    assert replacement(session, agent(1)).id == ill.id, "in its own place"


def ended(session: Session) -> Instance:
    """The one that is being killed has ended."""
    (instance,) = [one for one in session.instances() if one.kill_reason]
    session.status(instance, TaskState.KILLED)
    return session.state.instances[instance.id]


def kills_of(session: Session, seconds: float) -> int:
    """How many tasks more are being killed after that time."""
    before = {one.task_id for one in session.instances() if one.kill_reason}
    return len({one.task_id for one in of_type(session.wait(seconds), Kill)} - before)


def all_sick(app: App, policy: Policy | None = None) -> Session:
    """Three instances, none healthy, none replaceable; the first one's time has just come."""
    session = serving(app, policy=policy)
    for number in range(3):
        sick(session, number)
    assert kills_of(session, PATIENCE_SECONDS) == 1
    return session


def test_one_at_a_time_of_an_app() -> None:
    session = all_sick(UNIQUE)
    ended(session)
    again = replacement(session, agent(1))
    session.status(again, TaskState.RUNNING)
    assert kills_of(session, PATIENCE_SECONDS * 3) == 0, "it is not healthy yet"
    assert len(look(session, again, alive=True)) == 0
    assert kills_of(session, 0) == 1
    assert kills_of(session, PATIENCE_SECONDS) == 0


def test_the_next_one_has_the_whole_time_for_a_place_of_its_own() -> None:
    session = all_sick(UNIQUE)
    ended(session)
    run(session, replacement(session, agent(1)))
    assert kills_of(session, PATIENCE_SECONDS - 1) == 0
    assert kills_of(session, 1) == 1


def test_none_is_killed_while_the_one_before_does_not_end() -> None:
    session = all_sick(UNIQUE)
    assert kills_of(session, 7_200) == 0
    ended(session)
    run(session, replacement(session, agent(1)))
    assert kills_of(session, 0) == 1


def test_one_that_can_not_start_again_is_not_awaited_for_ever() -> None:
    session = all_sick(UNIQUE)
    session.wait(50)
    first = ended(session)
    start_seconds = session.policy.task_launch_timeout // 1000
    assert kills_of(session, PATIENCE_SECONDS + start_seconds - 1) == 0
    session.restart()
    session.connect()
    assert kills_of(session, 61) == 1
    assert session.state.instances[first.id].awaited_since_ms > 0


def test_the_time_to_start_does_not_begin_anew_with_each_crash() -> None:
    session = all_sick(UNIQUE)
    ended(session)
    crashes = 0
    while not kills_of(session, 30):
        crashes += 1
        assert crashes < 20
        if session.world.demand:
            session.status(replacement(session, agent(1)), TaskState.FAILED)
    assert crashes > 3


def test_one_that_comes_back_no_healthier_is_not_awaited() -> None:
    session = all_sick(UNIQUE)
    first = ended(session)
    again = replacement(session, agent(1))
    session.status(again, TaskState.RUNNING)
    session.wait(PATIENCE_SECONDS)
    look(session, again, alive=False, times=2)
    assert kills_of(session, 0) == 1
    assert not session.state.instances[first.id].kill_reason, "but the one that waited longest"


def test_one_that_is_wanted_no_more_is_not_awaited() -> None:
    session = all_sick(UNIQUE)
    (first,) = [one for one in session.instances() if one.kill_reason]
    session.ask(KillTasks((first.id,), scale=True))
    assert kills_of(session, PATIENCE_SECONDS) == 0
    session.status(first, TaskState.KILLED)
    assert kills_of(session, 0) == 1


def test_one_whose_replacement_starts_is_waited_for() -> None:
    session = serving()
    sick(session)
    new = replacement(session)
    session.status(new, TaskState.RUNNING)
    assert of_type(session.wait(PATIENCE_SECONDS * 3), Kill) == []


def test_never_with_no_limit_of_failures() -> None:
    check = replace(CHECK, port_index=None, port=80, max_consecutive_failures=0)
    session = serving(replace(THREE, health_checks=(check,)))
    assert look(session, session.instances()[0], alive=False, times=50) == []
    assert session.instances()[0].mark is None


def test_it_survives_the_process() -> None:
    session = serving()
    ill = sick(session)
    new = replacement(session)
    session.restart(seconds_later=5)
    session.connect()
    mark = session.state.instances[ill.id].mark
    assert mark is not None
    assert ill.mark is not None
    assert mark.since_ms == ill.mark.since_ms
    assert run(session, new) == [ill.task_id]


def test_the_minute_survives_the_process_and_begins_anew_with_mesos() -> None:
    session = serving(UNIQUE)
    ill = sick(session)
    session.restart(seconds_later=50)
    session.connect()
    assert of_type(session.wait(PATIENCE_SECONDS - 1), Kill) == []
    assert [one.task_id for one in of_type(session.wait(1), Kill)] == [ill.task_id]


def test_a_freeze_holds_it_and_the_minute_begins_anew() -> None:
    session = serving(UNIQUE)
    sick(session)
    session.ask(FreezeApps())
    assert of_type(session.wait(300), Kill) == []
    session.ask(LiftFreeze())
    assert of_type(session.wait(PATIENCE_SECONDS - 1), Kill) == []
    assert len(of_type(session.wait(1), Kill)) == 1


def test_a_marked_one_is_the_first_to_go_when_fewer_are_wanted() -> None:
    session = serving()
    ill = sick(session)
    session.put(replace(THREE, instances=2))
    assert killed(session.last) == [ill.task_id]


def test_all_go_when_the_app_is_suspended() -> None:
    session = serving()
    sick(session)
    assert len(killed(session.ask_step(SuspendApp("/web")))) == 3


def test_killed_on_request_it_is_relaunched() -> None:
    session = serving()
    ill = sick(session)
    session.ask(KillTasks((ill.id,)))
    session.status(session.state.instances[ill.id], TaskState.KILLED)
    assert session.state.instances[ill.id].mark is None
    assert session.world.demand["/web"].wanted == 1


def test_a_deployment_does_not_wait_for_a_replacement_without_a_place() -> None:
    session = serving(UNIQUE)
    ill = sick(session)
    session.put(replace(UNIQUE, instances=4))
    new = replacement(session)
    run(session, new)
    assert session.state.deployments, "one of four does not serve"
    # The marked one answers again without having been found healthy: nothing holds it up.
    session.step(status_of(ill, TaskState.RUNNING, healthy=True))
    assert session.state.deployments == {}


def test_in_an_upgrade_one_of_the_old_goes_at_once() -> None:
    session = serving()
    ill = sick(session)
    session.put(replace(THREE, cmd="sleep 2"))
    assert killed(session.last) == [ill.task_id]


def test_beside_a_pause_it_is_replaced_by_its_like() -> None:
    session = serving()
    done = session.put(replace(THREE, cmd="sleep 2"))
    session.ask(PauseDeployment(done.deployment_id))
    ill = sick(session)
    new = replacement(session)
    assert new.config == ill.config != session.state.apps["/web"].config
    assert run(session, new) == [ill.task_id]
    assert session.world.demand == {}


def test_new_ones_of_a_pause_do_not_become_more() -> None:
    session = serving()
    done = session.put(replace(UNIQUE, cmd="sleep 2"))
    first = session.offer(session.offer_of(agent(1)))
    new = [session.state.instances[one.instance_id] for one in launches(first)]
    session.ask(PauseDeployment(done.deployment_id))
    session.step(*(status_of(one, TaskState.RUNNING) for one in new))
    look(session, *new, alive=True)
    look(session, new[0], alive=False, times=2)
    other = replacement(session)
    assert other.config == new[0].config
    assert run(session, other) == [new[0].task_id]
    session.status(session.state.instances[new[0].id], TaskState.KILLED)
    mine = [one for one in session.instances() if one.config == other.config]
    assert len(mine) == len(new)
    assert session.world.demand == {}


class TestArithmetic:
    """Of ``size``, with marked instances."""

    app = App(id="/web", instances=4, upgrade_strategy=UpgradeStrategy(1, 0))

    def test_one_more_than_wanted(self) -> None:
        assert size(self.app, Have(2, 2, marked=2, marked_ready=2)) == Size(launch=1)

    def test_as_many_as_over_capacity_allows(self) -> None:
        app = replace(self.app, upgrade_strategy=UpgradeStrategy(1, 0.5))
        assert size(app, Have(1, 1, marked=3, marked_ready=3)) == Size(launch=2)

    def test_what_leaves_takes_room(self) -> None:
        assert size(self.app, Have(2, 2, leaving=1, marked=2, marked_ready=2)) == Size()

    def test_what_is_missing_anyway_is_launched_whatever_leaves(self) -> None:
        have = Have(1, 1, leaving=4, marked=1, marked_ready=1)
        assert size(self.app, have) == Size(launch=2)

    def test_it_leaves_when_as_many_as_wanted_serve(self) -> None:
        assert size(self.app, Have(4, 4, marked=1, marked_ready=1)) == Size(marked=1)
        assert size(self.app, Have(4, 3, marked=1, marked_ready=1)) == Size()

    def test_nobody_waits_for_what_did_not_serve_before(self) -> None:
        assert size(self.app, Have(4, 3, marked=1, marked_ready=1, idle=1)) == Size(marked=1)

    @pytest.mark.parametrize("ready", [0, 1])
    def test_in_an_upgrade_a_marked_one_that_serves_counts(self, ready: int) -> None:
        have = Have(2, 2, old=2, old_ready=2, marked=1, marked_ready=ready)
        assert size(self.app, have) == Size(marked=1)
        have = Have(1, 1, old=3, old_ready=2, marked=1, marked_ready=ready)
        assert size(self.app, have).old_ready == 0
        assert size(self.app, have).old_unready == 1

    def test_while_some_stay_old_each_is_replaced_by_its_like(self) -> None:
        have = Have(1, 1, old=2, old_ready=2, old_marked=1, old_marked_ready=1)
        assert size(self.app, have, share=1) == Size(launch_old=1)
        have = Have(1, 1, old=3, old_ready=3, old_marked=1, old_marked_ready=1)
        assert size(self.app, have, share=1) == Size(old_marked=1)

    def test_what_starts_again_where_its_volumes_are_is_one_of_its_share(self) -> None:
        volumes = Container(persistent_volumes=(PersistentVolume("data", 10),))
        app = replace(self.app, container=volumes)
        canary = Have(0, 0, old=2, old_ready=2, marked=1)
        assert size(app, canary, share=1) == Size(launch_old=1)
        old = Have(0, 0, old=2, old_ready=2, old_marked=1)
        assert size(app, old, share=1) == Size(launch=1)
        assert size(app, Have(1, 1, old=2, old_ready=2, old_marked=1), share=1) == Size()

    def test_a_surplus_that_may_serve_is_not_counted_on_beside_old_ones(self) -> None:
        have = Have(6, 3, old=1, old_ready=1)
        assert size(App(id="/web", instances=4), have) == Size(surplus=2)

    def test_what_stays_old_is_not_stopped_before_the_new_ones_serve(self) -> None:
        starting = Have(1, 0, old=2, old_ready=2, old_marked=2, old_marked_ready=2)
        assert size(self.app, starting, share=1) == Size()
        one_does_not = Have(1, 0, old=2, old_ready=2, old_marked=2, old_marked_ready=1)
        assert size(self.app, one_does_not, share=1) == Size(old_marked=1)
        serves = Have(1, 1, old=2, old_ready=2, old_marked=2, old_marked_ready=2)
        assert size(self.app, serves, share=1) == Size(old_marked=1)


def test_the_time_is_the_operators() -> None:
    session = Session(Policy(unhealthy_kill_patience=1_000))
    look(session, *session.running(UNIQUE, agent(1), agent(2), agent(3)), alive=True)
    sick(session)
    assert len(of_type(session.wait(1), Kill)) == 1
