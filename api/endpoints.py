"""Which of several URLs a client asks first: the one that answered last, and late those that could
not be reached a moment ago, as each try of one that hangs takes the whole time-out.
"""

import time
from collections.abc import Callable, Sequence

AVOIDED_SECONDS = 30.0


class Endpoints:
    """URLs of one scheduler, at least one. May be used by several threads."""

    def __init__(self, urls: Sequence[str], clock: Callable[[], float] = time.monotonic) -> None:
        self._urls = tuple(urls)
        self._clock = clock
        self._preferred = 0
        self._avoided: dict[str, float] = {}

    def in_order(self) -> tuple[str, ...]:
        """All of them, the first one first."""
        first, now = self._preferred, self._clock()
        turned = self._urls[first:] + self._urls[:first]
        if not self._avoided:
            return turned
        return tuple(sorted(turned, key=lambda url: now < self._avoided.get(url, now)))

    def answered(self, url: str) -> None:
        """With what was asked for: it is the first from now on."""
        self._preferred = self._urls.index(url)
        self._avoided.pop(url, None)

    def failed(self, url: str) -> None:
        """It could not be reached, or did not end its answer: for a while it is the last."""
        self._avoided[url] = self._clock() + AVOIDED_SECONDS
