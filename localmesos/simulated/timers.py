"""Things to be done later: a heap of callbacks, and the cheap queue of update retries.

Time is given, never read. Nothing is cancelled: a callback looks whether it still applies.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")
_TOGETHER_SECONDS = 0.05  # what falls due within this time is looked at in one turn


class Timers:
    """Callbacks `callback(now)` by the second at which they are due."""

    __slots__ = ("_count", "_heap")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Callable[[float], None]]] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._heap)

    def at(self, due: float, callback: Callable[[float], None]) -> None:
        self._count += 1
        heapq.heappush(self._heap, (due, self._count, callback))

    def next_due(self) -> float | None:
        return self._heap[0][0] if self._heap else None

    def run(self, now: float) -> None:
        """Call what is due, in order of time, also what these calls add."""
        while self._heap and self._heap[0][0] <= now:
            heapq.heappop(self._heap)[2](now)


class Retries(Generic[Item]):
    """Sent items that may have to be sent again after 10, 20, 40, ... seconds.

    All items of one attempt wait equally long, so a queue per attempt is always in order: adding
    costs nothing, and an item that was acknowledged meanwhile is dropped when its turn comes.
    """

    __slots__ = ("_queues", "_waits")

    def __init__(self, first_seconds: float, most_seconds: float) -> None:
        waits = [first_seconds]
        while waits[-1] < most_seconds:
            waits.append(min(waits[-1] * 2, most_seconds))
        self._waits = tuple(waits)
        self._queues: tuple[deque[tuple[float, Item]], ...] = tuple(deque() for _ in waits)

    def __len__(self) -> int:
        return sum(map(len, self._queues))

    def add(self, now: float, item: Item, attempt: int = 0) -> None:
        attempt = min(attempt, len(self._waits) - 1)
        self._queues[attempt].append((now + self._waits[attempt], item))

    def next_due(self) -> float | None:
        first = min((queue[0][0] for queue in self._queues if queue), default=None)
        return None if first is None else first + _TOGETHER_SECONDS

    def take(self, now: float) -> Iterator[tuple[int, Item]]:
        """Give each due item with the number of the attempt that follows."""
        for attempt, queue in enumerate(self._queues):
            while queue and queue[0][0] <= now:
                yield attempt + 1, queue.popleft()[1]
