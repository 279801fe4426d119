"""``/v3/agents/{id}/drain``: to have an agent empty, asked for and told of."""

import pytest
from flask.testing import FlaskClient

from framework.domain.draining import Drain, Maintenance
from framework.domain.events import DrainAgent, UndrainAgent
from framework.domain.replies import Refused, Why
from framework.domain.state import Kind
from framework.domain.volumes import Reservation
from tests.contract.cluster import NOW, NOW_MS
from tests.unit.api.recorder import Recorder


def test_asked(client: FlaskClient, scheduler: Recorder) -> None:
    scheduler.view.put(Kind.DRAIN, "h1", Drain("h1", NOW_MS, "disks", NOW_MS))
    body = {"reason": "disks", "deadlineSeconds": 60}
    answer = client.put("/v3/agents/h1/drain", json=body)
    shown = answer.get_json()
    assert (answer.status_code, shown["since"], shown["deadline"]) == (200, NOW, NOW)
    assert client.put("/v3/agents/h1/drain").status_code == 200
    assert client.delete("/v3/agents/h1/drain").status_code == 204
    assert scheduler.asked == [
        DrainAgent("h1", "disks", 60),
        DrainAgent("h1"),
        UndrainAgent("h1"),
    ]


@pytest.mark.parametrize(
    "body", [[], {"reason": 1}, {"deadlineSeconds": 0}, {"deadlineSeconds": "1 h"}]
)
def test_with_a_body_that_is_none(client: FlaskClient, scheduler: Recorder, body: object) -> None:
    assert client.put("/v3/agents/h1/drain", json=body).status_code in (400, 422)
    assert scheduler.asked == []


def test_of_one_that_is_not_drained(client: FlaskClient, scheduler: Recorder) -> None:
    assert client.get("/v3/agents/h9/drain").status_code == 404
    scheduler.replies.append(Refused(Why.DRAIN_UNKNOWN, "h9"))
    answer = client.delete("/v3/agents/h9/drain")
    assert (answer.status_code, answer.get_json()) == (
        404,
        {"message": "Agent 'h9' is not drained"},
    )


def test_shown_with_the_agents(client: FlaskClient, scheduler: Recorder) -> None:
    agent = next(iter(scheduler.view.agents.values()))
    there = sum(one.agent_id == agent.id for one in scheduler.view.instances.values())
    scheduler.view.put(Kind.DRAIN, agent.hostname, Drain(agent.hostname, NOW_MS))
    scheduler.view.put(Kind.DRAIN, "elsewhere", Drain("elsewhere", NOW_MS))
    scheduler.view.put(Kind.MAINTENANCE, agent.id, Maintenance(agent.id, NOW_MS, 0))
    shown = {one["id"]: one for one in client.get("/v3/agents").get_json()}
    assert shown[agent.id]["drain"]["instances"] <= there
    assert shown[agent.id]["maintenance"] == {"from": NOW, "until": NOW}
    assert shown["elsewhere"]["drain"]["instances"] == 0


def test_those_with_volumes_are_counted(client: FlaskClient, scheduler: Recorder) -> None:
    there = next(one for one in scheduler.view.instances.values() if one.agent_id)
    scheduler.view.put(Kind.DRAIN, there.agent_id, Drain(there.agent_id, NOW_MS))
    path = f"/v3/agents/{there.agent_id}/drain"
    assert "withVolumes" not in client.get(path).get_json()
    kept = Reservation(there.id, there.app_id, there.agent_id, "", "r", "f")
    scheduler.view.put(Kind.RESERVATION, there.id, kept)
    assert client.get(path).get_json()["withVolumes"] == 1
