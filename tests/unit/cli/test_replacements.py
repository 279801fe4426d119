"""`stayer replacements`: how lost instances are replaced, and the pace that is asked for."""

import json

import pytest

from tests.unit.cli.conftest import Stayer
from tests.unit.cli.scripted_http import Answer, ScriptedServer

SINCE = "2026-11-01T10:00:00.000Z"
USUAL = {"pace": "usual", "waiting": 0}
HELD = {
    "pace": "held",
    "since": SINCE,
    "lost": 30,
    "instances": 100,
    "waiting": 20,
    "replaced": 10,
    "reason": "switch",
}


def test_as_usual(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["GET /v3/replacements"] = Answer(USUAL)
    told = stayer("replacements", "show").stdout
    assert "as soon as" in told
    assert len(told.splitlines()) == 1
    assert json.loads(stayer("replacements", "show", "--json").stdout) == USUAL


def test_a_storm(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["GET /v3/replacements"] = Answer(HELD)
    told = stayer("replacements", "show").stdout
    for text in ("not at all, on request", SINCE, "switch", "30 of 100", "20", "10"):
        assert text in told


@pytest.mark.parametrize(
    ("verb", "pace"), [("hold", "held"), ("pace", "paced"), ("release", "released")]
)
def test_verbs(api: ScriptedServer, stayer: Stayer, verb: str, pace: str) -> None:
    api.script["PUT /v3/replacements"] = Answer(HELD)
    assert stayer("replacements", verb, "--reason", "switch").exit_code == 0
    assert json.loads(stayer("replacements", verb, "--json").stdout) == HELD
    bodies = [request.body for request in api.requests]
    assert bodies == [{"pace": pace, "reason": "switch"}, {"pace": pace, "reason": ""}]
