"""What every command does when it can not get through, and how it proves who it is."""

import socket
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Stayer
from tests.unit.cli.scripted_http import Answer, ScriptedServer, hang_up


def test_nobody_there(stayer: Stayer) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        result = stayer("app", "list", url=url)
    assert (result.exit_code, result.stdout) == (3, "")
    assert f"{url}: Connection refused" in result.stderr
    assert "stayer local" in result.stderr
    assert "--url" in result.stderr


def test_spare_url_from_the_environment(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["GET /v2/apps"] = Answer({"apps": []})
    assert stayer("app", "list", url=f"http://127.0.0.1:1 {api.url}").exit_code == 0


def test_option_wins_over_the_environment(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["GET /v2/apps"] = Answer({"apps": []})
    assert stayer("app", "list", "--url", api.url, url="http://127.0.0.1:1").exit_code == 0


@pytest.mark.parametrize("answer", [Answer(b"<html>"), Answer({"apps": [{"id": 7, "cpus": "x"}]})])
def test_something_else_answers(api: ScriptedServer, stayer: Stayer, answer: Answer) -> None:
    api.script["GET /v2/apps"] = answer
    result = stayer("app", "list")
    assert result.exit_code == 3
    assert "does not speak this API" in result.stderr


def test_change_whose_answer_is_lost(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["DELETE /v2/apps/a"] = hang_up
    result = stayer("app", "remove", "/a")
    assert result.exit_code == 3
    assert "may have been carried out" in result.stderr


def test_scheduler_that_is_not_ready(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["GET /v2/apps"] = Answer({"message": "The state is being loaded."}, 503)
    result = stayer("app", "list")
    assert result.exit_code == 3
    assert "The state is being loaded." in result.stderr


@pytest.mark.parametrize("status", [401, 403])
def test_credentials_are_asked_for_when_they_would_help(
    api: ScriptedServer, stayer: Stayer, status: int
) -> None:
    api.script["GET /v2/apps"] = Answer({"message": "Too many deployments"}, status)
    result = stayer("app", "list")
    assert result.exit_code == 1
    assert ("--credentials-file" in result.stderr) is (status == 401)


def test_credentials_from_a_file(api: ScriptedServer, stayer: Stayer, tmp_path: Path) -> None:
    api.script["GET /v2/apps"] = Answer({"apps": []})
    file = tmp_path / "credentials"
    file.write_text("ann:s3:cret\n")
    assert stayer("app", "list", "--credentials-file", str(file)).exit_code == 0
    assert api.requests[0].headers["Authorization"] == "Basic YW5uOnMzOmNyZXQ="


@pytest.mark.parametrize("content", [b"ann", b":s3cret", b"ann:s3cret\nx", b"\xff:s3cret", b""])
def test_credentials_that_are_none(
    api: ScriptedServer, stayer: Stayer, tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "credentials"
    file.write_bytes(content)
    result = stayer("app", "list", "--credentials-file", str(file))
    assert result.exit_code == 2
    assert str(file) in result.stderr
    assert "s3cret" not in result.stderr
    assert api.requests == []


@pytest.mark.parametrize("by_environment", [False, True])
def test_a_token_from_a_file(
    api: ScriptedServer,
    stayer: Stayer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    by_environment: bool,
) -> None:
    api.script["GET /v2/apps"] = Answer({"apps": []})
    file = tmp_path / "token"
    file.write_text("s3cret\n")
    words = [] if by_environment else ["--token-file", str(file)]
    if by_environment:
        monkeypatch.setenv("STAYER_TOKEN_FILE", str(file))
    assert stayer("app", "list", *words).exit_code == 0
    assert api.requests[0].headers["Authorization"] == "token=s3cret"


def test_a_token_of_another_form(api: ScriptedServer, stayer: Stayer, tmp_path: Path) -> None:
    api.script["GET /v2/apps"] = Answer({"apps": []})
    file = tmp_path / "token"
    file.write_text("Bearer s3cret\n")
    assert stayer("app", "list", "--token-file", str(file)).exit_code == 0
    assert api.requests[0].headers["Authorization"] == "Bearer s3cret"


@pytest.mark.parametrize("content", [b"", b"s3cret x", b"s3cret\nx", b"s3cr\xffet", b"x" * 5000])
def test_a_file_that_holds_no_usable_token(
    api: ScriptedServer, stayer: Stayer, tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)
    result = stayer("app", "list", "--token-file", str(file))
    assert result.exit_code == 2
    assert str(file) in result.stderr
    assert "s3cr" not in result.stderr
    assert api.requests == []


def test_a_token_and_a_password(api: ScriptedServer, stayer: Stayer, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("ann:s3cret")
    result = stayer("app", "list", "--token-file", str(file), "--credentials-file", str(file))
    assert result.exit_code == 2
    assert "not both" in result.stderr
    assert api.requests == []


def test_url_with_a_password_is_not_repeated(stayer: Stayer) -> None:
    result = stayer("app", "list", url="http://ann:s3cret@127.0.0.1:1")
    assert result.exit_code == 2
    assert "s3cret" not in result.stderr


@pytest.mark.parametrize("app_id", ["..", "a/../b", "/"])
def test_app_id_that_can_be_none(api: ScriptedServer, stayer: Stayer, app_id: str) -> None:
    result = stayer("app", "remove", app_id)
    assert result.exit_code == 2
    assert "not an app id" in result.stderr
    assert api.requests == []
