"""Moving traffic in steps from what serves to what is to serve, as long as that stays healthy.

What is moved is another module's (``traffic``): from one app to another, or from the old to the new
instances of a deployment. Nothing else is changed, and a step back is always one call.
"""

import time
from collections.abc import Callable, Iterator
from typing import Protocol

from msgspec import Struct

from api.client import ClientError

_LOOK_SECONDS = 2.0
_PATIENCE_SECONDS = 120.0
WHOLE = 100.0


class ShiftError(Exception):
    """It can not be done; the text says why, and nothing was changed."""


class SickError(Exception):
    """Too few new tasks serve, or a check says no; the shares of before are back."""


class Counts(Struct, frozen=True):
    """How many tasks take requests, of the old and of the new side, and how many the new side is
    to have."""

    old_serving: int
    new_serving: int
    new_wanted: int


class Traffic(Protocol):
    """What is divided between an old and a new side."""

    @property
    def names(self) -> tuple[str, str]:
        """Both sides, for people."""

    def share(self) -> float | None:
        """The percent of the new side; None while nothing is divided. ShiftError, ClientError."""

    def put(self, share: float) -> None:
        """Have the new side get that. ClientError."""

    def counts(self) -> Counts:
        """As they are now. ShiftError if there are not both sides any more; ClientError."""

    def begin(self, pause: Callable[[float], object]) -> tuple[float, Counts]:
        """Wait until the new side can take traffic; its share then, and how many tasks.
        ShiftError, ClientError."""

    def fair_target(self, counts: Counts) -> float:
        """What the new side may get if nobody says how much."""


class ShiftOptions(Struct, frozen=True, kw_only=True):
    """``step`` and ``target`` in percent of the traffic, for the new side (None: as much as its
    tasks are meant to carry); ``interval_seconds`` between steps."""

    step: float = 10.0
    target: float | None = None
    interval_seconds: float = 30.0


class Step(Struct, frozen=True, rename="camel"):
    """What a step has led to: the percent of each, and how many of its tasks serve."""

    number: int
    old_share: float
    new_share: float
    old_serving: int
    new_serving: int


Check = Callable[[Step], str]
"""Asked after a step has been in force for a while: why it must not stay, "" if it may."""


def way(now: float, step: float, target: float) -> Iterator[float]:
    """The shares of the new side, step by step, forth or back, up to the target."""
    at = now
    while abs(target - at) > step + 1e-9:
        at = round(at + (step if target > at else -step), 6)
        yield at
    yield target


class Shift:
    """One move of traffic. ``check``: asked after each step, the last one included."""

    def __init__(
        self,
        traffic: Traffic,
        pause: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        check: Check | None = None,
    ) -> None:
        self._traffic = traffic
        self._check = check
        self._pause = pause
        self._clock = clock

    def run(self, options: ShiftOptions) -> Iterator[Step]:
        """Carry it out; each step is told when it is made, and after the last one nothing is
        waited for unless there is a check. ShiftError, SickError, ClientError."""
        before, counts = self._traffic.begin(self._pause)
        asked = options.target
        target = self._traffic.fair_target(counts) if asked is None else asked
        needed = counts.new_serving
        if needed == 0 and target > 0:
            new = self._traffic.names[1]
            raise ShiftError(f"no task of {new} is healthy: it can not take any traffic")
        shares = list(way(before, options.step, target))
        for number, share in enumerate(shares, 1):
            self._traffic.put(share)
            step = self._made(number, share)
            yield step
            if number < len(shares) or self._check is not None:
                self._look(before, needed, options.interval_seconds)
                self._ask(step, before)

    def undo(self) -> Step:
        """Give all traffic back to the old side at once. ShiftError, ClientError."""
        self._traffic.share()
        if self._traffic.counts().old_serving == 0:
            old = self._traffic.names[0]
            raise ShiftError(f"no task of {old} is healthy: it can not take the traffic")
        self._traffic.put(0.0)
        return self._made(1, 0.0)

    def _made(self, number: int, share: float) -> Step:
        counts = self._traffic.counts()
        old_share = round(WHOLE - share, 6)
        return Step(number, old_share, share, counts.old_serving, counts.new_serving)

    def _ask(self, step: Step, before: float) -> None:
        why = "" if self._check is None else self._check(step)
        if why:
            self._traffic.put(before)
            raise SickError(f"{why}: the shares are again as they were")

    def _look(self, before: float, needed: int, seconds: float) -> None:
        """Wait, with an eye on the new side. What is not known for a while is waited for, and no
        step is made on it."""
        begin = answered = self._clock()
        due, known = begin + seconds, False
        while not known or self._clock() < due:
            self._pause(min(_LOOK_SECONDS, max(0.05, due - self._clock())))
            try:
                now = self._traffic.counts()
            except ClientError:
                known = False
                if self._clock() - answered > _PATIENCE_SECONDS:
                    raise
                continue
            known, answered = True, self._clock()
            if now.new_serving < min(needed, max(1, now.new_wanted)):
                self._traffic.put(before)
                raise SickError(
                    f"only {now.new_serving} tasks of {self._traffic.names[1]} are healthy, of "
                    f"{needed} when it began: the shares are again as they were"
                )
