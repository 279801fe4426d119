"""When most checks of the whole cluster fail at once the fault is ours: nothing is marked or killed
for it, an alarm stands, and all goes on when they recover."""

from collections.abc import Iterable

import pytest

from framework.core.failing import Failing
from framework.core.health_storms import ALARM
from framework.core.policy import Policy
from framework.domain.actions import Kill
from framework.domain.app import HealthCheck
from framework.domain.health import ProbeResult, ProbesReported, health_key
from framework.domain.instance import Instance
from framework.domain.mesos import TaskState
from framework.domain.records import replace
from tests.unit.core.session import WEB, Session, agent, killed, of_type, status_of

CHECK = HealthCheck("TCP", port=80, grace_period_seconds=0, max_consecutive_failures=2)
APP = replace(WEB, health_checks=(CHECK,), instances=6)
POLICY = Policy(health_storm_fewest=8)


def look(session: Session, instances: Iterable[Instance], *, alive: bool) -> list[str]:
    """One look at each; what is killed for it."""
    results = tuple(
        ProbeResult(health_key(one.task_id, 0), session.now_ms, alive, "" if alive else "no")
        for one in instances
    )
    return killed(session.step(ProbesReported(results)))


def cluster(*app_ids: str, policy: Policy = POLICY) -> Session:
    """Apps with six healthy instances each."""
    session = Session(policy)
    for app_id in app_ids or ("/web", "/api"):
        app = replace(APP, id=app_id)
        look(session, session.running(app, *(agent(n) for n in range(1, 7))), alive=True)
    return session


def everything(session: Session) -> list[Instance]:
    return list(session.state.instances.values())


def marked(session: Session) -> int:
    return sum(one.mark is not None for one in everything(session))


def test_most_fail_at_once() -> None:
    session = cluster()
    for _ in range(5):
        assert look(session, everything(session), alive=False) == []
    assert marked(session) == 0
    assert "12 of 12" not in session.state.alarms[ALARM].message, "raised as soon as it is known"
    assert "began to fail" in session.state.alarms[ALARM].message
    assert of_type(session.wait(600), Kill) == []


def test_it_goes_on_by_itself() -> None:
    session = cluster()
    for _ in range(3):
        look(session, everything(session), alive=False)
    look(session, everything(session)[:6], alive=True)
    assert session.state.alarms == {}
    look(session, everything(session)[6:], alive=False)
    assert marked(session) == 6


@pytest.mark.parametrize(
    ("apps", "policy", "failing"),
    [
        (("/web", "/api"), POLICY, 6),
        (("/web",), Policy(health_storm_fewest=3), 6),
        (("/web", "/api"), Policy(health_storm_fewest=13), 12),
        (("/web", "/api"), Policy(health_storm_fewest=3, health_storm_percent=100), 12),
    ],
    ids=["no more than half", "of one app", "too few", "switched off"],
)
def test_no_storm(apps: tuple[str, ...], policy: Policy, failing: int) -> None:
    session = cluster(*apps, policy=policy)
    for _ in range(2):
        look(session, everything(session)[:failing], alive=False)
    assert session.state.alarms == {}
    assert marked(session) == failing


def test_one_after_the_other_is_no_storm() -> None:
    session = cluster()
    for instance in everything(session):
        look(session, [instance], alive=False)
        session.wait(60)
        look(session, [instance], alive=False)
    assert session.state.alarms == {}
    assert marked(session) > 0


def test_one_that_was_never_well_is_none_of_it() -> None:
    session = Session(POLICY)
    for app_id in ("/web", "/api"):
        session.running(replace(APP, id=app_id), *(agent(n) for n in range(1, 7)))
    for _ in range(2):
        look(session, everything(session), alive=False)
    assert session.state.alarms == {}


def test_what_was_marked_before_is_not_killed_meanwhile() -> None:
    session = cluster()
    ill, *rest = everything(session)
    for _ in range(2):
        look(session, [ill], alive=False)
    look(session, rest, alive=False)
    assert of_type(session.wait(300), Kill) == []
    look(session, rest, alive=True)
    assert of_type(session.wait(59), Kill) == [], "its time begins anew"
    assert [one.task_id for one in of_type(session.wait(1), Kill)] == [ill.task_id]


def test_it_is_over_too_when_those_that_fail_end() -> None:
    session = cluster()
    ill, *rest = everything(session)
    for _ in range(2):
        look(session, [ill], alive=False)
    others = session.instances("/api")
    look(session, [*rest[:2], *others], alive=False)
    session.wait(300)
    assert ALARM in session.state.alarms
    session.step(*(status_of(one, TaskState.FAILED) for one in others))
    kills = of_type(session.wait(60), Kill)
    assert session.state.alarms == {}
    assert [one.task_id for one in kills] == [ill.task_id], "its time has begun anew"


def test_it_survives_the_process() -> None:
    session = cluster()
    look(session, everything(session), alive=False)
    session.restart(seconds_later=5)
    session.connect()
    for _ in range(3):
        look(session, everything(session), alive=False)
    assert marked(session) == 0
    assert ALARM in session.state.alarms
    look(session, everything(session), alive=True)
    assert session.state.alarms == {}


def test_old_ones_of_an_upgrade_are_not_taken_for_useless() -> None:
    session = cluster()
    look(session, everything(session), alive=False)
    session.put(replace(APP, cmd="sleep 2"))
    assert killed(session.last) == []


def test_what_ends_is_no_longer_counted() -> None:
    session = cluster()
    look(session, everything(session), alive=False)
    assert session.world.failing.holds
    session.step(*(status_of(one, TaskState.FAILED) for one in everything(session)))
    assert len(session.world.failing) == 0
    session.wait(0)
    assert session.state.alarms == {}


class TestFailing:
    def test_counts_what_began_lately(self) -> None:
        failing = Failing()
        failing.add("a", "/web", 100)
        failing.add("b", "/api", 200)
        assert (failing.lately(100), failing.lately(101), failing.lately(201)) == (2, 1, 0)
        assert (len(failing), failing.apps) == (2, 2)

    def test_one_that_begins_again_counts_once(self) -> None:
        failing = Failing()
        failing.add("a", "/web", 100)
        failing.remove("a")
        failing.add("a", "/web", 200)
        assert (failing.lately(150), len(failing), failing.apps) == (1, 1, 1)
        failing.remove("a")
        assert (failing.lately(0), len(failing), failing.apps) == (0, 0, 0)
