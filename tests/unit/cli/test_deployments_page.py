"""The user's page on deployments says what the code does."""

import re
from itertools import takewhile
from pathlib import Path

import click
import pytest

from api.schemas.app import UPGRADE_STRATEGY
from cli.main import main
from framework.core.sizing import Have, bounds, size
from framework.domain.app import App, UpgradeStrategy

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "deployments.md").read_text(encoding="utf-8")


def _worked_examples() -> list[list[str]]:
    table = PAGE.partition("| n | minimumHealthCapacity |")[2].splitlines()[2:]
    rows = takewhile(lambda line: line.startswith("|"), table)
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


@pytest.mark.parametrize("row", _worked_examples(), ids="-".join)
def test_the_worked_examples(row: list[str]) -> None:
    wanted = int(row[0])
    strategy = UpgradeStrategy(float(row[1]), float(row[2]))
    app = App(id="/web", instances=wanted, upgrade_strategy=strategy)
    assert bounds(app) == (int(row[3]), int(row[4]))
    first = size(app, Have(old=wanted, old_ready=wanted))
    count, kind, *_ = row[5].split()
    stopped = {"two": 2, "three": 3, "all": wanted}[count] if kind == "old" else 0
    assert first.old_ready == stopped


def test_there_are_worked_examples() -> None:
    assert len(_worked_examples()) == 7


def test_every_field_of_the_strategy_is_explained() -> None:
    named = re.findall(r"^\| `([A-Za-z]+)` \| (?:0\b|1\b|false\b|`\[\]`)", PAGE, re.MULTILINE)
    assert sorted(named) == sorted(UPGRADE_STRATEGY().fields)


def test_links_lead_to_files() -> None:
    links = re.findall(r"\]\((\.\./[^)#]+)\)", PAGE)
    assert len(links) > 10
    assert [link for link in links if not (ROOT / "docs" / link).is_file()] == []


def test_commands_exist() -> None:
    named = set(re.findall(r"stayer (app|group|deployment) ([a-z]+)", PAGE))
    assert len(named) > 15
    for group, name in named:
        found = main.commands[group]
        assert isinstance(found, click.Group)
        assert name in found.commands, f"stayer {group} {name}"
