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
        ("generate", "ftp://127.0.0.1"),
    ],
)
def test_a_wrong_command_line_ends_with_64(words: tuple[str, ...]) -> None:
    result = stayer(*words)
    assert result.exit_code == Exit.USAGE
    assert result.stderr


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
