"""From what was measured to ``docs/performance.md``: ``make bench ARGS=publish``.

Reads the JSON lines in ``docs/performance.jsonl``, keeps the last of each name there, writes the
tables between the page's markers anew, and the plots beside it. What stands outside the markers
is written by hand.
"""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.bench._plot import log_plot
from tests.bench.goals import HEAD, number, rows

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "performance.md"
LINES = DOCS / "performance.jsonl"
_HEAD = ("what", "measured", "unit", "peer", "ratio", "CPU s", "peak MiB")
_CPU_SERIES = {
    "write": "API write",
    "restart": "task restarted",
    "start": "task started",
    "update": "status update",
    "offer": "offer",
}
Line = dict[str, Any]


def read(path: Path) -> list[Line]:
    """The last line of each name, in the order in which the names first came."""
    found: dict[str, Line] = {}
    for text in path.read_text(encoding="utf-8").splitlines():
        line: Line = json.loads(text)
        found[line.get("name", "machine")] = line
    return list(found.values())


def page(text: str, lines: list[Line]) -> str:
    """The page with everything between markers made of the lines."""
    machines = [line["machine"] for line in lines if "machine" in line]
    results = [line for line in lines if "name" in line]
    for name, part in (
        ("machine", machines[-1] if machines else "Unknown."),
        ("goals", _table(HEAD, rows(results))),
        ("results", _table(_HEAD, map(_row, results))),
    ):
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
        text, count = pattern.subn(lambda _, new=f"{begin}{part}\n{end}": new, text)  # type: ignore[misc]  # its default binds it
        assert count == 1, f"the page must have the markers of {name} once"
    return text


def plots(lines: list[Line]) -> Iterator[tuple[str, str]]:
    """Names of files, and SVG."""
    points: dict[str, list[tuple[float, float]]] = {}
    for line in lines:
        if line.get("series") and line["value"] > 0:
            points.setdefault(line["series"], []).append((line["at"], line["value"]))
    if not points:
        return
    drawn = {name: sorted(points[key]) for key, name in _CPU_SERIES.items() if key in points}
    bare = [(line["at"], line["peer"]) for line in lines if line.get("series") == "start"]
    drawn["bare loop, started"] = sorted(bare)
    below = "instances that run already"
    title = "Scheduler's processor time for one of each"
    yield "performance-cpu.svg", log_plot(title, "us", below, drawn)
    memory = {"scheduler": sorted(points["memory"])}
    title = "Memory that the scheduler holds"
    yield "performance-memory.svg", log_plot(title, "MiB", below, memory)


def _table(head: Iterable[str], body: Iterable[Iterable[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in [head, *body]]
    lines.insert(1, "|" + "---|" * len(tuple(head)))
    return "\n".join(lines)


def _row(line: Line) -> tuple[str, ...]:
    figures = (line["peer"], line["ratio"], line["cpu_seconds"], line["peak_mib"])
    peer, ratio, cpu, peak = ("" if one is None else number(one) for one in figures)
    small = "" if line["size"] == 1 else f" (size {line['size']:g})"
    return (line["name"] + small, number(line["value"]), line["unit"], peer, ratio, cpu, peak)


def main() -> None:
    """Write the page, the plots, and the lines that count."""
    lines = read(LINES)
    LINES.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), lines), encoding="utf-8")
    for name, svg in plots(lines):
        DOCS.joinpath(name).write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
