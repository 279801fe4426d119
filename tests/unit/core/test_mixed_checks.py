"""Apps with checks of ours and one of the executor's: each has a say, whoever spoke last."""

import pytest

from framework.core.health_storms import ALARM
from framework.core.policy import Policy
from framework.domain.app import HealthCheck
from framework.domain.health import ProbeResult, ProbesReported, health_key
from framework.domain.instance import Instance
from framework.domain.mesos import TaskState
from framework.domain.records import replace
from tests.unit.core.session import WEB, Session, agent

OURS = HealthCheck("TCP", port=80, grace_period_seconds=0, max_consecutive_failures=3)
APP = replace(WEB, health_checks=(HealthCheck("MESOS_TCP"), OURS), instances=1)


def look(session: Session, *instances: Instance, alive: bool) -> None:
    results = tuple(
        ProbeResult(health_key(one.task_id, 1), session.now_ms, alive, "" if alive else "no")
        for one in instances
    )
    session.step(ProbesReported(results))


def told(session: Session, *instances: Instance, alive: bool) -> None:
    for one in instances:
        session.status(one, TaskState.RUNNING, healthy=alive)


def health(session: Session) -> list[bool | None]:
    return [one.healthy for one in session.instances("/web")]


@pytest.fixture
def session() -> Session:
    made = Session()
    made.running(APP, agent(1))
    return made


def test_it_is_healthy_once_each_has_said_so(session: Session) -> None:
    (one,) = session.instances("/web")
    look(session, one, alive=True)
    assert health(session) == [None]
    told(session, one, alive=True)
    assert health(session) == [True]


def test_neither_speaks_for_the_other(session: Session) -> None:
    (one,) = session.instances("/web")
    told(session, one, alive=True)
    look(session, one, alive=False)
    told(session, one, alive=True)
    assert health(session) == [False]
    told(session, one, alive=False)
    look(session, one, alive=True)
    assert health(session) == [False]
    told(session, one, alive=True)
    assert health(session) == [True]


def test_a_mark_of_ours_is_taken_back_by_ours(session: Session) -> None:
    (one,) = session.instances("/web")
    told(session, one, alive=True)
    for _ in range(OURS.max_consecutive_failures):
        look(session, one, alive=False)
    assert session.instances("/web")[0].mark is not None
    told(session, one, alive=False)
    look(session, one, alive=True)
    assert session.instances("/web")[0].mark is None


def test_a_storm_of_them_ends() -> None:
    session = Session(Policy(health_storm_fewest=4))
    for app_id in ("/web", "/api"):
        app = replace(APP, id=app_id, instances=3)
        session.running(app, agent(1), agent(2), agent(3))
    every = list(session.state.instances.values())
    told(session, *every, alive=True)
    look(session, *every, alive=True)
    look(session, *every, alive=False)
    assert ALARM in session.state.alarms
    told(session, *every, alive=True)
    assert ALARM in session.state.alarms
    look(session, *every, alive=True)
    assert session.state.alarms == {}
