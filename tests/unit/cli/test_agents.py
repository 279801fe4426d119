"""`stayer agent`: which agents there are, and to have one empty."""

import json

import pytest

from cli import agents
from tests.unit.cli.conftest import Stayer
from tests.unit.cli.scripted_http import Answer, ScriptedServer

SINCE = "2026-11-01T10:00:00.000Z"
DRAIN = "/v3/agents/10.1.0.7/drain"
AGENT = {
    "id": "S1",
    "hostname": "10.1.0.7",
    "attributes": {"rack": "r2", "disk": "ssd"},
    "region": "north",
    "zone": "n1",
}
WINDOW = {"from": "2026-11-02T10:00:00.000Z", "until": "2026-11-02T11:00:00.000Z"}


def drained(instances: int, **more: object) -> dict[str, object]:
    return {"instances": instances, "since": SINCE, "reason": "new disks", **more}


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks follow each other at once."""
    monkeypatch.setattr(agents, "_LOOK_SECONDS", 0)


def test_the_list(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["GET /v3/agents"] = Answer(
        [
            AGENT,
            {"id": "S2", "hostname": "b", "drain": drained(1), "maintenance": WINDOW},
            {"id": "S3", "hostname": "c", "drain": drained(0)},
            {"id": "S4", "hostname": "d", "maintenance": WINDOW},
        ]
    )
    _, first, second, third, fourth = stayer("agent", "list").stdout.splitlines()
    assert first.split() == ["S1", "10.1.0.7", "north", "n1", "disk=ssd", "rack=r2", "-"]
    assert second.split()[2:] == ["-", "-", "-", "drained,", "1", "instance", "left"]
    assert third.endswith("drained, empty")
    assert fourth.endswith(f"maintenance from {WINDOW['from']}")
    assert json.loads(stayer("agent", "list", "--json").stdout)[0] == AGENT


def test_no_agents(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["GET /v3/agents"] = Answer([])
    assert "No agent has an instance" in stayer("agent", "list").stdout
    assert json.loads(stayer("agent", "list", "--json").stdout) == []


def test_a_drain_is_asked_for_and_not_waited_for(api: ScriptedServer, stayer: Stayer) -> None:
    api.script[f"PUT {DRAIN}"] = Answer(drained(3))
    done = stayer("agent", "drain", "10.1.0.7")
    assert (done.exit_code, done.stdout) == (0, "10.1.0.7: drained, 3 left\n")
    (asked,) = api.requests
    assert asked.body == {"reason": ""}


def test_what_a_drain_says(api: ScriptedServer, stayer: Stayer) -> None:
    api.script[f"PUT {DRAIN}"] = Answer(drained(3))
    words = ("--reason", "new disks", "--deadline", "90", "--json")
    assert json.loads(stayer("agent", "drain", "10.1.0.7", *words).stdout) == drained(3)
    (asked,) = api.requests
    assert asked.body == {"reason": "new disks", "deadlineSeconds": 90}


def test_a_deadline_of_no_time_is_wrong_usage(api: ScriptedServer, stayer: Stayer) -> None:
    assert stayer("agent", "drain", "10.1.0.7", "--deadline", "0").exit_code == 2
    assert api.requests == []


@pytest.mark.usefixtures("no_pause")
def test_waiting_tells_what_changes(api: ScriptedServer, stayer: Stayer) -> None:
    api.script[f"PUT {DRAIN}"] = Answer(drained(3))
    api.script[f"GET {DRAIN}"] = [
        Answer(drained(3, withVolumes=1)),
        Answer(drained(1, withVolumes=1)),
        Answer(drained(1)),
        Answer(drained(1)),
        Answer(drained(0)),
    ]
    done = stayer("agent", "drain", "10.1.0.7", "--wait")
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "10.1.0.7: drained, 3 left",
        "10.1.0.7: drained, 3 left, 1 with volumes",
        "10.1.0.7: drained, 1 instance left, 1 with volumes",
        "10.1.0.7: drained, 1 instance left",
        "10.1.0.7: drained, empty",
    ]
    assert api.asked() == [f"PUT {DRAIN}", *[f"GET {DRAIN}"] * 5]


@pytest.mark.usefixtures("no_pause")
def test_waiting_with_json_tells_the_end(api: ScriptedServer, stayer: Stayer) -> None:
    api.script[f"PUT {DRAIN}"] = Answer(drained(1))
    api.script[f"GET {DRAIN}"] = [Answer(drained(left)) for left in (1, 0)]
    told = stayer("agent", "drain", "10.1.0.7", "--wait", "--json").stdout
    assert json.loads(told) == drained(0)


@pytest.mark.usefixtures("no_pause")
def test_waiting_ends_when_somebody_ends_the_drain(api: ScriptedServer, stayer: Stayer) -> None:
    api.script[f"PUT {DRAIN}"] = Answer(drained(3))
    api.script[f"GET {DRAIN}"] = Answer({"message": "Agent 10.1.0.7 is not drained"}, 404)
    done = stayer("agent", "drain", "10.1.0.7", "--wait")
    assert done.exit_code == 1
    assert "is not drained" in done.stderr


def test_the_end_of_a_drain(api: ScriptedServer, stayer: Stayer) -> None:
    api.script[f"DELETE {DRAIN}"] = Answer(b"", 204)
    assert stayer("agent", "undrain", "10.1.0.7").stdout == "10.1.0.7 is used again\n"
    told = stayer("agent", "undrain", "10.1.0.7", "--json").stdout
    assert json.loads(told) == {"agent": "10.1.0.7"}
    assert stayer("agent", "undrain", "other").exit_code == 1
