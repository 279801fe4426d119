"""The pages on the command line and on moving say what the code does."""

import re
import shlex
from pathlib import Path

import click
import pytest

from cli.exits import CommandExit
from cli.main import main

_DOCS = Path(__file__).resolve().parents[3] / "docs"
_COMMANDS = (_DOCS / "commands.md").read_text(encoding="utf-8")
_MOVING = (_DOCS / "moving-from-marathon.md").read_text(encoding="utf-8")


def test_the_page_has_every_exit_code() -> None:
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", _COMMANDS, re.MULTILINE)}
    assert told == set(CommandExit)
    assert click.UsageError.exit_code == CommandExit.USAGE


def test_the_page_has_every_command() -> None:
    told = set(re.findall(r"^\| `stayer ([\w-]+)", _COMMANDS, re.MULTILINE))
    told |= set(re.findall(r"^\| `.*, `stayer ([\w-]+)`", _COMMANDS, re.MULTILINE))
    told |= set(re.findall(r"^\| `.*, `stayer ([\w-]+)`, ", _COMMANDS, re.MULTILINE))
    assert told == set(main.commands)


@pytest.mark.parametrize(
    ("name", "command"),
    [
        (name, one)
        for name, one in main.commands.items()
        if isinstance(one, click.Group) and name != "mesos"  # shown as one
    ],
)
def test_the_page_has_what_a_command_can_do(name: str, command: click.Group) -> None:
    (row,) = [
        line
        for line in _COMMANDS.splitlines()
        if line.startswith("| `") and f"`stayer {name}`" in line
    ]
    for inner in command.commands:
        assert re.search(rf"\b{inner}\b", row), f"{inner} is missing"


def _calls(page: str) -> list[str]:
    blocks = re.findall(r"^```\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith("stayer ")]


@pytest.mark.parametrize("line", [*_calls(_COMMANDS), *_calls(_MOVING)])
def test_the_calls_on_the_pages_can_be_made(line: str) -> None:
    words = shlex.split(line.partition("|")[0], comments=True)[1:]
    command: click.Command = main
    while isinstance(command, click.Group) and words and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    assert not isinstance(command, click.Group) or command.invoke_without_command
    command.make_context("stayer", words, resilient_parsing=False)


def test_the_options_of_the_import_exist() -> None:
    told = set(re.findall(r"`(--[a-z-]+)", _MOVING))
    known = {option for one in main.commands["import"].params for option in one.opts}
    assert told - known <= {"--mesos_role", "--mesos"}
    assert {"--only", "--rename-group", "--suspended", "--run-twice", "--partly"} <= known
