"""How `stayer haproxy` reads its command line, and how quiet it is under cron."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.main import main
from haproxy_bridge.exits import Exit
from tests.unit.cli.scripted_http import Answer, scripted


def stayer(*words: str) -> Result:
    return CliRunner().invoke(main, ["haproxy", *words])


@pytest.mark.parametrize(
    "words",
    [
        ("--no-such-option",),
        ("onse",),
        ("once",),
        ("once", "--no-such-option", "http://127.0.0.1:1"),
        ("once", "--max-drop", "7", "http://127.0.0.1:1"),
        ("once", "--stats-bind", "nonsense", "http://127.0.0.1:1"),
        ("once", "@/no/such/file"),
        ("once", "--ports-per-task", "10050", "http://127.0.0.1:1"),
        ("once", "--ports-per-task", "9-1", "http://127.0.0.1:1"),
        ("generate", "ftp://127.0.0.1"),
        ("once", "--cluster", "http://127.0.0.1:1", "http://127.0.0.1:1"),
        ("once", "--cluster", "main=http://127.0.0.1:1", "http://127.0.0.1:1"),
        ("once", "--cluster", "west=ftp://127.0.0.1", "http://127.0.0.1:1"),
        ("once", "--cluster", "w=127.0.0.1:1", "--cluster", "w=127.0.0.1:2", "http://127.0.0.1:1"),
        ("once", "--cluster-token-file", "west=/etc/hosts", "http://127.0.0.1:1"),
        ("once", "--cluster", "w=127.0.0.1:1", "--cluster-token-file", "w=/no", "127.0.0.1:1"),
    ],
)
def test_a_wrong_command_line_ends_with_64(words: tuple[str, ...]) -> None:
    result = stayer(*words)
    assert result.exit_code == Exit.USAGE
    assert result.stderr


def test_a_cluster_is_given_its_own_credentials_and_no_others(tmp_path: Path) -> None:
    token, other = tmp_path / "token", tmp_path / "other"
    token.write_text("mine\n")
    other.write_text("theirs\n")
    script = {
        "GET /v3/services": Answer({"message": "no"}, 404),
        "GET /v2/apps": Answer({"apps": []}),
    }
    with scripted(script) as main_one, scripted(script) as west, scripted(script) as east:
        result = stayer(
            "generate",
            f"--token-file={token}",
            f"--cluster=west={west.url}",
            f"--cluster=east={east.url}",
            f"--cluster-token-file=west={other}",
            main_one.url,
        )
        assert result.exit_code == Exit.OK, result.stderr
        found = [
            {request.headers.get("Authorization") for request in one.requests}
            for one in (main_one, west, east)
        ]
    assert found == [{"token=mine"}, {"token=theirs"}, {None}]


def test_a_socket_is_where_it_is_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    script = {
        "GET /v3/services": Answer({"message": "no"}, 404),
        "GET /v2/apps": Answer({"apps": []}),
    }
    with scripted(script) as server:
        result = stayer("generate", "--socket", "run/admin.sock", server.url)
    assert f"  stats socket {tmp_path}/run/admin.sock mode" in result.stdout


def test_what_can_be_heard_is_printed() -> None:
    apps = [{"id": "/a", "ports": [10_001], "instances": 1}]
    script = {
        "GET /v3/services": Answer({"message": "no"}, 404),
        "GET /v2/apps": Answer({"apps": apps}),
    }
    with scripted(script) as west:
        result = stayer("generate", "http://127.0.0.1:1", f"--cluster=west={west.url}")
    assert result.exit_code == Exit.CLUSTER
    assert "backend a_10001" in result.stdout
    assert result.stderr.startswith("cluster main: ")


def test_help_is_no_error() -> None:
    assert stayer("--help").exit_code == 0
    assert stayer("once", "--help").exit_code == 0


def test_a_file_holds_arguments(tmp_path: Path) -> None:
    arguments = tmp_path / "args"
    arguments.write_text(
        f"# of this node\n--state='{tmp_path}/the state.json'\n\nhttp://127.0.0.1:1  # a comment\n"
    )
    result = stayer("once", f"@{arguments}")
    assert result.exit_code == Exit.UNREACHABLE
    assert (tmp_path / "the state.json").exists()


def test_a_file_that_is_too_long_or_ill_is_wrong_usage(tmp_path: Path) -> None:
    long, ill = tmp_path / "long", tmp_path / "ill"
    long.write_text("x" * 100_000)
    ill.write_text("--config='not closed")
    for path in (long, ill):
        assert stayer("once", f"@{path}").exit_code == Exit.USAGE


def test_a_failure_that_lasts_is_told_once_but_each_exit_code_tells_it(tmp_path: Path) -> None:
    words = ("once", f"--state={tmp_path}/state.json", "http://127.0.0.1:1")
    first, second = stayer(*words), stayer(*words)
    assert "unreachable" in first.stderr
    assert second.stderr == second.stdout == ""
    assert first.exit_code == second.exit_code == Exit.UNREACHABLE


@pytest.mark.parametrize(
    ("words", "registered"),
    [
        (("--edge-name=n1",), True),
        (("--edge-name=",), False),
        (("--edge-name=n1", "--dry-run"), False),
    ],
)
def test_once_registers_with_stayer(
    tmp_path: Path, words: tuple[str, ...], registered: bool
) -> None:
    page = Answer({"stateId": "s", "epoch": 1, "synced": True, "services": []})
    script = {"GET /v3/services": page, "PUT /v3/edges/n1": Answer({})}
    with scripted(script) as server:
        result = stayer(
            "once",
            f"--state={tmp_path}/state.json",
            f"--config={tmp_path}/haproxy.cfg",
            f"--socket={tmp_path}/no.sock",
            "--no-validate",
            "--reload-command=",
            "--every=20",
            *words,
            server.url,
        )
        assert result.exit_code == 0, result.output
        leases = [one.body for one in server.requests if one.method == "PUT"]
    assert [(one["kind"], one["leaseSeconds"]) for one in leases] == [("cron", 50)] * registered


@pytest.mark.parametrize(
    ("words", "passed_on"),
    [
        ([], "127.0.0.1:9101"),
        (["--metrics-bind=[::1]:9200"], "[::1]:9200"),
        (["--metrics-bind=0.0.0.0:9200"], "127.0.0.1:9200"),
        (["--stats-bind=[::1]:9090"], "127.0.0.1:9101"),
        (["--metrics-bind="], ""),
        (["--stats-bind=*:9090"], ""),
        (["--stats-bind=*:9090", "--metrics-credentials-file={file}"], "127.0.0.1:9101"),
    ],
)
def test_pages_are_passed_on_to_this_machine_or_for_credentials(
    tmp_path: Path, words: list[str], passed_on: str
) -> None:
    (tmp_path / "file").write_text("joe:secret\n")
    script = {
        "GET /v3/services": Answer({"message": "no"}, 404),
        "GET /v2/apps": Answer({"apps": []}),
    }
    with scripted(script) as server:
        given = [word.format(file=tmp_path / "file") for word in words]
        printed = stayer("generate", *given, server.url).stdout
    found = [line.split()[-1] for line in printed.splitlines() if "server daemon" in line]
    assert found == ([passed_on] if passed_on else [])
    assert "secret" not in printed
