"""Which instances to remove so that groups stay even: the scale-down side of GROUP_BY.

Groups are shaved from the top, always the largest first, in every GROUP_BY field at once. Where the
fields contradict each other (racks inside zones of unequal size), the one with the most unevenness
to spare gives way step by step, but never beyond what it had at the start.

Each field has a floor: a group may lose an instance while it is larger than the floor. Floors only
ever sink, so a barred candidate waits under a group that bars it and is looked at again when that
group opens. That keeps 10,000 candidates from being looked at 10,000 times.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from heapq import heapify, heappop, heappush

_Value = str | None
_Kind = tuple[_Value, ...]
"""Candidates with the same value in every field are of one kind, taken in order."""
_Group = tuple[int, _Value]
"""A group: the index of its field, and its value."""


def balanced_victims(
    candidates: Sequence[tuple[str, Mapping[str, str]]], fields: Sequence[str], count: int
) -> list[str]:
    """Choose up to `count` ids that keep the groups of every field even, in order of choice.

    Candidates are (id, agent values), the preferred victims first. A field's spread (its largest
    group minus its smallest, those that became empty included) is at no step more than 1 or what
    it was. With one field as many ids come back as are asked for. With several the choice is
    greedy, one victim after the other, and ends early where every next one would break that rule.
    """
    if count <= 0 or not fields or not candidates:
        return []
    selection = _Selection(
        [tuple(values.get(name) for name in fields) for _id, values in candidates]
    )
    victims: list[str] = []
    while len(victims) < count:
        index = selection.next()
        if index is None:
            break
        victims.append(candidates[index][0])
    return victims


class _Field:
    """The groups of one field: their sizes, and the floor down to which they may be shaved."""

    def __init__(self, values: Sequence[_Value]) -> None:
        self.sizes: dict[_Value, int] = {}
        for value in values:
            self.sizes[value] = self.sizes.get(value, 0) + 1
        self.of_size: dict[int, dict[_Value, None]] = {}
        for value, size in self.sizes.items():
            self.of_size.setdefault(size, {})[value] = None
        self.largest = max(self.of_size)
        # The spread allowed now, and the most it may be widened to.
        self.slack = 1
        self.slack_limit = max(1, self.largest - min(self.of_size))

    def is_open(self, value: _Value) -> bool:
        return self.sizes[value] > self.largest - self.slack

    def shrink(self, value: _Value) -> list[_Value]:
        """Take one instance from a group; return the groups that this opened."""
        size = self.sizes[value]
        self.sizes[value] = size - 1
        del self.of_size[size][value]
        self.of_size.setdefault(size - 1, {})[value] = None
        if self.of_size[self.largest]:
            return []
        self.largest -= 1
        return self._just_opened()

    def widen(self) -> list[_Value]:
        """Allow one more of spread; return the groups that this opened."""
        self.slack += 1
        return self._just_opened()

    def _just_opened(self) -> list[_Value]:
        return list(self.of_size.get(self.largest - self.slack + 1, ()))


class _Selection:
    """The candidates left, each kind waiting under one of its groups."""

    def __init__(self, kinds: Sequence[_Kind]) -> None:
        self._fields = [_Field(column) for column in zip(*kinds, strict=True)]
        self._indexes: dict[_Kind, deque[int]] = {}
        for index, kind in enumerate(kinds):
            self._indexes.setdefault(kind, deque()).append(index)
        # A kind's next index is its preference, and unique: heaps never compare values.
        self._waiting: dict[_Group, list[tuple[int, _Kind]]] = {}
        for kind, indexes in self._indexes.items():
            self._waiting.setdefault((0, kind[0]), []).append((indexes[0], kind))
        for kinds_waiting in self._waiting.values():
            heapify(kinds_waiting)
        # The best candidate of each open group; entries that are no longer so are passed over.
        self._best: list[tuple[int, int, _Value]] = []
        for group in self._waiting:
            self._announce(group)

    def next(self) -> int | None:
        """Take the preferred candidate whose groups are all open, widening fields if need be."""
        while True:
            index = self._take_open()
            if index is not None:
                return index
            roomy = max(self._fields, key=lambda f: f.slack_limit - f.slack)
            if not any(self._waiting.values()) or roomy.slack == roomy.slack_limit:
                return None
            self._announce_all(self._fields.index(roomy), roomy.widen())

    def _take_open(self) -> int | None:
        while self._best:
            index, position, value = heappop(self._best)
            group = (position, value)
            kinds = self._waiting[group]
            if not kinds or kinds[0][0] != index or not self._fields[position].is_open(value):
                continue
            kind = heappop(kinds)[1]
            bar = self._bar(kind)
            if bar is not None:
                # The group that bars it is closed, and will be announced when it opens.
                heappush(self._waiting.setdefault(bar, []), (index, kind))
                self._announce(group)
                continue
            self._take(kind, group)
            return index
        return None

    def _bar(self, kind: _Kind) -> _Group | None:
        for position, value in enumerate(kind):
            if not self._fields[position].is_open(value):
                return (position, value)
        return None

    def _take(self, kind: _Kind, group: _Group) -> None:
        indexes = self._indexes[kind]
        indexes.popleft()
        if indexes:
            heappush(self._waiting[group], (indexes[0], kind))
        for position, value in enumerate(kind):
            self._announce_all(position, self._fields[position].shrink(value))
        self._announce(group)

    def _announce_all(self, position: int, values: Sequence[_Value]) -> None:
        for value in values:
            self._announce((position, value))

    def _announce(self, group: _Group) -> None:
        position, value = group
        kinds = self._waiting.get(group)
        if kinds and self._fields[position].is_open(value):
            heappush(self._best, (kinds[0][0], position, value))
