"""Asking Mesos what it knows, until every task that could live has answered."""

from framework.core.policy import Policy
from framework.domain.actions import Reconcile
from framework.domain.app import UnreachableStrategy
from framework.domain.events import ChangeApps, Disconnected, TimerFired
from framework.domain.mesos import TaskState
from framework.domain.records import replace
from tests.unit.core.session import WEB, Session, agent, of_type, status_of

APP = replace(WEB, unreachable_strategy=UnreachableStrategy(disabled=True))


def restarted(count: int) -> Session:
    """A process that starts with this many running tasks, and is not yet subscribed."""
    session = Session()
    session.running(replace(APP, instances=count), agent(1))
    session.restart()
    return session


def rounds(session: Session, seconds: float) -> list[tuple[float, int]]:
    """When and about how many tasks Mesos is asked in that time."""
    begin_ms, until_ms = session.now_ms, session.now_ms + round(seconds * 1000)
    seen = []
    while (wake_at_ms := session.last.wake_at_ms) is not None and wake_at_ms <= until_ms:
        session.now_ms = max(session.now_ms, wake_at_ms)
        decided = session.step(TimerFired())
        asked = of_type(decided.actions, Reconcile)
        if asked:
            seen.append(((session.now_ms - begin_ms) / 1000, sum(len(one.tasks) for one in asked)))
    session.now_ms = until_ms
    return seen


def test_first_all_at_once_then_those_that_are_silent_at_growing_pauses() -> None:
    session = restarted(2)
    assert of_type(session.connect().actions, Reconcile) == [Reconcile()]
    assert rounds(session, 40) == [(1, 2), (3, 2), (7, 2), (15, 2), (31, 2)]
    assert [at for at, _ in rounds(session, 180)] == [23, 83, 143], "at most a minute apart"


def test_synced_when_all_have_answered() -> None:
    session = restarted(2)
    session.connect()
    one, two = session.instances()
    assert not session.state.connection.synced
    session.step(status_of(one, TaskState.RUNNING, uuid=""))
    assert not session.state.connection.synced
    assert rounds(session, 1) == [(1, 1)]
    session.step(status_of(two, TaskState.UNREACHABLE, uuid=""))
    assert session.state.connection.synced
    assert rounds(session, 60) == []


def test_synced_at_once_when_there_is_nothing_to_ask() -> None:
    session = Session()
    assert session.state.connection.synced


def test_what_is_no_more_is_not_waited_for() -> None:
    session = restarted(2)
    session.connect()
    one, two = session.instances()
    session.step(status_of(one, TaskState.RUNNING, uuid=""))
    session.ask(ChangeApps(removes=("/web",)))
    session.status(two, TaskState.KILLED)
    session.wait(1)
    assert session.state.connection.synced


def test_what_is_forgotten_without_a_word_of_mesos_is_not_waited_for() -> None:
    session = Session()
    (instance,) = session.running(APP, agent(1))
    session.status(instance, TaskState.UNREACHABLE)
    session.restart()
    session.connect()
    session.ask(ChangeApps(removes=("/web",)))
    assert session.instances() == []
    assert rounds(session, 60) == []
    assert session.state.connection.synced


def test_waiting_instances_are_not_asked_about() -> None:
    session = Session()
    session.running(APP, agent(1))
    session.status(session.only(), TaskState.KILLED)
    session.restart()
    session.connect()
    assert session.state.connection.synced


def test_everything_again_at_each_interval() -> None:
    session = Session(Policy(reconciliation_interval=100_000))
    session.running(APP, agent(1))
    assert [at for at, tasks in rounds(session, 210) if not tasks] == [100, 200]


def test_answered_rounds_leave_only_the_interval() -> None:
    session = Session(Policy(reconciliation_interval=100_000))
    (instance,) = session.running(APP, agent(1))
    seen = []
    for _ in range(3):
        seen += rounds(session, 100)
        session.step(status_of(instance, TaskState.RUNNING, uuid=""))
        assert session.state.connection.synced
    assert seen == [(100, 0)] * 3


def test_a_lost_connection_ends_it_and_says_so() -> None:
    session = restarted(1)
    session.connect()
    session.step(Disconnected("cut"))
    connection = session.state.connection
    assert (connection.subscribed, connection.synced) == (False, False)
    assert rounds(session, 700) == []
    assert of_type(session.connect().actions, Reconcile) == [Reconcile()]


def test_many_are_asked_in_calls_of_a_thousand() -> None:
    session = restarted(1)
    session.put(replace(APP, instances=2_300), force=True)
    while "/web" in session.world.demand:
        session.step(*(status_of(one, TaskState.RUNNING) for one in session.instances()))
        session.offer(*(session.offer_of(agent(n)) for n in range(10)))
    session.step(*(status_of(one, TaskState.RUNNING) for one in session.instances()))
    session.restart()
    session.connect()
    calls = of_type(session.wait(1), Reconcile)
    assert [len(call.tasks) for call in calls] == [1_000, 1_000, 300]
    assert {task for call in calls for task in call.tasks} == {
        (one.task_id, one.agent_id) for one in session.instances()
    }


def many(count: int) -> Session:
    """So many run, and a process that starts anew has just subscribed."""
    session = restarted(1)
    session.put(replace(APP, instances=count), force=True)
    session.connect()
    while "/web" in session.world.demand:
        session.offer(*(session.offer_of(agent(n)) for n in range(10)))
        session.step(*(status_of(one, TaskState.RUNNING) for one in session.instances()))
    session.restart()
    session.connect()
    return session


def test_nobody_is_asked_again_while_answers_come() -> None:
    session = many(3_300)
    instances = session.instances()
    for begin in range(0, 2_000, 1_000):
        some = instances[begin : begin + 1_000]
        session.step(*(status_of(one, TaskState.RUNNING, uuid="") for one in some))
        assert rounds(session, 1) == []
    assert rounds(session, 3) == [(1, 1_300), (3, 1_300)], "then the silent ones, as ever"


def test_nobody_is_asked_again_while_answers_may_wait_to_be_handled() -> None:
    session = restarted(2)
    session.connect()
    session.behind = True
    assert rounds(session, 59) == []
    assert rounds(session, 4) == [(1, 2)], "but not for ever"
    session.behind = False
    assert rounds(session, 60) == [(1, 2), (5, 2), (13, 2), (29, 2)]
