"""What the simulation found, made small: each test is a mistake that the core once made."""

from framework.core.policy import Policy
from framework.domain.actions import Decline, Kill, UpdateRoles
from framework.domain.app import (
    App,
    HealthCheck,
    PortDefinition,
    UnreachableStrategy,
    UpgradeStrategy,
)
from framework.domain.events import (
    AdoptOrphan,
    Asked,
    CallNotSent,
    CancelDeployment,
    ChangeApps,
    Disconnected,
    KillOrphan,
    KillTasks,
    PutApp,
    ResetDelay,
    RestartApp,
    ResumeDeployment,
    TaskStatusReceived,
)
from framework.domain.instance import Condition, Goal, Instance
from framework.domain.mesos import TaskState, TaskStatus
from framework.domain.records import replace
from framework.domain.replies import Done, Why
from tests.simulation.safety import same_counts
from tests.unit.core.session import WEB, Session, agent, killed, launches, of_type, status_of

WAITS_FOR_EVER = UnreachableStrategy(disabled=True)
ONE_BY_ONE = UpgradeStrategy(0, 0)
PORT = PortDefinition()


def test_kill_that_names_an_instance_twice_counts_it_once() -> None:
    session = Session()
    first, *_ = session.running(replace(WEB, instances=3), agent(1))
    session.ask(KillTasks((first.id, first.id), scale=True))
    assert session.state.apps["/web"].instances == 2
    session.ask(KillTasks((first.id,), scale=True, force=True))
    assert session.state.apps["/web"].instances == 2
    same_counts(session.world)


def test_upgrade_counts_old_tasks_until_they_have_ended() -> None:
    session = Session()
    app = replace(WEB, instances=4, upgrade_strategy=ONE_BY_ONE)
    old = session.running(app, agent(1))
    session.put(replace(app, cmd="sleep 2"))
    assert len(killed(session.last)) == 4
    assert not launches(session.offer(session.offer_of(agent(1))))
    session.status(old[0], TaskState.KILLED)
    assert len(launches(session.offer(session.offer_of(agent(1))))) == 1


def test_lost_instance_of_an_old_version_makes_room_at_once() -> None:
    session = Session()
    app = replace(WEB, upgrade_strategy=ONE_BY_ONE, unreachable_strategy=WAITS_FOR_EVER)
    (lost,) = session.running(app, agent(1))
    session.status(lost, TaskState.UNREACHABLE)
    session.put(replace(app, cmd="sleep 2"))
    assert len(launches(session.offer(session.offer_of(agent(2))))) == 1


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


def test_removal_that_is_cancelled_brings_the_app_back() -> None:
    session = Session()
    app = replace(WEB, instances=3)
    session.running(app, agent(1))
    removal = session.ask(ChangeApps(removes=("/web",)))
    assert isinstance(removal, Done)
    assert isinstance(session.ask(CancelDeployment(removal.deployment_id)), Done)
    assert session.state.apps["/web"].instances == 3
    assert removal.deployment_id not in session.state.deployments


def test_removal_can_be_cancelled_even_when_the_history_is_full() -> None:
    session = Session(Policy(zk_max_versions=2))
    (one,) = session.running(WEB, agent(1))
    removal = session.ask(ChangeApps(removes=("/web",)))
    assert isinstance(removal, Done)
    for number in range(3):
        session.put(App(id=f"/other{number}", cmd="x"))
    session.ask(CancelDeployment(removal.deployment_id))
    assert session.state.apps["/web"].cmd == WEB.cmd
    again = session.ask(ChangeApps(removes=("/web",), force=True))
    assert isinstance(again, Done)
    session.status(one, TaskState.KILLED)
    for number in range(3):
        session.put(App(id=f"/more{number}", cmd="x"))
    assert "/web" not in session.state.versions_of


def test_restart_that_is_cancelled_stops_nothing_more() -> None:
    session = Session()
    old = session.running(replace(WEB, instances=2), agent(1))
    restart = session.ask(RestartApp("/web"))
    assert isinstance(restart, Done)
    session.ask(CancelDeployment(restart.deployment_id))
    session.offer(session.offer_of(agent(1)))
    assert session.instances() == old
    assert session.state.deployments == {}


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


def test_refused_change_ends_no_deployment() -> None:
    session = Session(Policy(local_port_min=10_000, local_port_max=10_000))
    session.put(WEB)
    (deployment,) = session.state.deployments
    needs_port = App(id="/web", cmd="x", port_definitions=(PORT,))
    refused = session.refused(ChangeApps((PutApp(needs_port),), force=True))
    assert refused.why is Why.PORTS_EXHAUSTED
    assert [*session.state.deployments] == [deployment]


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


def test_waits_for_health_before_the_next_old_one_goes() -> None:
    session = Session()
    checks = (HealthCheck("MESOS_TCP"),)
    app = replace(WEB, health_checks=checks, upgrade_strategy=UpgradeStrategy(1, 0))
    session.put(app)
    session.offer(session.offer_of(agent(1)))
    old = session.only()
    session.status(old, TaskState.RUNNING, healthy=True)
    session.put(replace(app, cmd="sleep 2"))
    session.offer(session.offer_of(agent(1)))
    new = next(one for one in session.instances() if one.id != old.id)
    assert killed(session.status(new, TaskState.RUNNING)) == []
    assert killed(session.status(new, TaskState.RUNNING, healthy=True)) == [old.task_id]
    assert session.state.instances[old.id].goal is Goal.DECOMMISSIONED


def test_agent_described_otherwise_is_known_so_before_its_offer_is_used() -> None:
    session = Session()
    app = replace(WEB, instances=3, constraints=(("rack", "UNIQUE"),))
    session.put(app)
    session.offer(session.offer_of(agent(1, rack="r1")), session.offer_of(agent(2, rack="r2")))
    assert len(session.instances()) == 2
    # Its rack is another one now, and the instance there makes it one that is taken.
    assert not launches(session.offer(session.offer_of(agent(1, rack="r3"))))
    assert launches(session.offer(session.offer_of(agent(3, rack="r1"))))


def test_app_whose_step_begins_at_once_is_not_scaled_down_first() -> None:
    session = Session()
    session.running(replace(WEB, instances=4), agent(1))
    fewer = replace(WEB, cmd="sleep 2", instances=3, dependencies=("/db",))
    both = session.put(App(id="/db", cmd="x"), fewer)
    assert isinstance(session.ask(CancelDeployment(both.deployment_id)), Done)
    assert killed(session.last) == []
    assert session.state.deployments == {}


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


def _with_canary(app: App) -> tuple[Session, list[Instance], Instance]:
    """A session in which the canary of a new configuration serves beside the old instances."""
    session = Session()
    session.running(app, *(agent(number, rack=f"r{number}") for number in (1, 2, 3)))
    session.put(replace(app, cmd="sleep 2"))
    session.offer(*(session.offer_of(agent(number, rack=f"r{number}")) for number in (1, 2, 3)))
    canary = next(one for one in session.instances() if one.config != session.instances()[0].config)
    stopped = killed(session.status(canary, TaskState.RUNNING))
    old = [one for one in session.instances() if one.config != canary.config]
    session.step(*(status_of(o, TaskState.KILLED) for o in old if o.task_id in stopped))
    old = [one for one in session.instances() if one.config != canary.config]
    return session, old, canary


CANARY = UpgradeStrategy(1, 0, canary=1)


def test_old_instance_beside_canaries_keeps_its_own_constraints() -> None:
    app = replace(WEB, instances=3, constraints=(("rack", "UNIQUE"),), upgrade_strategy=CANARY)
    session, old, _ = _with_canary(app)
    assert len(old) == 2
    racks = {one.agent_id: one for one in old}
    session.status(old[0], TaskState.FAILED)
    session.wait(2)
    others = session.offer_of(agent(9, rack=f"r{old[1].agent_id[1:]}"))
    assert not launches(session.offer(others))
    (again,) = launches(session.offer(session.offer_of(agent(9, rack="r9"))))
    assert again.app.cmd == app.cmd
    assert again.instance_id == racks[old[0].agent_id].id


def test_old_instance_beside_canaries_is_wanted_after_a_new_subscription() -> None:
    session, old, _ = _with_canary(replace(WEB, instances=3, upgrade_strategy=CANARY))
    session.status(old[0], TaskState.FAILED)
    session.wait(2)
    session.step(Disconnected("gone"))
    session.connect()
    assert [one.instance_id for one in launches(session.offer(session.offer_of(agent(1))))] == [
        old[0].id
    ]


def test_canaries_wait_for_a_person_though_no_old_instance_runs() -> None:
    session = Session()
    app = replace(WEB, instances=2, upgrade_strategy=CANARY)
    old = session.running(app, agent(1))
    session.put(replace(app, cmd="sleep 2"))
    session.offer(session.offer_of(agent(1)))
    canary = next(one for one in session.instances() if one not in old)
    session.step(*(status_of(one, TaskState.FAILED) for one in old))
    session.status(canary, TaskState.RUNNING)
    (deployment,) = session.state.deployments.values()
    assert deployment.canary


def test_upgrade_cancelled_in_place_stays_so_while_a_later_change_has_not_come_to_it() -> None:
    session, old, canary = _with_canary(replace(WEB, instances=3, upgrade_strategy=CANARY))
    (deployment,) = session.state.deployments
    session.ask(CancelDeployment(deployment, force=True))
    later = replace(session.state.apps["/web"], cmd="sleep 3", dependencies=("/db",))
    session.put(App(id="/db", cmd="x"), later)
    assert {one.id for one in session.instances()} == {canary.id, *(one.id for one in old)}
    assert killed(session.last) == []
    session.restart()
    assert killed(session.connect()) == []


def test_going_on_with_canaries_waits_for_a_person_again() -> None:
    session, _, canary = _with_canary(replace(WEB, instances=3, upgrade_strategy=CANARY))
    definition = session.state.apps["/web"]
    for force in (True, False):  # while it is under way; and after it was cancelled in place
        session.put(definition, force=force)
        session.restart()
        session.connect()
        ((deployment_id, deployment),) = session.state.deployments.items()
        assert deployment.canary
        assert not launches(session.offer(session.offer_of(agent(1))))
        assert killed(session.last) == []
        session.ask(CancelDeployment(deployment_id, force=True))
    assert len(session.instances()) == 3
    assert canary.id in session.state.instances


def test_more_canaries_than_asked_for_are_no_reason_to_go_back() -> None:
    session, _, _ = _with_canary(replace(WEB, instances=3, upgrade_strategy=CANARY))
    (deployment,) = session.state.deployments
    session.ask(ResumeDeployment(deployment))
    session.offer(session.offer_of(agent(1)))
    second = session.instances()[-1]
    session.status(second, TaskState.RUNNING)
    session.ask(CancelDeployment(deployment, force=True))
    session.put(session.state.apps["/web"])
    session.status(second, TaskState.FAILED)
    session.wait(2)
    (again,) = launches(session.offer(session.offer_of(agent(1))))
    assert (again.instance_id, again.app.cmd) == (second.id, "sleep 2")


def test_going_on_that_is_taken_back_leaves_the_upgrade_where_it_is() -> None:
    session, old, canary = _with_canary(replace(WEB, instances=3, upgrade_strategy=CANARY))
    session.put(session.state.apps["/web"], force=True)
    (deployment,) = session.state.deployments
    assert isinstance(session.ask(CancelDeployment(deployment)), Done)
    assert session.state.deployments == {}
    assert session.state.apps["/web"].keep_old
    assert {one.id for one in session.instances()} == {canary.id, *(one.id for one in old)}


def test_upgrade_that_is_gone_on_with_later_stays_cancelled_until_then() -> None:
    session, _, _ = _with_canary(replace(WEB, instances=3, upgrade_strategy=CANARY))
    (deployment,) = session.state.deployments
    session.ask(CancelDeployment(deployment, force=True))
    cancelled = session.state.apps["/web"].version
    again = session.state.apps["/web"]
    gone = session.put(again, App(id="/new", cmd="x"))
    assert session.state.apps["/web"].version > cancelled
    assert session.state.versions_of["/web"][cancelled].keep_old
    same_counts(session.world)
    assert isinstance(session.ask(CancelDeployment(gone.deployment_id)), Done)
    assert session.state.apps["/web"].keep_old


def test_starting_task_that_nobody_speaks_of_is_looked_at_after_a_restart() -> None:
    session = Session()
    session.put(WEB)
    session.offer(session.offer_of(agent(1)))
    session.status(session.only(), TaskState.STAGING)
    session.restart()
    session.connect()
    assert of_type(session.wait(600), Kill)
