"""Draining: a planned kill waits for the edges that follow us, and for no one else."""

import pytest

from framework.core.policy import Policy
from framework.domain.actions import Kill
from framework.domain.app import App, PortDefinition
from framework.domain.edges import EdgeKind
from framework.domain.events import (
    AcknowledgeDrained,
    ChangeApps,
    Command,
    ForgetEdge,
    KillTasks,
    PutApp,
    PutShares,
    RenewEdge,
)
from framework.domain.instance import Goal, Instance
from framework.domain.mesos import TaskState
from framework.domain.notices import InstanceDraining
from framework.domain.records import replace
from framework.domain.replies import Refused, Why
from tests.unit.core.session import WEB, Session, agent, killed, of_type

POLICY = Policy(drain_timeout=10_000, kill_retry_timeout=5_000)
SERVED = replace(WEB, port_definitions=(PortDefinition(10_000),))
OWN = replace(SERVED, labels={"STAYER_DRAIN_SECONDS": "30"})


def edge(name: str = "e1", kind: EdgeKind = EdgeKind.DAEMON, lease: int = 60) -> RenewEdge:
    return RenewEdge(name, kind, lease)


def draining(*edges: RenewEdge, app: App = SERVED, command: Command | None = None) -> Session:
    """One running instance of an app, edges, and a kill that was planned."""
    session = Session(POLICY)
    session.running(app, agent(1))
    for one in edges:
        session.ask(one)
    session.ask(command or ChangeApps(removes=(app.id,)))
    return session


def kills(session: Session, seconds: float) -> list[Kill]:
    return of_type(session.wait(seconds), Kill)


def test_without_edges_a_planned_kill_is_sent_at_once() -> None:
    session = draining()
    assert len(killed(session.last)) == 1
    assert session.only().draining_until_ms <= session.now_ms


def test_it_waits_for_the_time_that_it_may_take() -> None:
    session = draining(edge())
    assert killed(session.last) == []
    (told,) = [one for one in session.last.notices if isinstance(one, InstanceDraining)]
    assert told.instance.kill_reason
    assert kills(session, 9.9) == []
    assert len(kills(session, 0.1)) == 1


def test_all_that_follow_have_to_be_done() -> None:
    session = draining(edge("e1"), edge("e2"), edge("e3", EdgeKind.CRON))
    task_id = session.only().task_id
    session.ask(AcknowledgeDrained("e1", (task_id, "unknown")))
    session.ask(AcknowledgeDrained("e1", (task_id,)))
    session.ask(AcknowledgeDrained("e3", (task_id,)))
    assert killed(session.last) == []
    session.ask(AcknowledgeDrained("e2", (task_id,)))
    assert killed(session.last) == [task_id]
    assert session.world.draining == {}
    assert len(kills(session, 5)) == 1, "asked again until it has ended"


def test_an_edge_that_is_heard_of_no_more_is_not_waited_for() -> None:
    session = draining(edge("e1", lease=5), edge("e2", lease=60))
    session.ask(AcknowledgeDrained("e2", (session.only().task_id,)))
    assert kills(session, 4.9) == []
    assert len(kills(session, 0.1)) == 1
    assert "e1" not in session.state.edges


def test_an_edge_that_takes_its_leave_is_not_waited_for() -> None:
    session = draining(edge())
    session.ask(ForgetEdge("e1"))
    assert len(killed(session.last)) == 1


def test_a_lease_is_renewed() -> None:
    session = Session(POLICY)
    session.ask(edge(lease=5))
    for _ in range(3):
        session.wait(4)
        session.ask(edge(lease=5))
    assert "e1" in session.state.edges
    session.wait(5)
    assert session.state.edges == {}
    assert session.state.edge_reports == {}


def test_edges_that_look_now_and_then_delay_only_what_asks_for_it() -> None:
    cron = edge("c", EdgeKind.CRON)
    assert len(killed(draining(cron).last)) == 1
    session = draining(cron, app=OWN)
    assert kills(session, 29.9) == []
    assert len(kills(session, 0.1)) == 1


@pytest.mark.parametrize("names", [("c",), ("c", "d"), ("d", "c"), ("c", "f", "d")])
def test_an_apps_own_time_is_cut_short_once_all_edges_are_done(names: tuple[str, ...]) -> None:
    kinds = {"f": EdgeKind.DAEMON}
    session = draining(*(edge(name, kinds.get(name, EdgeKind.CRON)) for name in names), app=OWN)
    task_id = session.only().task_id
    for name in names:
        assert killed(session.last) == []
        session.ask(AcknowledgeDrained(name, (task_id,)))
    assert killed(session.last) == [task_id]


def test_an_apps_own_time_is_for_those_that_are_no_edges() -> None:
    session = draining(edge("c", EdgeKind.CRON), app=OWN)
    session.ask(ForgetEdge("c"))
    assert kills(session, 29.9) == []
    assert len(kills(session, 0.1)) == 1


def test_an_apps_own_time_is_cut_short_by_edges_that_follow() -> None:
    session = draining(edge(), app=OWN)
    assert kills(session, 20) == []
    session.ask(AcknowledgeDrained("e1", (session.only().task_id,)))
    assert len(killed(session.last)) == 1


@pytest.mark.parametrize("text", ["", "x", "-1", "1.5", "9" * 30])
def test_a_label_that_can_not_be_read_is_none(text: str) -> None:
    app = replace(SERVED, labels={"STAYER_DRAIN_SECONDS": text})
    assert len(killed(draining(app=app).last)) == 1


def test_what_serves_nobody_does_not_drain() -> None:
    assert len(killed(draining(edge(), app=WEB).last)) == 1 or not WEB.service_ports
    unserved = replace(WEB, port_definitions=())
    assert len(killed(draining(edge(), app=unserved).last)) == 1


def test_a_kill_on_request_drains_and_the_instance_comes_back() -> None:
    session = Session(POLICY)
    session.running(SERVED, agent(1))
    session.ask(edge())
    instance = session.only()
    session.ask(KillTasks((instance.id,)))
    assert killed(session.last) == []
    session.ask(AcknowledgeDrained("e1", (instance.task_id,)))
    assert killed(session.last) == [instance.task_id]
    session.status(session.only(), TaskState.KILLED)
    after: Instance = session.only()
    assert (after.kill_reason, after.draining_until_ms) == ("", 0)


def test_a_new_leader_waits_as_long_as_the_old_one_would_have() -> None:
    session = draining(edge(lease=60))
    task_id = session.only().task_id
    session.restart(seconds_later=4)
    session.connect()
    assert killed(session.last) == []
    session.ask(AcknowledgeDrained("e1", (task_id,)))
    assert killed(session.last) == [task_id]


def test_a_new_leader_sends_the_kill_in_the_end() -> None:
    session = draining(edge(lease=60))
    session.restart(seconds_later=4)
    session.connect()
    assert kills(session, 5.9) == []
    assert len(kills(session, 0.1)) == 1


def test_replaced_instances_drain_and_the_deployment_waits() -> None:
    session = Session(POLICY)
    session.running(SERVED, agent(1))
    session.ask(edge())
    session.ask(ChangeApps((PutApp(replace(SERVED, instances=0)),)))
    assert killed(session.last) == []
    assert len(session.state.deployments) == 1
    session.ask(AcknowledgeDrained("e1", (session.only().task_id,)))
    session.status(session.only(), TaskState.KILLED)
    assert session.state.deployments == {}


def test_who_is_not_registered_is_told_so() -> None:
    session = Session(POLICY)
    for command in (AcknowledgeDrained("x", ()), ForgetEdge("x")):
        reply = session.ask(command)
        assert isinstance(reply, Refused)
        assert reply.why is Why.EDGE_UNKNOWN


def test_there_is_an_end_of_edges() -> None:
    session = Session(POLICY)
    for number in range(1_000):
        session.ask(edge(f"e{number}"))
    reply = session.ask(edge("one more"))
    assert isinstance(reply, Refused)
    assert reply.why is Why.TOO_MANY_EDGES
    assert not isinstance(session.ask(edge("e1")), Refused)


def test_shares() -> None:
    session = Session(POLICY)
    session.running(SERVED, agent(1))
    reply = session.ask(PutShares("web", {"/web": 1, "/nobody": 2}))
    assert isinstance(reply, Refused)
    assert reply.why is Why.APP_UNKNOWN
    session.ask(PutShares("web", {"/web": 1}))
    assert session.state.shares["web"].shares == {"/web": 1}
    session.ask(PutShares("web"))
    assert session.state.shares == {}
    reply = session.ask(PutShares("web"))
    assert isinstance(reply, Refused)
    assert reply.why is Why.SHARES_UNKNOWN


def test_one_that_ends_while_it_drains_is_waited_for_no_more() -> None:
    session = Session(POLICY)
    (instance,) = session.running(SERVED, agent(1))
    session.ask(edge())
    session.ask(KillTasks((instance.id,)))
    assert session.world.draining == {instance.task_id: set()}
    session.status(instance, TaskState.FINISHED)
    assert session.world.draining == {}


def test_what_drains_already_does_not_begin_anew_when_it_is_wanted_no_more() -> None:
    session = Session(POLICY)
    (instance,) = session.running(SERVED, agent(1))
    session.ask(edge())
    session.ask(KillTasks((instance.id,)))
    until_ms = session.only().draining_until_ms
    session.wait(5)
    session.ask(ChangeApps(removes=("/web",)))
    assert (session.only().goal, session.only().draining_until_ms) == (
        Goal.DECOMMISSIONED,
        until_ms,
    )
    assert len(kills(session, 5)) == 1
