"""The published view, which also knows how many instances are in which condition.

Counted with each change that is published, so that neither metrics nor anybody else has to look
at all instances; the writer's own State needs no such counts and does not pay for them.
"""

from framework.domain.instance import STAGED, Condition, Instance
from framework.domain.state import Kind, Record, State


class CountedState(State):
    """``conditions``: how many instances are in each; ``starting``: the ids of the staged ones.
    Copy the set with one C call (``list(starting)``): it changes meanwhile."""

    __slots__ = ("conditions", "starting")

    def __init__(self) -> None:
        super().__init__()
        self.conditions: dict[Condition, int] = dict.fromkeys(Condition, 0)
        self.starting: set[str] = set()

    def put(self, kind: Kind, key: str, record: Record | None) -> Record | None:
        """See State."""
        old = super().put(kind, key, record)
        if kind is Kind.INSTANCE:
            self._count(key, old, record)
        return old

    def _count(self, key: str, old: Record | None, new: Record | None) -> None:
        before = old.condition if isinstance(old, Instance) else None
        after = new.condition if isinstance(new, Instance) else None
        if before is after:
            return
        if before is not None:
            self.conditions[before] -= 1
        if after is not None:
            self.conditions[after] += 1
        if after in STAGED:
            self.starting.add(key)
        elif before in STAGED:
            self.starting.discard(key)
