"""New instances of an upgrade count once the edges send them requests."""

from framework.core.deadlines import Due
from framework.core.policy import Policy
from framework.domain.app import (
    App,
    HealthCheck,
    KillSelection,
    PortDefinition,
    ReadinessCheck,
    UnreachableStrategy,
    UpgradeStrategy,
)
from framework.domain.edges import EdgeKind
from framework.domain.events import AcknowledgeDrained, ForgetEdge, RenewEdge
from framework.domain.health import ProbeResult, ProbesReported, readiness_key
from framework.domain.instance import Instance
from framework.domain.mesos import TaskState
from framework.domain.notices import Remarked
from framework.domain.records import replace
from tests.unit.core.session import WEB, Session, agent, killed, launches, status_of

POLICY = Policy(drain_timeout=0, edge_rotation_timeout=10_000)
OLD = replace(WEB, port_definitions=(PortDefinition(10_000),))
NEW = replace(OLD, cmd="sleep 2")


def edge(name: str = "e1", kind: EdgeKind = EdgeKind.DAEMON, lease: int = 60) -> RenewEdge:
    return RenewEdge(name, kind, lease)


def upgrading(
    *edges: RenewEdge, old: App = OLD, new: App = NEW, policy: Policy = POLICY
) -> tuple[Session, Instance]:
    """One instance runs, edges follow, and the one that is to replace it was launched."""
    session = Session(policy)
    session.running(old, agent(1))
    for one in edges:
        session.ask(one)
    session.put(new)
    return session, launched(session)


def launched(session: Session) -> Instance:
    (launch,) = launches(session.offer(session.offer_of(agent(2))))
    return session.state.instances[launch.instance_id]


def rotated(name: str, instance: Instance) -> AcknowledgeDrained:
    return AcknowledgeDrained(name, (), (instance.task_id, "unknown"))


def killed_now(session: Session) -> int:
    return len(killed(session.last))


def test_the_old_one_stays_until_all_that_follow_send_the_new_one_requests() -> None:
    session, new = upgrading(edge("e1"), edge("e2"), edge("c", EdgeKind.CRON))
    session.step(status_of(new, TaskState.RUNNING))
    assert killed_now(session) == 0
    session.ask(rotated("e1", new))
    assert killed_now(session) == 0
    session.ask(rotated("e2", new))
    assert killed_now(session) == 1
    assert session.world.rotating == {}


def test_for_so_long_and_then_no_longer() -> None:
    session, new = upgrading(edge())
    session.wait(100)  # it starts slowly
    session.ask(edge())
    session.step(status_of(new, TaskState.RUNNING))
    session.wait(9.999)
    assert len(session.instances()) == 2
    assert not any(one.kill_reason for one in session.instances())
    session.wait(0.001)
    assert killed_now(session) == 1
    (said,) = [one.message for one in session.last.notices if isinstance(one, Remarked)]
    assert "no requests of edge e1" in said


def test_an_edge_whose_lease_is_over_or_that_leaves_is_not_waited_for() -> None:
    session, new = upgrading(edge("e1"), edge("e2", lease=5))
    session.step(status_of(new, TaskState.RUNNING))
    session.ask(rotated("e1", new))
    session.wait(5)
    assert killed_now(session) == 1
    session, new = upgrading(edge("e1"), edge("e2"))
    session.step(status_of(new, TaskState.RUNNING))
    session.ask(rotated("e1", new))
    session.ask(ForgetEdge("e2"))
    assert killed_now(session) == 1
    session, new = upgrading(edge())  # the only one, which has said nothing
    session.step(status_of(new, TaskState.RUNNING))
    session.ask(ForgetEdge("e1"))
    assert killed_now(session) == 1


def test_nobody_waits_without_a_daemon_or_a_service_port_or_where_it_is_off() -> None:
    bare = replace(OLD, port_definitions=())
    off = Policy(drain_timeout=0, edge_rotation_timeout=0)
    for session, new in (
        upgrading(),
        upgrading(edge(kind=EdgeKind.CRON)),
        upgrading(edge(), old=bare, new=replace(bare, cmd="sleep 2")),
        upgrading(edge(), policy=off),
    ):
        session.step(status_of(new, TaskState.RUNNING))
        assert killed_now(session) == 1


def test_what_replaces_nothing_does_not_wait() -> None:
    session = Session(POLICY)
    session.ask(edge())
    session.running(OLD, agent(1))
    assert session.state.deployments == {}
    session.put(replace(OLD, instances=2))
    session.step(status_of(launched(session), TaskState.RUNNING))
    assert session.state.deployments == {}


def test_its_time_begins_when_it_is_healthy() -> None:
    checks = (HealthCheck("MESOS_TCP", port_index=0),)
    session, new = upgrading(edge(), new=replace(NEW, health_checks=checks))
    session.step(status_of(new, TaskState.RUNNING))
    session.wait(20)
    assert not any(one.kill_reason for one in session.instances())
    session.step(status_of(new, TaskState.RUNNING, healthy=True))
    session.ask(edge())
    session.wait(9.999)
    assert not any(one.kill_reason for one in session.instances())
    session.wait(0.001)
    assert killed_now(session) == 1


def test_it_has_to_serve_for_its_own_time_too() -> None:
    careful = replace(NEW, upgrade_strategy=UpgradeStrategy(minimum_healthy_seconds=5))
    session, new = upgrading(edge(), new=careful)
    session.step(status_of(new, TaskState.RUNNING))
    session.ask(rotated("e1", new))
    assert killed_now(session) == 0
    session.wait(5)
    assert killed_now(session) == 1


def test_a_new_leader_hears_it_again_or_waits_no_longer_than_it_may() -> None:
    session, new = upgrading(edge("e1"), edge("e2"))
    session.step(status_of(new, TaskState.RUNNING))
    session.ask(rotated("e1", new))
    session.restart(seconds_later=1)
    session.connect()
    session.ask(rotated("e2", new))
    assert session.state.instances[new.id].awaits_edges
    session.ask(rotated("e1", new))
    assert not session.state.instances[new.id].awaits_edges
    session, new = upgrading(edge())
    session.step(status_of(new, TaskState.RUNNING))
    session.restart(seconds_later=20)
    session.ask(edge())
    session.wait(9.999)
    assert session.state.instances[new.id].awaits_edges
    session.wait(0.001)
    assert not session.state.instances[new.id].awaits_edges


def test_one_that_is_launched_again_waits_anew_and_one_that_ended_is_forgotten() -> None:
    session, new = upgrading(edge("e1"), edge("e2"))
    session.step(status_of(new, TaskState.RUNNING))
    session.ask(rotated("e1", new))
    session.step(status_of(new, TaskState.FAILED))
    assert session.world.rotating == {}
    session.wait(1)
    again = launched(session)
    assert again.awaits_edges
    session.step(status_of(again, TaskState.RUNNING))
    session.ask(rotated("e2", again))
    assert killed_now(session) == 0


def test_its_time_begins_when_it_is_ready() -> None:
    checks = (ReadinessCheck(port_name="http"),)
    ports = (PortDefinition(10_000, name="http"),)
    session, new = upgrading(
        edge(), new=replace(NEW, port_definitions=ports, readiness_checks=checks)
    )
    session.step(status_of(new, TaskState.RUNNING))
    session.wait(20)
    said = ProbeResult(readiness_key(new.task_id), session.now_ms, alive=True)
    session.step(ProbesReported((said,)))
    session.ask(edge())
    session.wait(9.999)
    assert not any(one.kill_reason for one in session.instances())
    session.wait(0.001)
    assert killed_now(session) == 1


def test_one_that_serves_again_has_all_of_its_time() -> None:
    checks = (HealthCheck("MESOS_TCP", port_index=0),)
    session, new = upgrading(edge(), new=replace(NEW, health_checks=checks))
    session.step(status_of(new, TaskState.RUNNING, healthy=True))
    session.wait(6)
    session.step(status_of(new, TaskState.RUNNING, healthy=False))
    session.wait(6)
    session.step(status_of(new, TaskState.RUNNING, healthy=True))
    session.ask(edge())
    session.wait(9.999)
    assert not any(one.kill_reason for one in session.instances())
    session.wait(0.001)
    assert killed_now(session) == 1


def test_what_no_edge_uses_yet_protects_nothing_in_the_next_upgrade_either() -> None:
    oldest = replace(OLD, kill_selection=KillSelection.OLDEST_FIRST)
    session, unused = upgrading(edge(), old=oldest, new=replace(oldest, cmd="sleep 2"))
    session.step(status_of(unused, TaskState.RUNNING))
    session.put(replace(oldest, cmd="sleep 3"), force=True)
    assert [one.id for one in session.instances() if one.kill_reason] == [unused.id]


def test_word_of_one_that_has_not_started_is_not_kept() -> None:
    session, new = upgrading(edge("e1"), edge("e2"))
    session.ask(rotated("e1", new))
    assert session.world.rotating == {}
    session.step(status_of(new, TaskState.RUNNING))
    assert session.world.rotating == {new.task_id: set()}


def test_word_of_one_that_is_out_of_reach_for_a_while_is_kept() -> None:
    patient = replace(NEW, unreachable_strategy=UnreachableStrategy(disabled=True))
    session, new = upgrading(edge("e1"), edge("e2"), new=patient)
    session.step(status_of(new, TaskState.RUNNING))
    session.step(status_of(new, TaskState.UNREACHABLE))
    session.ask(rotated("e1", new))
    session.step(status_of(new, TaskState.RUNNING))
    session.ask(rotated("e2", new))
    assert killed_now(session) == 1


def test_those_that_wait_for_their_health_are_not_looked_at_again_and_again() -> None:
    """Only what changed is: there may be thousands of an app."""
    checks = (HealthCheck("MESOS_TCP", port_index=0),)
    session, new = upgrading(edge(), new=replace(NEW, health_checks=checks))
    session.step(status_of(new, TaskState.RUNNING))
    assert session.world.rotating == {}
    session.step(status_of(new, TaskState.RUNNING, healthy=True))
    assert session.world.rotating == {new.task_id: set()}
    session.world.deadlines.clear(Due.ROTATION, new.id)
    session.step(status_of(session.instances()[0], TaskState.RUNNING, healthy=True))
    assert session.world.deadlines.next_ms() != session.now_ms + 10_000
