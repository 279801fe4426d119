"""How many counted instances of one app have which value of one field.

Kept with every placement and removal, never recounted. A count of counts stands beside the counts,
so that the size of the smallest group, which GROUP_BY asks for at each offer, is just there.
"""

from collections.abc import Iterable, Iterator


class Counts:
    """Counted instances by value; the value None is that of instances lacking the field.

    Adding and removing take constant time, but for one case: when the last group of one instance
    goes, the distinct sizes are looked over, and there are at most sqrt(2 x total) of those.
    """

    __slots__ = ("_by_value", "_minimum", "_of_size", "_total")
    __hash__ = None  # type: ignore[assignment]  # mutable, so it must not be a key

    def __init__(self, values: Iterable[str | None] = ()) -> None:
        self._by_value: dict[str | None, int] = {}
        self._of_size: dict[int, int] = {}
        self._minimum = 0
        self._total = 0
        for value in values:
            self.add(value)

    @property
    def minimum(self) -> int:
        """Size of the smallest group there is; 0 when there is none."""
        return self._minimum

    @property
    def groups(self) -> int:
        """Number of distinct values, the group of those lacking the field included."""
        return len(self._by_value)

    @property
    def total(self) -> int:
        """Number of counted instances."""
        return self._total

    def add(self, value: str | None) -> None:
        """Count one more instance with this value."""
        before = self._by_value.get(value, 0)
        self._resize(value, before, before + 1)
        if before == 0:
            self._minimum = 1
        elif before == self._minimum and before not in self._of_size:
            self._minimum = before + 1
        self._total += 1

    def remove(self, value: str | None) -> None:
        """Count one instance less with this value, of which there must be one."""
        before = self._by_value.get(value, 0)
        assert before > 0, f"no counted instance has the value {value!r}"
        self._resize(value, before, before - 1)
        if before > 1:
            self._minimum = min(self._minimum, before - 1)
        elif 1 not in self._of_size:
            self._minimum = min(self._of_size, default=0)
        self._total -= 1

    def get(self, value: str | None) -> int:
        """Return how many counted instances have this value."""
        return self._by_value.get(value, 0)

    def sizes(self, values: Iterable[str | None]) -> list[int]:
        """Return how many counted instances have each of these values."""
        get = self._by_value.get
        return [get(value, 0) for value in values]

    def largest(self) -> str | None:
        """Return the value of the largest group; of equals the first by name, None last.

        It looks at every group: asked for CLUSTER only, which keeps an app in one group.
        """
        assert self._by_value, "there is no group"
        return min(self._by_value.items(), key=_by_size_then_name)[0]

    def __getitem__(self, value: str | None) -> int:
        return self._by_value.get(value, 0)

    def __iter__(self) -> Iterator[tuple[str | None, int]]:
        return iter(self._by_value.items())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Counts) and self._by_value == other._by_value

    def __repr__(self) -> str:
        return f"Counts({self._by_value!r})"

    def _resize(self, value: str | None, before: int, after: int) -> None:
        if after:
            self._by_value[value] = after
            self._of_size[after] = self._of_size.get(after, 0) + 1
        else:
            del self._by_value[value]
        if before:
            left = self._of_size[before] - 1
            if left:
                self._of_size[before] = left
            else:
                del self._of_size[before]


def _by_size_then_name(group: tuple[str | None, int]) -> tuple[int, bool, str]:
    value, count = group
    return (-count, value is None, value or "")
