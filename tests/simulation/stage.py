"""What a simulated run stands on: one seed, one clock, one trace.

Every choice comes from one ``random.Random(seed)`` and every moment from one timeline, so a run
can be repeated exactly; the trace's digest says whether two runs were the same.
"""

import hashlib
import heapq
import random
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

_T = TypeVar("_T")
_TAIL_LINES = 80


class Violation(AssertionError):  # noqa: N818 - it names what was found; the run is not in error
    """Something that must never happen has happened."""


class Stage:
    """Clock, chance and trace. Times are milliseconds; nothing here knows of Mesos or Stayer."""

    def __init__(self, seed: int, start_ms: int = 1_700_000_000_000) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.now_ms = start_ms
        self.start_ms = start_ms
        self.calm = False  # no more faults, no more failing tasks
        self.tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self.lines = 0
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._order = 0
        self._ids = 0
        self._digest = hashlib.sha256()

    def after(self, delay_ms: int, what: Callable[[], None]) -> None:
        """Do ``what`` later; equal moments keep the order in which they were asked for."""
        self._order += 1
        heapq.heappush(self._heap, (self.now_ms + max(0, delay_ms), self._order, what))

    def run_until(self, end_ms: int) -> None:
        """Let time pass up to and including ``end_ms``."""
        while self._heap and self._heap[0][0] <= end_ms:
            at_ms, _, what = heapq.heappop(self._heap)
            self.now_ms = at_ms
            what()
        self.now_ms = max(self.now_ms, end_ms)

    def happens(self, probability: float) -> bool:
        """Whether a rare thing happens now; never once it is calm."""
        return not self.calm and self.rng.random() < probability

    def between(self, low: int, high: int) -> int:
        """A number from low to high, both included."""
        return self.rng.randint(low, high)

    def pick(self, options: Sequence[_T]) -> _T:
        """One of these."""
        return options[self.rng.randrange(len(options))]

    def new_id(self) -> str:
        """A uuid-shaped text, different each time."""
        self._ids += 1
        return f"{self._ids:08x}-0000-4000-8000-000000000000"

    def note(self, text: str) -> None:
        """One line of the trace."""
        line = f"{(self.now_ms - self.start_ms) / 1000:9.3f} {text}"
        self.lines += 1
        self.tail.append(line)
        self._digest.update(line.encode())

    def digest(self) -> str:
        """Equal for equal runs."""
        return self._digest.hexdigest()
