"""Freezes: nothing is launched or killed by our own decision, and all of it follows afterwards."""

import pytest

from framework.core.policy import Policy
from framework.domain.actions import (
    Acknowledge,
    Kill,
    Reconcile,
    RemoveFramework,
    Revive,
    Suppress,
)
from framework.domain.app import App, HealthCheck, UnreachableStrategy, UpgradeStrategy
from framework.domain.events import (
    CancelDeployment,
    ChangeApps,
    FreezeApps,
    KillOrphan,
    KillTasks,
    LiftFreeze,
    TaskStatusReceived,
    TearDown,
)
from framework.domain.freezing import EVERYTHING, Freeze
from framework.domain.health import ProbeResult, ProbesReported, health_key
from framework.domain.instance import Condition, Goal
from framework.domain.mesos import TaskState, TaskStatus
from framework.domain.records import replace
from framework.domain.replies import Done, Why
from tests.unit.core.session import (
    WEB,
    Session,
    agent,
    killed,
    launches,
    of_type,
)

TWO = replace(WEB, instances=2)
API = replace(WEB, id="/api")
FREEZE = FreezeApps(reason="moving racks")
POLICY = Policy(task_launch_confirm_timeout=60_000, task_launch_timeout=60_000)


def frozen(app: App = TWO, policy: Policy = POLICY) -> Session:
    """All of the app runs, and everything is frozen."""
    session = Session(policy)
    session.running(app, agent(1), agent(2), agent(3))
    assert isinstance(session.ask(FREEZE), Done)
    return session


def kills_of(session: Session, seconds: float) -> list[Kill]:
    return of_type(session.wait(seconds), Kill)


def test_nothing_is_launched_and_the_queue_says_why() -> None:
    session = frozen()
    session.put(replace(TWO, instances=3))
    assert session.state.apps["/web"].instances == 3, "definitions are taken all the same"
    stats = session.state.launch_stats["/web"]
    assert (stats.waiting, stats.explanation) == (1, ("frozen: moving racks",))
    assert launches(session.offer(session.offer_of(agent(4)))) == []
    assert session.world.offers == {}
    assert of_type(session.wait(600), Revive) == []

    assert of_type(session.ask_step(LiftFreeze()).actions, Revive)
    assert session.state.launch_stats["/web"].explanation == ("no offer has come yet",)
    assert len(launches(session.offer(session.offer_of(agent(4))))) == 1


def test_what_waits_already_is_told_and_offers_are_given_up() -> None:
    session = Session()
    session.put(WEB)
    decided = session.ask_step(FREEZE)
    assert of_type(decided.actions, Suppress) == [Suppress(("*",))]
    assert session.state.launch_stats["/web"].explanation == ("frozen: moving racks",)
    session.ask(FreezeApps())
    assert session.state.launch_stats["/web"].explanation == ("frozen",)


def test_nothing_is_killed_and_all_of_it_when_it_ends() -> None:
    session = frozen()
    session.put(replace(TWO, instances=1))
    assert kills_of(session, 600) == []
    assert {one.goal for one in session.instances()} == {Goal.RUNNING}
    session.ask(ChangeApps(removes=("/web",), force=True))
    assert kills_of(session, 600) == []
    tasks = {one.task_id for one in session.instances()}
    assert len(tasks) == 2

    assert {*killed(session.ask_step(LiftFreeze()))} == tasks


def test_a_change_that_was_taken_back_meanwhile_kills_nothing() -> None:
    session = frozen()
    session.put(replace(TWO, instances=0))
    session.put(TWO, force=True)
    session.ask(LiftFreeze())
    assert kills_of(session, 600) == []
    assert session.world.deploying == {}


def test_an_upgrade_waits_and_its_deadline_with_it() -> None:
    strategy = UpgradeStrategy(0.0, 0.0, progress_deadline_seconds=30)
    session = frozen(replace(TWO, upgrade_strategy=strategy))
    done = session.put(replace(TWO, cmd="new", upgrade_strategy=strategy))
    assert kills_of(session, 600) == []
    assert list(session.state.deployments) == [done.deployment_id], "it is not given up"

    assert len(killed(session.ask_step(LiftFreeze()))) == 2
    session.wait(29)
    assert list(session.state.deployments) == [done.deployment_id]
    session.wait(2)
    (back,) = session.state.deployments.values()
    assert back.reverts == done.deployment_id, "the deadline has begun anew"


def test_only_the_named_apps_are_frozen() -> None:
    session = Session()
    assert session.refused(FreezeApps(("/web",))).why is Why.APP_UNKNOWN
    session.running(WEB, agent(1))
    session.running(API, agent(1))
    session.ask(FreezeApps(("/web",), "looked at"))
    session.put(replace(WEB, instances=2), replace(API, instances=2))
    assert [one.app.id for one in launches(session.offer(session.offer_of(agent(2))))] == ["/api"]
    session.put(replace(API, instances=0), force=True)
    assert len(killed(session.last)) == 2

    session.ask(LiftFreeze())
    assert list(session.state.freezes) == ["/web"], "an app's own freeze is ended by itself"
    assert session.refused(LiftFreeze(("/none",))).why is Why.APP_UNKNOWN
    session.ask(LiftFreeze(("/web",)))
    assert session.state.freezes == {}
    assert len(launches(session.offer(session.offer_of(agent(2))))) == 1


def test_freezes_of_apps_that_are_gone_do_not_pile_up() -> None:
    session = Session()
    for name in ("/a", "/b"):
        session.put(replace(WEB, id=name, instances=0))
        session.ask(FreezeApps((name,)))
        session.ask(ChangeApps(removes=(name,), force=True))
    session.ask(FREEZE)
    assert list(session.state.freezes) == [EVERYTHING]


def test_it_outlives_the_process_and_keeps_its_beginning() -> None:
    session = frozen()
    began_ms = session.now_ms
    session.wait(10)
    session.ask(FreezeApps(reason="still moving"))
    session.restart(seconds_later=60)
    session.connect()
    assert session.state.freezes == {EVERYTHING: Freeze("", "still moving", began_ms)}
    session.put(replace(TWO, instances=0))
    assert kills_of(session, 60) == []
    assert len(killed(session.ask_step(LiftFreeze()))) == 2


def test_safe_mode_lasts_as_long_as_the_process() -> None:
    session = Session(POLICY)
    session.running(TWO, agent(1), agent(2))
    session.restart()
    session.policy = Policy(safe_mode=True)
    session.connect()
    session.ask(LiftFreeze())
    session.put(replace(TWO, instances=3))
    assert launches(session.offer(session.offer_of(agent(4)))) == []
    assert session.state.launch_stats["/web"].explanation == (
        "frozen: this process runs in safe mode",
    )
    assert session.state.freezes == {}
    session.restart()
    session.policy = POLICY
    session.connect()
    assert len(launches(session.offer(session.offer_of(agent(4))))) == 1


class TestExplicitKills:
    def test_are_refused_unless_forced(self) -> None:
        session = frozen()
        instance = session.instances()[0]
        for command in (
            KillTasks((instance.id,)),
            KillTasks((instance.id,), wipe=True),
            KillTasks((instance.id,), scale=True),
        ):
            refused = session.refused(command)
            assert refused.why is Why.FROZEN
            assert "moving racks" in refused.message
            assert "force" in refused.message

    @pytest.mark.parametrize("how", ["kill", "wipe", "scale"])
    def test_forced_are_sent_and_sent_again(self, how: str) -> None:
        session = frozen()
        instance = session.instances()[0]
        command = KillTasks((instance.id,), how == "scale", how == "wipe", force=True)
        assert killed(session.ask_step(command)) == [instance.task_id]
        assert kills_of(session, 31) == [Kill(instance.task_id, instance.agent_id)]
        session.status(session.state.instances[instance.id], TaskState.KILLED)
        assert launches(session.offer(session.offer_of(agent(4)))) == []

    def test_forced_overtakes_a_kill_that_is_held_back(self) -> None:
        session = Session()
        session.running(TWO, agent(1), agent(2))
        session.put(replace(TWO, instances=1))
        (task_id,) = killed(session.last)
        session.ask(FREEZE)
        assert kills_of(session, 600) == [], "it is not even sent again"
        instance_id = task_id.partition("._app.")[0]
        assert killed(session.ask_step(KillTasks((instance_id,), force=True))) == [task_id]
        assert len(kills_of(session, 31)) == 1

    def test_of_an_orphan(self) -> None:
        session = frozen()
        orphan = TaskStatus("gone.instance-1._app.1", TaskState.RUNNING, "a1")
        session.step(TaskStatusReceived(orphan))
        assert session.refused(KillOrphan(orphan.task_id)).why is Why.FROZEN
        assert session.refused(KillOrphan("none")).why is Why.ORPHAN_UNKNOWN
        assert killed(session.ask_step(KillOrphan(orphan.task_id, force=True))) == [orphan.task_id]

    def test_of_everything(self) -> None:
        session = frozen()
        assert session.refused(TearDown()).why is Why.FROZEN
        assert of_type(session.ask_step(TearDown(force=True)).actions, RemoveFramework)

    def test_of_everything_while_one_app_is_frozen(self) -> None:
        session = Session()
        session.put(WEB)
        session.ask(FreezeApps(("/web",)))
        assert "/web" in session.refused(TearDown()).message


def test_statuses_are_taken_and_acknowledged() -> None:
    session = frozen()
    instance = session.instances()[0]
    decided = session.status(instance, TaskState.FAILED)
    assert of_type(decided.actions, Acknowledge)
    assert session.state.instances[instance.id].condition is Condition.FAILED
    assert session.state.launch_stats["/web"].explanation == ("frozen: moving racks",)


def test_probes_go_on_and_kill_only_afterwards() -> None:
    check = HealthCheck("TCP", port_index=0, grace_period_seconds=0, max_consecutive_failures=2)
    session = frozen(replace(WEB, health_checks=(check,)))
    instance = session.only()
    fails = ProbesReported(
        (ProbeResult(health_key(instance.task_id, 0), session.now_ms, alive=False, cause="no"),)
    )
    for _ in range(3):
        assert killed(session.step(fails)) == []
    assert session.only().healthy is False
    session.ask(LiftFreeze())
    assert killed(session.step(fails)) == []
    assert session.only().mark is not None, "it is replaced first"


def test_slow_starts_are_left_alone_and_judged_afterwards() -> None:
    session = Session(POLICY)
    session.put(TWO)
    session.offer(session.offer_of(agent(1)), session.offer_of(agent(2)))
    silent, staging = session.instances()
    session.status(staging, TaskState.STAGING)
    session.ask(FREEZE)
    asked = session.wait(120)
    assert of_type(asked, Kill) == []
    assert Reconcile(((silent.task_id, silent.agent_id),)) in asked, "Mesos is still asked"
    assert killed(session.ask_step(LiftFreeze())) == [staging.task_id]
    assert [one.task_id for one in kills_of(session, 15)] == [silent.task_id]


def test_the_unreachable_are_neither_replaced_nor_given_up() -> None:
    strategy = UnreachableStrategy(inactive_after_seconds=10, expunge_after_seconds=20)
    session = frozen(replace(WEB, unreachable_strategy=strategy))
    session.status(session.only(), TaskState.UNREACHABLE)
    session.wait(60)
    assert session.only().condition is Condition.UNREACHABLE
    session.ask(LiftFreeze())
    assert session.instances() == []
    assert session.world.demand["/web"].wanted == 1


def test_one_given_up_that_returns_is_killed_afterwards() -> None:
    strategy = UnreachableStrategy(inactive_after_seconds=0, expunge_after_seconds=0)
    session = Session()
    session.running(replace(WEB, unreachable_strategy=strategy), agent(1))
    gone = session.only()
    session.status(gone, TaskState.UNREACHABLE)
    session.ask(FreezeApps(("/web",)))
    assert gone.task_id in session.state.tombstones
    assert killed(session.status(gone, TaskState.RUNNING)) == []

    decided = session.ask_step(LiftFreeze(("/web",)))
    assert of_type(decided.actions, Reconcile), "it is asked for at once"
    assert killed(session.status(gone, TaskState.RUNNING)) == [gone.task_id]


def test_one_that_was_to_be_stopped_and_returns_is_killed_afterwards() -> None:
    session = Session()
    session.running(replace(WEB, unreachable_strategy=UnreachableStrategy(disabled=True)), agent(1))
    session.ask(KillTasks((session.only().id,)))
    session.status(session.only(), TaskState.UNREACHABLE)
    session.ask(FREEZE)
    assert killed(session.status(session.only(), TaskState.RUNNING)) == []
    session.connect()
    assert killed(session.last) == []
    assert killed(session.ask_step(LiftFreeze())) == [session.only().task_id]


def test_lifted_while_mesos_is_away() -> None:
    session = frozen()
    session.put(replace(TWO, instances=1))
    session.restart()
    session.ask(LiftFreeze())
    session.connect()
    assert len({*killed(session.last)}) == 1


def test_a_removal_that_was_taken_back_meanwhile_kills_nothing() -> None:
    session = frozen()
    before = session.instances()
    answer = session.ask(ChangeApps(removes=("/web",)))
    assert isinstance(answer, Done)
    session.wait(60)
    assert "/web" not in session.state.apps
    session.ask(CancelDeployment(answer.deployment_id))
    assert kills_of(session, 60) == []
    session.ask(LiftFreeze())
    assert kills_of(session, 60) == []
    assert session.instances() == before
    assert session.state.apps["/web"].instances == 2


def test_offers_are_asked_for_at_once_though_others_of_the_role_wait_already() -> None:
    session = Session()
    session.put(WEB)
    session.ask(FreezeApps(("/web",)))
    session.put(replace(API, cpus_millis=10**9))
    session.offer(session.offer_of(agent(1)))
    session.wait(40)  # asked for at growing intervals
    decided = session.ask_step(LiftFreeze(("/web",)))
    assert of_type(decided.actions, Revive) == [Revive(("*",))]


def test_what_a_removed_app_ran_is_known_until_it_goes() -> None:
    session = Session(Policy(zk_max_versions=1))
    session.running(WEB, agent(1))
    version = session.only().version
    session.ask(FREEZE)
    removal = session.ask(ChangeApps(removes=("/web",)))
    assert isinstance(removal, Done)
    session.ask(CancelDeployment(removal.deployment_id, force=True))
    for count in (1, 2, 3):  # until the history speaks of it no more
        session.put(replace(API, instances=count), force=True)
    assert set(session.state.versions_of["/web"]) == {version}
    session.ask(LiftFreeze())
    session.status(session.only(), TaskState.KILLED)
    assert "/web" not in session.state.versions_of
