"""When to look at which target: one heap of what is to come, one queue of what is due.

Pure: the time is a parameter, in seconds of a clock that never goes back. An entry is in one
place at a time (to come, due, or with the prober), so a target that hangs never piles up.
"""

import hashlib
import heapq
import itertools
import math
from collections import deque

from framework.domain.health import ProbeTarget, parse_key

# New targets that are looked at as soon as they may be: so many a second, and one second's worth
# of them ahead. A crowd beyond that (a new leader's 10,000 instances) is spread over the interval.
PROMPT_LOOKS_PER_SECOND = 1_000
_PROMPT_AHEAD_SECONDS = 1.0
_MIN_INTERVAL_SECONDS = 0.001
_SWEEP_AT = 1_000


class Entry:
    """A watched target. ``gone``: forgotten or replaced, so nobody wants to hear of it. The rest
    is what the schedule and the reports remember of it."""

    __slots__ = (
        "alive", "due", "every_answer", "gone", "interval", "reported_due", "started_at",
        "taken", "target",
    )  # fmt: skip

    def __init__(self, target: ProbeTarget, due: float, started_at: float) -> None:
        self.target = target
        self.due = due  # when to look next, or when the look under way should have begun
        self.started_at = started_at  # the first look: all others are multiples from here
        self.interval = max(target.interval_seconds, _MIN_INTERVAL_SECONDS)
        self.every_answer = _wants_every_answer(target)
        self.gone = False
        self.taken = False  # the prober has it
        self.alive: bool | None = None
        self.reported_due = -math.inf


class Schedule:
    """All watched targets by key, and the order in which they are due."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self._to_come: list[tuple[float, int, Entry]] = []
        self._due: deque[Entry] = deque()
        self._numbers = itertools.count()
        self._gone = 0  # entries in the heap or the queue that are not watched any more
        self._prompt_backlog = 0.0  # seconds of first looks still ahead, at _prompt_at
        self._prompt_at = 0.0

    def queued(self, now: float) -> int:
        """How many entries are due and were not taken (some may be gone meanwhile)."""
        self._gather(now)
        return len(self._due)

    def watch(self, target: ProbeTarget, now: float) -> Entry | None:
        """Look at the target from now on. The entry that it replaces, if any, is returned."""
        replaced = self.forget(target.key)
        first = now + max(0.0, target.first_after_seconds) + self._spread(target, now)
        entry = Entry(target, first, first)
        self.entries[target.key] = entry
        self._put(entry)
        return replaced

    def forget(self, key: str) -> Entry | None:
        """Look no more. Returns the entry that was watched under this key."""
        entry = self.entries.pop(key, None)
        if entry is not None:
            entry.gone = True
            if not entry.taken:
                self._gone += 1
                self._sweep()
        return entry

    def take(self, now: float) -> Entry | None:
        """The entry that has been due for longest, to be given back with ``again``."""
        self._gather(now)
        while self._due:
            entry = self._due.popleft()
            if not entry.gone:
                entry.taken = True
                return entry
            self._gone -= 1
        return None

    def again(self, entry: Entry, now: float) -> int:
        """The look at an entry is over: it is due again at the next multiple of its interval
        from the first look. Returns how many multiples were missed."""
        entry.taken = False
        if entry.gone:
            return 0
        done = round((entry.due - entry.started_at) / entry.interval)
        number = max(done + 1, math.ceil((now - entry.started_at) / entry.interval))
        entry.due = entry.started_at + number * entry.interval
        self._put(entry)
        return number - done - 1

    def next_due(self) -> float | None:
        """When something not yet due will be."""
        return self._to_come[0][0] if self._to_come else None

    def _put(self, entry: Entry) -> None:
        heapq.heappush(self._to_come, (entry.due, next(self._numbers), entry))

    def _gather(self, now: float) -> None:
        to_come = self._to_come
        while to_come and to_come[0][0] <= now:
            entry = heapq.heappop(to_come)[2]
            if entry.gone:
                self._gone -= 1
            else:
                self._due.append(entry)

    def _spread(self, target: ProbeTarget, now: float) -> float:
        """Seconds by which the first look is put off, so that many do not come at once."""
        backlog = max(0.0, self._prompt_backlog - max(0.0, now - self._prompt_at))
        self._prompt_backlog, self._prompt_at = backlog, now
        if backlog < _PROMPT_AHEAD_SECONDS and backlog < target.interval_seconds:
            self._prompt_backlog += 1 / PROMPT_LOOKS_PER_SECOND
            return backlog
        return max(0.0, target.interval_seconds) * phase(target.key)

    def _sweep(self) -> None:
        """Let go of entries that are gone once they are the greater part, so that watching and
        forgetting in turn needs no more room than what is watched."""
        if self._gone < _SWEEP_AT or self._gone * 2 < len(self._to_come) + len(self._due):
            return
        self._to_come = [item for item in self._to_come if not item[2].gone]
        heapq.heapify(self._to_come)
        self._due = deque(entry for entry in self._due if not entry.gone)
        self._gone = 0


def phase(key: str) -> float:
    """A number in [0, 1) that is always the same for the same key."""
    digest = hashlib.blake2b(key.encode("utf-8", "replace"), digest_size=6).digest()
    return int.from_bytes(digest) / 2**48


def _wants_every_answer(target: ProbeTarget) -> bool:
    """Readiness checks, and whoever asks for what was answered."""
    parsed = parse_key(target.key)
    return target.keep_answer or (parsed is not None and parsed[2] is None)
