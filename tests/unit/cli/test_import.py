"""`stayer import` against a scripted scheduler: what it asks of it, and what it makes of its
refusals. (With a real one: tests/integration/test_import.py.)"""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.imports import import_command
from tests.unit.cli.scripted_http import Answer, ScriptedServer

VERSION = "2026-11-01T10:00:00.000Z"
APPS = [{"id": "/a", "cmd": "sleep 1"}, {"id": "/b", "cmd": "sleep 2", "cpus": 0.5}]


@pytest.fixture
def source(tmp_path: Path) -> str:
    file = tmp_path / "apps.json"
    file.write_text(json.dumps({"apps": APPS}))
    return str(file)


@pytest.fixture(autouse=True)
def empty_scheduler(api: ScriptedServer) -> None:
    """One that has no apps and tells its settings."""
    api.script |= {
        "GET /config": Answer({"mesos_role": "*"}),
        "GET /v2/groups": Answer({"id": "/", "groups": []}),
        "GET /v2/apps": Answer({"apps": []}),
        "PUT /v2/apps": Answer({"version": VERSION, "deploymentId": "d-1"}),
    }


def run(api: ScriptedServer, *words: str) -> Result:
    env = {"STAYER_URL": api.url, "STAYER_CREDENTIALS_FILE": None, "STAYER_CA_FILE": None}
    return CliRunner(env=env).invoke(import_command, words, catch_exceptions=False)


def test_all_apps_go_in_one_request_that_was_tried_before(api: ScriptedServer, source: str) -> None:
    result = run(api, source, "--yes", "--force")
    assert result.stdout.endswith("2 apps are taken over (deployment d-1)\n")
    tried, put = [one for one in api.requests if one.method != "GET"]
    assert tried.query == {"partialUpdate": ["false"], "force": ["true"], "dryRun": ["true"]}
    assert put.query == {"partialUpdate": ["false"], "force": ["true"]}
    assert tried.body == put.body == APPS


def test_what_was_compared_is_guarded(api: ScriptedServer, source: str) -> None:
    api.script["GET /v2/apps"] = Answer({"apps": []}, headers={"ETag": '"e-1"'})
    assert run(api, source, "--yes").exit_code == 0
    assert [one.headers.get("If-Match") for one in api.requests[-2:]] == ['"e-1"'] * 2
    assert run(api, source, "--yes", "--force").exit_code == 0
    assert "If-Match" not in api.requests[-1].headers
    api.script["PUT /v2/apps"] = Answer({"message": "If-Match does not hold"}, 412)
    result = run(api, source, "--yes")
    assert (result.exit_code, "Nothing is done: somebody else" in result.stderr) == (1, True)


def test_a_refusal_names_the_app(api: ScriptedServer, source: str) -> None:
    details = [{"path": "/(1)/cpus", "errors": ["too many"]}]
    api.script["PUT /v2/apps"] = Answer({"message": "Object is not valid", "details": details}, 422)
    result = run(api, source, "--yes")
    assert result.exit_code == 1
    assert "/b: /cpus: too many" in result.stderr
    assert len([one for one in api.requests if one.method == "PUT"]) == 1, "only tried"


def test_too_much_for_one_request(api: ScriptedServer, source: str) -> None:
    api.script["PUT /v2/apps"] = Answer({"message": "The body is too large"}, 413)
    result = run(api, source, "--yes")
    assert result.exit_code == 1
    assert "in parts: --only" in result.stderr


def test_the_plan_for_machines(api: ScriptedServer, source: str) -> None:
    result = run(api, source, "--dry-run", "--json")
    told = json.loads(result.stdout)
    assert told["apps"] == [
        {"id": "/a", "action": "create", "instances": 1, "instancesBefore": None},
        {"id": "/b", "action": "create", "instances": 1, "instancesBefore": None},
    ]


def test_nothing_to_do(api: ScriptedServer, source: str) -> None:
    api.script["GET /v2/apps"] = Answer({"apps": APPS})
    result = run(api, source, "--yes")
    assert result.exit_code == 0
    assert re.search(r"^Apps: 2 unchanged\.$", result.stdout, re.MULTILINE)
    assert api.asked() == ["GET /config", "GET /v2/groups", "GET /v2/apps"]


def test_several_sources_are_one_import(api: ScriptedServer, source: str, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"id": "/b", "cmd": "another"}))
    result = run(api, source, str(other), "--dry-run")
    assert result.exit_code == 2
    assert "two different definitions of /b" in result.stderr
    other.write_text(json.dumps({"id": "/c", "cmd": "another"}))
    assert "Apps: 3 to create." in run(api, source, str(other), "--dry-run").stdout


def test_a_file_that_is_none(api: ScriptedServer, tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text("{")
    assert "is not JSON" in run(api, str(bad), "--dry-run").stderr
    bad.write_text("[1]")
    assert "no object" in run(api, str(bad), "--dry-run").stderr
