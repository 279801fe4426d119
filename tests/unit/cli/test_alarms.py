"""`stayer alarm list`, and alarms above other lists."""

import json

from tests.unit.cli.conftest import Stayer
from tests.unit.cli.scripted_http import Answer, ScriptedServer

SINCE = "2026-11-01T10:00:00.000Z"
STORM = {"key": "storm", "message": "many are away", "since": SINCE, "last": SINCE}


def test_the_list(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["GET /v3/alarms"] = Answer({"alarms": []})
    assert stayer("alarm", "list").stdout == "No alarm stands.\n"
    api.script["GET /v3/alarms"] = Answer({"alarms": [STORM]})
    row = stayer("alarm", "list").stdout.splitlines()[1]
    assert row.split() == ["storm", SINCE, "many", "are", "away"]
    assert json.loads(stayer("alarm", "list", "--json").stdout) == [STORM]


def test_above_other_lists(api: ScriptedServer, stayer: Stayer) -> None:
    warned = {"Stayer-Warning": "alarm: many are away"}
    api.script["GET /v2/queue"] = Answer({"queue": []}, headers=warned)
    assert stayer("queue").stderr == "Warning: alarm: many are away\n"
