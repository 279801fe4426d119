"""Shell completion: the scripts, and ids that the scheduler knows."""

import socket

import pytest
from click.shell_completion import BashComplete
from click.testing import CliRunner

from cli.main import main
from tests.unit.cli.scripted_http import Answer, ScriptedServer

APPS = Answer({"apps": [{"id": "/web"}, {"id": "/shop/web"}, {"id": "/shop/db"}]})


@pytest.fixture
def completed(api: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> ScriptedServer:
    monkeypatch.setenv("STAYER_URL", api.url)
    for name in ("STAYER_CREDENTIALS_FILE", "STAYER_TOKEN_FILE", "STAYER_CA_FILE"):
        monkeypatch.delenv(name, raising=False)
    return api


def complete(*words: str) -> list[str]:
    """What a shell offers for the last word."""
    shell = BashComplete(main, {}, "stayer", "_STAYER_COMPLETE")
    return [item.value for item in shell.get_completions(list(words[:-1]), words[-1])]


@pytest.mark.parametrize("shell", ["bash", "fish", "zsh"])
def test_scripts(shell: str) -> None:
    result = CliRunner().invoke(main, ["completion", shell])
    assert result.exit_code == 0
    assert f"_STAYER_COMPLETE={shell}_complete" in result.stdout
    assert CliRunner().invoke(main, ["completion", "csh"]).exit_code == 2


def test_commands_and_options() -> None:
    assert complete("dep") == ["deployment"]
    assert complete("app", "add", "--wait-") == ["--wait-timeout"]


def test_apps(completed: ScriptedServer) -> None:
    completed.script["GET /v2/apps"] = APPS
    assert complete("app", "show", "") == ["/shop/db", "/shop/web", "/web"]
    assert completed.requests[-1].query == {"fields": ["id"]}
    assert complete("app", "show", "/shop/w") == ["/shop/web"]
    assert complete("app", "show", "shop/d") == ["/shop/db"]
    assert complete("freeze", "/web", "/sh") == ["/shop/db", "/shop/web"]


def test_groups_deployments_tasks_versions(completed: ScriptedServer) -> None:
    inner = {"id": "/shop/data", "groups": []}
    completed.script |= {
        "GET /v2/groups": Answer({"id": "/", "groups": [{"id": "/shop", "groups": [inner]}]}),
        "GET /v3/deployments": Answer([{"id": "d-1"}, {"id": "e-1"}]),
        "GET /v2/tasks": Answer({"tasks": [{"id": "web.1"}]}),
        "GET /v2/apps/web/versions": Answer({"versions": ["2026-01", "2026-02"]}),
    }
    assert complete("group", "show", "/s") == ["/shop", "/shop/data"]
    assert complete("deployment", "watch", "d") == ["d-1"]
    assert complete("task", "kill", "") == ["web.1"]
    assert complete("app", "rollback", "web", "2026") == ["2026-02", "2026-01"]


def test_silent_on_failure(
    completed: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    completed.script["GET /v2/apps"] = Answer({"message": "who?"}, 401)
    assert complete("app", "show", "") == []
    completed.script["GET /v2/apps"] = Answer({"apps": [{"no": "id"}]})
    assert complete("app", "show", "") == []
    with socket.socket() as deaf:  # accepts connections and never answers
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        monkeypatch.setenv("STAYER_URL", f"http://127.0.0.1:{deaf.getsockname()[1]}")
        assert complete("app", "show", "") == []
    monkeypatch.setenv("STAYER_URL", "no URL")
    assert complete("app", "show", "") == []
    assert capsys.readouterr() == ("", "")
