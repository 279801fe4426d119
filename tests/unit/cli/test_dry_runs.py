"""`--dry-run` and `--strict`, for all commands that change apps, groups, deployments or tasks."""

import click
import pytest

from cli.main import main
from tests.unit.cli.conftest import Stayer
from tests.unit.cli.scripted_http import Answer, ScriptedServer

STEPS = {"steps": [{"actions": [{"action": "ScaleApplication", "app": "/web"}]}]}
DEFINITION = '{"id": "/web", "cmd": "x"}'
COMMANDS = {
    "app add -": "POST /v2/apps",
    "app add --replace -": "PUT /v2/apps/web",
    "app update web -": "PATCH /v2/apps/web",
    "app rollback web v1": "PATCH /v2/apps/web",
    "app suspend web": "POST /v3/apps/web/suspend",
    "app resume web": "POST /v3/apps/web/resume",
    "app scale web 3": "PATCH /v2/apps/web",
    "app restart web": "POST /v2/apps/web/restart",
    "app remove web": "DELETE /v2/apps/web",
    "group apply -": "PUT /v2/groups/web",
    "group scale web 2": "PUT /v2/groups/web",
    "group rollback web v1": "PUT /v2/groups/web",
    "group remove web": "DELETE /v2/groups/web",
    "deployment revert d-1": "DELETE /v2/deployments/d-1",
    "deployment cancel d-1": "DELETE /v2/deployments/d-1",
    "deployment cancel --force d-1": "DELETE /v2/deployments/d-1",
    "task kill --scale t-1": "POST /v2/tasks/delete",
}


@pytest.mark.parametrize(("line", "call"), COMMANDS.items())
def test_it_says_what_would_be_done(
    api: ScriptedServer, stayer: Stayer, line: str, call: str
) -> None:
    api.script[call] = Answer(STEPS)
    result = stayer(*line.split(), "--dry-run", stdin=DEFINITION)
    assert result.exit_code == 0, result.output
    assert "ScaleApplication  /web" in result.stdout
    assert "Nothing is changed yet" in result.stdout
    (request,) = api.requests
    assert request.query["dryRun"] == ["true"]
    assert request.query.get("force") in (["true"] if "--force" in line else None, ["false"])
    assert stayer(*line.split(), "--dry-run", "--json", stdin=DEFINITION).stdout.startswith("{")


@pytest.mark.parametrize(("line", "call"), COMMANDS.items())
def test_without_it_nothing_is_said_of_it(
    api: ScriptedServer, stayer: Stayer, line: str, call: str
) -> None:
    api.script[call] = Answer({"id": "/web", "version": "v", "deploymentId": "d-2"})
    assert stayer(*line.split(), stdin=DEFINITION).exit_code == 0
    assert not {"dryRun", "strict"} & api.requests[0].query.keys()


@pytest.mark.parametrize("how", [(), ("--json",)])
def test_a_change_that_was_made_all_the_same_is_told(
    api: ScriptedServer, stayer: Stayer, how: tuple[str, ...]
) -> None:
    api.script["DELETE /v2/apps/web"] = Answer({"version": "v", "deploymentId": "d-2"})
    result = stayer("app", "remove", "web", "--dry-run", *how)
    assert result.exit_code == 1
    assert "the change IS MADE" in result.stderr


def test_tasks_that_would_be_killed(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["POST /v2/tasks/delete"] = Answer({"tasks": [{"id": "t-1"}]})
    assert stayer("task", "kill", "t-1", "--dry-run").stdout == "t-1 would be killed\n"
    assert api.requests[0].query == {"dryRun": ["true"]}
    assert stayer("task", "kill", "t-1").stdout == "t-1 is killed\n"


@pytest.mark.parametrize(
    "line", ["app add -", "app add --replace -", "app update web -", "group apply -"]
)
def test_strict(api: ScriptedServer, stayer: Stayer, line: str) -> None:
    details = [{"path": "/cdm", "errors": ["is not a known field; did you mean 'cmd'?"]}]
    refused = {"message": "Object is not valid", "details": details}
    api.script[COMMANDS[line]] = Answer(refused, 422)
    result = stayer(*line.split(), "--strict", stdin=DEFINITION)
    assert result.exit_code == 1
    assert "did you mean 'cmd'?" in result.stderr
    assert api.requests[0].query["strict"] == ["true"]


def test_every_command_that_begins_a_deployment_can_be_tried() -> None:
    """Those can be waited for."""
    without, tried = [], 0
    for name, outer in main.commands.items():
        inner = outer.commands.items() if isinstance(outer, click.Group) else [("", outer)]
        for of_group, command in inner:
            options = {option for one in command.params for option in one.opts}
            tried += "--dry-run" in options
            # A drain is no deployment, and a shift is within one.
            waits = "--wait" in options and name not in {"agent", "haproxy"}
            if waits and "--dry-run" not in options:
                without.append(f"{name} {of_group}")
    assert without == []
    assert tried > 15
