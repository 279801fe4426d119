"""The page of performance says what was measured: its tables and plots are those of the lines."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.bench import publish
from tests.bench.__main__ import names, table
from tests.bench._plot import log_plot
from tests.bench.goals import GOALS, Goal, rows
from tests.bench.soak import Sample, growth


def line(**fields: Any) -> dict[str, Any]:
    """A JSON line as a measurement appends it."""
    usual = {"name": "x", "value": 1.0, "unit": "s", "cpu_seconds": 1.0, "peer": 4.0}
    more = {"ratio": 0.25, "size": 1.0, "goal": None, "peak_mib": None}
    return {**usual, **more, **fields}


def test_the_page_is_what_the_lines_make_of_it() -> None:
    text = publish.PAGE.read_text(encoding="utf-8")
    assert text == publish.page(text, publish.read(publish.LINES))


def test_the_plots_are_what_the_lines_make_of_them() -> None:
    drawn = dict(publish.plots(publish.read(publish.LINES)))
    assert drawn
    for name, svg in drawn.items():
        assert publish.DOCS.joinpath(name).read_text(encoding="utf-8") == svg


def test_every_goal_has_a_row_of_what_was_measured() -> None:
    measured = {one.get("goal") for one in publish.read(publish.LINES)}
    assert measured - {None} == set(GOALS)


def test_a_changed_figure_changes_the_page() -> None:
    text = publish.PAGE.read_text(encoding="utf-8")
    lines = [line(goal="11", value=1234.0)]
    assert "| 1,234 |" in publish.page(text, lines)


def test_a_page_without_its_markers_is_refused() -> None:
    with pytest.raises(AssertionError, match="machine"):
        publish.page("# Performance\n", [])


def test_the_last_line_of_a_name_counts(tmp_path: Path) -> None:
    file = tmp_path / "lines.jsonl"
    some = [line(name="a", value=1.0), line(name="b"), line(name="a", value=2.0)]
    file.write_text("".join(json.dumps(one) + "\n" for one in some), encoding="utf-8")
    assert [(one["name"], one["value"]) for one in publish.read(file)] == [("a", 2.0), ("b", 1.0)]


@pytest.mark.parametrize(
    ("more", "value", "word"),
    [
        (True, 100, "goal"),
        (True, 99, "first win"),
        (True, 49, "no"),
        (False, 50, "goal"),
        (False, 51, "first win"),
        (False, 101, "no"),
    ],
)
def test_what_is_reached(more: bool, value: float, word: str) -> None:
    bounds = (100, 50) if more else (50, 100)
    assert Goal("x", "s", *bounds, more=more).reached(value) == word


def test_a_goal_that_was_not_measured_says_so() -> None:
    found = {row[1]: row for row in rows([line(goal="11", value=2.0, size=0.5)])}
    assert found[GOALS["11"].what][-1] == "goal (at size 0.5)"
    assert found[GOALS["12"].what][-1] == "not measured"
    assert "not measured" in table([])


def test_there_is_a_measurement_for_each_goal() -> None:
    assert names()[:13] == [f"goal{number}" for number in range(1, 14)]
    assert "report" not in names()


def test_a_plot_has_each_line_and_point_within_its_frame() -> None:
    points = [(1_000.0, 10.0), (10_000.0, 30.0), (100_000.0, 20.0)]
    svg = log_plot("a < b", "us", "x", {"one": points, "two": points[:2]})
    root = ElementTree.fromstring(svg)
    place = "{http://www.w3.org/2000/svg}"
    dots = [
        (float(one.attrib["cx"]), float(one.attrib["cy"])) for one in root.iter(f"{place}circle")
    ]
    assert len(dots) == 5
    assert all(0 < x < 760 and 0 < y < 420 for x, y in dots)
    assert dots[0][0] < dots[1][0] < dots[2][0]
    assert dots[1][1] < dots[2][1] < dots[0][1]
    texts = {one.text for one in root.iter(f"{place}text")}
    assert {"one", "two", "a < b (us)", "100,000"} <= texts


def test_a_soak_finds_what_grows() -> None:
    flat = [Sample(float(n), 300.0 + n % 3, 30, 40 + n % 2) for n in range(30)]
    assert growth(flat) == []
    leaking = [Sample(float(n), 300.0 + 5 * n, 30, 40 + n) for n in range(30)]
    assert [one.partition(" ")[0] for one in growth(leaking)] == ["memory", "files"]
