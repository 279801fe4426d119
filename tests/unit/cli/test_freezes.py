"""`stayer freeze`, `stayer unfreeze`, `stayer crash`, and the warning that something is frozen."""

import json

from tests.unit.cli.conftest import Stayer
from tests.unit.cli.scripted_http import Answer, ScriptedServer

SINCE = "2026-11-01T10:00:00.000Z"
NOTHING: dict[str, object] = {"frozen": False, "safeMode": False, "apps": []}
WEB = {"id": "/web", "reason": "odd", "since": SINCE}
ALL = {"frozen": True, "safeMode": False, "reason": "racks", "since": SINCE, "apps": [WEB]}


def test_everything(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["PUT /v3/freeze"] = Answer(ALL)
    result = stayer("freeze", "--reason", "racks")
    assert result.exit_code == 0
    assert api.requests[0].body == {"reason": "racks"}
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines == [
        ["FROZEN", "SINCE", "REASON"],
        ["everything", SINCE, "racks"],
        ["/web", SINCE, "odd"],
    ]


def test_some_apps(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["PUT /v3/freeze"] = Answer({**NOTHING, "apps": [WEB]})
    assert stayer("freeze", "web", "/dev/db").exit_code == 0
    assert api.requests[0].body == {"reason": "", "apps": ["/web", "/dev/db"]}


def test_only_looking(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["GET /v3/freeze"] = Answer({**NOTHING, "frozen": True, "safeMode": True})
    assert "safe mode" in stayer("freeze", "--list").stdout
    assert json.loads(stayer("freeze", "--list", "--json").stdout)["safeMode"] is True


def test_the_end(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["DELETE /v3/freeze"] = Answer(NOTHING)
    assert stayer("unfreeze").stdout == "Nothing is frozen.\n"
    api.script["DELETE /v3/apps/web/freeze"] = Answer(NOTHING)
    api.script["DELETE /v3/apps/dev/db/freeze"] = Answer(NOTHING)
    assert stayer("unfreeze", "web", "/dev/db").exit_code == 0
    assert api.asked()[1:] == ["DELETE /v3/apps/web/freeze", "DELETE /v3/apps/dev/db/freeze"]


def test_lists_warn(api: ScriptedServer, stayer: Stayer) -> None:
    warned = {"Stayer-Warning": "everything is frozen: racks"}
    api.script["GET /v2/apps"] = Answer({"apps": []}, headers=warned)
    result = stayer("app", "list")
    assert result.stderr == "Warning: everything is frozen: racks\n"
    api.script["GET /v2/queue"] = Answer({"queue": []}, headers=warned)
    api.script["GET /v2/apps/web"] = Answer({"app": {"id": "/web"}}, headers=warned)
    assert stayer("queue", "web").stderr.count("Warning") == 1, "once, however many answers"


def test_a_kill_that_is_refused(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["POST /v2/tasks/delete"] = Answer({"message": "Everything is frozen (racks)"}, 409)
    result = stayer("task", "kill", "web.instance-1._app.1")
    assert result.exit_code == 1
    assert "Everything is frozen (racks)" in result.stderr


def test_teardown_in_spite_of_it(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["POST /v3/framework/teardown"] = Answer(b"")
    assert stayer("framework", "teardown", "--yes", "--force").exit_code == 0
    assert api.requests[0].query == {"force": ["true"]}


def test_crashes(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["GET /v3/crashes"] = Answer({"crashes": []})
    assert stayer("crash", "list").stdout == "No crash is on record.\n"
    crash = {
        "id": "a1",
        "kind": "app",
        "subject": "/web",
        "crashes": 3,
        "last": SINCE,
        "error": "E at x.py:1",
        "setAside": True,
    }
    api.script["GET /v3/crashes"] = Answer({"crashes": [crash]})
    row = stayer("crash", "list").stdout.splitlines()[1]
    assert row.split() == ["a1", "3", SINCE, "yes", "app", "/web", "E", "at", "x.py:1"]
    assert json.loads(stayer("crash", "list", "--json").stdout) == [crash]
    api.script["DELETE /v3/crashes/a1"] = Answer(b"", 204)
    assert stayer("crash", "forget", "a1").exit_code == 0
    assert api.asked()[-1] == "DELETE /v3/crashes/a1"
