"""Drains and maintenance: nothing more is launched on an agent, and what runs there goes when
others serve in its place."""

from framework.core.policy import Policy
from framework.domain.actions import (
    AcceptInverseOffer,
    DeclineInverseOffer,
    Kill,
)
from framework.domain.app import HealthCheck, UnreachableStrategy
from framework.domain.draining import InverseOffer
from framework.domain.events import (
    AdoptOrphan,
    DrainAgent,
    FreezeApps,
    InverseOfferRescinded,
    InverseOffersReceived,
    KillTasks,
    LiftFreeze,
    OffersReceived,
    TaskStatusReceived,
    UndrainAgent,
)
from framework.domain.health import ProbeResult, ProbesReported, health_key
from framework.domain.instance import Condition, Goal, MarkedFor
from framework.domain.mesos import TaskState, TaskStatus
from framework.domain.records import replace
from framework.domain.replies import Why
from tests.unit.core.session import (
    WEB,
    Session,
    agent,
    killed,
    launches,
    of_type,
)

TWO = replace(WEB, instances=2, constraints=(("hostname", "UNIQUE"),))


def inverse(session: Session, number: int, *, seconds: int = 600) -> InverseOffer:
    from_ms = session.now_ms + seconds * 1000
    return InverseOffer(f"i{len(session.steps)}", f"a{number}", from_ms, 3_600_000)


def marked(session: Session) -> list[str]:
    return [one.agent_id for one in session.instances() if one.mark is not None]


def test_a_drained_agent_is_emptied_and_not_used() -> None:
    session = Session()
    session.running(TWO, agent(1), agent(2))
    session.ask_step(DrainAgent("host1", "new disks"))
    assert marked(session) == ["a1"]
    assert launches(session.offer(session.offer_of(agent(1)))) == []
    (launch,) = launches(session.offer(session.offer_of(agent(3))))
    moved = next(one for one in session.instances() if one.agent_id == "a1")
    new = session.state.instances[launch.instance_id]
    assert killed(session.status(new, TaskState.RUNNING)) == [moved.task_id]


def test_by_id_too_and_for_apps_that_come_later() -> None:
    session = Session()
    session.ask_step(DrainAgent("a1"))
    session.put(WEB)
    assert launches(session.offer(session.offer_of(agent(1)))) == []
    assert "the agent is drained" in session.state.launch_stats["/web"].explanation[0]
    session.ask_step(UndrainAgent("a1"))
    assert len(launches(session.offer(session.offer_of(agent(1))))) == 1


def test_undrained_it_keeps_what_is_there() -> None:
    session = Session()
    session.running(TWO, agent(1), agent(2))
    session.ask_step(DrainAgent("a1"))
    session.ask_step(UndrainAgent("a1"))
    assert marked(session) == []
    assert session.world.demand == {}
    assert session.refused(UndrainAgent("a1")).why is Why.DRAIN_UNKNOWN


def test_it_survives_the_process() -> None:
    session = Session()
    session.running(TWO, agent(1), agent(2))
    session.ask_step(DrainAgent("a1", deadline_seconds=60))
    session.restart(seconds_later=30)
    session.connect()
    assert marked(session) == ["a1"]
    assert launches(session.offer(session.offer_of(agent(1)))) == []
    assert of_type(session.wait(29), Kill) == []
    assert len(of_type(session.wait(2), Kill)) == 1


def test_a_freeze_holds_the_deadline_back() -> None:
    session = Session()
    session.running(TWO, agent(1), agent(2))
    session.ask_step(DrainAgent("a1", deadline_seconds=60))
    session.ask(FreezeApps())
    assert of_type(session.wait(300), Kill) == []
    session.ask(LiftFreeze())
    assert len(killed(session.last)) == 1


def test_one_that_turns_out_to_live_there_has_to_leave_too() -> None:
    session = Session()
    (instance,) = session.running(WEB, agent(1))
    session.ask_step(FreezeApps())  # nothing starts in its place meanwhile
    session.ask_step(DrainAgent("host1"))
    session.status(instance, TaskState.UNKNOWN)
    assert session.only("/web").mark is None
    session.status(instance, TaskState.RUNNING)
    assert marked(session) == ["a1"]


def test_one_that_returns_after_the_deadline_is_killed_at_once() -> None:
    session = Session()
    patient = replace(WEB, unreachable_strategy=UnreachableStrategy(disabled=True))
    (instance,) = session.running(patient, agent(1))
    session.ask_step(DrainAgent("a1", deadline_seconds=60))
    session.status(instance, TaskState.UNREACHABLE)
    assert of_type(session.wait(100), Kill) == []
    assert killed(session.status(instance, TaskState.RUNNING)) == [instance.task_id]


def test_one_that_is_adopted_there_has_to_leave_too() -> None:
    session = Session()
    session.put(replace(WEB, instances=0))
    session.ask_step(DrainAgent("a1"))
    task_id = "web.instance-11111111-0000-4000-8000-000000000000._app.1"
    status = TaskStatus(task_id, TaskState.RUNNING, "a1", reason="REASON_RECONCILIATION")
    session.step(TaskStatusReceived(status))
    session.ask_step(AdoptOrphan(task_id, "/web"))
    assert marked(session) == ["a1"]


def test_an_agent_that_turns_out_to_have_a_drained_name_is_emptied() -> None:
    session = Session()
    session.running(WEB, replace(agent(1), hostname="earlier"))
    session.ask_step(DrainAgent("host1"))
    assert marked(session) == []
    session.offer(session.offer_of(agent(1)))
    session.wait(0)
    assert marked(session) == ["a1"]


def test_one_that_recovers_from_sickness_still_has_to_leave() -> None:
    check = HealthCheck("TCP", port=80, grace_period_seconds=0, max_consecutive_failures=1)
    session = Session()
    (instance,) = session.running(replace(WEB, health_checks=(check,)), agent(1))

    def look(*, alive: bool) -> MarkedFor | None:
        result = ProbeResult(health_key(instance.task_id, 0), session.now_ms, alive, "no")
        session.step(ProbesReported((result,)))
        mark = session.only().mark
        return None if mark is None else mark.why

    assert look(alive=True) is None
    session.ask_step(DrainAgent("a1"))
    assert look(alive=False) is MarkedFor.UNHEALTHY
    assert look(alive=True) is MarkedFor.LEAVES_AGENT
    session.ask_step(UndrainAgent("a1"))
    assert session.only().mark is None


class TestMaintenance:
    def test_declined_once_then_kept_until_the_agent_is_empty(self) -> None:
        session = Session()
        (instance,) = session.running(WEB, agent(1))
        first = inverse(session, 1)
        decided = session.step(InverseOffersReceived((first,)))
        assert of_type(decided.actions, DeclineInverseOffer)[0].offer_ids == (first.id,)
        assert marked(session) == ["a1"]
        second = inverse(session, 1)
        assert of_type(session.step(InverseOffersReceived((second,))).actions, Kill) == []
        (launch,) = launches(session.offer(session.offer_of(agent(2))))
        session.status(session.state.instances[launch.instance_id], TaskState.RUNNING)
        decided = session.status(session.state.instances[instance.id], TaskState.KILLED)
        (accept,) = of_type(decided.actions, AcceptInverseOffer)
        assert accept.offer_ids == (second.id,)

    def test_long_before_nothing_moves(self) -> None:
        session = Session(Policy(maintenance_lead=60_000))
        session.running(WEB, agent(1))
        decided = session.step(InverseOffersReceived((inverse(session, 1, seconds=360),)))
        assert of_type(decided.actions, DeclineInverseOffer)[0].refuse_seconds == 300
        assert marked(session) == []
        session.wait(300)
        assert marked(session) == ["a1"]

    def test_called_off(self) -> None:
        session = Session()
        session.running(WEB, agent(1))
        session.step(InverseOffersReceived((inverse(session, 1),)))
        offer = inverse(session, 1)
        session.step(InverseOffersReceived((offer,)))
        session.step(InverseOfferRescinded(offer.id))
        session.wait(9)
        assert marked(session) == ["a1"], "a changed schedule looks like this"
        session.wait(2)
        assert marked(session) == []
        assert session.state.maintenance == {}

    def test_an_offer_without_it_tells_that_it_is_over(self) -> None:
        session = Session()
        session.running(WEB, agent(1))
        session.step(InverseOffersReceived((inverse(session, 1),)))
        session.offer(session.offer_of(agent(1)))
        assert marked(session) == []
        assert len(session.instances()) == 1

    def test_an_offer_tells_of_it_too(self) -> None:
        session = Session()
        session.running(WEB, agent(1))
        offer = replace(
            session.offer_of(agent(1)),
            unavailable_from_ms=session.now_ms + 1000,
            unavailable_for_ms=60_000,
        )
        session.step(OffersReceived((offer,)))
        assert marked(session) == ["a1"]
        session.wait(62)
        assert marked(session) == [], "it is over"


class TestDrainedByMesos:
    def test_others_start_at_once_and_nobody_has_failed(self) -> None:
        session = Session()
        one, _ = session.running(TWO, agent(1), agent(2))
        session.status(one, TaskState.KILLING, reason="REASON_AGENT_DRAINING")
        assert session.state.instances[one.id].goal is Goal.DECOMMISSIONED
        assert len(launches(session.offer(session.offer_of(agent(3))))) == 1
        session.status(one, TaskState.KILLED, reason="REASON_AGENT_DRAINING")
        assert one.id not in session.state.instances
        assert session.state.failures == {}
        assert session.state.delays == {}

    def test_a_kill_of_ours_stays_one(self) -> None:
        session = Session()
        (one,) = session.running(WEB, agent(1))
        session.status(one, TaskState.KILLING, reason="")
        assert session.only().goal is Goal.RUNNING
        assert session.only().condition is Condition.KILLING


def test_what_mesos_ends_is_killed_when_somebody_asks_for_that() -> None:
    session = Session()
    one, _ = session.running(TWO, agent(1), agent(2))
    session.status(one, TaskState.KILLING, reason="REASON_AGENT_DRAINING")
    assert killed(session.ask_step(KillTasks((one.id,), wipe=True))) == [one.task_id]
    assert session.state.instances[one.id].kill_reason == "wiped on request"
