"""What is known of an instance's health after a restart: the verdict, and no counts."""

import pytest

from framework.domain.app import App, HealthCheck
from framework.domain.health import ProbeResult, ProbesReported, health_key
from framework.domain.records import replace
from tests.unit.core.session import WEB, Session, agent

GRACE_SECONDS = 300


def checked(most: int = 3) -> App:
    check = HealthCheck(
        "TCP", port_index=0, grace_period_seconds=GRACE_SECONDS, max_consecutive_failures=most
    )
    return replace(WEB, health_checks=(check,))


def look(session: Session, *, alive: bool) -> list[str]:
    """A look at the instance; what is to be replaced for it."""
    key = health_key(session.only().task_id, 0)
    result = ProbeResult(key, session.now_ms, alive, "" if alive else "refused")
    session.step(ProbesReported((result,)))
    return [one.task_id for one in session.instances() if one.mark is not None]


def restarted(session: Session) -> None:
    session.restart(seconds_later=5)
    session.connect()


@pytest.mark.parametrize("alive", [True, False])
def test_the_verdict_is_there_at_once(*, alive: bool) -> None:
    session = Session()
    session.running(checked(), agent(1))
    look(session, alive=True)
    look(session, alive=alive)
    since_ms = session.only().health_since_ms
    restarted(session)
    assert (session.only().healthy, session.only().health_since_ms) == (alive, since_ms)


def test_one_that_was_healthy_has_no_grace_any_more() -> None:
    session = Session()
    session.running(checked(), agent(1))
    look(session, alive=True)
    restarted(session)
    assert look(session, alive=False) == []
    assert session.only().healthy is False


def test_one_that_never_was_keeps_its_grace() -> None:
    session = Session()
    session.running(checked(), agent(1))
    restarted(session)
    look(session, alive=False)
    assert session.only().healthy is None
    session.wait(GRACE_SECONDS)
    look(session, alive=False)
    assert session.only().healthy is False


def test_failures_in_a_row_are_counted_from_none() -> None:
    session = Session()
    session.running(checked(most=3), agent(1))
    session.wait(GRACE_SECONDS)
    assert [look(session, alive=False) for _ in range(2)] == [[], []]
    restarted(session)
    task_id = session.only().task_id
    assert [look(session, alive=False) for _ in range(3)] == [[], [], [task_id]]


def test_unhealthy_within_its_grace_it_is_judged_again_after_it() -> None:
    session = Session()
    session.running(checked(most=2), agent(1))
    look(session, alive=True)
    look(session, alive=False)
    restarted(session)
    assert [look(session, alive=False) for _ in range(5)] == [[]] * 5
    assert session.only().healthy is False, "and told so all the time"
    session.wait(GRACE_SECONDS)
    task_id = session.only().task_id
    assert [look(session, alive=False) for _ in range(2)] == [[], [task_id]]
