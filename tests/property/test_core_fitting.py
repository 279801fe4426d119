"""What a dry run warns of is what a real offer, the same as the last one seen, would not take."""

from hypothesis import given, settings
from hypothesis import strategies as st

from framework.core.policy import Policy
from framework.domain.app import App
from framework.domain.events import ChangeApps, PutApp
from framework.domain.mesos import Offer, TaskState
from framework.domain.records import replace
from framework.domain.replies import Done
from tests.property.placing_oracle import HOME
from tests.property.test_core_placing import Scenario
from tests.unit.core.session import Session, launches, status_of


def warned(session: Session, app: App) -> Done:
    """The answer to a dry run."""
    answer = session.ask(ChangeApps((PutApp(app),), dry_run=True))
    assert isinstance(answer, Done), answer
    return answer


def judge(session: Session, app: App, offers: list[Offer]) -> bool:
    """See these offers, try the change, make it, and see them again: whether something starts."""
    session.offer(*offers)
    told = warned(session, app)
    session.put(app)
    started = bool(launches(session.offer(*offers)))
    if started:
        assert told.warnings == (), told.warnings
    elif all(offer.role == app.role for offer in offers):
        assert [one.app_id for one in told.misfits] == [app.id]
    return started


@settings(max_examples=500)
@given(st.integers(0, 2**32))
def test_a_warning_is_right(seed: int) -> None:
    scenario = Scenario(seed)
    session = Session(Policy(draining_seconds=0), chance=scenario.chance.randrange)
    session.connect(HOME)
    app = replace(scenario.apps[0], backoff_seconds=0)
    last = {(one.agent.id, one.role): one for one in scenario.offers(0, session.now_ms)}
    started = judge(session, app, list(last.values()))
    instances = session.instances(app.id)
    if started and not session.world.demand:
        session.step(*(status_of(one, TaskState.RUNNING) for one in instances))
        judge(session, replace(app, instances=app.instances + 1), list(last.values()))
