"""How a measurement is asked for and told: the same arguments and the same line for each.

A figure alone says little on a machine that others use too; so each has a peer, the least that
could do the same work, measured in the same run, and the ratio of the two.
"""

import argparse
import json
import resource
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Result:
    """``value`` and ``peer`` in ``unit``; ``ratio`` is value / peer, None without a peer;
    ``cpu_seconds`` what the measured part took of the processor, ``wall_seconds`` of the clock,
    ``per_second`` how many of what is counted that makes a second, and ``peak_mib`` the most
    memory that the measured process held. ``goal`` is a key of ``goals.GOALS``; ``series`` and
    ``at`` (how many instances ran already) make it a point of a plot."""

    name: str
    value: float
    unit: str
    cpu_seconds: float
    peer: float | None = None
    wall_seconds: float | None = None
    per_second: float | None = None
    peak_mib: float | None = None
    goal: str | None = None
    series: str | None = None
    at: int | None = None

    @property
    def ratio(self) -> float | None:
        return self.value / self.peer if self.peer else None


@dataclass(frozen=True, slots=True)
class Options:
    """``size`` scales the work; ``json`` is where a line for machines is appended."""

    size: float
    json: Path | None

    def scaled(self, number: int) -> int:
        """``number`` at full size, in proportion and at least 1."""
        return max(1, round(number * self.size))


def options(description: str | None) -> Options:
    """From the command line."""
    return chosen(parser(description))[0]


def parser(description: str | None) -> argparse.ArgumentParser:
    """Of the arguments that all take; a measurement may add its own."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--size", type=float, default=1.0, help="fraction of the full size")
    made.add_argument("--json", type=Path, metavar="FILE", help="append one JSON line a result")
    return made


def chosen(made: argparse.ArgumentParser) -> tuple[Options, argparse.Namespace]:
    """From the command line, with everything that stood there."""
    arguments = made.parse_args()
    if not 0 < arguments.size <= 100:
        made.error("--size must be above 0 and at most 100")
    return Options(arguments.size, arguments.json), arguments


def measured(measure: Callable[[Path], Iterable[Result]], wanted: Options) -> None:
    """Report each result of a measurement in a folder of its own on the disk of the temporary
    directory (TMPDIR). Told to end (SIGTERM, by ``timeout`` say), it ends what it started."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to end"))
    with tempfile.TemporaryDirectory() as name:
        for result in measure(Path(name)):
            report(result, wanted)


def own_peak_mib() -> float:
    """The most memory that this process held at a time."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def report(result: Result, wanted: Options) -> None:
    """Print the result as a row of a table, and append it to the file that was asked for."""
    peer, ratio = "-", "-"
    if result.peer is not None and result.ratio is not None:
        peer, ratio = f"{result.peer:,.1f}", f"{result.ratio:.2f}"
    wall = peak = ""
    if result.wall_seconds is not None and result.per_second is not None:
        wall = f" wall {result.wall_seconds:8.2f} s {result.per_second:>9,.0f}/s"
    if result.peak_mib is not None:
        peak = f" peak {result.peak_mib:6,.0f} MiB"
    sys.stdout.write(
        f"{result.name:<52} {result.value:>12,.1f} {result.unit:<12}"
        f" peer {peer:>12} ratio {ratio:>6} cpu {result.cpu_seconds:8.2f} s{peak}{wall}\n"
    )
    sys.stdout.flush()
    if wanted.json is not None:
        line = {**asdict(result), "ratio": result.ratio, "size": wanted.size}
        with wanted.json.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
