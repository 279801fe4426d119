"""How long things take, as counts and as quantiles of the last minute or two.

Quantiles over all time say nothing of today, and samples cost memory: so durations are counted in
classes of a fixed width (a quarter of an octave), in two spans of time of which the older one is
dropped when the newer one is full.
"""

import math
from collections.abc import Iterator, Sequence

QUANTILES = (0.5, 0.75, 0.95, 0.98, 0.99, 0.999)
SPAN_SECONDS = 60.0

_CLASSES_AN_OCTAVE = 4
_SMALLEST_SECONDS = 1e-6
_CLASSES = 27 * _CLASSES_AN_OCTAVE  # up to 134 s; what takes longer is in the last


class Durations:
    """For one thread at a time: whoever shares it locks. ``now_seconds`` is any steady clock."""

    __slots__ = ("_before", "_ends_seconds", "_latest", "count", "total_seconds")

    def __init__(self) -> None:
        self.count = 0
        self.total_seconds = 0.0
        self._latest = [0] * _CLASSES
        self._before = [0] * _CLASSES
        self._ends_seconds = 0.0  # of the latest span

    def add(self, seconds: float, now_seconds: float) -> None:
        """Something took so long."""
        if now_seconds >= self._ends_seconds:
            self._turn(now_seconds)
        self.count += 1
        self.total_seconds += seconds
        self._latest[_class_of(seconds)] += 1

    def quantiles(self, now_seconds: float) -> Iterator[tuple[float, float]]:
        """Each of QUANTILES with its duration in seconds, of what ended in the last span and the
        one before; NaN for all of them if nothing did."""
        if now_seconds >= self._ends_seconds:
            self._turn(now_seconds)
        counts = [now + before for now, before in zip(self._latest, self._before, strict=True)]
        for quantile in QUANTILES:
            yield quantile, _quantile(counts, quantile)

    def _turn(self, now_seconds: float) -> None:
        over = now_seconds - self._ends_seconds >= SPAN_SECONDS
        self._before = [0] * _CLASSES if over else self._latest
        self._latest = [0] * _CLASSES
        self._ends_seconds = now_seconds + SPAN_SECONDS


def _class_of(seconds: float) -> int:
    if seconds <= _SMALLEST_SECONDS:
        return 0
    found = int(math.log2(seconds / _SMALLEST_SECONDS) * _CLASSES_AN_OCTAVE)
    return min(found, _CLASSES - 1)


def _quantile(counts: Sequence[int], quantile: float) -> float:
    """The middle of the class in which the quantile lies."""
    left = math.ceil(sum(counts) * quantile)
    if not left:
        return math.nan
    for number, count in enumerate(counts):
        left -= count
        if left <= 0:
            middle = (number + 0.5) / _CLASSES_AN_OCTAVE
            return _SMALLEST_SECONDS * float(2**middle)
    raise AssertionError("unreachable: the counts add up")
