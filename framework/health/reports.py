"""Which results are told: every failure, every change, and a success now and then.

Pure. A healthy target says nothing new ten times a minute; the core would pay for hearing it.
"""

from framework.domain.health import ProbeResult, ProbesReported
from framework.health.schedule import Entry

SUCCESS_EVERY_SECONDS = 10.0
_ROUNDING_SECONDS = 1e-3


class Reports:
    """Gathers results until they are collected."""

    def __init__(self) -> None:
        self._results: list[tuple[Entry, ProbeResult]] = []

    def add(self, entry: Entry, result: ProbeResult) -> None:
        """Remember what a look found, if it is worth telling. ``entry.due`` is when that look
        was due: successes are counted by it, since the looks themselves vary by milliseconds."""
        changed = entry.alive is not result.alive
        entry.alive = result.alive
        since = entry.due - entry.reported_due
        if (
            changed
            or not result.alive
            or since >= SUCCESS_EVERY_SECONDS - _ROUNDING_SECONDS
            or entry.every_answer
        ):
            entry.reported_due = entry.due
            self._results.append((entry, result))

    def collect(self) -> ProbesReported | None:
        """What was found since the last call about targets that are still watched."""
        gathered, self._results = self._results, []
        results = tuple(result for entry, result in gathered if not entry.gone)
        return ProbesReported(results) if results else None
