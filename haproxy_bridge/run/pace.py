"""When the daemon takes its next turn, and when it may reload. Pure: the time comes in.

Events that come together lead to one turn. A scheduler that is ill is asked less and less often,
and nodes don't ask in step. Reloads have a least distance, which grows while they fail; what only
changes members waits for none of this.
"""

from collections.abc import Callable
from enum import Enum

from msgspec import Struct

FIRST_PAUSE_SECONDS = 0.5
MAX_RELOAD_GAP_SECONDS = 60.0


class PaceOptions(Struct, frozen=True, kw_only=True):
    """``poll_seconds``: how often all is looked at without any event. ``coalesce_seconds``: how
    long events that follow the first one are waited for. ``min_reload_seconds``: between two
    reloads. ``max_pause_seconds``: between two questions to a scheduler that is ill."""

    poll_seconds: float = 30.0
    coalesce_seconds: float = 0.015
    min_reload_seconds: float = 2.0
    max_pause_seconds: float = 30.0


class Due(Enum):
    """EVENT: something happened. ALL: look at everything."""

    NOTHING = "nothing"
    EVENT = "event"
    ALL = "all"


class Ended(Struct, frozen=True, kw_only=True):
    """How a turn ended: nobody ``failed`` to answer, a reload is still ``postponed``, was
    ``reloaded`` or refused (``reload_failed``)."""

    everything: bool = False
    failed: bool = False
    postponed: bool = False
    reloaded: bool = False
    reload_failed: bool = False


class Pace:
    """Times are seconds of one monotonic clock; ``chance`` gives numbers from 0 to 1."""

    def __init__(self, options: PaceOptions, now: float, chance: Callable[[], float]) -> None:
        self._options = options
        self._chance = chance
        self._all_at = now
        self._heard_at: float | None = None
        self._not_before = now
        self._failures = 0
        self._reload_from = now
        self._reload_failures = 0
        self._postponed = False

    def heard(self, at: float) -> None:
        """Something happened."""
        if self._heard_at is None:
            self._heard_at = at

    def ask_for_all(self, now: float) -> None:
        """Look at everything at once, whatever the scheduler's health."""
        self._all_at = self._not_before = now

    def due(self, now: float) -> Due:
        """What is to be done now."""
        if now >= self._next_all():
            return Due.ALL
        event_at = self._next_event()
        return Due.EVENT if event_at is not None and now >= event_at else Due.NOTHING

    def wait_seconds(self, now: float) -> float:
        """Until something is due, as far as is known."""
        times = [self._next_all()]
        event_at = self._next_event()
        if event_at is not None:
            times.append(event_at)
        return max(0.0, min(times) - now)

    def _next_all(self) -> float:
        postponed = self._postponed and not self._failures
        return min(self._all_at, self._reload_from) if postponed else self._all_at

    def _next_event(self) -> float | None:
        if self._heard_at is None:
            return None
        return max(self._heard_at + self._options.coalesce_seconds, self._not_before)

    def begun(self) -> float | None:
        """A turn begins; what is heard from now on is for the next. When the first of the events
        that led to it was heard, None without any."""
        heard, self._heard_at = self._heard_at, None
        return heard

    def may_reload(self, now: float) -> bool:
        """Whether the last reload is long enough ago."""
        return now >= self._reload_from

    def ended(self, now: float, how: Ended) -> None:
        """A turn is over."""
        self._postponed = how.postponed or how.reload_failed
        if how.reloaded or how.reload_failed:
            self._reload_failures = self._reload_failures + 1 if how.reload_failed else 0
            gap = self._options.min_reload_seconds * 2.0 ** min(self._reload_failures, 10)
            least = max(MAX_RELOAD_GAP_SECONDS, self._options.min_reload_seconds)
            self._reload_from = now + min(gap, least)
        if how.failed:
            self._failures += 1
            pause = FIRST_PAUSE_SECONDS * 2.0 ** min(self._failures - 1, 20)
            pause = min(pause, self._options.max_pause_seconds) * (0.5 + self._chance() / 2)
            self._all_at = self._not_before = now + pause
            return
        self._failures = 0
        self._not_before = now
        if how.everything:
            self._all_at = now + self._options.poll_seconds * (0.9 + 0.2 * self._chance())
