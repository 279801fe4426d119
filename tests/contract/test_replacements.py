"""``/v3/replacements``: hold, pace and release what is launched in place of lost instances."""

import pytest
from flask.testing import FlaskClient

from framework.core.policy import Policy
from framework.domain.events import PaceReplacements
from framework.domain.state import Kind
from framework.domain.storm import Pace, Storm
from framework.store.memory import MemoryDisk, MemoryStore
from tests.contract.cluster import NOW, NOW_MS
from tests.contract.running import LivelyMesos, running_application
from tests.unit.api.recorder import Recorder

USUAL = {"pace": "usual", "waiting": 0}


@pytest.mark.parametrize("pace", Pace)
def test_what_is_asked(client: FlaskClient, scheduler: Recorder, pace: Pace) -> None:
    assert client.put("/v3/replacements", json={"pace": pace}).get_json() == USUAL
    body = {"pace": pace, "reason": "switch"}
    assert client.put("/v3/replacements", json=body).status_code == 200
    assert scheduler.asked == [PaceReplacements(pace), PaceReplacements(pace, "switch")]


@pytest.mark.parametrize(
    "body", [[], {}, {"pace": "usual"}, {"pace": 1}, {"pace": "held", "reason": "r" * 1_001}]
)
def test_a_body_that_is_none(client: FlaskClient, scheduler: Recorder, body: object) -> None:
    assert client.put("/v3/replacements", json=body).status_code == 422
    assert client.put("/v3/replacements").status_code == 400
    assert scheduler.asked == []


def test_a_storm(client: FlaskClient, scheduler: Recorder) -> None:
    assert client.get("/v3/replacements").get_json() == USUAL
    storm = Storm(NOW_MS, 30, 100, Pace.HELD, "switch", 20, 10)
    scheduler.hold(Kind.STORM, "storm", storm)
    assert client.get("/v3/replacements").get_json() == {
        "pace": "held",
        "since": NOW,
        "lost": 30,
        "instances": 100,
        "waiting": 20,
        "replaced": 10,
        "reason": "switch",
    }


def test_over_the_scheduler() -> None:
    disk = MemoryDisk()
    with running_application(LivelyMesos(), Policy(), MemoryStore(disk)) as application:
        client = application.test_client()
        assert client.put("/v3/replacements", json={"pace": "released"}).get_json() == USUAL
        held = client.put("/v3/replacements", json={"pace": "held", "reason": "switch"})
        assert held.get_json()["pace"] == "held"
        (alarm,) = client.get("/v3/alarms").get_json()["alarms"]
        assert alarm["key"] == "replacements"
        told = client.get("/v2/apps").headers["Stayer-Warning"]
        assert told == f"alarm: {alarm['message']}"
        assert "stayer_alarms 1.0" in client.get("/metrics/prometheus").get_data(as_text=True)
    with running_application(LivelyMesos(), Policy(), MemoryStore(disk)) as application:
        client = application.test_client()
        shown = client.get("/v3/replacements").get_json()
        assert (shown["pace"], shown["reason"]) == ("held", "switch")
        assert client.put("/v3/replacements", json={"pace": "released"}).get_json() == USUAL
        assert client.get("/v3/alarms").get_json() == {"alarms": []}
