"""`stayer info`, `leader`, `metrics`, `agent`, `orphan`; and that each command can speak JSON."""

import json
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner, Result

from cli.main import main
from tests.unit.cli.scripted_http import Answer, ScriptedServer

# Commands that ask the API and print no document: these follow something to its end.
_WITHOUT_JSON = {"stayer deployment watch"}


def run(api: ScriptedServer, *words: str) -> Result:
    env = {"STAYER_URL": api.url, "STAYER_CREDENTIALS_FILE": None, "STAYER_CA_FILE": None}
    return CliRunner(env=env).invoke(main, words, catch_exceptions=False)


def lines(result: Result) -> list[list[str]]:
    assert result.exit_code == 0, result.output
    return [line.split() for line in result.stdout.splitlines()]


def test_info(api: ScriptedServer) -> None:
    answer = {
        "name": "marathon",
        "version": "1.11.0",
        "buildref": "stayer-9",
        "leader": "h:1",
        "frameworkId": "f-1",
        "marathon_config": {"master": "m:5050", "mesos_role": "*"},
    }
    api.script["GET /v2/info"] = Answer(answer)
    assert lines(run(api, "info")) == [
        ["Name", "marathon"],
        ["Version", "1.11.0"],
        ["Build", "stayer-9"],
        ["Leader", "h:1"],
        ["Framework", "f-1"],
        ["Mesos", "m:5050"],
        ["Role", "*"],
    ]
    assert json.loads(run(api, "info", "--json").stdout) == answer


def test_leader(api: ScriptedServer) -> None:
    api.script["GET /v2/leader"] = Answer({"leader": "h:1"})
    assert run(api, "leader").stdout == "h:1\n"
    assert json.loads(run(api, "leader", "--json").stdout) == {"leader": "h:1"}
    api.script["DELETE /v2/leader"] = Answer({"message": "Leadership abdicated"})
    assert run(api, "leader", "abdicate").stdout == "Leadership abdicated\n"
    assert api.asked() == ["GET /v2/leader", "GET /v2/leader", "DELETE /v2/leader"]
    api.script["GET /v2/leader"] = Answer({"message": "There is no leader"}, 404)
    assert run(api, "leader").exit_code == 1


def test_metrics(api: ScriptedServer) -> None:
    answer = {
        "counters": {"b.count": {"count": 3}},
        "gauges": {"a.value": {"value": 0.25}, "odd": {"value": "text"}},
        "timers": {"t": {"p50": 1}},
    }
    api.script["GET /metrics"] = Answer(answer)
    assert lines(run(api, "metrics")) == [
        ["METRIC", "VALUE"],
        ["a.value", "0.25"],
        ["b.count", "3"],
    ]
    assert lines(run(api, "metrics", "count"))[1:] == [["b.count", "3"]]
    assert json.loads(run(api, "metrics", "--json").stdout) == answer


def test_settings_and_loggers(api: ScriptedServer) -> None:
    api.script["GET /config"] = Answer({"zk": None, "mesos_role": "*", "ha": True})
    assert lines(run(api, "info", "--settings")) == [["ha", "True"], ["mesos_role", "*"]]
    api.script["GET /logging"] = Answer({"b": "warn", "ROOT": "info"})
    assert lines(run(api, "logger", "list"))[1:] == [["ROOT", "info"], ["b", "warn"]]
    api.script["POST /logging"] = Answer({})
    assert run(api, "logger", "set", "ROOT", "debug", "--for", "60").exit_code == 0
    assert api.requests[-1].body == {"logger": "ROOT", "level": "debug", "durationSeconds": 60}
    assert run(api, "logger", "set", "ROOT", "warn").exit_code == 0
    assert api.requests[-1].body == {"logger": "ROOT", "level": "warn"}
    assert run(api, "logger", "set", "ROOT", "loud").exit_code == 2


def test_an_earlier_definition_and_the_end_of_a_delay(api: ScriptedServer) -> None:
    api.script["GET /v2/apps/web/versions/2026"] = Answer({"id": "/web", "cmd": "old"})
    shown = run(api, "app", "show", "web", "--version", "2026")
    assert json.loads(shown.stdout) == {"id": "/web", "cmd": "old"}
    api.script["DELETE /v2/queue/web/delay"] = Answer(b"", 204)
    assert run(api, "app", "reset-delay", "web").stdout == "/web is no longer delayed\n"


def test_agents(api: ScriptedServer) -> None:
    agent = {"id": "S1", "hostname": "h1", "attributes": {"rack": "r1", "disk": "ssd"}, "zone": "z"}
    api.script["GET /v3/agents"] = Answer([agent])
    assert lines(run(api, "agent", "list"))[1] == ["S1", "h1", "-", "z", "disk=ssd", "rack=r1", "-"]


def test_orphans(api: ScriptedServer) -> None:
    task = {"taskId": "t.1", "agentId": "S1", "state": "TASK_RUNNING", "firstSeen": "2026"}
    api.script["GET /v3/orphans"] = Answer({"orphans": [task]})
    assert lines(run(api, "orphan", "list"))[1] == ["t.1", "TASK_RUNNING", "-", "2026"]
    api.script["POST /v3/orphans/t.1/adopt"] = Answer({"tasks": [{"id": "t.1"}]})
    assert run(api, "orphan", "adopt", "t.1", "web").stdout == "t.1 is an instance of /web\n"
    assert api.requests[-1].body == {"appId": "/web"}
    api.script["DELETE /v3/orphans/t.1"] = Answer(b"", 202)
    assert run(api, "orphan", "kill", "t.1", "--force").exit_code == 0
    assert api.requests[-1].query == {"force": ["true"]}


def _commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from _commands(command, f"{path} {name}")


def _options(command: click.Command) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts}


_ASKING = {path: one for path, one in _commands(main, "stayer") if "--url" in _options(one)}


@pytest.mark.parametrize("path", sorted(_ASKING.keys() - _WITHOUT_JSON))
def test_each_command_that_asks_the_api_can_speak_json(path: str) -> None:
    assert "--json" in _options(_ASKING[path])


def test_there_are_such_commands() -> None:
    assert len(_ASKING) > 40
