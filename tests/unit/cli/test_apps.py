"""`stayer app`: what is asked of the API and what people and machines get to see."""

import json
from pathlib import Path
from textwrap import dedent

import pytest

from tests.unit.cli.conftest import Stayer
from tests.unit.cli.scripted_http import Answer, ScriptedServer

WEB = {
    "id": "/shop/web",
    "version": "2026-11-01T10:00:00.000Z",
    "instances": 3,
    "cmd": "exec ./web",
    "cpus": 0.25,
    "mem": 128.0,
    "constraints": [["rack", "GROUP_BY", "3"], ["hostname", "UNIQUE"]],
    "healthChecks": [{"protocol": "MESOS_HTTP"}],
    "labels": {"tier": "front", "a": "b"},
    "env": {"TOKEN": "s3cret", "A": "b"},
    "tasksRunning": 2,
    "tasksStaged": 1,
    "tasksHealthy": 1,
    "tasksUnhealthy": 1,
    "deployments": [{"id": "d-1"}],
}
TASK_ID = "shop_web.instance-0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0._app.1"
DONE = Answer({"version": "v", "deploymentId": "d-7"})
LOCKED = Answer({"message": "App is locked.", "deployments": [{"id": "d-1"}]}, 409)


def test_list_on_a_pipe(api: ScriptedServer, stayer: Stayer) -> None:
    idle = {"id": "/idle", "instances": 0, "cpus": 1, "mem": 64, "version": "v"}
    api.script["GET /v2/apps"] = Answer({"apps": [WEB, idle]})
    result = stayer("app", "list")
    assert result.exit_code == 0
    assert result.stdout == dedent(
        """\
        APP        RUNNING  STAGED      HEALTHY  CPUS  MEM  DEPLOYMENT  VERSION
        /idle          0/0       0            -     1   64  -           v
        /shop/web      2/3       1  1/3 (1 not)  0.25  128  d-1         2026-11-01T10:00:00.000Z
        """
    )


def test_list_asks_for_a_part_of_the_apps(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["GET /v2/apps"] = Answer({"apps": []})
    result = stayer("app", "list", "--label", "tier==front", "--id", "web")
    assert api.requests[0].query == {"id": ["web"], "label": ["tier==front"]}
    assert "stayer app add" in result.stdout


def test_machines_get_the_answer_as_it_came(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["GET /v2/apps"] = Answer({"apps": [WEB]})
    assert json.loads(stayer("app", "list", "--json").stdout) == [WEB]
    api.script["GET /v2/apps/shop/web"] = Answer({"app": WEB})
    assert json.loads(stayer("app", "show", "shop/web", "--json").stdout) == WEB


def test_show(api: ScriptedServer, stayer: Stayer) -> None:
    task = {
        "id": TASK_ID,
        "host": "agent1.local",
        "ports": [31000, 31001],
        "state": "TASK_RUNNING",
        "healthCheckResults": [{"alive": True}],
    }
    failure = {
        "timestamp": "T",
        "state": "TASK_FAILED",
        "taskId": "t-0",
        "host": "agent2.local",
        "message": "exit status 1",
    }
    shown = {**WEB, "tasks": [task], "lastTaskFailure": failure}
    api.script["GET /v2/apps/shop/web"] = Answer({"app": shown})
    result = stayer("app", "show", "/shop/web")
    assert result.exit_code == 0
    assert result.stdout == dedent(
        f"""\
        App           /shop/web
        Version       2026-11-01T10:00:00.000Z
        Running       2 of 3, 1 staged
        Healthy       1/3 (1 not)
        Command       exec ./web
        Resources     cpus 0.25, mem 128
        Constraints   rack GROUP_BY 3
                      hostname UNIQUE
        Labels        a=b
                      tier=front
        Environment   A TOKEN
        Deployments   d-1
        Last failure  T TASK_FAILED t-0
                      on agent2.local: exit status 1

        TASK{" " * 59}HOST          PORTS        STATE         HEALTH   STARTED
        {TASK_ID}  agent1.local  31000 31001  TASK_RUNNING  healthy  -

        1 of 3 not running. Why: stayer queue /shop/web
        """
    )
    assert "s3cret" not in result.stdout


def test_nothing_from_outside_controls_the_terminal(api: ScriptedServer, stayer: Stayer) -> None:
    odd = {**WEB, "cmd": "echo \x1b[31m[bold]red[/bold]\x07", "deployments": []}
    api.script["GET /v2/apps/shop/web"] = Answer({"app": odd})
    shown = stayer("app", "show", "/shop/web").stdout
    assert "echo \ufffd[31m[bold]red[/bold]\ufffd" in shown
    assert "\x1b" not in shown


def test_add_from_a_file(api: ScriptedServer, stayer: Stayer, tmp_path: Path) -> None:
    file = tmp_path / "web.json"
    file.write_text('{"id": "/shop/web", "cmd": "x"}')
    api.script["POST /v2/apps"] = Answer(WEB, 201)
    result = stayer("app", "add", str(file))
    assert result.stdout == "/shop/web is added (deployment d-1)\n"
    assert api.requests[0].body == {"id": "/shop/web", "cmd": "x"}
    assert api.asked() == ["POST /v2/apps"]


def test_add_from_standard_input_for_a_machine(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["POST /v2/apps"] = Answer(WEB, 201)
    result = stayer("app", "add", "-", "--json", "--force", stdin='{"id": "/shop/web"}')
    assert json.loads(result.stdout) == WEB
    assert api.requests[0].query == {"force": ["true"]}


def test_add_replaces_a_whole_definition_when_asked_to(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["PUT /v2/apps/web"] = DONE
    result = stayer("app", "add", "--replace", "-", stdin='{"id": "web", "cmd": "x"}')
    assert result.stdout == "web is replaced (deployment d-7)\n"
    assert api.requests[0].query == {"partialUpdate": ["false"]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"id": ', "line 1, column 8"),
        ("[1]", "one app definition"),
        (b"\xff\xfe{", "not UTF-8"),
        ("[" * 100_000, "nested too deeply"),
        (" " * (10 * 1024 * 1024 + 1), "more than"),
    ],
    ids=["half", "list", "binary", "deep", "large"],
)
def test_file_that_is_no_definition_is_not_sent(
    api: ScriptedServer, stayer: Stayer, text: str | bytes, said: str
) -> None:
    result = stayer("app", "add", "-", stdin=text)
    assert result.exit_code == 2
    assert said in result.stderr
    assert api.requests == []


def test_replace_needs_an_id(api: ScriptedServer, stayer: Stayer) -> None:
    for text in ('{"cmd": "x"}', '{"id": "../x"}'):
        assert stayer("app", "add", "--replace", "-", stdin=text).exit_code == 2
    assert api.requests == []


@pytest.mark.parametrize(
    ("words", "asked", "said"),
    [
        (("scale", "shop/web", "5"), "PATCH /v2/apps/shop/web", "is scaled to 5"),
        (("restart", "/shop/web"), "POST /v2/apps/shop/web/restart", "restarts"),
        (("remove", "/shop/web"), "DELETE /v2/apps/shop/web", "is removed"),
    ],
)
def test_changes_return_at_once(
    api: ScriptedServer, stayer: Stayer, words: tuple[str, ...], asked: str, said: str
) -> None:
    api.script[asked] = DONE
    result = stayer("app", *words)
    assert result.stdout == f"/shop/web {said} (deployment d-7)\n"
    assert api.asked() == [asked]
    assert json.loads(stayer("app", *words, "--json").stdout) == DONE.body
    stayer("app", *words, "--force")
    assert api.requests[-1].query == {"force": ["true"]}


def test_scale_sends_the_number(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["PATCH /v2/apps/web"] = DONE
    stayer("app", "scale", "web", "0")
    assert api.requests[0].body == {"instances": 0}
    for wrong in ("-1", "many", "1000001"):
        assert stayer("app", "scale", "web", "--", wrong).exit_code == 2
    assert len(api.requests) == 1


def test_refusal_of_bad_input_names_each_path(api: ScriptedServer, stayer: Stayer) -> None:
    details = [
        {"path": "/constraints(0)", "errors": ["unknown operator NEAR"]},
        {"path": "/cpus", "errors": ["error.min", "b"]},
    ]
    body = {"message": "Object is not valid", "details": details}
    api.script["POST /v2/apps"] = Answer(body, 422)
    result = stayer("app", "add", "-", stdin="{}")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == dedent(
        """\
        Error: Object is not valid
          /constraints(0): unknown operator NEAR
          /cpus: is too small (error.min)
          /cpus: b
        """
    )


def test_lock_names_the_deployment_and_force(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["POST /v2/apps/web/restart"] = LOCKED
    result = stayer("app", "restart", "web")
    assert result.exit_code == 1
    assert result.stderr == dedent(
        """\
        Error: App is locked.
          deployment d-1
        See `stayer deployment list`. --force cancels them and goes on.
        """
    )


def test_app_that_exists_can_be_replaced(api: ScriptedServer, stayer: Stayer) -> None:
    message = {"message": "An app with id [/web] already exists."}
    api.script["POST /v2/apps"] = Answer(message, 409)
    result = stayer("app", "add", "-", stdin="{}")
    assert result.exit_code == 1
    assert "--replace" in result.stderr
    api.script["POST /v2/apps"] = Answer({"message": "changed by others"}, 409)
    assert stayer("app", "add", "-", stdin="{}").stderr == "Error: changed by others\n"


def test_unknown_app(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["GET /v2/apps/x"] = Answer({"message": "App '/x' does not exist"}, 404)
    result = stayer("app", "show", "x")
    assert (result.exit_code, result.stderr) == (1, "Error: App '/x' does not exist\n")


def test_failures(api: ScriptedServer, stayer: Stayer) -> None:
    path = "GET /v3/apps/dev/web/failures"
    api.script[path] = Answer({"failures": []})
    assert stayer("app", "failures", "dev/web").stdout == "No failure of /dev/web is on record.\n"
    failure = {
        "taskId": "t1",
        "host": "h1",
        "state": "TASK_FAILED",
        "message": "exit 1",
        "timestamp": "2026-11-01T10:00:00.000Z",
        "sandbox": "http://m/x",
    }
    api.script[path] = Answer({"failures": [failure, {"taskId": "t0", "reason": "REASON_X"}]})
    first, second = stayer("app", "failures", "/dev/web").stdout.splitlines()[1:]
    assert first.split() == [failure["timestamp"], "t1", "h1", "TASK_FAILED", "exit", "1"]
    assert second.split()[-1] == "REASON_X"
    assert "http://m/x" in stayer("app", "failures", "/dev/web", "--sandbox").stdout
    told = json.loads(stayer("app", "failures", "/dev/web", "--json").stdout)
    assert told[0] == failure
