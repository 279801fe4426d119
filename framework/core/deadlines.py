"""Deadlines: what must be looked at again and when.

A heap of moments, from which none is removed before its time; once most of it is void it is made
anew. A deadline that comes up is only a reason to look: whoever handles it checks the state anew,
so one that has lost its meaning does nothing.
"""

import heapq
from collections.abc import Iterator
from enum import StrEnum


class Due(StrEnum):
    """What comes up; the key is given in brackets."""

    DELAY_OVER = "delay over"  # (app id)
    LAUNCH_CHECK = "launch check"  # (task id)
    KILL_RETRY = "kill retry"  # (task id)
    UNREACHABLE = "unreachable"  # (instance id)
    OPERATION_CHECK = "operation check"  # (instance id)
    REVIVE = "revive"  # (role)
    HAND = "hand"  # (role)
    DECLINE = "decline"  # (offer id)
    RECONCILE_ROUND = "reconcile round"  # ()
    PROGRESS = "progress"  # (deployment id)
    CANARY = "canary"  # (deployment id)
    PROVED = "proved"  # (instance id)
    ROTATION = "rotation"  # (instance id)
    PLACE = "place"  # ()
    SHOW = "show"  # (key of a demand)
    MOVE = "move"  # (instance id)
    EDGE = "edge"  # (its name)
    DRAIN = "drain"  # (agent id or hostname)
    RESCINDED = "rescinded"  # (agent id)
    WAIT = "wait"  # (key of a demand)
    REPLACEMENT = "replacement"  # ()
    RECOVERED = "recovered"  # ()
    RECONCILE_ALL = "reconcile all"  # ()


_VOID = 1_000  # so many may be kept for nothing


class Deadlines:
    """At most one live deadline per (what, key): the earliest asked for. Thousands that come up at
    one moment, as the launches of a step do, are one entry of the heap."""

    __slots__ = ("_at", "_heap", "_moments")

    def __init__(self) -> None:
        self._heap: list[int] = []
        self._moments: dict[int, dict[tuple[Due, str], None]] = {}
        self._at: dict[tuple[Due, str], int] = {}

    def set(self, at_ms: int, due: Due, key: str = "") -> None:
        """Look at ``key`` at ``at_ms``, or earlier if it is already set to an earlier moment."""
        what = (due, key)
        known = self._at.get(what)
        if known is not None:
            if known <= at_ms:
                return
            self._leave(known, what)
        self._at[what] = at_ms
        moment = self._moments.get(at_ms)
        if moment is None:
            moment = self._moments[at_ms] = {}
            heapq.heappush(self._heap, at_ms)
            if len(self._heap) > 2 * len(self._moments) + _VOID:
                self._heap = sorted(self._moments)
        moment[what] = None

    def reset(self, at_ms: int, due: Due, key: str = "") -> None:
        """Look at ``key`` at ``at_ms`` and not before."""
        if self._at.get((due, key)) != at_ms:
            self.clear(due, key)
            self.set(at_ms, due, key)

    def __len__(self) -> int:
        """How many are remembered, void ones too."""
        return len(self._at) + len(self._heap)

    def clear(self, due: Due, key: str = "") -> None:
        """Forget it."""
        what = (due, key)
        known = self._at.pop(what, None)
        if known is not None:
            self._leave(known, what)

    def _leave(self, at_ms: int, what: tuple[Due, str]) -> None:
        moment = self._moments[at_ms]
        del moment[what]
        if not moment:
            del self._moments[at_ms]

    def pop_until(self, now_ms: int) -> Iterator[tuple[Due, str]]:
        """Whatever has come up, each once, in order of time."""
        while self._heap and self._heap[0] <= now_ms:
            due = sorted(self._moments.pop(heapq.heappop(self._heap), ()))
            for what in due:
                del self._at[what]
            yield from due

    def next_ms(self) -> int | None:
        """When to look again; None: nothing is set."""
        while self._heap and self._heap[0] not in self._moments:
            heapq.heappop(self._heap)
        return self._heap[0] if self._heap else None
