"""Launch delays: when they begin, how they grow, when they end, and what they outlive."""

import pytest

from framework.domain.clock import iso
from framework.domain.events import ResetDelay, TaskStatusReceived
from framework.domain.instance import Condition, Instance
from framework.domain.mesos import TaskState
from framework.domain.records import replace
from framework.domain.replies import Done, Why
from tests.unit.core.session import WEB, Session, agent, launches, status_of

SLOW = replace(WEB, backoff_seconds=10, backoff_factor=2.0, max_launch_delay_seconds=35)


def fail(session: Session) -> None:
    """The app's one task starts and fails."""
    launch(session)
    session.status(session.only(), TaskState.RUNNING)
    session.status(session.only(), TaskState.FAILED, message="exit 1")


def launch(session: Session) -> bool:
    """Whether a good offer is used."""
    return bool(launches(session.offer(session.offer_of(agent(1)))))


def delay_ms(session: Session) -> int:
    """How long until the app may launch."""
    delay = session.state.delays.get("/web")
    return 0 if delay is None else max(0, delay.until_ms - session.now_ms)


def test_grows_by_the_factor_up_to_the_longest() -> None:
    session = Session()
    session.put(SLOW)
    seen = []
    for _ in range(4):
        fail(session)
        seen.append(delay_ms(session))
        session.wait(delay_ms(session) / 1000)
    assert seen == [10_000, 20_000, 35_000, 35_000]


def test_nothing_is_launched_before_its_end_and_offers_are_asked_for_then() -> None:
    session = Session()
    session.put(SLOW)
    fail(session)
    session.wait(9.999)
    assert not launch(session)
    (why, *_) = session.state.launch_stats["/web"].explanation
    assert why == f"waits until {iso(session.now_ms + 1)} after a failure (back-off)"
    assert "Revive" in [type(action).__name__ for action in session.wait(0.001)]
    assert launch(session)


def test_is_forgotten_after_a_stable_time() -> None:
    session = Session()
    session.put(SLOW)
    fail(session)
    session.wait(10)
    launch(session)
    session.status(session.only(), TaskState.RUNNING)
    session.wait(35)
    session.status(session.only(), TaskState.FAILED)
    assert delay_ms(session) == 20_000, "not yet: the delay itself does not count"
    session.wait(20)
    launch(session)
    session.status(session.only(), TaskState.RUNNING)
    session.wait(35.001)
    session.status(session.only(), TaskState.FAILED)
    assert delay_ms(session) == 10_000


def test_failures_of_launches_before_the_delay_are_one_lesson() -> None:
    session = Session()
    ten = session.running(replace(SLOW, instances=10), agent(1))
    session.step(*(status_of(one, TaskState.FAILED) for one in ten[:5]))
    session.wait(1)
    session.step(*(status_of(one, TaskState.FAILED) for one in ten[5:]))
    assert delay_ms(session) == 9_000


@pytest.mark.parametrize(
    ("state", "reason", "delayed", "shown"),
    [
        (TaskState.FAILED, "REASON_COMMAND_EXECUTOR_FAILED", True, True),
        (TaskState.ERROR, "REASON_TASK_INVALID", True, True),
        (TaskState.FINISHED, "", True, False),
        (TaskState.DROPPED, "REASON_TASK_INVALID", True, True),
        (TaskState.GONE, "REASON_CONTAINER_LAUNCH_FAILED", True, True),
        (TaskState.KILLED, "", False, False),
        (TaskState.FAILED, "REASON_AGENT_DRAINING", False, False),
        (TaskState.DROPPED, "REASON_INVALID_OFFERS", False, False),
        (TaskState.DROPPED, "", False, False),
        (TaskState.GONE, "REASON_SLAVE_REMOVED", False, False),
        (TaskState.GONE_BY_OPERATOR, "REASON_SLAVE_REMOVED_BY_OPERATOR", False, False),
        (TaskState.UNKNOWN, "REASON_RECONCILIATION", False, False),
        (TaskState.UNREACHABLE, "REASON_SLAVE_REMOVED", False, False),
    ],
)
def test_which_ends_count(state: TaskState, reason: str, delayed: bool, shown: bool) -> None:
    session = Session()
    session.running(SLOW, agent(1))
    session.status(session.only(), state, reason=reason, message="what Mesos said")
    assert (delay_ms(session) > 0) is delayed
    failure = session.state.failures.get("/web")
    assert (failure is not None) is shown
    if failure is not None:
        assert (failure.state, failure.message) == (str(state), "what Mesos said")
        assert (failure.host, failure.timestamp_ms) == ("host1", session.now_ms)


def test_a_failed_health_check_is_shown_but_adds_no_delay() -> None:
    session = Session()
    session.running(SLOW, agent(1))
    session.status(session.only(), TaskState.RUNNING, healthy=False)
    session.status(session.only(), TaskState.KILLED, message="Command terminated with SIGTERM")
    failure = session.state.failures["/web"]
    assert failure.state == "TASK_KILLED"
    assert "health check failed" in failure.message
    assert delay_ms(session) == 0


def test_a_new_configuration_starts_without_delay_and_a_new_count_does_not() -> None:
    session = Session()
    session.put(SLOW)
    fail(session)
    session.put(replace(SLOW, instances=2), force=True)
    assert delay_ms(session) == 10_000
    session.put(replace(SLOW, instances=2, cmd="better"), force=True)
    assert delay_ms(session) == 0
    assert launch(session)


def test_resetting_it() -> None:
    session = Session()
    session.put(SLOW)
    fail(session)
    assert isinstance(session.ask(ResetDelay("/web")), Done)
    assert delay_ms(session) == 0
    assert launch(session)
    assert session.refused(ResetDelay("/web")).why is Why.NOT_WAITING
    assert session.refused(ResetDelay("/nothing")).why is Why.APP_UNKNOWN


@pytest.mark.parametrize(
    ("seconds_later", "left_ms"), [(4, 6_000), (11, 0), (0, 10_000), (-3_600, 10_000)]
)
def test_outlives_the_process_and_a_clock_set_back_does_not_lengthen_it(
    seconds_later: float, left_ms: int
) -> None:
    session = Session()
    session.put(SLOW)
    fail(session)
    session.restart(seconds_later=seconds_later)
    session.connect()
    assert delay_ms(session) == left_ms
    session.wait(left_ms / 1000)
    assert launch(session)


def test_a_repeated_update_counts_once() -> None:
    session = Session()
    (instance,) = session.running(SLOW, agent(1))
    update: TaskStatusReceived = status_of(instance, TaskState.FAILED)
    session.step(update)
    session.wait(10)
    session.step(update)
    assert delay_ms(session) == 0
    assert session.only().condition is Condition.FAILED
    assert isinstance(session.only(), Instance)
