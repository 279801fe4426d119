"""What the driver counts about itself; the shell exports it as metrics."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from threading import Lock

from framework.domain.events import Event, OffersReceived, TaskStatusReceived
from framework.domain.mesos import TaskState

MEMORY_LIMIT, MEMORY_REQUEST = (
    "REASON_CONTAINER_LIMITATION_MEMORY",
    "REASON_CONTAINER_MEMORY_REQUEST_EXCEEDED",
)
"""A task used more memory than its limit; more than it asked for, when its agent had no more."""
MEMORY_REASONS = frozenset({MEMORY_LIMIT, MEMORY_REQUEST})


@dataclass(slots=True)
class DriverCounts:
    """Totals since the start. ``calls`` are keyed by (call type, result), where a result is an
    HTTP status (``202``), ``not-sent`` or ``unanswered``. ``events`` are keyed by Mesos' type.
    ``offers``: received; ``updates``: of tasks, by state, answers to reconciliation included;
    ``reasons``: those updates that tell of too little memory, by Mesos' reason."""

    events: Counter[str] = field(default_factory=Counter)
    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    offers: int = 0
    updates: Counter[TaskState] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    malformed: int = 0
    unknown: int = 0
    malformed_streams: int = 0
    subscriptions: int = 0
    disconnections: int = 0
    silences: int = 0
    _lock: Lock = field(default_factory=Lock, repr=False)

    def count_event(self, event: Event) -> None:
        """What Mesos sent; the stream's thread only."""
        if isinstance(event, TaskStatusReceived):
            self.updates[event.status.state] += 1
            if event.status.reason in MEMORY_REASONS:
                self.reasons[event.status.reason] += 1
        elif isinstance(event, OffersReceived):
            self.offers += len(event.offers)

    def count_calls(self, results: Iterable[tuple[str, str]]) -> None:
        """Add finished calls; safe from any thread (everything else is the stream's thread's)."""
        with self._lock:
            self.calls.update(results)

    def snapshot(self) -> dict[str, int | dict[str, int] | dict[tuple[str, str], int]]:
        """All totals at this moment, for the metrics."""
        with self._lock:
            calls = dict(self.calls)
        return {
            "events": dict(self.events),
            "calls": calls,
            "malformed": self.malformed,
            "unknown": self.unknown,
            "malformed_streams": self.malformed_streams,
            "subscriptions": self.subscriptions,
            "disconnections": self.disconnections,
            "silences": self.silences,
        }
