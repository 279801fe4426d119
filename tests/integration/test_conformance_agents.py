"""What a scheduler is told of agents that are lost, come back or are marked gone.

The same for the simulated and the genuine Mesos; each test damages a cluster of its own.
"""

from collections.abc import Callable, Iterator
from typing import Protocol

import pytest

from localmesos.apache.engine import ApacheEngine
from localmesos.cluster import agent_specs
from localmesos.simulated import SimulatedEngine, faults
from tests.integration.scheduler_client import (
    Json,
    Scheduler,
    acknowledge_to,
    all_offers,
    amount,
    on,
    post,
    task,
)

ENGINES = ["simulated", pytest.param("apache", marks=pytest.mark.mesos)]
LONG = 1000.0


class Losing(Protocol):
    """A cluster whose agents can be damaged."""

    @property
    def url(self) -> str: ...
    def lose(self, index: int) -> None: ...
    def bring_back(self, index: int) -> None: ...


class SimulatedLosing:
    def __init__(self, engine: SimulatedEngine) -> None:
        self._engine = engine
        self.url = engine.url

    def lose(self, index: int) -> None:
        self._engine.do(faults.DisconnectAgent(index))
        self._engine.do(faults.LoseAgent(index))

    def bring_back(self, index: int) -> None:
        self._engine.do(faults.ReturnAgent(index))


class ApacheLosing:
    def __init__(self, engine: ApacheEngine) -> None:
        self._engine = engine
        self.url = engine.url

    def lose(self, index: int) -> None:
        self._engine.kill_agent(index)

    def bring_back(self, index: int) -> None:
        self._engine.start_agent(index)


@pytest.fixture(params=ENGINES)
def losing(request: pytest.FixtureRequest) -> Iterator[Losing]:
    """Two agents of one's own that are given up within two seconds."""
    if request.param == "simulated":
        with SimulatedEngine(agent_specs(2)) as engine:
            yield SimulatedLosing(engine)
        return
    start: Callable[..., ApacheEngine] = request.getfixturevalue("apache_cluster")
    flags = {
        "agent_ping_timeout": "1secs",
        "max_agent_ping_timeouts": "1",
        "executor_reregistration_timeout": "2secs",
    }
    yield ApacheLosing(start(2, flags=flags))


def test_an_agent_lost_found_and_gone(losing: Losing) -> None:
    with Scheduler(losing.url, checkpoint=True, failover_seconds=LONG) as scheduler:
        offer, other = all_offers(scheduler, 2)
        agent_id = offer["agent_id"]["value"]
        info = task(offer)
        task_id = info["task_id"]["value"]
        since = scheduler.mark
        scheduler.launch([offer], [info], refuse_seconds=0)
        acknowledge_to(scheduler, task_id, "TASK_RUNNING")
        rest = scheduler.offer(since, on(offer))
        since = scheduler.mark
        losing.lose(0)
        assert_unreachable(scheduler, since, task_id, agent_id, rest)
        since = scheduler.mark
        scheduler.decline([other], 0)
        losing.bring_back(0)
        back = scheduler.status(task_id, "TASK_RUNNING", since)
        assert (back["reason"], back["source"]) == ("REASON_AGENT_REREGISTERED", "SOURCE_MASTER")
        assert amount(scheduler.offer(since, on(offer)), "cpus") == 3.9
        since = scheduler.mark
        gone: Json = {"type": "MARK_AGENT_GONE", "mark_agent_gone": {"agent_id": info["agent_id"]}}
        assert post(losing.url, gone, path="/api/v1")[0] == 200
        status = scheduler.status(task_id, "TASK_GONE_BY_OPERATOR", since)
        assert status["reason"] == "REASON_AGENT_REMOVED_BY_OPERATOR"
        scheduler.stream.wait(lambda event: event["type"] == "FAILURE", since)
        since = scheduler.mark
        scheduler.reconcile((task_id, agent_id), ("never", agent_id))
        assert scheduler.status(task_id, since=since)["state"] == "TASK_GONE_BY_OPERATOR"
        assert scheduler.status("never", since=since)["state"] == "TASK_GONE_BY_OPERATOR"


def assert_unreachable(
    scheduler: Scheduler, since: int, task_id: str, agent_id: str, offer: Json
) -> None:
    """What a scheduler is told of a lost agent, and answered when it asks."""
    lost = scheduler.status(task_id, "TASK_UNREACHABLE", since)
    assert (lost["reason"], lost["source"]) == ("REASON_AGENT_REMOVED", "SOURCE_MASTER")
    assert lost["unreachable_time"]["nanoseconds"] > 0
    scheduler.stream.wait(lambda event: event["type"] == "FAILURE", since)
    kinds = [event["type"] for event in scheduler.stream.events[since:]]
    assert [kind for kind in kinds if kind not in ("HEARTBEAT", "OFFERS")] == [
        "RESCIND",
        "UPDATE",
        "FAILURE",
    ]
    failure = scheduler.stream.wait(lambda event: event["type"] == "FAILURE", since)
    assert failure["failure"]["agent_id"]["value"] == agent_id
    rescind = scheduler.stream.wait(lambda event: event["type"] == "RESCIND", since)
    assert rescind["rescind"]["offer_id"] == offer["id"]
    since = scheduler.mark
    scheduler.reconcile((task_id, agent_id), ("never", agent_id), (task_id, None))
    scheduler.kill("killed", agent_id)
    for each in (task_id, "never", "killed"):
        assert scheduler.status(each, since=since)["state"] == "TASK_UNREACHABLE"
    # Without the agent's id the master does not look among the unreachable ones.
    assert scheduler.status(task_id, "TASK_UNKNOWN", since)["message"] == (
        "Reconciliation: Task is unknown"
    )


def test_an_agent_that_disconnects_takes_tasks_without_checkpoint_along(losing: Losing) -> None:
    with Scheduler(losing.url) as scheduler:
        offer = all_offers(scheduler, 2)[0]
        task_id = scheduler.run(offer)["task_id"]["value"]
        since = scheduler.mark
        losing.lose(0)
        lost = scheduler.status(task_id, "TASK_LOST", since)
        assert lost["reason"] == "REASON_AGENT_DISCONNECTED"
