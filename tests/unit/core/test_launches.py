"""Launches that do not come off: unanswered, too slow, never sent, refused."""

import pytest

from framework.core.policy import Policy
from framework.domain.actions import Accept, Kill, Reconcile
from framework.domain.app import ExecutorResources
from framework.domain.events import CallNotSent, CallUnanswered, ChangeApps, Disconnected
from framework.domain.instance import Condition, Goal
from framework.domain.mesos import Offer, OfferResource, TaskState
from framework.domain.records import replace
from tests.unit.core.session import WEB, Session, agent, killed, launches, of_type

POLICY = Policy(
    task_launch_reconcile_interval=10_000,
    task_launch_confirm_timeout=30_000,
    task_launch_timeout=60_000,
    kill_retry_timeout=5_000,
)


def launched(policy: Policy = POLICY) -> Session:
    """One task was launched, and nothing was heard of it yet."""
    session = Session(policy)
    session.put(WEB)
    session.offer(session.offer_of(agent(1)))
    return session


def test_without_any_status_it_is_asked_about_then_given_up() -> None:
    session = launched()
    task = (session.only().task_id, "a1")
    for _ in range(2):
        session.wait(9.9)
        asked = of_type(session.wait(0.1), Reconcile)
        assert asked == [Reconcile((task,))]
    session.wait(9.9)
    given_up = session.wait(0.1)
    assert of_type(given_up, Reconcile) == []
    assert of_type(given_up, Kill) == [Kill(*task)]
    instance = session.only()
    assert instance.condition is Condition.DROPPED
    failure = session.state.failures["/web"]
    assert failure.message == "the task did not start in time: no status from Mesos within 30 s"
    assert instance.message == failure.message
    session.wait(1)
    again = launches(session.offer(session.offer_of(agent(1))))
    assert [one.task_id for one in again] == [f"{instance.id}._app.2"]


def test_appearing_after_all_before_its_relaunch_it_is_taken_back() -> None:
    session = launched()
    given_up = session.only()
    session.wait(30)
    assert "/web" in session.world.demand
    session.status(given_up, TaskState.RUNNING)
    assert session.only().condition is Condition.RUNNING
    assert session.state.tombstones == {}
    session.wait(1)
    assert launches(session.offer(session.offer_of(agent(1)))) == []


def test_appearing_after_its_relaunch_it_is_killed() -> None:
    session = launched()
    given_up = session.only()
    session.wait(31)
    session.offer(session.offer_of(agent(1)))
    decided = session.status(given_up, TaskState.RUNNING)
    assert killed(decided) == [given_up.task_id]
    assert session.only().incarnation == 2
    assert session.only().condition is Condition.PROVISIONED


@pytest.mark.parametrize("state", [TaskState.STAGING, TaskState.STARTING])
def test_starting_for_too_long_it_is_killed_and_relaunched_with_the_reason(
    state: TaskState,
) -> None:
    session = launched()
    session.wait(5)
    session.status(session.only(), state)
    assert of_type(session.wait(59.9), Kill) == []
    assert of_type(session.wait(0.1), Kill) == [Kill(session.only().task_id, "a1")]
    session.status(session.only(), TaskState.KILLED, message="Command terminated")
    assert session.only().condition is Condition.KILLED
    name = state.value.removeprefix("TASK_").lower()
    expected = f"the task did not start in time: {name} for more than 60 s"
    assert session.state.failures["/web"].message == expected
    assert session.state.delays["/web"].delay_ms == 1_000
    session.wait(1)
    assert len(launches(session.offer(session.offer_of(agent(1))))) == 1


def test_after_a_restart_the_time_out_is_counted_from_the_new_subscription() -> None:
    session = launched()
    session.status(session.only(), TaskState.STAGING)
    session.wait(40)
    session.restart(seconds_later=100)
    session.wait(100)
    session.connect()
    session.status(session.only(), TaskState.STAGING)
    assert of_type(session.wait(59), Kill) == []
    assert of_type(session.wait(61), Kill)


def test_running_in_time_nothing_is_done() -> None:
    session = launched()
    session.status(session.only(), TaskState.STAGING)
    session.wait(59)
    session.status(session.only(), TaskState.RUNNING)
    assert of_type(session.wait(300), Kill) == []


def test_while_disconnected_nothing_is_asked() -> None:
    session = launched()
    session.step(Disconnected("cut"))
    assert of_type(session.wait(15), Reconcile) == []


def test_one_that_was_never_sent_waits_again_at_once() -> None:
    session = launched()
    (accept,) = of_type(session.last.actions, Accept)
    session.step(Disconnected("cut"))
    session.step(CallNotSent(accept, "not subscribed"))
    assert session.only().condition is Condition.SCHEDULED
    assert "/web" not in session.state.delays
    session.connect()
    again = launches(session.offer(session.offer_of(agent(1))))
    assert [one.task_id for one in again] == [f"{session.only().id}._app.2"]


def test_one_that_mesos_refused_waits_a_little_and_says_so() -> None:
    session = launched()
    (accept,) = of_type(session.last.actions, Accept)
    session.step(CallNotSent(accept, "400 Bad Request"))
    assert session.only().condition is Condition.SCHEDULED
    assert session.state.failures["/web"].message == "Mesos refused the launch: 400 Bad Request"
    assert launches(session.offer(session.offer_of(agent(1)))) == []
    session.wait(1)
    assert len(launches(session.offer(session.offer_of(agent(1))))) == 1


def test_one_that_was_not_possible_waits_and_the_queue_says_why() -> None:
    session = launched()
    (accept,) = of_type(session.last.actions, Accept)
    session.step(CallNotSent(replace(accept, offer_ids=()), "the secret db can not be had"))
    assert session.only().condition is Condition.SCHEDULED
    why = "the launch is not possible: the secret db can not be had"
    assert session.state.failures["/web"].message == why
    assert session.state.launch_stats["/web"].explanation[0] == why
    session.wait(1)
    assert session.state.launch_stats["/web"].explanation == (why,), "also after the back-off"
    assert len(launches(session.offer(session.offer_of(agent(1))))) == 1
    session.status(session.only(), TaskState.RUNNING)
    session.wait(1)
    session.status(session.only(), TaskState.KILLED)
    session.wait(1)
    assert why not in session.state.launch_stats["/web"].explanation


def test_an_executor_of_ones_own_needs_more_of_an_offer() -> None:
    session = Session()
    resources = ExecutorResources(cpus_millis=500, mem_millis=32_000, disk_millis=10_000)
    session.put(replace(WEB, executor="/run", executor_resources=resources))
    assert launches(session.offer(_just_cpus(599))) == []
    (launch,) = launches(session.offer(_just_cpus(600)))
    taken = {one.source.name: one.millis for one in launch.resources}
    assert taken == {"cpus": 600, "mem": 64_000, "disk": 10_000}


def _just_cpus(millis: int) -> Offer:
    enough = [OfferResource(name, 100_000) for name in ("mem", "disk")]
    return Offer(f"o-{millis}", agent(1), "*", (OfferResource("cpus", millis), *enough))


def test_news_of_a_launch_outrun_by_news_of_its_task_change_nothing() -> None:
    session = launched()
    (accept,) = of_type(session.last.actions, Accept)
    session.status(session.only(), TaskState.RUNNING)
    before = session.only()
    session.step(CallNotSent(accept, "late"), CallUnanswered(accept))
    assert session.only() == before


def test_one_whose_answer_was_lost_stays_until_mesos_has_spoken() -> None:
    session = launched()
    (accept,) = of_type(session.last.actions, Accept)
    session.step(CallUnanswered(accept))
    assert session.only().condition is Condition.PROVISIONED


@pytest.mark.parametrize("sent", [False, True])
def test_removed_meanwhile_it_is_forgotten(sent: bool) -> None:
    session = launched()
    (accept,) = of_type(session.last.actions, Accept)
    task_id = session.only().task_id
    session.ask(ChangeApps(removes=("/web",), force=True))
    assert session.only().goal is Goal.DECOMMISSIONED
    if sent:
        session.wait(30)
    else:
        session.step(CallNotSent(accept, "not subscribed"))
    assert session.instances() == []
    assert set(session.state.tombstones) == ({task_id} if sent else set())


def test_long_reasons_are_cut() -> None:
    session = launched()
    (accept,) = of_type(session.last.actions, Accept)
    session.step(CallNotSent(accept, "x" * 5_000))
    assert len(session.only().message) == 1_000
    session.put(replace(WEB, id="/other"))


def test_of_tasks_that_run_no_deadline_is_left() -> None:
    session = Session()
    session.put(replace(WEB, instances=20))
    before = len(session.world.deadlines)
    session.offer(session.offer_of(agent(1)))
    assert len(session.world.deadlines) >= before + 20
    for instance in session.instances():
        session.status(instance, TaskState.RUNNING)
    assert len(session.world.deadlines) <= before
