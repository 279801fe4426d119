"""`stayer import` from a Marathon, played by a small server that answers as release 1.11 does, into
a Stayer whose tasks run as soon as they are launched."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from api.client import Client
from api.options import ApiOptions
from api.server import ApiServer
from cli.main import main
from framework.domain.mesos import TaskState
from tests.contract.running import LivelyMesos, running_scheduler
from tests.unit.api.reading import compile_pattern
from tests.unit.cli.importing.marathon import INFO, JOB, POD, ROOT, app, group
from tests.unit.cli.scripted_http import Answer, ScriptedServer, scripted

Import = Callable[..., Result]


@pytest.fixture
def marathon() -> Iterator[ScriptedServer]:
    """A Marathon with three apps, of which two run."""
    script = {"GET /v2/groups": Answer(ROOT), "GET /v2/info": Answer(INFO)}
    with scripted(script) as server:
        yield server


@pytest.fixture
def stayer() -> Iterator[Client]:
    """Stayer itself, over HTTP."""
    with running_scheduler(LivelyMesos(outcome=TaskState.RUNNING)) as scheduler:
        server = ApiServer.alone(scheduler, ApiOptions(http_port=0), compile_pattern)
        server.start()
        client = Client((server.url,))
        try:
            yield client
        finally:
            client.close()
            server.stop()


@pytest.fixture
def run(stayer: Client, marathon: ScriptedServer) -> Import:
    """Runs `stayer import`, from Marathon if no source is given."""

    def imported(*words: str, source: str | None = None) -> Result:
        env = {"STAYER_URL": stayer.urls[0], "STAYER_CREDENTIALS_FILE": None}
        line = ["import", source or marathon.url, *words]
        return CliRunner(env=env).invoke(main, line, catch_exceptions=False)

    return imported


def counts(client: Client) -> dict[str, int]:
    return {found["id"]: found["instances"] for found in client.list_apps()}


def test_a_dry_run_shows_and_changes_nothing(
    run: Import, stayer: Client, marathon: ScriptedServer
) -> None:
    stayer.create_app({"id": "/shop/data/db", "cmd": "sleep 1"})
    result = run("--dry-run", "--run-twice")
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.stdout.splitlines()]
    assert rows[1] == ["/job", "create", "0"]
    assert rows[2][:4] == ["/shop/data/db", "change", "1", "cmd,"]
    assert rows[3] == ["/shop/web", "create", "2"]
    assert ["/shop", "depends", "on", "/base"] in rows
    assert "Apps: 2 to create, 1 to change." in result.stdout
    assert "2 tasks of /shop/web run in Marathon" in result.stderr
    assert counts(stayer) == {"/shop/data/db": 1}
    assert {request.method for request in marathon.requests} == {"GET"}


def test_what_runs_in_marathon_is_not_started_unasked(run: Import, stayer: Client) -> None:
    result = run("--yes")
    assert result.exit_code == 1
    assert "2 apps still run in Marathon (/shop/data/db /shop/web)" in result.stderr
    assert counts(stayer) == {}


def test_the_way_of_a_move(
    run: Import, stayer: Client, marathon: ScriptedServer, tmp_path: Path
) -> None:
    saved = str(tmp_path / "marathon.json")
    result = run("--suspended", "--yes", "--save", saved)
    assert result.exit_code == 0, result.output
    assert "/shop/web      create  0 of 2" in result.stdout
    assert counts(stayer) == {"/job": 0, "/shop/data/db": 0, "/shop/web": 0}
    assert stayer.get_group("/shop")["dependencies"] == ["/base"]
    assert json.loads(Path(saved).read_text()) == ROOT
    assert Path(saved).stat().st_mode & 0o077 == 0, "environments may hold secrets"

    marathon.script.clear()  # it is switched off by now
    data = run("--only", "/shop/data", "--yes", "--wait", source=saved)
    assert data.exit_code == 0, data.output
    assert counts(stayer) == {"/job": 0, "/shop/data/db": 1, "/shop/web": 0}
    assert stayer.get_app("/shop/data/db")["tasksRunning"] == 1

    again = run("--suspended", "--yes", source=saved)
    assert "Apps: 3 unchanged." in again.stdout
    assert counts(stayer)["/shop/data/db"] == 1, "what runs here already is not stopped by it"


def test_all_or_nothing(run: Import, stayer: Client, marathon: ScriptedServer) -> None:
    bad = app("/vault", secrets={"key": {"source": "x"}}, tasksRunning=0)
    marathon.script["GET /v2/groups"] = Answer(group("/", [JOB, bad], pods=[POD]))
    refused = run("--yes")
    assert refused.exit_code == 1
    assert "/secrets: Feature secrets is not enabled." in refused.stdout
    assert "2 apps can not be taken over; nothing is changed" in refused.stderr
    assert counts(stayer) == {}
    result = run("--yes", "--partly", "--json")
    assert result.exit_code == 0
    assert counts(stayer) == {"/job": 0}
    told = json.loads(result.stdout)
    assert [one["action"] for one in told["apps"]] == ["create", "not possible", "not possible"]
    assert told["deploymentId"]


def test_roles_of_groups_come_first(run: Import, stayer: Client, marathon: ScriptedServer) -> None:
    web = app("/eu/web", role="eu", acceptedResourceRoles=["eu"], tasksRunning=0, instances=0)
    tree = group("/", [], [group("/eu", [web], enforceRole=True)])
    marathon.script["GET /v2/groups"] = Answer(tree)
    result = run("--yes")
    assert result.exit_code == 0, result.output
    assert stayer.get_app("/eu/web")["role"] == "eu"
    assert stayer.get_group("/eu")["enforceRole"] is True


def test_another_place(run: Import, stayer: Client) -> None:
    result = run("--suspended", "--rename-group", "/shop=/old/shop", "--yes")
    assert result.exit_code == 0, result.output
    assert sorted(counts(stayer)) == ["/job", "/old/shop/data/db", "/old/shop/web"]
    assert stayer.get_app("/old/shop/web")["dependencies"] == ["/old/shop/data"]


def test_it_asks_before_it_changes_anything(run: Import, stayer: Client) -> None:
    result = run("--suspended")
    assert result.exit_code == 2
    assert "give --yes" in result.stderr
    assert counts(stayer) == {}


@pytest.mark.parametrize(("said", "code", "apps"), [("n\n", 1, 0), ("y\n", 0, 3)])
def test_on_a_terminal_it_asks(
    stayer: Client, marathon: ScriptedServer, said: str, code: int, apps: int
) -> None:
    ours, theirs = pty.openpty()
    os.write(ours, said.encode())
    env = {**os.environ, "STAYER_URL": stayer.urls[0]}
    line = [sys.executable, "-c", "from cli.main import main; main()"]
    try:
        done = subprocess.run(
            [*line, "import", marathon.url, "--suspended"],
            env=env,
            stdin=theirs,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == code, done.stderr
    assert "Do that? [y/N]" in done.stderr
    assert len(counts(stayer)) == apps


def test_wrong_sources(run: Import, marathon: ScriptedServer, tmp_path: Path) -> None:
    assert run("--only", "/nothing", "--dry-run").exit_code == 2
    assert run("--rename-group", "shop", "--dry-run").exit_code == 2
    assert run("--dry-run", source=str(tmp_path / "none.json")).exit_code == 2
    file = tmp_path / "apps.json"
    file.write_text(json.dumps([JOB]))
    result = run("--dry-run", "--save", str(tmp_path / "x"), source=str(file))
    assert result.exit_code == 2
    marathon.script["GET /v2/groups"] = Answer({"message": "Unauthorized"}, 401)
    refused = run("--dry-run")
    assert refused.exit_code == 3
    assert "Marathon does not answer as it should: Unauthorized" in refused.stderr


def test_credentials_go_to_marathon_alone(
    run: Import, marathon: ScriptedServer, tmp_path: Path
) -> None:
    file = tmp_path / "credentials"
    file.write_text("ops:secret\n")
    result = run("--dry-run", "--suspended", "--marathon-credentials-file", str(file))
    assert result.exit_code == 0
    assert {one.headers["Authorization"] for one in marathon.requests} == {"Basic b3BzOnNlY3JldA=="}
    assert "secret" not in result.output
