"""What the prober counts about itself; the shell exports it as metrics.

Only the prober's thread writes, so nothing is locked; a reader may see one count a look ahead of
another.
"""

from bisect import bisect_left
from dataclasses import dataclass, field

LATE_BOUNDS_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000)


@dataclass(slots=True)
class ProbeCounts:
    """Totals since the start, but for ``targets``, ``running`` and ``queued``: those are now.

    ``failures``: looks that found a target not alive; among them ``broken`` by an error of ours.
    ``unable``: looks that this machine had no means for (descriptors, ports); not reported.
    ``disturbed``: time-outs while the prober itself had too little time; not reported.
    ``skipped``: looks left out because the one before was not over (or not even begun).
    ``late``: looks by how late they began: up to each of LATE_BOUNDS_MS, and later than all."""

    looks: int = 0
    failures: int = 0
    broken: int = 0
    unable: int = 0
    disturbed: int = 0
    skipped: int = 0
    reports: int = 0
    late_ms: float = 0.0
    latest_ms: float = 0.0
    late: list[int] = field(default_factory=lambda: [0] * (len(LATE_BOUNDS_MS) + 1))
    targets: int = 0
    running: int = 0
    queued: int = 0

    def began(self, late_seconds: float) -> None:
        """A look began that much after it was due."""
        late_ms = late_seconds * 1000
        self.looks += 1
        self.late_ms += late_ms
        self.latest_ms = max(self.latest_ms, late_ms)
        self.late[bisect_left(LATE_BOUNDS_MS, late_ms)] += 1
