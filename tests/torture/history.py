"""What clients asked of one app and what they were told, and whether one register explains it.

An app is a register: each write puts a value of its own, each read says which one is there. The
history is linearizable if every operation can be given one moment between its call and its return
such that each read tells the last write. An operation whose outcome its client never learned may
have happened at any moment after its call, or never. The search is Wing and Gong's, with Lowe's
memory of what was tried.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf

_SHOWN = 12  # operations around the place where no order was found


@dataclass(frozen=True, slots=True)
class Operation:
    """``called`` and ``returned`` are moments of one clock, in seconds; ``returned`` is infinite
    when the outcome is not known. A read is known, or it tells nothing and is left out."""

    client: str
    is_write: bool
    value: str
    called: float
    returned: float = inf

    @property
    def is_known(self) -> bool:
        """Whether the client learned the outcome."""
        return self.returned < inf

    def __str__(self) -> str:
        what = "write" if self.is_write else "read "
        end = f"{self.returned:9.3f}" if self.is_known else "  unknown"
        return f"{self.called:9.3f} -{end} {self.client:<12} {what} {self.value}"


def contradiction(history: Sequence[Operation], initial: str) -> str:
    """Empty if the history is linearizable, beginning with the value ``initial``; else the
    operations at which every order fails, one a line."""
    operations = _telling(history)
    needed = sum(1 << index for index, each in enumerate(operations) if each.is_known)
    tried: set[tuple[int, str]] = set()
    untried = [(0, initial)]
    longest = 0
    while untried:
        done, value = _reads_taken(operations, *untried.pop())
        if done & needed == needed:
            return ""
        if (done, value) in tried:
            continue
        tried.add((done, value))
        longest = max(longest, done, key=int.bit_count)
        untried.extend(
            (done | 1 << index, operations[index].value)
            for index in _next(operations, done)
            if operations[index].is_write
        )
    return _shown(operations, longest)


def _telling(history: Sequence[Operation]) -> list[Operation]:
    """In the order of their calls, without the writes of unknown outcome that nobody read: such a
    one can always be left undone, so it explains nothing and forbids nothing."""
    read = {each.value for each in history if not each.is_write}
    telling = (each for each in history if each.is_known or each.value in read)
    return sorted(telling, key=lambda each: each.called)


def _reads_taken(operations: Sequence[Operation], done: int, value: str) -> tuple[int, str]:
    """With every read of this value that can be next: it changes nothing, so now is as good as
    any later moment."""
    while True:
        reads = [
            index
            for index in _next(operations, done)
            if not operations[index].is_write and operations[index].value == value
        ]
        if not reads:
            return done, value
        for index in reads:
            done |= 1 << index


def _next(operations: Sequence[Operation], done: int) -> Iterator[int]:
    """Those that no other undone operation precedes: called before any of them returned."""
    first_return = inf
    index = (~done & (done + 1)).bit_length() - 1  # the first that is not done
    undone = []
    while index < len(operations) and operations[index].called <= first_return:
        if not done >> index & 1:
            first_return = min(first_return, operations[index].returned)
            undone.append(index)
        index += 1
    yield from (index for index in undone if operations[index].called <= first_return)


def _shown(operations: Sequence[Operation], done: int) -> str:
    """The last that could be ordered, and the first that could not (marked)."""
    first = next(
        index for index, each in enumerate(operations) if each.is_known and not done >> index & 1
    )
    start = max(0, first - _SHOWN // 2)
    lines = (
        f"{' ' if done >> index & 1 else '!'} {operations[index]}"
        for index in range(start, min(len(operations), start + _SHOWN))
    )
    return "\n".join(lines)
