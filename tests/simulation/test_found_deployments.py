"""What the simulation found about deployments, made small: each test is a mistake that the core
once made."""

from framework.core.policy import Policy
from framework.domain.app import (
    App,
    HealthCheck,
    PortDefinition,
    UnreachableStrategy,
    UpgradeStrategy,
)
from framework.domain.events import (
    CancelDeployment,
    ChangeApps,
    Disconnected,
    KillTasks,
    PutApp,
    RestartApp,
    ResumeDeployment,
)
from framework.domain.instance import Condition, Goal, Instance
from framework.domain.mesos import TaskState
from framework.domain.records import replace
from framework.domain.replies import Done, Why
from tests.simulation.safety import same_counts
from tests.unit.core.session import WEB, Session, agent, killed, launches, status_of

WAITS_FOR_EVER = UnreachableStrategy(disabled=True)
ONE_BY_ONE = UpgradeStrategy(0, 0)
PORT = PortDefinition()
CANARY = UpgradeStrategy(1, 0, canary=1)


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


def test_refused_change_ends_no_deployment() -> None:
    session = Session(Policy(local_port_min=10_000, local_port_max=10_000))
    session.put(WEB)
    (deployment,) = session.state.deployments
    needs_port = App(id="/web", cmd="x", port_definitions=(PORT,))
    refused = session.refused(ChangeApps((PutApp(needs_port),), force=True))
    assert refused.why is Why.PORTS_EXHAUSTED
    assert [*session.state.deployments] == [deployment]


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


def test_app_whose_step_begins_at_once_is_not_scaled_down_first() -> None:
    session = Session()
    session.running(replace(WEB, instances=4), agent(1))
    fewer = replace(WEB, cmd="sleep 2", instances=3, dependencies=("/db",))
    both = session.put(App(id="/db", cmd="x"), fewer)
    assert isinstance(session.ask(CancelDeployment(both.deployment_id)), Done)
    assert killed(session.last) == []
    assert session.state.deployments == {}


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


def test_waiting_instance_is_not_made_another_while_it_is_wanted_as_it_is() -> None:
    session = Session()
    app = replace(WEB, instances=2, upgrade_strategy=CANARY)
    old = session.running(app, agent(1))
    session.put(replace(app, cmd="sleep 2", constraints=(("rack", "IS", "r9"),)))
    session.offer(session.offer_of(agent(9, rack="r9")))
    canary = session.instances()[-1]
    session.step(*(status_of(one, TaskState.FAILED) for one in (canary, *old)))
    session.ask(KillTasks(tuple(one.id for one in old), wipe=True))
    session.wait(2)
    (again,) = launches(session.offer(session.offer_of(agent(1))))  # it does not suit the canary
    assert again.app.cmd == "sleep 1"
    assert again.instance_id != canary.id
    session.status(session.state.instances[again.instance_id], TaskState.FAILED)
    session.ask(KillTasks((canary.id,), wipe=True))
    (fresh,) = launches(session.offer(session.offer_of(agent(9, rack="r9"))))
    assert fresh.app.cmd == "sleep 2"
    assert fresh.instance_id not in {again.instance_id, canary.id}


def test_change_that_can_not_be_taken_back_is_only_ended() -> None:
    session = Session()
    strategy = UpgradeStrategy(1, 1, progress_deadline_seconds=10)
    session.running(replace(WEB, dependencies=("/db",)), agent(1))
    session.put(replace(WEB, cmd="sleep 2", upgrade_strategy=strategy))
    session.put(App(id="/db", cmd="x", dependencies=("/web",)))  # now the way back is a circle
    session.wait(10)
    assert [one for one in session.state.deployments.values() if one.total_steps == 1] == []
    assert session.state.apps["/web"].keep_old


def test_app_whose_step_begins_in_a_turn_is_sized_after_the_others() -> None:
    session = Session()
    session.running(replace(WEB, instances=4), agent(1))
    fewer = replace(WEB, cmd="sleep 2", instances=3, dependencies=("/db",))
    both = session.put(App(id="/db", cmd="x"), fewer)
    session.offer(session.offer_of(agent(1)))
    session.status(session.only("/db"), TaskState.FAILED)
    assert isinstance(session.ask(CancelDeployment(both.deployment_id)), Done)
    assert killed(session.last) == []
    assert session.state.deployments == {}


def test_canary_of_an_app_that_never_ran_stands_beside_what_was_wanted() -> None:
    session = Session(Policy(zk_max_versions=2))
    app = replace(WEB, instances=3, upgrade_strategy=CANARY)
    session.put(app)
    waits = replace(app, cmd="sleep 2", dependencies=("/db",))
    session.put(App(id="/db", cmd="x"), waits, force=True)
    session.put(replace(app, cmd="sleep 3"), force=True)
    session.restart()
    session.connect()
    started = launches(session.offer(session.offer_of(agent(1))))
    commands = sorted(str(one.app.cmd) for one in started if one.app.id == "/web")
    assert commands == ["sleep 1", "sleep 1", "sleep 3"]


def test_scaling_takes_no_notice_of_what_was_replaced_while_out_of_reach() -> None:
    session = Session()
    away = UnreachableStrategy(0, 600)
    app = replace(WEB, upgrade_strategy=CANARY, unreachable_strategy=away)
    (lost,) = session.running(app, agent(1))
    session.status(lost, TaskState.UNREACHABLE)
    assert session.only().condition is Condition.UNREACHABLE_INACTIVE
    session.put(replace(app, cmd="sleep 2"))
    (deployment,) = session.state.deployments
    session.offer(session.offer_of(agent(2)))
    session.status(session.instances()[-1], TaskState.RUNNING)
    session.ask(ResumeDeployment(deployment))
    assert session.state.deployments == {}
    session.put(replace(app, cmd="sleep 2", instances=3))
    started = launches(session.offer(session.offer_of(agent(2))))
    assert [one.app.cmd for one in started] == ["sleep 2", "sleep 2"]


def test_delay_of_a_definition_holds_also_after_that_is_left() -> None:
    session = Session()
    app = replace(WEB, instances=3, backoff_seconds=60, upgrade_strategy=CANARY)
    first, second, _ = session.running(app, agent(1))
    session.put(App(id="/db", cmd="x"), replace(app, cmd="sleep 2", dependencies=("/db",)))
    session.step(status_of(first, TaskState.FAILED), status_of(second, TaskState.FAILED))
    session.offer(session.offer_of(agent(1)))
    session.status(session.only("/db"), TaskState.RUNNING)  # now it is the old one's turn to go
    for _ in range(2):  # two offers: one definition may take all of the first
        started = launches(session.offer(session.offer_of(agent(1))))
        assert "sleep 1" not in [one.app.cmd for one in started]
