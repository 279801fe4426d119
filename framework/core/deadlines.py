"""Deadlines: what must be looked at again and when.

A heap from which nothing is removed before its time; once most of it is void it is made anew. A
deadline that comes up is only a reason to look: whoever handles it checks the state anew, so one
that has lost its meaning does nothing.
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
    DECLINE = "decline"  # (offer id)
    RECONCILE_ROUND = "reconcile round"  # ()
    PROGRESS = "progress"  # (deployment id)
    PROVED = "proved"  # (instance id)
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
    """At most one live deadline per (what, key): the earliest asked for."""

    __slots__ = ("_at", "_heap")

    def __init__(self) -> None:
        self._heap: list[tuple[int, Due, str]] = []
        self._at: dict[tuple[Due, str], int] = {}

    def set(self, at_ms: int, due: Due, key: str = "") -> None:
        """Look at ``key`` at ``at_ms``, or earlier if it is already set to an earlier moment."""
        known = self._at.get((due, key))
        if known is not None and known <= at_ms:
            return
        self._at[(due, key)] = at_ms
        heapq.heappush(self._heap, (at_ms, due, key))
        if len(self._heap) > 2 * len(self._at) + _VOID:
            self._heap = [(at_ms, due, key) for (due, key), at_ms in self._at.items()]
            heapq.heapify(self._heap)

    def reset(self, at_ms: int, due: Due, key: str = "") -> None:
        """Look at ``key`` at ``at_ms`` and not before."""
        if self._at.get((due, key)) != at_ms:
            self.clear(due, key)
            self.set(at_ms, due, key)

    def __len__(self) -> int:
        """How many are remembered, void ones too."""
        return len(self._heap)

    def clear(self, due: Due, key: str = "") -> None:
        """Forget it."""
        self._at.pop((due, key), None)

    def pop_until(self, now_ms: int) -> Iterator[tuple[Due, str]]:
        """Whatever has come up, each once, in order of time."""
        while self._heap and self._heap[0][0] <= now_ms:
            at_ms, due, key = heapq.heappop(self._heap)
            if self._at.get((due, key)) == at_ms:
                del self._at[(due, key)]
                yield due, key

    def next_ms(self) -> int | None:
        """When to look again; None: nothing is set."""
        while self._heap:
            at_ms, due, key = self._heap[0]
            if self._at.get((due, key)) == at_ms:
                return at_ms
            heapq.heappop(self._heap)
        return None
