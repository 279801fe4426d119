"""All measurements one after the other, or one: ``python -m tests.bench [NAME] [arguments]``.

Without a name each is run with the same ``--json`` and ``--size`` in a process of its own, a
failure does not keep the others from running, and the table of goals comes last. What is very long
at full size (``_FRACTIONS``) is run smaller then. ``soak`` is run by name only.
"""

import argparse
import json
import os
import platform
import re
import runpy
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench.goals import HEAD, rows

_HERE = Path(__file__).parent
_SHARED = {"report", "goals"}
_BY_NAME_ONLY = {"soak", "publish"}
_FRACTIONS = {"simulated": 0.1, "goal10": 0.5}
_MOST_SECONDS = 3_600


def names() -> list[str]:
    """Every measurement: the goals by number, then the others."""
    stems = {path.stem for path in _HERE.glob("[a-z]*.py")} - _SHARED - _BY_NAME_ONLY

    def place(name: str) -> tuple[int, str]:
        goal = re.fullmatch(r"goal(\d+)", name)
        return (int(goal[1]) if goal else 1_000, name)

    return sorted(stems, key=place)


def read_lines(file: Path) -> list[dict[str, Any]]:
    """What was measured; nothing if the file is not there."""
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def table(lines: list[dict[str, Any]]) -> str:
    """The goals, in columns."""
    cells = [HEAD, *rows(lines)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(HEAD))]
    text = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in cells)
    return "\n".join(text) + "\n"


def machine() -> str:
    """Where this runs, in words that name nobody's computer."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} processors, {memory:.0f} GiB of memory, {platform.system()}, Python"
        f" {platform.python_version()}; the load average was {load:.1f} when it began."
    )


def run_all(size: float, file: Path) -> list[str]:
    """The names of those that failed."""
    failed = []
    for name in names():
        own = size * _FRACTIONS.get(name, 1.0)
        sys.stdout.write(f"Measuring {name}\n")
        sys.stdout.flush()
        command = [sys.executable, "-m", f"tests.bench.{name}", "--size", f"{own:g}"]
        done = subprocess.run([*command, "--json", file], check=False, timeout=_MOST_SECONDS)
        if done.returncode:
            failed.append(name)
    return failed


def main() -> None:
    """One, as if called itself; or all, and the table."""
    if len(sys.argv) > 1 and not sys.argv[1].startswith("-"):
        name = sys.argv.pop(1)
        if not _HERE.joinpath(f"{name}.py").is_file():
            sys.exit(f"there is no {name}: {', '.join([*names(), *sorted(_BY_NAME_ONLY)])}")
        runpy.run_module(f"tests.bench.{name}", run_name="__main__", alter_sys=True)
        return
    made = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    made.add_argument("--size", type=float, default=1.0, help="fraction of the full size")
    made.add_argument("--json", type=Path, metavar="FILE", help="append one JSON line a result")
    given = made.parse_args()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        file: Path = given.json or Path(folder) / "results.jsonl"
        before = len(read_lines(file))
        with file.open("a", encoding="utf-8") as appended:
            appended.write(json.dumps({"machine": machine()}) + "\n")
        failed = run_all(given.size, file)
        sys.stdout.write(f"\n{table(read_lines(file)[before:])}")
    sys.stdout.write(f"in {time.perf_counter() - began:.0f} s\n")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
