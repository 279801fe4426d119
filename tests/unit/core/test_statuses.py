"""What an update leaves in the record, whom it is told, and the strategy for lost agents."""

import pytest

from framework.core.consistency import check_state
from framework.domain.actions import Accept
from framework.domain.app import HealthCheck, UnreachableStrategy
from framework.domain.events import CallNotSent, DrainAgent, KillTasks
from framework.domain.health import ProbeResult, ProbesReported, health_key
from framework.domain.instance import Condition, Instance
from framework.domain.mesos import TaskState
from framework.domain.notices import InstanceChanged, StatusUpdated
from framework.domain.records import replace
from tests.unit.core.session import WEB, Session, agent, killed, launches, of_type

C = Condition


def started() -> Session:
    """A task was launched."""
    session = Session()
    session.put(WEB)
    session.offer(session.offer_of(agent(1)))
    return session


def test_running_keeps_what_clients_ask_for() -> None:
    session = started()
    session.wait(2)
    session.status(
        session.only(),
        TaskState.RUNNING,
        timestamp_ms=session.now_ms - 500,
        addresses=("10.0.0.1",),
        check_json='{"x":1}',
        healthy=True,
    )
    instance = session.only()
    assert instance.started_at_ms == session.now_ms - 500
    assert instance.addresses == ("10.0.0.1",)
    assert instance.check_json == '{"x":1}'
    assert (instance.healthy, instance.health_since_ms) == (True, session.now_ms)
    assert instance.since_ms == session.now_ms
    assert instance.staged_at_ms == session.now_ms - 2_000


def test_a_repeated_update_changes_and_tells_nothing() -> None:
    session = started()
    session.status(session.only(), TaskState.RUNNING, healthy=True)
    before = session.only()
    session.wait(1)
    decided = session.status(session.only(), TaskState.RUNNING, healthy=True)
    assert (decided.changes, decided.notices) == ((), ())
    assert session.only() is before


def test_health_changes_without_a_change_of_condition() -> None:
    session = started()
    session.status(session.only(), TaskState.RUNNING, healthy=True)
    first = session.only()
    session.wait(3)
    session.status(first, TaskState.RUNNING, healthy=False)
    instance = session.only()
    assert (instance.healthy, instance.health_since_ms) == (False, session.now_ms)
    assert (instance.since_ms, instance.started_at_ms) == (first.since_ms, first.started_at_ms)


def test_listeners_hear_of_each_change_of_condition() -> None:
    session = started()
    decided = session.status(session.only(), TaskState.RUNNING)
    told, updated = decided.notices[:2]
    assert isinstance(told, InstanceChanged)
    assert isinstance(updated, StatusUpdated)
    assert told.instance == updated.instance == session.only()
    assert told.host == updated.host == "host1"


def test_the_end_keeps_its_reason() -> None:
    session = started()
    session.status(session.only(), TaskState.RUNNING)
    session.status(
        session.only(), TaskState.FAILED, reason="REASON_CONTAINER_LIMITATION", message="too much"
    )
    instance = session.only()
    assert instance.reason == "REASON_CONTAINER_LIMITATION"
    assert instance.message == session.state.failures["/web"].message == "too much"


def lost(inactive: int, expunge: int, *, disabled: bool = False) -> Session:
    """Two run; one's agent is unreachable since just now."""
    session = Session()
    strategy = UnreachableStrategy(inactive, expunge, disabled)
    session.running(replace(WEB, instances=2, unreachable_strategy=strategy), agent(1), agent(2))
    session.status(session.instances()[0], TaskState.UNREACHABLE)
    return session


def wanted(session: Session) -> int:
    """Launches that the app wants now."""
    demand = session.world.demand.get("/web")
    return 0 if demand is None else demand.wanted


def conditions(session: Session) -> list[Condition]:
    return sorted(one.condition for one in session.instances())


def test_by_default_it_is_replaced_and_forgotten_at_once() -> None:
    session = lost(0, 0)
    assert conditions(session) == [C.RUNNING]
    assert wanted(session) == 1
    assert len(session.state.tombstones) == 1


def test_it_is_replaced_then_forgotten_in_its_time() -> None:
    session = lost(60, 120)
    session.wait(59.9)
    assert (conditions(session), wanted(session)) == ([C.RUNNING, C.UNREACHABLE], 0)
    session.wait(0.1)
    assert (conditions(session), wanted(session)) == ([C.RUNNING, C.UNREACHABLE_INACTIVE], 1)
    assert session.state.tombstones == {}
    session.wait(59.9)
    assert len(session.instances()) == 2
    session.wait(0.1)
    assert (conditions(session), wanted(session)) == ([C.RUNNING], 1)
    assert len(session.state.tombstones) == 1


def test_disabled_waits_for_ever() -> None:
    session = lost(0, 0, disabled=True)
    session.wait(10**6)
    assert (conditions(session), wanted(session)) == ([C.RUNNING, C.UNREACHABLE], 0)


def test_the_time_runs_from_when_mesos_lost_it() -> None:
    session = Session()
    strategy = UnreachableStrategy(60, 120)
    session.running(replace(WEB, unreachable_strategy=strategy), agent(1))
    since_ms = session.now_ms - 50_000
    session.status(session.only(), TaskState.UNREACHABLE, unreachable_since_ms=since_ms)
    session.wait(10)
    assert conditions(session) == [C.UNREACHABLE_INACTIVE]


def test_the_time_goes_on_while_no_process_runs() -> None:
    session = lost(60, 120)
    session.restart(seconds_later=70)
    assert (conditions(session), wanted(session)) == ([C.RUNNING, C.UNREACHABLE_INACTIVE], 1)
    session.restart(seconds_later=70)
    assert (conditions(session), wanted(session)) == ([C.RUNNING], 1)


def test_back_before_it_was_replaced_all_is_as_before() -> None:
    session = lost(60, 120)
    session.status(session.instances()[0], TaskState.RUNNING)
    session.wait(300)
    assert (conditions(session), wanted(session)) == ([C.RUNNING, C.RUNNING], 0)


def test_back_after_it_was_replaced_the_surplus_one_is_stopped() -> None:
    session = lost(60, 120)
    session.wait(60)
    assert len(launches(session.offer(session.offer_of(agent(2))))) == 1
    back, _, replacement = session.instances()
    decided = session.status(back, TaskState.RUNNING)
    assert killed(decided) == [replacement.task_id]


@pytest.mark.parametrize(
    ("checks", "healthy", "settled"),
    [
        ((), None, True),
        ((), False, False),
        ((HealthCheck("MESOS_TCP", port=1),), None, False),
        ((HealthCheck("MESOS_TCP", port=1),), False, False),
        ((HealthCheck("MESOS_TCP", port=1),), True, True),
        ((HealthCheck("COMMAND", command="x"),), True, True),
    ],
)
def test_a_deployment_waits_for_health_where_the_executor_checks_it(
    checks: tuple[HealthCheck, ...],
    healthy: bool | None,
    settled: bool,
) -> None:
    session = Session()
    session.put(replace(WEB, health_checks=checks))
    session.offer(session.offer_of(agent(1)))
    session.status(session.only(), TaskState.RUNNING, healthy=healthy)
    assert isinstance(session.only(), Instance)
    assert (session.state.deployments == {}) is settled


def test_a_launch_given_up_that_turns_out_to_be_out_of_reach_is_no_longer_given_up() -> None:
    session = Session()
    session.put(replace(WEB, unreachable_strategy=UnreachableStrategy(1_000, 2_000)))
    session.offer(session.offer_of(agent(1)))
    session.wait(301)
    instance = session.only()
    assert (instance.condition, len(session.state.tombstones)) == (Condition.DROPPED, 1)
    session.status(instance, TaskState.UNREACHABLE, reason="REASON_RECONCILIATION", uuid="")
    assert session.only().condition is Condition.UNREACHABLE
    assert [one for one in check_state(session.state) if one.wrong] == []


def test_a_failure_that_is_told_twice_is_one() -> None:
    session = started()
    for _ in range(2):
        session.status(session.only(), TaskState.DROPPED, reason="REASON_GC_ERROR")
    assert session.state.failures["/web"].number == 1


def test_nothing_planned_for_a_task_outlives_a_launch_that_was_not_sent() -> None:
    session = Session()
    session.put(WEB)
    (accept,) = of_type(session.offer(session.offer_of(agent(1))).actions, Accept)
    session.ask(DrainAgent("a1"))
    session.ask(KillTasks((session.only().id,)))
    assert session.only().mark is not None
    session.step(CallNotSent(accept, "no connection"))
    instance = session.only()
    assert (instance.condition, instance.mark, instance.kill_reason) == (
        Condition.SCHEDULED,
        None,
        "",
    )
    assert session.world.kills_sent == {}


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_of_an_agent_that_is_wrong_neither_ends_nor_lengthens_the_grace(hours: int) -> None:
    session = Session()
    check = HealthCheck("TCP", port=80, grace_period_seconds=60, max_consecutive_failures=1)
    session.put(replace(WEB, health_checks=(check,)))
    session.offer(session.offer_of(agent(1)))
    told_ms = session.now_ms + hours * 3_600_000
    session.wait(5)
    session.status(session.only(), TaskState.RUNNING, timestamp_ms=told_ms)

    def sick_after(seconds: float) -> bool:
        session.wait(seconds)
        key = health_key(session.only().task_id, 0)
        session.step(ProbesReported((ProbeResult(key, session.now_ms, alive=False, cause="no"),)))
        return session.only().mark is not None

    assert [sick_after(50), sick_after(15)] == [False, True]
