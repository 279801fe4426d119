"""A small cluster in a published view, and a client that speaks to the API over it."""

import pytest
from flask.testing import FlaskClient

from api.application import create_app
from api.options import ApiOptions
from framework.domain.app import App
from framework.domain.instance import Condition, Instance, TaskFailure
from framework.domain.mesos import Agent, Attribute, Offer, OfferResource
from framework.domain.rollout import (
    ActionName,
    Delay,
    Deployment,
    DeploymentPart,
    Framework,
    LaunchStats,
    PlannedAction,
    UnusedOffer,
    part_key,
)
from framework.domain.state import Kind
from tests.contract.cluster import NOW_MS, UUID, V1, V2, WEB
from tests.unit.api.reading import compile_pattern
from tests.unit.api.recorder import Recorder


@pytest.fixture
def scheduler() -> Recorder:
    """Two agents; ``/dev/web`` wants 3, has 2 running and a third waiting; ``/batch`` is idle."""
    recorder = Recorder()
    for agent in (
        Agent("S1", "agent1.local", (Attribute("rack", "r1"),), region="eu", zone="z1"),
        Agent("S2", "agent2.local"),
    ):
        recorder.hold(Kind.AGENT, agent.id, agent)
    recorder.hold_app(App(**{**WEB, "version": V1, "instances": 2}))
    recorder.hold_app(App(**WEB))
    recorder.hold_app(App(id="/batch", cmd="sleep 100", instances=0, version=V1))
    for number, agent_id in ((1, "S1"), (2, "S2")):
        instance = Instance(
            id=f"dev_web.instance-{UUID}{number}",
            app_id="/dev/web",
            version=V2,
            agent_id=agent_id,
            condition=Condition.RUNNING,
            since_ms=NOW_MS - 9_000,
            staged_at_ms=NOW_MS - 10_000,
            started_at_ms=NOW_MS - 9_000,
            ports=(31_000 + number, 32_000 + number),
            healthy=number == 1,
            health_since_ms=NOW_MS - 5_000,
            addresses=("10.0.0.1",) if number == 1 else (),
        )
        recorder.hold(Kind.INSTANCE, instance.id, instance)
    return recorder


@pytest.fixture
def client(scheduler: Recorder) -> FlaskClient:
    return create_app(scheduler, ApiOptions(), compile_pattern, lambda: NOW_MS).test_client()


@pytest.fixture
def waiting(scheduler: Recorder) -> LaunchStats:
    """``/dev/web`` waits for its third instance, and is in back-off."""
    agent = scheduler.view.agents["S2"]
    offer = Offer(
        "O1", agent, "*", (OfferResource("cpus", 500), OfferResource("ports", ranges=((1, 2),)))
    )
    stats = LaunchStats(
        app_id="/dev/web",
        role="*",
        since_ms=NOW_MS - 60_000,
        waiting=1,
        processed=10,
        unused=7,
        last_used_at_ms=NOW_MS - 50_000,
        last_unused_at_ms=NOW_MS - 1_000,
        refused_attempt={"UnfulfilledConstraint": 2, "InsufficientCpus": 5},
        refused_last={"InsufficientCpus": 1},
        processed_last=2,
        last_unused_offers=(UnusedOffer(offer, ("InsufficientCpus",), NOW_MS - 1_000),),
        explanation=("1 of 2 offers: needs 1 cpus, offered 0.5",),
    )
    scheduler.hold(Kind.LAUNCH_STATS, stats.app_id, stats)
    scheduler.hold(Kind.DELAY, "/dev/web", Delay("/dev/web", V2, 4_000, NOW_MS + 1_500))
    return stats


@pytest.fixture
def deployment(scheduler: Recorder) -> Deployment:
    """A change of ``/dev/web`` is at its second step."""
    record = Deployment(
        id="97c136bf-5a28-4821-9d94-480d9fbb01c8",
        version=V2,
        parts=1,
        total_steps=2,
        current_step=2,
    )
    actions = (
        PlannedAction(1, ActionName.START, "/dev/web"),
        PlannedAction(2, ActionName.SCALE, "/dev/web"),
    )
    part = DeploymentPart(record.id, actions)
    scheduler.hold(Kind.DEPLOYMENT_PART, part_key(record.id, 0), part)
    scheduler.hold(Kind.DEPLOYMENT, record.id, record)
    return record


@pytest.fixture
def failure(scheduler: Recorder) -> TaskFailure:
    record = TaskFailure(
        "/dev/web", "t1", "i1", "TASK_FAILED", "exit 1", "agent1.local", "S1", NOW_MS, V1
    )
    scheduler.hold(Kind.FAILURE, "/dev/web", record)
    return record


@pytest.fixture
def framework(scheduler: Recorder) -> Framework:
    record = Framework("state-1", "framework-1")
    scheduler.hold(Kind.FRAMEWORK, "framework", record)
    return record
