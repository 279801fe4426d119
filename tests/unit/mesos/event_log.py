"""What a driver submitted, in order, for tests that wait for one event after another."""

import queue
import time
from collections.abc import Callable
from typing import TypeVar

from framework.domain.events import Event

Wanted = TypeVar("Wanted")
PATIENCE_SECONDS = 30.0


class EventLog:
    """Give ``submit`` to a driver; ``wait_for`` reads on from where it stopped the last time."""

    def __init__(self) -> None:
        self.seen: list[Event] = []
        self._queue: queue.Queue[Event] = queue.Queue()

    def submit(self, *events: Event) -> None:
        """What the driver calls, from its threads."""
        for event in events:
            self._queue.put(event)

    def next(self, patience_seconds: float = PATIENCE_SECONDS) -> Event:
        """The next event; AssertionError when there is none in time."""
        try:
            event = self._queue.get(timeout=patience_seconds)
        except queue.Empty:
            kinds = [type(event).__name__ for event in self.seen]
            raise AssertionError(f"no event came after {kinds[-20:]}") from None
        self.seen.append(event)
        return event

    def wait_for(
        self, kind: type[Wanted], fits: Callable[[Wanted], bool] = lambda _: True
    ) -> Wanted:
        """The next event of this kind that fits; the others up to it are passed over."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            event = self.next(max(0.01, deadline - time.monotonic()))
            if isinstance(event, kind) and fits(event):
                return event

    def drain(self) -> list[Event]:
        """Everything submitted and not yet read."""
        events = []
        while not self._queue.empty():
            events.append(self.next())
        return events
