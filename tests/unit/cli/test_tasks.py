"""`stayer task`, `stayer deployment` and `stayer framework`."""

import json
from textwrap import dedent

from tests.unit.cli.conftest import Stayer
from tests.unit.cli.scripted_http import Answer, ScriptedServer

LONG = "shop_web.instance-0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0._app.12"
TASKS = [
    {
        "id": LONG,
        "appId": "/shop/web",
        "host": "agent1.local",
        "ports": [31000],
        "state": "TASK_RUNNING",
        "startedAt": "2026-11-01T10:00:00.000Z",
        "healthCheckResults": [{"alive": True}, {"alive": False}],
    },
    {"id": "a.instance-1._app.1", "appId": "/a", "state": "TASK_STAGING"},
]


def test_list_on_a_pipe(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["GET /v2/tasks"] = Answer({"tasks": TASKS})
    result = stayer("task", "list")
    assert result.exit_code == 0
    gap = " " * (len(LONG) - len("a.instance-1._app.1") + 2)
    wide = " " * (len(LONG) - len("TASK") + 2)
    assert result.stdout == dedent(
        f"""\
        TASK{wide}APP        HOST          PORTS  STATE         HEALTH     STARTED
        a.instance-1._app.1{gap}/a         -             -      TASK_STAGING  -          -
        {LONG}  /shop/web  agent1.local  31000  TASK_RUNNING  unhealthy  2026-11-01T10:00:00.000Z
        """
    )


def test_list_of_one_app_for_a_machine(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["GET /v2/apps/a/tasks"] = Answer({"tasks": TASKS[1:]})
    assert json.loads(stayer("task", "list", "--app", "a", "--json").stdout) == TASKS[1:]


def test_no_tasks(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["GET /v2/tasks"] = Answer({"tasks": []})
    assert "stayer queue" in stayer("task", "list").stdout


def test_kill(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["POST /v2/tasks/delete"] = Answer({"tasks": TASKS})
    result = stayer("task", "kill", LONG, "a.instance-1._app.1", "--wipe")
    assert result.exit_code == 0
    assert result.stdout == f"a.instance-1._app.1 is killed\n{LONG} is killed\n"
    assert api.requests[0].body == {"ids": [LONG, "a.instance-1._app.1"]}
    assert api.requests[0].query == {"wipe": ["true"]}


def test_kill_names_tasks_that_are_not_known(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["POST /v2/tasks/delete"] = Answer({"tasks": TASKS[1:]})
    result = stayer("task", "kill", "gone", "a.instance-1._app.1")
    assert result.exit_code == 1
    assert result.stdout == "a.instance-1._app.1 is killed\n"
    assert result.stderr == "Error: No such task: gone\nSee `stayer task list`.\n"


def test_kill_and_scale(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["POST /v2/tasks/delete"] = Answer({"version": "v", "deploymentId": "d-1"})
    result = stayer("task", "kill", "t", "--scale")
    assert (result.exit_code, result.stdout) == (0, "Scaled down (deployment d-1)\n")
    assert api.requests[0].query == {"scale": ["true"]}


def test_kill_for_a_machine_prints_one_document(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["POST /v2/tasks/delete"] = Answer({"tasks": TASKS})
    result = stayer("task", "kill", LONG, "--json")
    assert json.loads(result.stdout) == {"tasks": TASKS}


def test_scale_and_wipe_exclude_each_other(api: ScriptedServer, stayer: Stayer) -> None:
    assert stayer("task", "kill", "t", "--scale", "--wipe").exit_code == 2
    assert stayer("task", "kill").exit_code == 2
    assert api.requests == []


def test_teardown_needs_a_yes(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["POST /v3/framework/teardown"] = Answer(b"")
    refused = stayer("framework", "teardown")
    assert (refused.exit_code, api.requests) == (2, [])
    assert "--yes" in refused.stderr
    assert stayer("framework", "teardown", "--yes").exit_code == 0
    assert api.asked() == ["POST /v3/framework/teardown"]
