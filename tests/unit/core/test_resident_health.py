"""Instances with persistent volumes can not be replaced first when their checks fail: they start
again where they are, one at a time of each app."""

from framework.domain.app import App, HealthCheck
from framework.domain.health import ProbeResult, ProbesReported, health_key
from framework.domain.mesos import Agent, OperationState, TaskState
from framework.domain.records import replace
from tests.unit.core.session import agent
from tests.unit.core.test_volumes import DB, Volumes


def running(session: Volumes, app: App, count: int) -> dict[str, Agent]:
    """So many instances run, each on an agent of its own; by instance id."""
    session.put(app)
    agents = [agent(number) for number in range(1, count + 1)]
    session.offer(*(session.plain(one) for one in agents))
    for held in list(session.state.reservations.values()):
        for one in held.pending:
            session.tell(one.id, OperationState.FINISHED, agent_id=held.agent_id)
    for instance in session.instances(app.id):
        session.status(instance, TaskState.RUNNING)
    where = {one.id: one for one in agents}
    return {one.id: where[one.agent_id] for one in session.instances(app.id)}


def test_unhealthy_ones_are_killed_one_at_a_time() -> None:
    session = Volumes()
    check = HealthCheck("TCP", port=80, max_consecutive_failures=1, grace_period_seconds=0)
    app = replace(DB, health_checks=(check,), instances=3)

    def look(*, alive: bool) -> list[str]:
        results = tuple(
            ProbeResult(health_key(one.task_id, 0), session.now_ms, alive, "" if alive else "no")
            for one in session.instances("/db")
        )
        session.step(ProbesReported(results))
        session.wait(1)
        return [one.id for one in session.instances("/db") if one.kill_reason]

    where = running(session, app, 3)
    assert look(alive=True) == []
    (first,) = look(alive=False)
    assert look(alive=False) == [first], "the others wait for it"
    session.status(session.state.instances[first], TaskState.KILLED)
    session.wait(30)
    assert [one.id for one in session.instances("/db") if one.kill_reason] == [], (
        "it has not started"
    )
    held = session.state.reservations[first]
    session.offer(session.holding(held, where[first]))
    again = session.state.instances[first]
    session.status(again, TaskState.RUNNING)
    assert session.wait(30) == []
    session.step(ProbesReported((ProbeResult(health_key(again.task_id, 0), session.now_ms, True),)))
    session.wait(1)
    (second,) = [one.id for one in session.instances("/db") if one.kill_reason]
    assert second != first
