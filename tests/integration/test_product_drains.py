"""Agents that are to be empty, on a genuine Mesos: capacity never falls while they are left, but
for Mesos' own draining, which kills at once."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from localmesos.apache.engine import ApacheEngine
from tests.integration.poller import Poller, is_healthy, service
from tests.integration.product import Json, Stayer, operator, serving
from tests.polling import eventually

pytestmark = pytest.mark.mesos

_APP = "/web"
_COUNT = 4


@pytest.fixture
def engine(apache_cluster: Callable[[int], ApacheEngine]) -> ApacheEngine:
    return apache_cluster(2)


@pytest.fixture
def stayer(engine: ApacheEngine, tmp_path: Path) -> Iterator[Stayer]:
    with serving(engine.url, tmp_path / "stayer") as stayer:
        stayer.client.create_app(service(_APP, instances=_COUNT))
        _await_healthy(stayer)
        yield stayer


def _await_healthy(stayer: Stayer) -> list[Json]:
    def look(tasks: list[Json]) -> bool:
        assert all(map(is_healthy, tasks))
        return True

    return stayer.await_running(_APP, _COUNT, look)


def _used(stayer: Stayer) -> dict[str, str]:
    """The agents with instances: id -> hostname."""
    return {task["slaveId"]: task["host"] for task in stayer.app(_APP)["tasks"]}


def _await_left(stayer: Stayer, agent_id: str) -> None:
    eventually(lambda: agent_id not in _used(stayer), f"{agent_id} is left")
    _await_healthy(stayer)


def test_a_drain_and_its_end(stayer: Stayer, engine: ApacheEngine) -> None:
    agent_id, _ = min(_used(stayer).items())
    with Poller(stayer, engine.url, _APP) as poller:
        stayer.client.agent_drain(agent_id, {"reason": "new disks"})
        _await_left(stayer, agent_id)
    poller.check(fewest=_COUNT, most=2 * _COUNT)
    assert stayer.client.agent_drain(agent_id)["instances"] == 0
    stayer.client.undrain_agent(agent_id)


def test_maintenance(stayer: Stayer, engine: ApacheEngine) -> None:
    agent_id, hostname = min(_used(stayer).items())
    machine = {"hostname": hostname, "ip": "127.0.0.1"}
    start = {"nanoseconds": int((time.time() + 600) * 1e9)}
    window = {"machine_ids": [machine], "unavailability": {"start": start}}
    schedule = {"schedule": {"windows": [window]}}
    with Poller(stayer, engine.url, _APP) as poller:
        operator(
            engine.url,
            {"type": "UPDATE_MAINTENANCE_SCHEDULE", "update_maintenance_schedule": schedule},
        )
        _await_left(stayer, agent_id)
        eventually(lambda: _answers(engine) == ["ACCEPT"], "the agent is given back")
    poller.check(fewest=_COUNT, most=2 * _COUNT)


def _answers(engine: ApacheEngine) -> list[str]:
    told = operator(engine.url, {"type": "GET_MAINTENANCE_STATUS"})
    machines = told["get_maintenance_status"]["status"].get("draining_machines", [])
    return [str(one["status"]) for each in machines for one in each.get("statuses", [])]


def test_drained_by_mesos(stayer: Stayer, engine: ApacheEngine) -> None:
    agent_id, _ = min(_used(stayer).items())
    call = {"type": "DRAIN_AGENT", "drain_agent": {"agent_id": {"value": agent_id}}}
    operator(engine.url, call)
    _await_left(stayer, agent_id)
    assert "lastTaskFailure" not in stayer.app(_APP)
