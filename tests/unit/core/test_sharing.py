"""Traffic is divided between the old and the new instances of a deployment that waits."""

from framework.domain.app import UpgradeStrategy
from framework.domain.events import (
    CancelDeployment,
    PauseDeployment,
    PutShares,
    ResumeDeployment,
    ShareDeployment,
)
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
