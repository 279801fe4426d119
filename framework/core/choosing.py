"""Choosing: which of the offers that fit is the best one for the next instance of an app.

An app prefers the agent with the fewest of its own instances, then the zone with the fewest, then
the tightest fit. Where GROUP_BY decides, the smallest group comes first. What is the same for all
apps of one need (which offers fit, and their order in each group) is made once a turn; an app adds
only what its own launches change.
"""

import heapq
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from constraints import Operator
from framework.core.matching import (
    NOTHING_COUNTED,
    Remainder,
    Request,
    crowded_out,
    lacking,
    refusal,
    starting_too_many,
)
from framework.core.turn import Turn

# Own instances on the agent, thousandths of cpus and mem left, the number of the offer, what is
# left of it. The number decides between equals, so remainders are never compared.
_Entry = tuple[int, int, int, int, Remainder]
_Values = tuple[str | None, ...]


class Line:
    """The offers of one zone, and where GROUP_BY decides of one group in it, that fit a need; the
    tightest first, and no own instances in the keys: a key says where an offer comes at the
    earliest. Shared by all apps with that need, which have no use for what is before ``first``."""

    __slots__ = ("entries", "first", "values", "zone")

    def __init__(self, values: _Values, zone: str | None) -> None:
        self.values = values
        self.zone = zone
        self.entries: list[_Entry] = []
        self.first = 0

    def skip(self, used_up: set[int]) -> int:
        """Leave behind what does for none of the apps any more; where the rest begins."""
        entries = self.entries
        while self.first < len(entries):
            _, _, _, number, rest = entries[self.first]
            if number not in used_up and not rest.closed:
                break
            self.first += 1
        return self.first


# How many instances are in its group; where several fields group, in each of its groups.
_Sizes = int | tuple[int, ...]
_Rank = tuple[_Sizes, _Entry, Line]  # the first offer of the line


class InZone(NamedTuple):
    """The lines of a zone in the order of their first offers, and of each field that groups the
    values of all of them."""

    lines: list[Line]
    columns: tuple[_Values, ...]


class Fitting:
    """The offers that fit a need at the beginning of a turn: made once for all apps with that
    need, and once for all that also group by the same fields."""

    def __init__(self, turn: Turn, request: Request, pool: list[Remainder]) -> None:
        roles = request.roles
        self._sorted: list[_Entry] = sorted(
            (0, rest.left("cpus", roles), rest.left("mem", roles), number, rest)
            for number, rest in enumerate(pool)
            if refusal(turn, request, rest) is None
        )
        self._zones: dict[tuple[str, ...], dict[str | None, InZone]] = {}
        self.used_up: set[int] = set()  # numbers of offers in which what is left does not do

    def zones(self, fields: tuple[str, ...]) -> dict[str | None, InZone]:
        """One line for each group. Without a value GROUP_BY takes no agent."""
        if fields not in self._zones:
            found: dict[str | None, dict[_Values, Line]] = {}
            for entry in self._sorted:
                known, zone = entry[4].values, entry[4].offer.agent.zone
                values = tuple([known.get(field) for field in fields])
                if None in values:
                    continue
                lines = found.setdefault(zone, {})
                if values not in lines:
                    lines[values] = Line(values, zone)
                lines[values].entries.append(entry)
            self._zones[fields] = {
                zone: InZone([*lines.values()], tuple(zip(*lines, strict=True)))
                for zone, lines in found.items()
            }
        return self._zones[fields]


class Zone:
    """The lines of a zone as one app ranks them: a heap of those that were looked at, and the
    others, which come behind them. Most are never looked at."""

    __slots__ = ("_lines", "_sizes", "_unseen", "ranks")

    def __init__(self, lines: list[Line], sizes: Sequence[_Sizes]) -> None:
        self.ranks: list[_Rank] = []
        self._lines = lines
        self._sizes = sizes
        self._unseen = sorted(range(len(lines)), key=sizes.__getitem__)
        self._unseen.reverse()

    def look(self) -> bool:
        """Bring in what may stand first; False: there is nothing any more."""
        while self._unseen:
            number = self._unseen[-1]
            line = self._lines[number]
            rank = (self._sizes[number], line.entries[0], line)  # it comes no earlier than that
            if self.ranks and self.ranks[0] < rank:
                break
            heapq.heappush(self.ranks, rank)
            self._unseen.pop()
        return bool(self.ranks)


class Queue:
    """A line as one app sees it: how far it has come in it (``_at``), and the offers before that
    where it has instances, which come behind all others. Those are put in order when there is
    nothing else: an app with many instances would do little but that in each turn."""

    __slots__ = ("_again", "_at", "_entries", "_line", "_passed", "_used_up")

    def __init__(self, line: Line, used_up: set[int]) -> None:
        self._line = line
        self._entries = line.entries
        self._used_up = used_up
        self._at = line.skip(used_up)
        self._passed: list[_Entry] = []
        self._again: list[_Entry] = []  # a heap

    def first(self, on_agent: Mapping[str, int], roles: frozenset[str]) -> _Entry | None:
        """The first one that is not used up, with the app's own instances there in its key."""
        entries, used_up, at = self._entries, self._used_up, self._at
        while at < len(entries):
            entry = entries[at]
            rest = entry[4]
            if rest.closed or entry[3] in used_up:
                at = max(at + 1, self._line.skip(used_up))
            elif rest.offer.agent.id in on_agent:
                self._passed.append(entry)
                at += 1
            else:
                self._at = at
                return entry
        self._at = at
        return self._first_again(on_agent, roles)

    def _first_again(self, on_agent: Mapping[str, int], roles: frozenset[str]) -> _Entry | None:
        if self._passed:
            self._again = [_behind(entry, on_agent, roles) for entry in self._passed]
            heapq.heapify(self._again)
            self._passed = []
        again = self._again
        while again:
            entry = again[0]
            if entry[4].closed or entry[3] in self._used_up:
                heapq.heappop(again)
            elif on_agent.get(entry[4].offer.agent.id, 0) <= entry[0]:
                return entry
            else:
                heapq.heapreplace(again, _behind(entry, on_agent, roles))
        return None

    def pop(self) -> None:
        """Go past the first one."""
        if self._at < len(self._entries):
            self._at += 1
        else:
            heapq.heappop(self._again)


def _behind(entry: _Entry, on_agent: Mapping[str, int], roles: frozenset[str]) -> _Entry:
    """Where the offer stands by what the app has there, and by what is left of it now."""
    number, rest = entry[3], entry[4]
    here = on_agent.get(rest.offer.agent.id, 0)
    return here, rest.left("cpus", roles), rest.left("mem", roles), number, rest


class Chooser:
    """Finds the best offer for the next instance of one app, in one turn. Within a turn offers
    only shrink and most constraints only get stricter, so what is refused once is dropped; only
    GROUP_BY can admit later what it refused before, hence a line for each of its groups. And for
    each zone: a launch changes the place of one agent in its line, and that of the whole zone.

    Places only ever get worse in a turn. So what stands first is looked at anew, and put back if
    it got worse; nothing else has to be, and most groups never are."""

    def __init__(self, turn: Turn, key: str, request: Request, fitting: Fitting) -> None:
        self.key = key
        self.subject = ("app", request.app.id)  # what a crash would be about
        self.request = request
        self._turn = turn
        self._index = turn.world.apps[request.app.id]
        self._groups = tuple(
            [one for one in request.dynamic if one.constraint.operator is Operator.GROUP_BY]
        )
        self._used_up = fitting.used_up
        self._queues: dict[Line, Queue] = {}
        zones = fitting.zones(tuple([check.field for check in self._groups]))
        self._zones = {zone: Zone(one.lines, self._all_sizes(one)) for zone, one in zones.items()}

    def choose(self) -> Remainder | None:
        """The best offer for one more instance; None if there is none in this turn."""
        refused: list[_Rank] = []
        chosen = None
        while chosen is None and (zone := self._best_zone(refused)) is not None:
            _, entry, line = zone.ranks[0]
            if self._refused(entry[3], entry[4]):
                self._queues[line].pop()
            else:
                chosen = entry[4]
        for rank in refused:
            heapq.heappush(self._zones[rank[2].zone].ranks, rank)
        return chosen

    def _best_zone(self, refused: list[_Rank]) -> Zone | None:
        """The zone whose first line is best."""
        best: tuple[_Sizes, int, int, _Entry] | None = None
        found = None
        on_zone = self._index.on_zone
        for name, zone in self._zones.items():
            if self._settle(zone, refused):
                sizes, entry, _ = zone.ranks[0]
                place = (sizes, entry[0], on_zone.get(name, 0), entry)
                if best is None or place < best:
                    best, found = place, zone
        return found

    def _settle(self, zone: Zone, refused: list[_Rank]) -> bool:
        """Bring a line to the front that is admitted and stands where it belongs. Of one field
        GROUP_BY refuses what is larger than a group that it refuses: there the first decides."""
        ranks = zone.ranks
        while zone.look():
            line = ranks[0][2]
            entry = self._first(line)
            if entry is None:
                heapq.heappop(ranks)
            elif (now := (self._sizes(line.values), entry, line)) > ranks[0]:
                heapq.heapreplace(ranks, now)
            elif self._admitted(line.values):
                return True
            elif len(self._groups) == 1:
                return False
            else:
                refused.append(heapq.heappop(ranks))
        return False

    def _first(self, line: Line) -> _Entry | None:
        queue = self._queues.get(line)
        if queue is None:
            queue = self._queues[line] = Queue(line, self._used_up)
        return queue.first(self._index.on_agent, self.request.roles)

    def _all_sizes(self, zone: InZone) -> Sequence[_Sizes]:
        """The same as ``_sizes`` for each line of a zone."""
        if not self._groups:
            return [0] * len(zone.lines)
        counts = self._index.counts_for(self.request.app)
        columns = [
            counts.get(check.field, NOTHING_COUNTED).sizes(column)
            for check, column in zip(self._groups, zone.columns, strict=True)
        ]
        return columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))

    def _sizes(self, values: _Values) -> _Sizes:
        """How many instances are in these groups already: the smallest goes first."""
        if not values:
            return 0
        counts = self._index.counts_for(self.request.app)
        if len(values) == 1:  # nearly always, and asked more often than anything else
            return counts.get(self._groups[0].field, NOTHING_COUNTED).get(values[0])
        return tuple(
            counts.get(check.field, NOTHING_COUNTED).get(value)
            for check, value in zip(self._groups, values, strict=True)
        )

    def _admitted(self, values: _Values) -> bool:
        if values:
            counts = self._index.counts_for(self.request.app)
            for check, value in zip(self._groups, values, strict=True):
                if not check.admits(value, counts.get(check.field, NOTHING_COUNTED)):
                    return False
        return True

    def _refused(self, number: int, rest: Remainder) -> bool:
        turn = self._turn
        rest.closed = rest.closed or starting_too_many(turn, rest)
        if rest.closed:
            return True
        if rest.launches and lacking(self.request, rest) is not None:
            self._used_up.add(number)
            return True
        return crowded_out(turn, self.request, rest) is not None
