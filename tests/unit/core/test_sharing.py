"""Traffic is divided between the old and the new instances of a deployment that waits."""

from framework.core.sizing import Have, size
from framework.domain.app import UpgradeStrategy
from framework.domain.events import (
    CancelDeployment,
    PauseDeployment,
    PutShares,
    ResumeDeployment,
    ShareDeployment,
    TaskStatusReceived,
)
from framework.domain.instance import Instance
from framework.domain.mesos import TaskState
from framework.domain.notices import SharesChanged
from framework.domain.records import replace
from framework.domain.replies import Why
from framework.domain.rollout import Deployment
from tests.unit.core.session import WEB, Session, agent, launches, status_of

PLAIN = replace(WEB, instances=2)
CAREFUL = replace(PLAIN, cmd="sleep 2", upgrade_strategy=UpgradeStrategy(canary=1))


def deploying() -> tuple[Session, str]:
    """Two instances run, and an upgrade with one canary begins."""
    session = Session()
    session.running(PLAIN, agent(1), agent(2))
    return session, session.put(CAREFUL).deployment_id


def canary_serves(session: Session) -> None:
    first = session.offer(session.offer_of(agent(3)))
    (new,) = (session.state.instances[one.instance_id] for one in launches(first))
    session.step(status_of(new, TaskState.RUNNING))


def told(session: Session) -> list[SharesChanged]:
    return [one for one in session.last.notices if isinstance(one, SharesChanged)]


def only(session: Session) -> Deployment:
    (found,) = session.state.deployments.values()
    return found


def test_canaries_get_what_they_are_given() -> None:
    session, deployment_id = deploying()
    session.ask(ShareDeployment(deployment_id, 0.0))  # before any serves
    assert told(session) == [SharesChanged(deployment_id, ("/web",))]
    canary_serves(session)
    session.ask(ShareDeployment(deployment_id, 25.0))
    assert (only(session).paused, only(session).share) == (True, 25.0)
    session.ask(ShareDeployment(deployment_id))
    assert only(session).share is None


def test_promoted_it_goes_by_number_again_but_for_all_of_it() -> None:
    for share, after in ((25.0, None), (100.0, 100.0)):
        session, deployment_id = deploying()
        canary_serves(session)
        session.ask(ShareDeployment(deployment_id, share))
        session.ask(ResumeDeployment(deployment_id))
        assert only(session).share == after
        assert len(told(session)) == (after is None)


def test_the_way_back_goes_on_with_what_the_old_ones_have() -> None:
    session, deployment_id = deploying()
    canary_serves(session)
    session.ask(ShareDeployment(deployment_id, 25.0))
    session.ask(CancelDeployment(deployment_id))
    assert (only(session).reverts, only(session).share) == (deployment_id, 75.0)


def test_while_traffic_is_divided_old_instances_stay_beside_the_new_ones() -> None:
    """Also where all are to be replaced: blue and green."""
    for canary, capacity in ((1, 0.5), (2, 1.0)):
        session = Session()
        old = session.running(PLAIN, agent(1), agent(2))
        strategy = UpgradeStrategy(canary=canary, maximum_over_capacity=capacity)
        change = replace(PLAIN, cmd="sleep 2", upgrade_strategy=strategy)
        deployment_id = session.put(change).deployment_id
        session.ask(ShareDeployment(deployment_id, 0.0))
        for number in range(3, 3 + canary):
            made = launches(session.offer(session.offer_of(agent(number))))
            session.step(*(running_again(session, one.instance_id) for one in made))
        assert (only(session).paused, staying(session, old)) == (True, 2)
        session.ask(ShareDeployment(deployment_id, 100.0))
        assert staying(session, old) == 2
        session.ask(ShareDeployment(deployment_id))  # by number again
        assert staying(session, old) == 2 - canary


def test_where_there_is_no_room_beside_them_old_instances_make_it() -> None:
    session = Session()
    old = session.running(PLAIN, agent(1), agent(2))
    strategy = UpgradeStrategy(canary=1, minimum_health_capacity=0.5, maximum_over_capacity=0)
    deployment_id = session.put(
        replace(PLAIN, cmd="sleep 2", upgrade_strategy=strategy)
    ).deployment_id
    session.ask(ShareDeployment(deployment_id, 0.0))
    assert staying(session, old) == 1
    assert not only(session).paused


def test_no_old_one_leaves_for_what_stands_in_for_an_unhealthy_canary() -> None:
    app = replace(PLAIN, upgrade_strategy=UpgradeStrategy(1.0, 0.0, canary=2))
    full = Have(current=1, marked=1, old=1)  # that one does not serve at the moment
    assert size(app, full, 2, divided=True).old_unready == 0
    assert size(app, full, 2).old_unready == 1, "where traffic goes by number it protects nothing"


def staying(session: Session, old: list[Instance]) -> int:
    """How many of these nobody told to end."""
    there = (session.state.instances.get(one.id) for one in old)
    return sum(one is not None and not one.kill_reason for one in there)


def running_again(session: Session, instance_id: str) -> TaskStatusReceived:
    return status_of(session.state.instances[instance_id], TaskState.RUNNING)


def test_what_replaces_without_waiting_is_not_divided() -> None:
    session = Session()
    session.running(PLAIN, agent(1), agent(2))
    done = session.put(replace(PLAIN, cmd="sleep 2"))
    assert session.refused(ShareDeployment(done.deployment_id, 10.0)).why is Why.INVALID
    session.ask(PauseDeployment(done.deployment_id))
    session.ask(ShareDeployment(done.deployment_id, 10.0))
    assert only(session).share == 10.0
    unknown = session.refused(ShareDeployment("no-such-one", 10.0))
    assert unknown.why is Why.DEPLOYMENT_UNKNOWN


def test_shares_of_apps_are_told() -> None:
    session = Session()
    session.running(PLAIN, agent(1), agent(2))
    session.ask(PutShares("web", {"/web": 1}))
    assert told(session) == [SharesChanged("web", ("/web",))]
    session.ask(PutShares("web"))
    assert told(session) == [SharesChanged("web", ("/web",))]
