"""What each news of a task makes of its instance: every pair, as a table to read.

The matrix goes through ``step``, so it holds for what is stored, not for a helper's answer.
"""

import itertools

import pytest

from framework.core.transitions import is_failure
from framework.domain.app import App, UnreachableStrategy
from framework.domain.instance import Condition, Instance
from framework.domain.mesos import TaskState
from framework.domain.state import Change, Kind, State
from tests.unit.core.session import Session, put_records

C = Condition
CODES = {
    "Sc": C.SCHEDULED,
    "Pr": C.PROVISIONED,
    "Sg": C.STAGING,
    "St": C.STARTING,
    "Ru": C.RUNNING,
    "Ki": C.KILLING,
    "Un": C.UNREACHABLE,
    "UI": C.UNREACHABLE_INACTIVE,
    "Go": C.GONE,
    "Dr": C.DROPPED,
    "Uk": C.UNKNOWN,
    "Er": C.ERROR,
    "Fa": C.FAILED,
    "Fi": C.FINISHED,
    "Kd": C.KILLED,
}
# Down: the news. Across: the condition now. A dot: nothing changes; x: the instance is forgotten
# (it was replaced already). LOST has a meaning for each class of reasons, named after the colon.
MATRIX = """
                                  Sc Pr Sg St Ru Ki  Un UI  Go Dr Uk  Er Fa Fi Kd
STAGING                           Sg Sg .  .  .  .   Sg Sg  Sg Sg Sg  .  .  .  .
STARTING                          St St St .  .  .   St St  St St St  .  .  .  .
RUNNING                           Ru Ru Ru Ru .  .   Ru Ru  Ru Ru Ru  .  .  .  .
KILLING                           Ki Ki Ki Ki Ki .   Ki Ki  Ki Ki Ki  .  .  .  .
FINISHED                          Fi Fi Fi Fi Fi Fi  Fi x   Fi Fi Fi  .  .  .  .
FAILED                            Fa Fa Fa Fa Fa Fa  Fa x   Fa Fa Fa  .  .  .  .
KILLED                            Kd Kd Kd Kd Kd Kd  Kd x   Kd Kd Kd  .  .  .  .
ERROR                             Er Er Er Er Er Er  Er x   Er Er Er  .  .  .  .
DROPPED                           Dr Dr Dr Dr Dr Dr  Dr x   Dr .  Dr  .  .  .  .
GONE                              Go Go Go Go Go Go  Go x   .  Go Go  .  .  .  .
GONE_BY_OPERATOR                  Go Go Go Go Go Go  Go x   .  Go Go  .  .  .  .
UNKNOWN                           Uk Uk Uk Uk Uk Uk  Uk x   Uk Uk .   .  .  .  .
UNREACHABLE                       Un Un Un Un Un Un  .  .   Un Un Un  .  .  .  .
LOST:REASON_RECONCILIATION        Un Un Un Un Un Un  .  .   Un Un Un  .  .  .  .
LOST:REASON_SLAVE_DISCONNECTED    Un Un Un Un Un Un  .  .   Un Un Un  .  .  .  .
LOST:REASON_AGENT_DISCONNECTED    Un Un Un Un Un Un  .  .   Un Un Un  .  .  .  .
LOST:REASON_SLAVE_REMOVED         Un Un Un Un Un Un  .  .   Un Un Un  .  .  .  .
LOST:REASON_AGENT_REMOVED         Un Un Un Un Un Un  .  .   Un Un Un  .  .  .  .
LOST:REASON_TASK_UNKNOWN          Uk Uk Uk Uk Uk Uk  Uk x   Uk Uk .   .  .  .  .
LOST:message                      Uk Uk Uk Uk Uk Uk  Uk x   Uk Uk .   .  .  .  .
LOST:REASON_SLAVE_RESTARTED       Go Go Go Go Go Go  Go x   .  Go Go  .  .  .  .
LOST:REASON_INVALID_OFFERS        Go Go Go Go Go Go  Go x   .  Go Go  .  .  .  .
LOST:                             Go Go Go Go Go Go  Go x   .  Go Go  .  .  .  .
"""
UNKNOWN_MESSAGE = "Reconciliation: Task is unknown to the agent"


def _rows() -> list[tuple[str, str, str]]:
    heading, *lines = MATRIX.strip("\n").splitlines()
    now = heading.split()
    return [
        (line.split()[0], before, after)
        for line in lines
        for before, after in zip(now, line.split()[1:], strict=True)
    ]


ROWS = _rows()


def test_the_matrix_names_every_pair() -> None:
    assert {before for _, before, _ in ROWS} == set(CODES)
    assert set(CODES.values()) == set(Condition)
    assert {f"TASK_{news.partition(':')[0]}" for news, _, _ in ROWS} == set(TaskState)
    assert len(ROWS) == len(set(ROWS))


@pytest.mark.parametrize(("news", "before", "after"), ROWS, ids=["-".join(row) for row in ROWS])
def test_condition(news: str, before: str, after: str) -> None:
    app = App(
        id="/web",
        version="2026-01-01T00:00:00.000Z",
        unreachable_strategy=UnreachableStrategy(disabled=True),
    )
    instance = Instance("web.instance-1", "/web", app.version, "a1", condition=CODES[before])
    state = put_records(
        State(),
        Change(Kind.APP, app.id, app),
        Change(Kind.INSTANCE, instance.id, instance),
    )
    session = Session(state=state, connected=False)
    state_name, _, reason = news.partition(":")
    details = {"message": UNKNOWN_MESSAGE} if reason == "message" else {"reason": reason}
    session.status(instance, TaskState(f"TASK_{state_name}"), **details)
    if after == "x":
        assert session.instances() == []
    else:
        wanted = before if after == "." else after
        assert session.only().condition is CODES[wanted]


# Every reason of Mesos 1.11 (TaskStatus.Reason), by who is to blame.
NOT_THE_APP = [
    "SLAVE_DISCONNECTED",
    "SLAVE_DRAINING",
    "SLAVE_REMOVED",
    "SLAVE_REMOVED_BY_OPERATOR",
    "SLAVE_RESTARTED",
    "SLAVE_UNKNOWN",
    "AGENT_DISCONNECTED",
    "AGENT_DRAINING",
    "AGENT_REMOVED",
    "AGENT_REMOVED_BY_OPERATOR",
    "AGENT_RESTARTED",
    "AGENT_UNKNOWN",
    "FRAMEWORK_REMOVED",
    "INVALID_OFFERS",
    "MASTER_DISCONNECTED",
    "RECONCILIATION",
]
LAUNCH_ERRORS = ["CONTAINER_LAUNCH_FAILED", "GC_ERROR", "TASK_INVALID", "TASK_UNAUTHORIZED"]
OTHERS = [
    "COMMAND_EXECUTOR_FAILED",
    "CONTAINER_LIMITATION",
    "CONTAINER_LIMITATION_DISK",
    "CONTAINER_LIMITATION_MEMORY",
    "CONTAINER_PREEMPTED",
    "CONTAINER_UPDATE_FAILED",
    "EXECUTOR_REGISTRATION_TIMEOUT",
    "EXECUTOR_REREGISTRATION_TIMEOUT",
    "EXECUTOR_TERMINATED",
    "EXECUTOR_UNREGISTERED",
    "INVALID_FRAMEWORKID",
    "IO_SWITCHBOARD_EXITED",
    "MAX_COMPLETION_TIME_REACHED",
    "RESOURCES_UNKNOWN",
    "SLAVE_REREGISTERED",
    "AGENT_REREGISTERED",
    "TASK_CHECK_STATUS_UPDATED",
    "TASK_HEALTH_CHECK_STATUS_UPDATED",
    "TASK_KILLED_DURING_LAUNCH",
    "TASK_UNKNOWN",
]
OWN_ENDS = {C.FAILED, C.ERROR, C.FINISHED}
LOSSES = {C.GONE, C.DROPPED, C.UNKNOWN}


@pytest.mark.parametrize("reason", NOT_THE_APP)
def test_what_agents_masters_and_operators_do_is_no_failure(reason: str) -> None:
    assert not any(is_failure(condition, f"REASON_{reason}") for condition in Condition)


@pytest.mark.parametrize("reason", LAUNCH_ERRORS)
def test_launch_errors_count_however_they_are_told(reason: str) -> None:
    counted = {condition for condition in Condition if is_failure(condition, f"REASON_{reason}")}
    assert counted == OWN_ENDS | LOSSES


@pytest.mark.parametrize("reason", ["", *(f"REASON_{reason}" for reason in OTHERS)])
def test_of_other_ends_only_the_tasks_own_count(reason: str) -> None:
    assert {condition for condition in Condition if is_failure(condition, reason)} == OWN_ENDS


def test_a_reason_stands_in_one_list() -> None:
    lists = (NOT_THE_APP, LAUNCH_ERRORS, OTHERS)
    for one, other in itertools.combinations(lists, 2):
        assert not set(one) & set(other)
