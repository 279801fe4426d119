"""`stayer edge`: who follows."""

import json

from tests.unit.cli.conftest import Stayer
from tests.unit.cli.scripted_http import Answer, ScriptedServer

EDGE = {
    "name": "edge1",
    "kind": "daemon",
    "leaseSeconds": 15,
    "since": "2026-11-01T10:00:00.000Z",
    "seen": "2026-11-01T10:00:09.000Z",
    "version": "v",
    "staleness": 1.5,
    "quarantined": ["/bad"],
    "epoch": 7,
}


def test_the_list(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["GET /v3/edges"] = Answer({"edges": [EDGE]})
    told = stayer("edge", "list").stdout
    for text in ("edge1", "daemon", "15 s", "2026-11-01T10:00:09.000Z", "1.5 s", "/bad"):
        assert text in told
    assert json.loads(stayer("edge", "list", "--json").stdout) == [EDGE]


def test_one_that_never_served_what_is_said(api: ScriptedServer, stayer: Stayer) -> None:
    edges = [{**EDGE, "staleness": 1e9}, {**EDGE, "name": "edge2", "staleness": 1234567.5}]
    api.script["GET /v3/edges"] = Answer({"edges": edges})
    told = stayer("edge", "list").stdout
    assert " never " in told
    assert " 1234567.5 s " in told


def test_nobody(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["GET /v3/edges"] = Answer({"edges": []})
    assert "stayer haproxy watch" in stayer("edge", "list").stdout


def test_forgetting(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["DELETE /v3/edges/edge1"] = Answer(b"", 204)
    assert "forgotten" in stayer("edge", "forget", "edge1").stdout
    assert stayer("edge", "forget", "edge2").exit_code == 1
