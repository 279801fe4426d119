"""Instances without a framework id, another framework's id, and what Mesos' refusals mean."""

import pytest

from framework.core import identity
from framework.core.consistency import check_state
from framework.domain.actions import Accept, Halt, Kill
from framework.domain.events import ChangeApps, OffersReceived, Started, Subscribed
from framework.domain.records import replace
from framework.domain.state import Change, Kind, State
from tests.unit.core.session import FRAMEWORK_ID, WEB, Session, agent, of_type


def _damaged(*, record: bool) -> Session:
    """A running instance is known, and under which framework id is not."""
    before = Session()
    before.running(WEB, agent(1))
    state = State()
    for decided in before.steps:
        state.apply(decided.changes)
    framework = state.framework
    assert framework is not None
    left = replace(framework, framework_id="") if record else None
    state.apply([Change(Kind.FRAMEWORK, "framework", left)])
    return Session(state=state, connected=False)


@pytest.mark.parametrize("record", [True, False])
def test_instances_without_a_framework_id_stop_the_start(record: bool) -> None:
    session = _damaged(record=record)
    decided = session.step(Started())
    (halt,) = decided.actions
    assert isinstance(halt, Halt)
    assert halt.exit_code == 108
    assert "1 instances but no framework id" in halt.message
    assert "restore" in halt.message
    assert decided.changes == ()


@pytest.mark.parametrize("record", [True, False])
def test_what_mesos_tells_meanwhile_changes_nothing(record: bool) -> None:
    """The id that Mesos gives to a newcomer must not be taken for that of these instances."""
    session = _damaged(record=record)
    session.step(Started())
    offers = OffersReceived((session.offer_of(agent(2)),))
    decided = session.step(Subscribed("framework-new", "master:5050"), offers)
    assert [halt.exit_code for halt in of_type(decided.actions, Halt)] == [108]
    assert not of_type(decided.actions, Accept)
    assert not of_type(decided.actions, Kill)
    assert decided.changes == ()
    assert len(session.state.instances) == 1


def test_a_state_that_never_launched_needs_no_framework_id() -> None:
    session = Session(connected=False)
    session.step(Started())
    session.put(WEB)
    session.restart()
    assert not of_type(session.last.actions, Halt)
    session.connect()
    framework = session.state.framework
    assert framework is not None
    assert framework.framework_id == FRAMEWORK_ID


def test_a_forgotten_framework_leaves_the_apps_and_nothing_of_their_tasks() -> None:
    session = Session()
    session.running(WEB, agent(1))
    changes = identity.forgotten(session.state)
    session.state.apply(changes)
    assert not list(check_state(session.state))
    assert not session.state.instances
    assert not session.state.agents
    assert set(session.state.apps) == {"/web"}
    assert identity.missing(session.state) is None


def test_a_removal_that_only_waited_for_forgotten_tasks_ends() -> None:
    session = Session()
    session.running(WEB, agent(1))
    session.ask_step(ChangeApps(removes=("/web",)))
    assert session.state.deployments, "its task has not ended"
    session.restart()
    session.state.apply(identity.forgotten(session.state))
    again = Session(state=session.state)
    assert not again.state.deployments


def test_what_to_do_is_said() -> None:
    removed = identity.refused(Session().state, "Framework has been removed")
    assert "state is kept" in removed.message
    assert f"stayer state forget-framework {FRAMEWORK_ID}" in removed.message
    another = identity.differs(_damaged(record=True).state, "framework-2")
    assert another is not None
    assert "nothing was changed" in another.message
