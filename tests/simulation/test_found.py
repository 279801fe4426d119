"""What the simulation found, made small: each test is a mistake that the core once made."""

from framework.core.policy import Policy
from framework.domain.actions import Decline, Kill, Reconcile, UpdateRoles
from framework.domain.app import (
    App,
    HealthCheck,
    UnreachableStrategy,
)
from framework.domain.events import (
    AdoptOrphan,
    Asked,
    CallNotSent,
    ChangeApps,
    Disconnected,
    KillOrphan,
    KillTasks,
    PutApp,
    ResetDelay,
    TaskStatusReceived,
)
from framework.domain.instance import Condition
from framework.domain.mesos import TaskState, TaskStatus
from framework.domain.records import replace
from framework.domain.replies import Done, Why
from tests.simulation.safety import same_counts
from tests.unit.core.session import WEB, Session, agent, killed, launches, of_type

WAITS_FOR_EVER = UnreachableStrategy(disabled=True)


def test_kill_that_names_an_instance_twice_counts_it_once() -> None:
    session = Session()
    first, *_ = session.running(replace(WEB, instances=3), agent(1))
    session.ask(KillTasks((first.id, first.id), scale=True))
    assert session.state.apps["/web"].instances == 2
    session.ask(KillTasks((first.id,), scale=True, force=True))
    assert session.state.apps["/web"].instances == 2
    same_counts(session.world)


def test_offer_whose_answer_mesos_refused_is_declined_later() -> None:
    session = Session()
    session.put(WEB)
    offer = session.offer_of(agent(1))
    accept = session.offer(offer).actions[0]
    session.step(CallNotSent(accept, "400 no"))
    assert (offer.id,) in [one.offer_ids for one in of_type(session.wait(2), Decline)]
    declined = session.offer(session.offer_of(agent(2))).actions[0]
    session.step(CallNotSent(declined, "400 no"))
    session.step(Disconnected("gone"))
    assert of_type(session.wait(2), Decline) == []


def test_delay_that_begins_anew_ends_too() -> None:
    session = Session()
    (one,) = session.running(replace(WEB, backoff_seconds=10), agent(1))
    session.status(one, TaskState.FAILED)
    session.wait(1)
    session.ask(ResetDelay("/web"))
    (again,) = launches(session.offer(session.offer_of(agent(1))))
    session.wait(4)
    session.step(TaskStatusReceived(TaskStatus(again.task_id, TaskState.FAILED, "a1", "u")))
    session.wait(9.9)
    assert not launches(session.offer(session.offer_of(agent(1))))
    assert session.last.wake_at_ms == session.now_ms + 100
    session.wait(0.1)
    assert launches(session.offer(session.offer_of(agent(1))))


def test_clock_that_went_back_lengthens_no_delay() -> None:
    session = Session()
    (one,) = session.running(replace(WEB, backoff_seconds=10), agent(1))
    session.status(one, TaskState.FAILED)
    session.restart(seconds_later=-3600)
    session.connect()
    session.wait(10)
    assert launches(session.offer(session.offer_of(agent(1))))


def test_role_that_came_while_we_were_away_is_named_to_mesos() -> None:
    session = Session()
    session.step(Disconnected("gone"))
    session.put(App(id="/dev/web", cmd="x", role="dev"))
    (roles,) = of_type(session.connect().actions, UpdateRoles)
    assert roles.roles == ("*", "dev")


def test_launch_given_up_in_silence_is_killed_even_after_a_relaunch_was_stopped() -> None:
    session = Session()
    session.put(WEB)
    session.offer(session.offer_of(agent(1)))
    silent = session.only()
    session.wait(301)
    session.offer(session.offer_of(agent(2)))
    second = session.only()
    assert second.incarnation == 2
    session.put(replace(WEB, instances=0), force=True)
    session.status(second, TaskState.KILLED)
    assert session.instances() == []
    assert killed(session.status(silent, TaskState.RUNNING)) == [silent.task_id]
    assert session.state.orphans == {}


def test_late_update_after_an_end_told_by_reconciliation_makes_no_orphan() -> None:
    session = Session()
    (one,) = session.running(WEB, agent(1))
    session.put(replace(WEB, instances=0))
    session.status(one, TaskState.KILLED, uuid="", reason="REASON_RECONCILIATION")
    assert session.instances() == []
    session.status(one, TaskState.RUNNING, uuid="late")
    assert session.state.orphans == {}
    session.status(one, TaskState.KILLED, uuid="last")
    assert session.state.tombstones == {}


def test_killed_task_that_was_unreachable_is_killed_again_when_it_returns() -> None:
    session = Session(Policy(kill_retry_timeout=30_000))
    (one,) = session.running(replace(WEB, unreachable_strategy=WAITS_FOR_EVER), agent(1))
    session.ask(KillTasks((one.id,)))
    session.status(one, TaskState.UNREACHABLE)
    assert of_type(session.wait(300), Kill) == []
    assert killed(session.status(one, TaskState.RUNNING)) == [one.task_id]


def test_agent_that_comes_back_described_otherwise_is_counted_so() -> None:
    session = Session()
    app = replace(WEB, instances=2, constraints=(("rack", "UNIQUE"),))
    session.put(app)
    session.offer(session.offer_of(agent(1, rack="r1")))
    session.put(App(id="/other", cmd="x"))
    session.offer(session.offer_of(agent(1, rack="r2")))
    same_counts(session.world)
    assert not launches(session.offer(session.offer_of(agent(2, rack="r2"))))
    assert launches(session.offer(session.offer_of(agent(3, rack="r1"))))


def test_versions_grow_although_the_clock_went_back_and_the_app_is_gone() -> None:
    session = Session()
    session.running(WEB, agent(1))
    last = session.put(replace(WEB, cmd="sleep 2"), force=True).version
    session.ask(ChangeApps(removes=("/web",), force=True))
    session.restart(seconds_later=-100)
    assert session.put(App(id="/other", cmd="x")).version > last


def test_change_is_judged_by_the_tree_it_leaves() -> None:
    session = Session()
    session.put(App(id="/a", cmd="x"))
    both = ChangeApps((PutApp(App(id="/b", cmd="x")), PutApp(App(id="/b/c", cmd="x"))))
    assert session.refused(both).why is Why.INVALID
    assert session.refused(ChangeApps((PutApp(App(id="/a/b", cmd="x")),))).why is Why.INVALID
    twice = ChangeApps((PutApp(App(id="/a", cmd="y")),), removes=("/a",), force=True)
    assert session.refused(twice).why is Why.INVALID
    moved = ChangeApps((PutApp(App(id="/a/b", cmd="x")),), removes=("/a",), force=True)
    assert isinstance(session.ask(moved), Done)
    assert [*session.state.apps] == ["/a/b"]
    same_counts(session.world)


def test_task_that_started_while_we_were_away_is_not_overdue() -> None:
    session = Session()
    session.put(WEB)
    session.offer(session.offer_of(agent(1)))
    session.status(session.only(), TaskState.STARTING)
    session.restart(seconds_later=3_600)
    session.connect()
    session.status(session.only(), TaskState.RUNNING, uuid="", reason="REASON_RECONCILIATION")
    assert of_type(session.wait(600), Kill) == []
    assert session.only().condition is Condition.RUNNING


def test_app_removed_in_the_step_of_its_own_timer() -> None:
    session = Session()
    session.put(WEB)
    session.offer(session.offer_of(replace(agent(1), region="elsewhere")))
    due_ms = session.last.wake_at_ms
    assert due_ms is not None
    session.now_ms = due_ms
    session.step(Asked(99, ChangeApps(removes=("/web",), force=True)))
    assert session.state.apps == {}


def test_adopted_task_out_of_reach_is_given_up_in_time() -> None:
    session = Session()
    session.put(replace(WEB, unreachable_strategy=UnreachableStrategy(60, 120), instances=1))
    stranger = "web.instance-00000000-0000-4000-8000-00000000beef._app.1"
    session.step(TaskStatusReceived(TaskStatus(stranger, TaskState.UNREACHABLE, "a1")))
    session.ask(AdoptOrphan(stranger, "/web"))
    session.wait(121)
    assert stranger in session.state.tombstones
    assert [one.goal for one in session.instances()] == []


def test_agent_described_otherwise_is_known_so_before_its_offer_is_used() -> None:
    session = Session()
    app = replace(WEB, instances=3, constraints=(("rack", "UNIQUE"),))
    session.put(app)
    session.offer(session.offer_of(agent(1, rack="r1")), session.offer_of(agent(2, rack="r2")))
    assert len(session.instances()) == 2
    # Its rack is another one now, and the instance there makes it one that is taken.
    assert not launches(session.offer(session.offer_of(agent(1, rack="r3"))))
    assert launches(session.offer(session.offer_of(agent(3, rack="r1"))))


def test_orphan_out_of_reach_is_not_killed_with_every_answer() -> None:
    session = Session()
    stranger = "web.instance-00000000-0000-4000-8000-00000000beef._app.1"
    seen = TaskStatus(stranger, TaskState.RUNNING, "a1")
    session.step(TaskStatusReceived(seen))
    session.ask(KillOrphan(stranger))
    assert killed(session.last) == [stranger]
    lost = replace(seen, state=TaskState.UNREACHABLE)
    for status in (lost, lost):
        assert killed(session.step(TaskStatusReceived(status))) == []
    assert killed(session.step(TaskStatusReceived(seen))) == [stranger]


def test_task_that_nobody_knows_of_is_no_orphan_for_being_asked_about() -> None:
    session = Session()
    asked = TaskStatus(
        "web.instance-00000000-0000-4000-8000-00000000beef._app.1",
        TaskState.UNREACHABLE,
        "a1",
        reason="REASON_RECONCILIATION",
    )
    session.step(TaskStatusReceived(asked))
    assert session.state.orphans == {}
    session.step(TaskStatusReceived(replace(asked, reason="REASON_AGENT_REMOVED")))
    assert [*session.state.orphans] == [asked.task_id]


def test_starting_task_that_nobody_speaks_of_is_looked_at_after_a_restart() -> None:
    session = Session()
    session.put(WEB)
    session.offer(session.offer_of(agent(1)))
    session.status(session.only(), TaskState.STAGING)
    session.restart()
    session.connect()
    assert of_type(session.wait(600), Kill)


def test_app_takes_the_place_of_a_group_that_is_empty() -> None:
    session = Session()
    session.put(App(id="/a/b/c", cmd="x"))
    session.ask(ChangeApps(removes=("/a/b/c",), force=True))
    assert {"/a", "/a/b"} <= session.state.groups.keys()
    session.put(App(id="/a", cmd="x"))
    assert [*session.state.groups] == ["/"]


def test_adopted_task_is_asked_about() -> None:
    session = Session()
    session.put(replace(WEB, health_checks=(HealthCheck("MESOS_TCP"),)))
    stranger = "web.instance-00000000-0000-4000-8000-00000000beef._app.1"
    session.step(TaskStatusReceived(TaskStatus(stranger, TaskState.RUNNING, "a1", healthy=True)))
    session.ask(AdoptOrphan(stranger, "/web"))
    (asked,) = of_type(session.last.actions, Reconcile)
    assert asked.tasks == ((stranger, "a1"),)


def test_adopted_task_that_never_starts_is_killed() -> None:
    session = Session()
    session.put(replace(WEB, instances=0))
    stranger = "web.instance-00000000-0000-4000-8000-00000000beef._app.1"
    session.step(TaskStatusReceived(TaskStatus(stranger, TaskState.STAGING, "a1")))
    session.put(WEB)
    session.ask(AdoptOrphan(stranger, "/web"))
    assert stranger in [kill.task_id for kill in of_type(session.wait(301), Kill)]
