"""The user's page on constraints says what the code does."""

import json
from pathlib import Path

from cli.patterns import linear_full_match
from constraints import Constraint, Counts, Problem, compile_constraints, parse

PAGE = Path(__file__).parents[3] / "docs" / "constraints.md"


def rows(header: str) -> list[list[str]]:
    """Return the cells of the table whose first row starts with this text."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    (start,) = (i for i, line in enumerate(lines) if line.startswith(f"| {header} |"))
    found = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        found.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return found


def test_the_group_by_table() -> None:
    table = rows("Instances in r0, r1, r2")
    assert len(table) == 6
    racks = ["r0", "r1", "r2", "new"]
    for placed, *cells in table:
        sizes = [0, 0, 0] if placed == "none" else [int(n) for n in placed.split(",")]
        counts = Counts(f"r{i}" for i, size in enumerate(sizes) for _ in range(size))
        for raw, cell in zip((["rack", "GROUP_BY", n] for n in "023"), cells, strict=True):
            constraint = parse(raw, linear_full_match)
            assert isinstance(constraint, Constraint)
            (check,) = compile_constraints([constraint], linear_full_match).dynamic
            admitted = [rack for rack in racks if check.admits(rack, counts)]
            assert admitted == (racks if cell == "any" else cell.split(", ")), (placed, raw)


def test_the_refusals() -> None:
    checked = 0
    for given, message in rows("Given"):
        if given.startswith("`"):
            problem = parse(json.loads(given.strip("`")), linear_full_match)
            assert isinstance(problem, Problem)
            said, _, cut = message.strip("`").partition("...")
            assert problem.message.startswith(said) if cut else problem.message == said
            checked += 1
    assert checked == 7
