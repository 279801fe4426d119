"""The daemon: turns when something happens, and now and then anyway.

It is the loop alone; when it is time is decided by ``pace``, what a turn does by ``resident``.
Nothing that goes wrong in a turn ends it.
"""

import time
import traceback
from collections.abc import Callable

from haproxy_bridge.exits import Exit
from haproxy_bridge.run.bell import Bell, Note
from haproxy_bridge.run.outcome import Outcome
from haproxy_bridge.run.pace import Due, Ended, Pace
from haproxy_bridge.run.turn import How

_MAX_WAIT_SECONDS = 3600.0
_FAILED = frozenset({Exit.UNREACHABLE, Exit.INTERNAL})
Take = Callable[[How], Outcome]
After = Callable[[Outcome, float | None], None]


class Watch:
    """``take`` takes a turn. ``after`` is called after each one, with the seconds from the first
    event that led to it until haproxy served it (None if no event did, or nothing changed)."""

    def __init__(
        self,
        take: Take,
        pace: Pace,
        bell: Bell,
        after: After,
        *,
        force_first: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._take = take
        self._pace = pace
        self._bell = bell
        self._after = after
        self._force = force_first
        self._clock = clock

    def run(self) -> None:
        """Until the bell says stop."""
        while True:
            due = self._pace.due(self._clock())
            if due is not Due.NOTHING:
                self.turn(everything=due is Due.ALL)
            wait = self._pace.wait_seconds(self._clock())
            for note, at in self._bell.heard(min(wait, _MAX_WAIT_SECONDS)):
                if note is Note.STOP:
                    return
                if note is Note.EVENT:
                    self._pace.heard(at)
                else:
                    self._pace.ask_for_all(at)

    def turn(self, *, everything: bool) -> None:
        """One turn, and what follows from it for the next."""
        heard = self._pace.begun()
        how = How(
            force=self._force,
            may_reload=self._pace.may_reload(self._clock()),
            everything=everything,
        )
        outcome = self._taken(how)
        now = self._clock()
        if outcome.exit not in _FAILED:
            self._force = False
        self._pace.ended(
            now,
            Ended(
                everything=everything,
                failed=outcome.exit in _FAILED,
                postponed=outcome.postponed,
                reloaded=outcome.reloaded,
                reload_failed=outcome.exit is Exit.NOT_RELOADED,
            ),
        )
        live = now - heard if heard is not None and outcome.changed else None
        self._after(outcome, live)

    def _taken(self, how: How) -> Outcome:
        try:
            return self._take(how)
        except Exception as error:  # noqa: BLE001 - whatever it is, haproxy serves on, and so do we
            frames = traceback.extract_tb(error.__traceback__)[-3:]
            where = ", ".join(f"{frame.name}:{frame.lineno}" for frame in frames)
            return Outcome(exit=Exit.INTERNAL, why=f"a bug: {error!r} ({where})")
