"""Kills: asked until answered, lost with nothing, and of the right ones."""

import pytest

from framework.core.policy import Policy
from framework.domain.actions import Kill
from framework.domain.app import KillSelection, UnreachableStrategy
from framework.domain.events import CallNotSent, ChangeApps, Disconnected, KillTasks
from framework.domain.instance import Condition, Goal
from framework.domain.mesos import TaskState
from framework.domain.records import replace
from framework.domain.replies import Done, Why
from tests.unit.core.session import WEB, Session, agent, killed, of_type, status_of

POLICY = Policy(kill_retry_timeout=5_000)
WAITS = replace(WEB, unreachable_strategy=UnreachableStrategy(disabled=True))


def killing() -> Session:
    """One running task that somebody asked to kill."""
    session = Session(POLICY)
    session.running(WAITS, agent(1))
    session.ask(KillTasks((session.only().id,)))
    assert killed(session.last) == [session.only().task_id]
    return session


def test_is_sent_again_until_the_task_has_ended() -> None:
    session = killing()
    task_id = session.only().task_id
    assert of_type(session.wait(4.9), Kill) == []
    assert of_type(session.wait(0.1), Kill) == [Kill(task_id, "a1")]
    assert len(of_type(session.wait(15), Kill)) == 3
    assert session.world.kills_sent[task_id].attempts == 5
    session.status(session.only(), TaskState.KILLING)
    assert len(of_type(session.wait(5), Kill)) == 1, "killing is not killed"
    session.status(session.only(), TaskState.KILLED)
    assert of_type(session.wait(60), Kill) == []
    assert session.world.kills_sent == {}


def test_a_kill_without_more_is_followed_by_a_relaunch() -> None:
    session = killing()
    session.status(session.only(), TaskState.KILLED)
    assert session.only().goal is Goal.RUNNING
    assert session.only().kill_reason == ""
    assert session.world.demand["/web"].wanted == 1


def test_asking_twice_sends_once() -> None:
    session = killing()
    session.ask(KillTasks((session.only().id,)))
    assert killed(session.last) == []


def test_one_that_was_not_sent_is_tried_soon() -> None:
    session = killing()
    (kill,) = of_type(session.last.actions, Kill)
    session.step(CallNotSent(kill, "the window is full"))
    assert of_type(session.wait(1), Kill) == [kill]


def test_none_is_sent_while_disconnected_and_all_are_owed_after() -> None:
    session = killing()
    session.step(Disconnected("cut"))
    assert of_type(session.wait(60), Kill) == []
    assert killed(session.connect()) == [session.only().task_id]
    assert len(of_type(session.wait(5), Kill)) == 1


def test_outlives_the_process() -> None:
    session = killing()
    session.restart()
    assert killed(session.connect()) == [session.only().task_id]


def test_out_of_reach_none_is_sent_until_it_is_back() -> None:
    session = killing()
    session.status(session.only(), TaskState.UNREACHABLE)
    assert of_type(session.wait(60), Kill) == []
    decided = session.status(session.only(), TaskState.RUNNING)
    assert killed(decided) == [session.only().task_id]


@pytest.mark.parametrize("state", [TaskState.UNREACHABLE, TaskState.GONE, TaskState.UNKNOWN])
def test_of_one_being_stopped_that_is_lost_a_tombstone_stays(state: TaskState) -> None:
    session = Session(POLICY)
    (instance,) = session.running(WAITS, agent(1))
    session.ask(ChangeApps(removes=("/web",)))
    session.status(instance, state)
    assert session.instances() == []
    lost = state is not TaskState.GONE  # of a task that is gone the master is sure
    assert (instance.task_id in session.state.tombstones) is lost


def test_scaling_down_by_id_stops_exactly_those() -> None:
    session = Session(POLICY)
    one, two, three = session.running(replace(WEB, instances=3), agent(1))
    done = session.ask(KillTasks((two.id,), scale=True))
    assert isinstance(done, Done)
    assert done.instances == (two,)
    assert killed(session.last) == [two.task_id]
    assert session.state.apps["/web"].instances == 2
    session.status(session.state.instances[two.id], TaskState.KILLED)
    assert session.instances() == [one, three]
    assert session.state.deployments == {}


def test_wiping_replaces_by_a_new_instance() -> None:
    session = Session(POLICY)
    (before,) = session.running(WEB, agent(1))
    session.ask(KillTasks((before.id,), wipe=True))
    session.status(session.only(), TaskState.KILLED)
    session.offer(session.offer_of(agent(1)))
    assert session.only().id != before.id
    assert session.only().incarnation == 1


def test_unknown_ones() -> None:
    session = killing()
    unknown = "web.instance-unknown"
    assert session.refused(KillTasks((unknown,))).why is Why.TASK_UNKNOWN
    assert session.ask(KillTasks((unknown, unknown + "2"))) == Done()
    done = session.ask(KillTasks((unknown, session.only().id)))
    assert isinstance(done, Done)
    assert [one.id for one in done.instances] == [session.only().id]


def test_named_twice_counts_once() -> None:
    session = Session(POLICY)
    one, _two, _three = session.running(replace(WEB, instances=3), agent(1))
    session.ask(KillTasks((one.id, one.id), scale=True))
    assert session.state.apps["/web"].instances == 2


@pytest.mark.parametrize(
    ("selection", "victim"),
    [(KillSelection.YOUNGEST_FIRST, 1), (KillSelection.OLDEST_FIRST, 0)],
)
def test_of_equals_the_age_decides(selection: KillSelection, victim: int) -> None:
    session = Session(POLICY)
    app = replace(WEB, kill_selection=selection)
    session.running(app, agent(1))
    session.wait(1)
    both = session.running(replace(app, instances=2), agent(1))
    session.put(replace(app, instances=1))
    assert killed(session.last) == [both[victim].task_id]


def test_those_that_serve_nobody_go_first() -> None:
    session = Session(POLICY)
    session.put(replace(WEB, instances=3))
    session.offer(session.offer_of(agent(1)))
    one, two, three = session.instances()
    session.step(*(status_of(task, TaskState.RUNNING) for task in (two, three)))
    session.put(replace(WEB, instances=2), force=True)
    assert killed(session.last) == [one.task_id]
    assert session.state.instances[one.id].condition is Condition.PROVISIONED


def test_group_by_keeps_its_groups_even_though_the_youngest_stand_in_one() -> None:
    session = Session(POLICY)
    racks = (agent(1, rack="r1"), agent(2, rack="r2"))
    app = replace(WEB, instances=4, constraints=(("rack", "GROUP_BY"),))
    session.running(app, *racks)
    for instance in [one for one in session.instances() if one.agent_id == "a1"]:
        session.wait(5)
        session.status(instance, TaskState.KILLED)
        session.offer(session.offer_of(racks[0]))
        session.status(session.state.instances[instance.id], TaskState.RUNNING)
    session.put(replace(app, instances=2))
    left = [one for one in session.instances() if one.goal is Goal.RUNNING]
    assert sorted(one.agent_id for one in left) == ["a1", "a2"]
