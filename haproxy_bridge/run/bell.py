"""What wakes the daemon: notes from other threads and from signal handlers.

A signal handler runs within whatever the main thread does, so nothing here waits for a lock that
the main thread may hold.
"""

import queue
import time
from collections.abc import Callable
from enum import Enum


class Note(Enum):
    """EVENT: something happened at the scheduler. ALL: look at everything. STOP: end."""

    EVENT = "event"
    ALL = "all"
    STOP = "stop"


class Bell:
    """Rung by anybody, heard by one. A note that waits to be heard is not taken twice."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._notes: queue.SimpleQueue[tuple[Note, float]] = queue.SimpleQueue()
        self._waiting: set[Note] = set()

    def ring(self, note: Note) -> None:
        """Have it heard."""
        if note not in self._waiting:
            self._waiting.add(note)
            self._notes.put((note, self._clock()))

    def heard(self, timeout_seconds: float) -> list[tuple[Note, float]]:
        """The notes, and when each was rung; empty if none came in time."""
        found = []
        try:
            found.append(self._notes.get(timeout=timeout_seconds))
            while True:
                found.append(self._notes.get_nowait())
        except queue.Empty:
            pass
        for note, _ in found:
            self._waiting.discard(note)
        return found
