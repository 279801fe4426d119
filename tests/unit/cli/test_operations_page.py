"""The page for operators names every exit code there is, and no other."""

import re
from pathlib import Path

from framework.domain.exits import ExitCode

_PAGE = Path(__file__).resolve().parents[3] / "docs" / "operations.md"
_OF_EVERY_COMMAND = {0, 2}  # done; wrong usage


def test_the_page_tells_of_every_exit_code() -> None:
    rows = re.findall(r"^\| (\d{1,3}) \|", _PAGE.read_text(), re.MULTILINE)  # ports have four
    told = {int(code) for code in rows}
    assert told == {int(code) for code in ExitCode} | _OF_EVERY_COMMAND
