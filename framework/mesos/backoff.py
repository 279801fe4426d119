"""How long to wait before the next attempt to subscribe."""

from dataclasses import dataclass
from random import SystemRandom

_CHANCE = SystemRandom()


@dataclass(frozen=True, slots=True)
class Backoff:
    """Doubles from ``first_seconds`` to ``max_seconds``; each wait is shortened by chance to
    between half and all of it, so that frameworks do not come back all at once."""

    first_seconds: float = 0.1
    max_seconds: float = 10.0

    def delay_seconds(self, failures: int, share: float | None = None) -> float:
        """The wait after so many failures in a row (from 1); ``share`` (0..1) replaces chance."""
        share = _CHANCE.random() if share is None else share
        doublings = min(max(failures, 1) - 1, 30)
        whole = min(self.max_seconds, self.first_seconds * float(1 << doublings))
        return whole * (0.5 + share / 2)
