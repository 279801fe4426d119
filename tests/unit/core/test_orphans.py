"""Tasks that Mesos calls ours: which are killed, which are listed, what an operator may do."""

import pytest

from framework.core.policy import Policy
from framework.domain.actions import Acknowledge, Kill
from framework.domain.app import Container, HealthCheck, Network, NetworkMode, PortMapping
from framework.domain.events import AdoptOrphan, FreezeApps, KillOrphan, TaskStatusReceived
from framework.domain.instance import Condition
from framework.domain.mesos import TaskState, TaskStatus
from framework.domain.records import replace
from framework.domain.replies import Done, Why
from tests.unit.core.session import WEB, Session, agent, killed, of_type

STRANGER = "web.instance-11111111-1111-4111-8111-111111111111._app.3"
LISTED = {TaskState.STAGING, TaskState.STARTING, TaskState.RUNNING, TaskState.KILLING} | {
    TaskState.UNREACHABLE
}


def of(task_id: str, state: TaskState = TaskState.RUNNING, uuid: str = "u") -> TaskStatusReceived:
    """A status of a task on an agent that we know nothing of."""
    return TaskStatusReceived(TaskStatus(task_id, state, agent_id="a9", uuid=uuid))


@pytest.mark.parametrize("state", TaskState)
def test_an_unknown_task_is_listed_if_it_may_live_and_never_killed(state: TaskState) -> None:
    session = Session()
    decided = session.step(of(STRANGER, state))
    assert (STRANGER in session.state.orphans) is (state in LISTED)
    assert killed(decided) == []
    assert of_type(decided.actions, Acknowledge) == [Acknowledge(STRANGER, "a9", "u")]


@pytest.mark.parametrize("foreign", ["", "x", "a.b.c", "web.instance-1._app.x", "\u2603" * 80])
def test_any_task_id_is_borne(foreign: str) -> None:
    session = Session()
    session.step(of(foreign))
    assert set(session.state.orphans) == {foreign}


def test_its_end_takes_it_off_the_list() -> None:
    session = Session()
    session.step(of(STRANGER))
    session.step(of(STRANGER, TaskState.FAILED))
    assert session.state.orphans == {}


def test_seen_again_it_is_listed_once_with_its_latest_state() -> None:
    session = Session()
    session.step(of(STRANGER, TaskState.STAGING))
    first_seen_ms = session.now_ms
    session.wait(10)
    decided = session.step(of(STRANGER))
    (orphan,) = session.state.orphans.values()
    assert (orphan.state, orphan.first_seen_ms) == ("TASK_RUNNING", first_seen_ms)
    assert decided.notices == (), "the operator was told once"


def test_the_list_is_bounded() -> None:
    session = Session(Policy(max_orphans=3))
    for number in range(10):
        session.step(of(f"{number}.instance-x._app.1"))
    assert len(session.state.orphans) == 3


def test_an_operator_kills_it_and_it_is_killed_whenever_it_shows() -> None:
    session = Session()
    session.step(of(STRANGER))
    assert session.ask(KillOrphan(STRANGER)) == Done()
    assert session.last.actions == (Kill(STRANGER, "a9"),)
    assert killed(session.step(of(STRANGER))) == [STRANGER]
    session.step(of(STRANGER, TaskState.KILLED))
    assert session.state.orphans == {}
    assert session.refused(KillOrphan(STRANGER)).why is Why.ORPHAN_UNKNOWN


def test_an_operator_adopts_it() -> None:
    session = Session()
    session.put(WEB)
    session.step(of(STRANGER))
    done = session.ask(AdoptOrphan(STRANGER, "/web"))
    assert isinstance(done, Done)
    instance = session.only()
    assert done.instances == (instance,)
    assert instance.task_id == STRANGER
    assert (instance.incarnation, instance.condition) == (3, Condition.RUNNING)
    assert instance.version == session.state.apps["/web"].version
    assert session.state.orphans == {}
    assert "/web" not in session.world.demand, "it is the instance that was wanted"
    assert killed(session.step(of(STRANGER))) == []


def test_the_ports_of_an_adopted_task_are_not_known() -> None:
    """So nothing of ours can look at it; and nothing breaks."""
    session = Session()
    bridged = replace(
        WEB,
        networks=(Network(NetworkMode.BRIDGE),),
        container=Container(port_mappings=(PortMapping(80, 0, 10_001),)),
        health_checks=(HealthCheck("TCP", port_index=0),),
    )
    session.put(bridged)
    session.step(of(STRANGER))
    assert isinstance(session.ask(AdoptOrphan(STRANGER, "/web")), Done)
    assert session.last.probes == ()
    assert session.only().condition is Condition.RUNNING


def test_adopting_one_too_many_stops_one() -> None:
    session = Session()
    (known,) = session.running(WEB, agent(1))
    session.wait(10)
    session.step(of(STRANGER))
    session.ask(AdoptOrphan(STRANGER, "/web"))
    assert killed(session.last) == [STRANGER], "the youngest"
    assert known in session.instances()


@pytest.mark.parametrize(
    ("task_id", "app_id", "why"),
    [
        ("web.instance-2._app.1", "/web", Why.ORPHAN_UNKNOWN),
        (STRANGER, "/none", Why.APP_UNKNOWN),
        (STRANGER, "/other", Why.INVALID),
        ("strange", "/web", Why.INVALID),
    ],
)
def test_what_can_not_be_adopted(task_id: str, app_id: str, why: Why) -> None:
    session = Session()
    session.put(WEB, replace(WEB, id="/other"))
    session.step(of(STRANGER), of("strange"))
    assert session.refused(AdoptOrphan(task_id, app_id)).why is why


def test_a_task_of_an_instance_that_has_another_is_not_adopted() -> None:
    session = Session()
    (instance,) = session.running(WEB, agent(1))
    later = replace(instance, incarnation=7).task_id
    session.step(of(later))
    assert session.refused(AdoptOrphan(later, "/web")).why is Why.INVALID


def test_an_incarnation_before_the_present_one_was_replaced_and_is_killed() -> None:
    session = Session()
    (first,) = session.running(WEB, agent(1))
    session.status(first, TaskState.KILLED)
    session.offer(session.offer_of(agent(1)))
    decided = session.step(of(first.task_id))
    assert killed(decided) == [first.task_id]
    assert session.state.orphans == {}
    assert session.only().condition is Condition.PROVISIONED


def test_an_incarnation_after_the_present_one_is_nobodys() -> None:
    session = Session()
    (instance,) = session.running(WEB, agent(1))
    later = replace(instance, incarnation=7).task_id
    decided = session.step(of(later))
    assert killed(decided) == []
    assert set(session.state.orphans) == {later}
    assert session.only() == instance


def test_one_given_up_is_killed_when_it_returns_but_not_with_each_update() -> None:
    session = Session(Policy(kill_retry_timeout=5_000))
    (instance,) = session.running(WEB, agent(1))
    session.status(instance, TaskState.UNREACHABLE)
    assert set(session.state.tombstones) == {instance.task_id}
    assert killed(session.step(of(instance.task_id))) == [instance.task_id]
    assert killed(session.step(of(instance.task_id))) == []
    assert [one.task_id for one in of_type(session.wait(5), Kill)] == [instance.task_id]
    assert killed(session.step(of(instance.task_id))) == []
    session.step(of(instance.task_id, TaskState.KILLED))
    assert of_type(session.wait(60), Kill) == []
    assert session.world.kills_sent == {}


def test_the_kill_of_one_given_up_is_asked_for_again_but_not_for_ever() -> None:
    session = Session(Policy(kill_retry_timeout=5_000))
    (instance,) = session.running(WEB, agent(1))
    session.status(instance, TaskState.UNREACHABLE)
    session.step(of(instance.task_id))
    again = of_type(session.wait(600), Kill)
    assert [(one.task_id, one.agent_id) for one in again] == [(instance.task_id, "a9")] * 9
    assert session.world.kills_sent == {}


def test_a_freeze_holds_the_repeated_kill_of_one_given_up() -> None:
    session = Session(Policy(kill_retry_timeout=5_000))
    (instance,) = session.running(WEB, agent(1))
    session.status(instance, TaskState.UNREACHABLE)
    assert killed(session.step(of(instance.task_id))) == [instance.task_id]
    session.ask_step(FreezeApps())
    assert of_type(session.wait(60), Kill) == []


@pytest.mark.parametrize(
    ("state", "reason", "uuid", "forgotten"),
    [
        (TaskState.KILLED, "", "u", True),
        (TaskState.FAILED, "", "u", True),
        (TaskState.GONE, "", "u", True),
        (TaskState.GONE, "REASON_RECONCILIATION", "", True),
        (TaskState.DROPPED, "", "u", True),
        (TaskState.KILLED, "REASON_RECONCILIATION", "", False),  # older news may still come
        (TaskState.GONE_BY_OPERATOR, "", "u", False),  # an operator's word
        (TaskState.UNKNOWN, "", "", False),
        (TaskState.LOST, "", "u", False),
        (TaskState.UNREACHABLE, "", "u", False),
    ],
)
def test_a_tombstone_stays_until_the_end_is_sure(
    state: TaskState,
    reason: str,
    uuid: str,
    forgotten: bool,
) -> None:
    session = Session()
    (instance,) = session.running(WEB, agent(1))
    session.status(instance, TaskState.UNREACHABLE)
    status = TaskStatus(instance.task_id, state, agent_id="a1", uuid=uuid, reason=reason)
    session.step(TaskStatusReceived(status))
    assert (instance.task_id not in session.state.tombstones) is forgotten


def test_tombstones_outlive_the_process() -> None:
    session = Session()
    (instance,) = session.running(WEB, agent(1))
    session.status(instance, TaskState.UNREACHABLE)
    session.restart()
    session.connect()
    assert killed(session.step(of(instance.task_id))) == [instance.task_id]


def test_tombstones_are_bounded_and_the_oldest_go_first() -> None:
    session = Session(Policy(max_tombstones=3))
    lost = []
    for _ in range(5):
        (instance,) = session.running(WEB, agent(1))
        session.status(instance, TaskState.UNREACHABLE)
        lost.append(instance.task_id)
    assert list(session.state.tombstones) == lost[2:]
