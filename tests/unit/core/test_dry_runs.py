"""Trying a change: everything that would refuse it does, it is told what it would do, and the
state is as before."""

import pytest

from framework.domain.app import PortDefinition
from framework.domain.events import (
    CancelDeployment,
    ChangeApps,
    Command,
    KillTasks,
    PutApp,
    RestartApp,
    ResumeApp,
    SuspendApp,
)
from framework.domain.records import replace
from framework.domain.replies import Done, Why
from framework.domain.rollout import ActionName
from tests.unit.core.session import WEB, Session, agent, killed


@pytest.fixture
def session() -> Session:
    """``/web`` runs two instances, ``/asleep`` is suspended, nothing is under way."""
    session = Session()
    session.running(replace(WEB, instances=2), agent(1))
    session.put(replace(WEB, id="/asleep", instances=1))
    session.ask_step(SuspendApp("/asleep", force=True))
    assert not session.state.deployments
    return session


def tried(session: Session, command: Command) -> list[tuple[ActionName, str]]:
    """What the command would do; nothing may have happened."""
    before = session.state.changes()
    done = session.ask(command)
    assert isinstance(done, Done)
    assert session.state.changes() == before
    assert session.last.actions == ()
    assert not done.deployment_id
    return [(action.action, action.app_id) for step in done.steps for action in step]


def test_a_restart(session: Session) -> None:
    command = RestartApp("/web", dry_run=True)
    assert tried(session, command) == [(ActionName.RESTART, "/web")]


def test_suspending_and_resuming(session: Session) -> None:
    assert tried(session, SuspendApp("/web", dry_run=True)) == [(ActionName.SCALE, "/web")]
    assert tried(session, ResumeApp("/asleep", dry_run=True)) == [(ActionName.SCALE, "/asleep")]


@pytest.mark.parametrize("wipe", [False, True])
def test_killing_names_what_would_die(session: Session, wipe: bool) -> None:
    first, _ = session.instances()
    command = KillTasks((first.id,), wipe=wipe, dry_run=True)
    assert tried(session, command) == []
    assert session.ask(command) == Done(instances=(first,))
    assert killed(session.ask_step(replace(command, dry_run=False))) == [first.task_id]


def test_killing_and_scaling(session: Session) -> None:
    first, _ = session.instances()
    command = KillTasks((first.id,), scale=True, dry_run=True)
    assert tried(session, command) == [(ActionName.SCALE, "/web")]


def test_taking_a_deployment_back(session: Session) -> None:
    done = session.put(replace(WEB, instances=2, cmd="sleep 2"))
    deployment_id = done.deployment_id
    command = CancelDeployment(deployment_id, dry_run=True)
    assert tried(session, command) == [(ActionName.RESTART, "/web")]
    session.ask(replace(command, force=True))
    assert deployment_id in session.state.deployments
    session.ask(replace(command, dry_run=False))
    assert deployment_id not in session.state.deployments


def test_what_would_be_refused_is_refused(session: Session) -> None:
    session.put(replace(WEB, instances=2, cmd="sleep 2"))
    for command in (RestartApp("/web", dry_run=True), SuspendApp("/web", dry_run=True)):
        assert session.refused(command).why is Why.LOCKED
        assert tried(session, replace(command, force=True))
    assert session.refused(RestartApp("/none", dry_run=True)).why is Why.APP_UNKNOWN


def test_what_may_not_fit_is_told(session: Session) -> None:
    fixed = replace(
        WEB,
        instances=2,
        require_ports=True,
        port_definitions=(PortDefinition(port=31_500),),
    )
    done = session.ask(ChangeApps((PutApp(fixed),), dry_run=True))
    assert isinstance(done, Done)
    (warning,) = done.warnings
    assert "fixed host ports" in warning
    assert session.put(fixed).warnings == done.warnings
    again = session.ask(RestartApp("/web", force=True, dry_run=True))
    assert isinstance(again, Done)
    assert again.warnings == done.warnings
    fewer = session.ask(
        ChangeApps((PutApp(replace(fixed, instances=1)),), dry_run=True, force=True)
    )
    assert isinstance(fewer, Done)
    assert fewer.warnings == ()
