"""The steps of canaries, which the scheduler goes through by itself."""

from framework.domain.app import CanaryStep, UpgradeStrategy
from framework.domain.events import (
    CancelDeployment,
    Disconnected,
    FreezeApps,
    LiftFreeze,
    PauseDeployment,
    ResumeDeployment,
    ShareDeployment,
)
from framework.domain.instance import Instance
from framework.domain.mesos import TaskState
from framework.domain.notices import SharesChanged
from framework.domain.records import replace
from framework.domain.rollout import Deployment
from tests.unit.core.session import WEB, Session, agent, launches, status_of

STEPS = (CanaryStep(10.0, 60), CanaryStep(50.0, 30))
PLAIN = replace(WEB, instances=2)
STEPPED = replace(
    PLAIN,
    cmd="sleep 2",
    upgrade_strategy=UpgradeStrategy(canary=1, canary_steps=STEPS),
)


def begun() -> tuple[Session, Instance]:
    """Two instances run, an upgrade began and its canary serves."""
    session = Session()
    session.running(PLAIN, agent(1), agent(2))
    session.put(STEPPED)
    (launch,) = launches(session.offer(session.offer_of(agent(3))))
    canary = session.state.instances[launch.instance_id]
    session.step(status_of(canary, TaskState.RUNNING))
    return session, canary


def only(session: Session) -> Deployment:
    (found,) = session.state.deployments.values()
    return found


def told(session: Session) -> int:
    return sum(isinstance(one, SharesChanged) for one in session.last.notices)


def stands(session: Session) -> tuple[float | None, int]:
    return only(session).share, only(session).canary_step


def test_canaries_get_nothing_until_they_serve() -> None:
    session = Session()
    session.running(PLAIN, agent(1), agent(2))
    session.put(STEPPED)
    assert (only(session).paused, stands(session), told(session)) == (False, (0.0, 0), 1)


def test_step_by_step_and_then_all() -> None:
    session, _ = begun()
    assert (stands(session), told(session)) == ((10.0, 1), 1)
    session.wait(59.999)
    assert stands(session) == (10.0, 1)
    session.wait(0.001)
    assert (stands(session), told(session)) == ((50.0, 2), 1)
    session.wait(29.999)
    assert not only(session).promoted
    session.wait(0.001)
    now = only(session)
    assert (now.promoted, now.paused, now.share, now.canary_until_ms) == (True, False, None, 0)
    session.wait(3600)
    assert only(session).promoted


def test_all_of_the_traffic_stays() -> None:
    session = Session()
    session.running(PLAIN, agent(1), agent(2))
    whole = UpgradeStrategy(canary=2, canary_steps=(CanaryStep(100.0, 5),))
    session.put(replace(STEPPED, upgrade_strategy=whole))
    made = launches(session.offer(session.offer_of(agent(3))))
    new = [session.state.instances[one.instance_id] for one in made]
    session.step(*(status_of(one, TaskState.RUNNING) for one in new))
    assert stands(session) == (100.0, 1)
    session.wait(5)
    assert (only(session).promoted, only(session).share) == (True, 100.0)


def test_a_canary_that_ends_takes_the_traffic_back_and_a_person_decides() -> None:
    session, canary = begun()
    session.step(status_of(canary, TaskState.FAILED))
    assert (stands(session), only(session).by_hand, told(session)) == ((0.0, 1), True, 1)
    session.wait(3600)
    (launch,) = launches(session.offer(session.offer_of(agent(3))))
    session.step(status_of(session.state.instances[launch.instance_id], TaskState.RUNNING))
    session.wait(3600)
    assert (stands(session), only(session).promoted) == ((0.0, 1), False)
    session.ask(ResumeDeployment(only(session).id))
    assert only(session).promoted


def test_whoever_divides_by_hand_or_pauses_takes_over() -> None:
    for command, share in ((ShareDeployment("", 25.0), 25.0), (PauseDeployment(""), 10.0)):
        session, _ = begun()
        session.ask(replace(command, deployment_id=only(session).id))
        session.wait(3600)
        assert (stands(session), only(session).promoted) == ((share, 1), False)


def test_divided_by_hand_before_the_canaries_serve() -> None:
    session = Session()
    session.running(PLAIN, agent(1), agent(2))
    deployment_id = session.put(STEPPED).deployment_id
    session.ask(ShareDeployment(deployment_id))
    (launch,) = launches(session.offer(session.offer_of(agent(3))))
    session.step(status_of(session.state.instances[launch.instance_id], TaskState.RUNNING))
    session.wait(3600)
    assert (only(session).canary, stands(session)) == (True, (None, 0))


def test_paused_before_the_canaries_serve_and_resumed_the_steps_are_taken() -> None:
    session = Session()
    session.running(PLAIN, agent(1), agent(2))
    deployment_id = session.put(STEPPED).deployment_id
    session.ask(PauseDeployment(deployment_id))
    session.ask(ResumeDeployment(deployment_id))
    (launch,) = launches(session.offer(session.offer_of(agent(3))))
    session.step(status_of(session.state.instances[launch.instance_id], TaskState.RUNNING))
    assert stands(session) == (10.0, 1)


def test_while_mesos_is_away_no_step_is_taken_and_then_it_holds_anew() -> None:
    session, _ = begun()
    session.step(Disconnected("gone"))
    session.wait(3600)
    assert stands(session) == (10.0, 1)
    session.connect()
    assert stands(session) == (10.0, 1)
    session.wait(59.999)
    assert stands(session) == (10.0, 1)
    session.wait(0.001)
    assert stands(session) == (50.0, 2)


def test_another_process_goes_on_with_the_step() -> None:
    session, _ = begun()
    session.wait(60)
    session.restart(seconds_later=3600)
    session.connect()
    assert stands(session) == (50.0, 2)
    session.wait(29.999)
    assert not only(session).promoted
    session.wait(0.001)
    assert only(session).promoted


def test_in_a_freeze_no_step_is_taken() -> None:
    session, _ = begun()
    session.ask(FreezeApps(reason="holidays"))
    session.wait(3600)
    assert stands(session) == (10.0, 1)
    session.ask(LiftFreeze())
    assert stands(session) == (50.0, 2)


def test_the_way_back_takes_no_steps() -> None:
    session, _ = begun()
    taken_back = only(session).id
    session.ask(CancelDeployment(taken_back))
    now = only(session)
    assert (now.reverts, now.promoted, stands(session)) == (taken_back, True, (90.0, 0))
