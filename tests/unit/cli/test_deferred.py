"""Commands are loaded when they are called, and `stayer --help` and completion need none."""

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from cli.deferred import DeferredCommands
from cli.main import main

HEAVY = {"flask", "kazoo", "marshmallow", "rich", "prometheus_client", "cheroot", "werkzeug"}
CALL = "from cli.main import main; main(sys.argv[1:], 'stayer', standalone_mode=False)"


def loaded(arguments: list[str], environment: dict[str, str]) -> tuple[str, set[str]]:
    """What `stayer` prints, and which modules it had loaded then."""
    # With a completion asked for by the environment the process ends within main.
    script = (
        "import atexit, sys\n"
        "atexit.register(lambda: sys.stderr.write(' '.join(sys.modules)))\n" + CALL
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env={"PATH": "", "PYTHONPATH": ":".join(sys.path), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout, {*done.stderr.split()}


def completed(*words: str) -> dict[str, str]:
    """The environment in which bash asks for completions of the last word."""
    return {
        "_STAYER_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(["stayer", *words]),
        "COMP_CWORD": str(len(words)),
        "STAYER_URL": "http://127.0.0.1:1",
    }


def test_the_list_of_commands_needs_none_of_them() -> None:
    told, modules = loaded(["--help"], {})
    assert "Usage: stayer" in told
    assert all(f"\n  {name} " in told for name in main.commands)
    assert not HEAVY & modules
    assert {one for one in modules if one.startswith("cli.")} == {"cli.deferred", "cli.main"}


def test_to_complete_the_name_of_a_command_none_is_needed() -> None:
    told, modules = loaded([], completed("un"))
    assert told.split() == ["plain,unfreeze"]
    assert {one for one in modules if one.startswith("cli.")} == {"cli.deferred", "cli.main"}


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("app", "ver"), ["plain,versions"]),
        (("app", "show", "/w"), []),
        (("group", "sh"), ["plain,show"]),
        (("task", "ki"), ["plain,kill"]),
        (("queue", ""), []),
    ],
)
def test_to_complete_a_word_nothing_big_is_needed(
    words: tuple[str, ...], offered: list[str]
) -> None:
    told, modules = loaded([], completed(*words))
    assert told.split() == offered
    assert "cli.main" in modules
    assert not HEAVY & modules


def test_each_line_of_help_is_that_of_the_command() -> None:
    assert isinstance(main.commands, DeferredCommands)
    for name, entry in main.commands.entries.items():
        command = main.commands[name]
        assert (command.name, command.hidden) == (name, False)
        assert entry.help == command.get_short_help_str(1000)


def test_the_list_looks_as_click_makes_it() -> None:
    usual = click.Group(
        "stayer", dict(main.commands), help=main.help, params=main.params, context_settings={}
    )
    usual.context_settings = main.context_settings
    ours, clicks = (
        CliRunner().invoke(one, ["--help"], prog_name="stayer").stdout for one in (main, usual)
    )
    assert ours == clicks


def test_a_misspelt_command_is_told() -> None:
    result = CliRunner().invoke(main, ["deploymnt"])
    assert result.exit_code == 2
    assert "No such command 'deploymnt'" in result.stderr


def test_the_table_is_all_there_is() -> None:
    with pytest.raises(TypeError):
        main.add_command(click.Command("more"))
    with pytest.raises(TypeError):
        del main.commands["app"]


def test_the_version_is_that_of_what_is_installed() -> None:
    assert CliRunner().invoke(main, ["--version"]).stdout.startswith("stayer, version ")
