"""Templates of the whole node: from a folder, from the environment, and what nobody reads."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.main import main
from tests.unit.cli.scripted_http import Answer, ScriptedServer, scripted


@pytest.fixture
def marathon() -> Iterator[ScriptedServer]:
    apps = {"apps": [{"id": "/a", "portDefinitions": [{"port": 10000}], "tasks": []}]}
    script = {"GET /v3/services": Answer({"message": "no"}, 404), "GET /v2/apps": Answer(apps)}
    with scripted(script) as server:
        yield server


def generate(marathon: ScriptedServer, folder: Path, **environment: str) -> Result:
    words = ["haproxy", "generate", f"--templates={folder}", marathon.url]
    return CliRunner().invoke(main, words, env=environment)


def test_the_environment_goes_before_a_file(marathon: ScriptedServer, tmp_path: Path) -> None:
    (tmp_path / "HAPROXY_BACKEND_HEAD").write_text("\nbackend {backend}\n  # of the file\n")
    said = generate(marathon, tmp_path)
    assert "backend a_10000\n  # of the file\n" in said.stdout
    own = "\\nbackend {backend}\\n  # of the environment\\n"
    said = generate(marathon, tmp_path, HAPROXY_BACKEND_HEAD=own)
    assert "backend a_10000\n  # of the environment\n" in said.stdout
    assert (said.exit_code, said.stderr) == (0, "")


def test_what_nobody_reads_is_told(marathon: ScriptedServer, tmp_path: Path) -> None:
    (tmp_path / "HAPROXY_BACKEND_HAED").write_text("x")
    (tmp_path / "HAPROXY_BACKEND_HEAD~").write_text("of an editor")
    said = generate(marathon, tmp_path, HAPROXY_SSL_CERT="a secret")
    assert said.exit_code == 0
    assert [line.split(": ")[2] for line in said.stderr.splitlines()] == [
        "HAPROXY_BACKEND_HAED",
        "HAPROXY_SSL_CERT",
    ]
    assert "a secret" not in said.output
