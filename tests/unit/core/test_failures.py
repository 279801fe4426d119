"""The last failures of an app: kept in a bounded number, the oldest making way."""

from framework.core.policy import Policy
from framework.domain.events import ChangeApps
from framework.domain.instance import MOST_FAILURES
from framework.domain.mesos import TaskState
from framework.domain.records import replace
from tests.unit.core.session import START_MS, WEB, Session, agent

KEEN = replace(WEB, backoff_seconds=0, max_launch_delay_seconds=0)
THREE = Policy(max_task_failures=3)


def fails(session: Session, times: int, first: int = 1) -> None:
    """The one task of /web fails so often, for another reason each time."""
    for number in range(first, first + times):
        if session.only().waits:
            session.offer(session.offer_of(agent(1)))
        session.status(session.only(), TaskState.RUNNING)
        session.wait(1)
        session.status(session.only(), TaskState.FAILED, message=f"m{number}", reason="REASON_X")


def messages(session: Session) -> list[str]:
    return [one.message for one in session.state.failures_of("/web")]


def test_what_is_kept_of_one() -> None:
    session = Session()
    session.running(KEEN, agent(1))
    fails(session, 1)
    (failure,) = session.state.failures_of("/web")
    assert failure == session.state.failures["/web"]
    assert (failure.number, failure.reason, failure.host) == (1, "REASON_X", "host1")
    assert (failure.staged_at_ms, failure.started_at_ms) == (START_MS, START_MS)
    assert failure.timestamp_ms == START_MS + 1_000


def test_so_many_and_no_more() -> None:
    session = Session(THREE)
    session.running(KEEN, agent(1))
    fails(session, 5)
    assert messages(session) == ["m5", "m4", "m3"]
    session.restart()
    session.connect()
    assert messages(session) == ["m5", "m4", "m3"]
    fails(session, 1, first=6)
    assert messages(session) == ["m6", "m5", "m4"]


def test_fewer_than_before() -> None:
    session = Session()
    session.running(KEEN, agent(1))
    fails(session, 6)
    session.policy = THREE
    session.restart()
    session.connect()
    fails(session, 3, first=7)
    assert messages(session) == ["m9", "m8", "m7"]


def test_never_more_than_there_are_places() -> None:
    session = Session(Policy(max_task_failures=10**6))
    session.running(KEEN, agent(1))
    fails(session, MOST_FAILURES + 2)
    assert len(messages(session)) == MOST_FAILURES


def test_long_messages_are_cut() -> None:
    session = Session()
    session.running(KEEN, agent(1))
    session.status(session.only(), TaskState.FAILED, message="x" * 5_000)
    assert len(session.state.failures["/web"].message) == 5_000
    assert messages(session) == ["x" * 1_000]


def test_a_removed_app_leaves_none() -> None:
    session = Session()
    session.running(KEEN, agent(1))
    fails(session, 2)
    session.ask_step(ChangeApps(removes=("/web",)))
    assert session.state.past_failures == {}


def test_a_lost_agent_is_no_failure() -> None:
    session = Session()
    session.running(KEEN, agent(1))
    session.status(session.only(), TaskState.GONE, reason="REASON_SLAVE_REMOVED")
    assert messages(session) == []
