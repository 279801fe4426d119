"""What is to be reached: the goals, each with the first win on the way, and the table of both.

They are for the full size and for a machine of two processors that does nothing else.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Goal:
    """``goal`` and ``first_win`` in ``unit``, the unit of the result; ``more``: more is better.
    ``ratio`` is what the ratio to the peer should be on any machine, at least or at most."""

    what: str
    unit: str
    goal: float
    first_win: float
    more: bool = False
    ratio: float | None = None

    def reached(self, value: float) -> str:
        """In a word."""
        for name, bound in (("goal", self.goal), ("first win", self.first_win)):
            if value >= bound if self.more else value <= bound:
                return name
        return "no"


_NEW_LEADER = "new leader with 100,000 instances: election to first write,"
GOALS: Mapping[str, Goal] = {
    "1": Goal("apps x 1,000 with constraints, posted until all run", "tasks/s", 5_000, 1_000, True),
    "1 floor": Goal("the same: scheduler's CPU / bare loop's", "x", 3, 3),
    "2": Goal("CPU a task with most running / with 10,000 running", "x", 1.3, 2),
    "3 plain": Goal("placing on 5,000 agents, no constraints", "placements/s", 1e5, 2e4, True),
    "3 unique": Goal("placing, UNIQUE", "placements/s", 5e4, 1e4, True),
    "3 group": Goal("placing, GROUP_BY", "placements/s", 5e4, 1e4, True),
    "3 mixed": Goal("placing, five mixed constraints", "placements/s", 1e4, 2e3, True),
    "4": Goal("10,000 apps one by one, all deployed", "apps/s", 500, 167, True),
    "5 create": Goal("16 apps x 500 created", "s", 3, 9),
    "5 restart": Goal("16 apps x 500 restarted (0.5 / 0)", "s", 8, 24),
    "6 list": Goal("GET of 1,000 apps", "requests/s", 600, 370, True, 0.5),
    "6 unchanged": Goal("the same, unchanged by its ETag", "requests/s", 5_000, 3_000, True, 0.5),
    "6 one": Goal("GET of one app while many start, p99", "ms", 50, 200),
    "7 cold": Goal(f"{_NEW_LEADER} cold", "ms", 2_000, 5_000),
    "7 warm": Goal(f"{_NEW_LEADER} warm", "ms", 300, 5_000),
    "8 one": Goal("task lost until its replacement is accepted, p99", "ms", 5, 20),
    "8 many": Goal("20,000 lost tasks replaced", "tasks/s", 3_333, 1_111, True),
    "9": Goal("events to 1,000 readers", "deliveries/s", 30_000, 15_000, True, 0.5),
    "10": Goal("task change until haproxy serves it, p99", "ms", 30, 150, ratio=0.1),
    "10 failed": Goal("requests that failed meanwhile", "requests", 0, 0),
    "11": Goal("haproxy configuration of 10,000 x 10", "s", 2, 5),
    "12": Goal("HTTP checks", "checks/s", 2_000, 1_000, True),
    "12 deviation": Goal("the same, deviation p95", "ms", 20, 20),
    "13": Goal("memory of an idle instance", "B", 2_000, 4_000),
    "- zookeeper": Goal("ZooKeeper: 1,000 records an append / a bare client", "x", 0.5, 0.5, True),
}


def number(figure: float) -> str:
    """As few digits as tell."""
    if abs(figure) >= 100 or figure == int(figure):
        return f"{figure:,.0f}"
    return f"{figure:.2f}" if abs(figure) < 10 else f"{figure:.1f}"


HEAD = ("#", "what", "goal", "first win", "measured", "unit", "peer", "ratio", "CPU s", "reached")


def rows(lines: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    """The table: of JSON lines, the last of each goal; goals that were not measured say so."""
    found = {line["goal"]: line for line in lines if line.get("goal")}
    for key, goal in GOALS.items():
        begin = (key.partition(" ")[0], goal.what, number(goal.goal), number(goal.first_win))
        line = found.get(key)
        if line is None:
            yield (*begin, "-", goal.unit, "-", "-", "-", "not measured")
            continue
        assert line["unit"] == goal.unit, line
        ratio = "-" if line["ratio"] is None else number(line["ratio"])
        if goal.ratio is not None:
            ratio += f" ({'least' if goal.more else 'most'} {goal.ratio:g})"
        peer = "-" if line["peer"] is None else number(line["peer"])
        small = "" if line["size"] >= 1 else f" (at size {line['size']:g})"
        yield (
            *begin, number(line["value"]), goal.unit, peer, ratio, number(line["cpu_seconds"]),
            goal.reached(line["value"]) + small,
        )  # fmt: skip
