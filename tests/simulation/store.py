"""A model store: what is appended becomes durable later, or not at all.

Whatever was appended at once is there as a whole or not at all. Loading gives the records in
any order, since no store promises one.
"""

from collections.abc import Callable, Sequence

from framework.domain.state import Change, State
from tests.simulation.stage import Stage


class ModelStore:
    """One writer. ``slow_ms`` delays each append; ``failing`` lets the next one fail."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.durable = State()
        self.slow_ms = 0
        self.failing = False
        self._under_way: tuple[Sequence[Change], Callable[[bool], None]] | None = None

    def append(self, changes: Sequence[Change], done: Callable[[bool], None]) -> None:
        """Make durable; ``done(True)`` then, ``done(False)`` when the outcome is unknown."""
        assert self._under_way is None, "one append at a time"
        entry = (changes, done)
        self._under_way = entry
        slow_ms = self.stage.between(0, self.slow_ms) if self.slow_ms else 0
        self.stage.after(self.stage.between(1, 4) + slow_ms, lambda: self._finish(entry))

    def _finish(self, entry: tuple[Sequence[Change], Callable[[bool], None]]) -> None:
        if self._under_way is not entry:
            return
        changes, done = entry
        self._under_way = None
        failed, self.failing = self.failing, False
        if not failed or self.stage.happens(0.5):
            self.durable.apply(changes)
        done(not failed)

    def abandon(self) -> None:
        """The writer died: what was under way may have become durable."""
        if self._under_way is not None:
            changes, _ = self._under_way
            self._under_way = None
            if self.stage.rng.random() < 0.5:
                self.durable.apply(changes)

    def load(self) -> list[Change]:
        """Every record once."""
        changes = self.durable.changes()
        self.stage.rng.shuffle(changes)
        return changes
