"""`stayer volume`: the inventory as a table, one in full, and a removal that is meant."""

from tests.unit.cli.scripted_http import Answer, ScriptedServer
from tests.unit.cli.test_scheduler_commands import lines, run

VOLUME = {
    "id": "db#data#7f",
    "appId": "/db",
    "instanceId": "db.instance-1",
    "agentId": "S1",
    "host": "host1",
    "role": "stayer",
    "state": "kept",
    "since": "2026",
    "containerPath": "data",
    "size": 10.5,
    "type": "path",
    "path": "/ssd",
    "operations": [{"id": "op-1", "kind": "CREATE"}],
}
PATH = "/v3/volumes/db%23data%237f"


def test_the_table(api: ScriptedServer) -> None:
    orphan = {"id": "x.1", "agentId": "S1", "state": "orphan", "since": "2026"}
    api.script["GET /v3/volumes"] = Answer({"volumes": [VOLUME, orphan]})
    _, first, second = lines(run(api, "volume", "list"))
    assert first == ["db#data#7f", "/db", "data", "10.5", "path", "/ssd", "host1", "kept", "2026"]
    assert second == ["x.1", "-", "-", "-", "-", "S1", "orphan", "2026"]
    api.script["GET /v3/volumes"] = Answer({"volumes": []})
    assert run(api, "volume", "list").stdout == "No instance keeps a volume.\n"


def test_one_in_full(api: ScriptedServer) -> None:
    api.script[f"GET {PATH}"] = Answer(VOLUME)
    shown = run(api, "volume", "show", "db#data#7f").stdout
    assert "kept since 2026" in shown
    assert "CREATE op-1" in shown
    assert "Why" not in shown


def test_a_removal_has_to_be_meant(api: ScriptedServer) -> None:
    api.script[f"DELETE {PATH}"] = Answer(b"", 202)
    assert run(api, "volume", "remove", "db#data#7f").exit_code == 2
    assert api.requests == []
    assert run(api, "volume", "remove", "db#data#7f", "--yes", "--forget").exit_code == 0
    assert api.requests[-1].query == {"forget": ["true"]}
