"""The page about the bridge: its exit codes, commands and labels are those that there are."""

import re
from pathlib import Path

from cli.haproxy.commands import haproxy
from haproxy_bridge.exits import MEANING
from haproxy_bridge.services.labels import PORT_LABELS

PAGE = (Path(__file__).resolve().parents[4] / "docs" / "haproxy.md").read_text()


def test_it_has_every_exit_code_with_its_meaning() -> None:
    told = re.findall(r"^\| (\d+) \| (.*) \|$", PAGE, re.MULTILINE)
    assert {int(code): meaning for code, meaning in told} == {
        int(code): meaning for code, meaning in MEANING.items()
    }


def test_it_has_every_command() -> None:
    table = PAGE.partition("| Command |")[2].partition("\n\n")[0]
    cells = re.findall(r"^\| (`.*`) \|", table, re.MULTILINE)
    assert {name for cell in cells for name in re.findall(r"`(\w+)`", cell)} == set(
        haproxy.commands
    )


def test_it_has_every_label_of_a_port() -> None:
    assert set(re.findall(r"`HAPROXY_n_(\w+)`", PAGE)) - {"BACKEND_HEAD"} == set(PORT_LABELS)
