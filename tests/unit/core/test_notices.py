"""What others are told of Mesos itself: that it took us, that it is away, and of tasks that nobody
knows."""

from typing import TypeVar

import pytest

from framework.core.turn import Step
from framework.domain.events import Disconnected, Subscribed, TaskStatusReceived
from framework.domain.instance import Condition
from framework.domain.mesos import Agent, TaskState, TaskStatus
from framework.domain.notices import (
    SchedulerDisconnected,
    SchedulerRegistered,
    UnknownInstanceTerminated,
)
from tests.unit.core.session import FRAMEWORK_ID, WEB, Session

N = TypeVar("N")
AGENT = Agent("a1", "agent1.local")


def told(decided: Step, kind: type[N]) -> list[N]:
    return [one for one in decided.notices if isinstance(one, kind)]


def of(task_id: str, state: TaskState) -> TaskStatusReceived:
    """A status of a task on an agent that we know nothing of."""
    return TaskStatusReceived(TaskStatus(task_id, state, agent_id="a9", uuid="u"))


def test_the_first_registration_and_later_ones() -> None:
    session = Session()
    (first,) = told(session.last, SchedulerRegistered)
    assert (first.framework_id, first.again) == (FRAMEWORK_ID, False)
    decided = session.step(Subscribed(FRAMEWORK_ID, "m2:5050"))
    again = SchedulerRegistered(FRAMEWORK_ID, "m2:5050", again=True)
    assert told(decided, SchedulerRegistered) == [again]


def test_a_framework_that_differs_is_not_registered() -> None:
    session = Session()
    assert told(session.step(Subscribed("another", "m:5050")), SchedulerRegistered) == []


def test_mesos_is_away_once() -> None:
    session = Session()
    both = [
        told(session.step(Disconnected("cut")), SchedulerDisconnected),
        told(session.step(Disconnected("still")), SchedulerDisconnected),
    ]
    assert both == [[SchedulerDisconnected()], []]


@pytest.mark.parametrize(
    ("state", "condition"),
    [(TaskState.FINISHED, Condition.FINISHED), (TaskState.GONE, Condition.GONE)],
)
def test_a_stranger_ended(state: TaskState, condition: Condition) -> None:
    session = Session()
    task_id = "dev_web.instance-1._app.2"
    ended = UnknownInstanceTerminated("dev_web.instance-1", condition)
    for event, expected in (
        (of(task_id, TaskState.RUNNING), []),
        (of(task_id, state), [ended]),
        (of("nonsense", state), []),
    ):
        assert told(session.step(event), UnknownInstanceTerminated) == expected


def test_what_is_known_is_no_stranger() -> None:
    session = Session()
    (instance,) = session.running(WEB, AGENT)
    decided = session.status(instance, TaskState.FINISHED)
    assert told(decided, UnknownInstanceTerminated) == []
