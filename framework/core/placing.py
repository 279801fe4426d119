"""Placing: which waiting app gets which of the turn's offers.

All waiting apps take turns, one instance each. An app prefers the agent with the fewest of its
own instances, then the zone with the fewest, then the tightest fit. Where GROUP_BY decides, the
group is picked first and then an offer of that group. Offers that can not fit a need are found
once for all apps with that need.
"""

import heapq
from collections import deque
from collections.abc import Iterable

from constraints import Operator
from framework.core import backoff, crashes, moving, volumes, waiting
from framework.core.deadlines import Due
from framework.core.freezing import anything, frozen
from framework.core.index import Slot
from framework.core.matching import (
    NOTHING_COUNTED,
    Remainder,
    Request,
    crowded_out,
    refusal,
    remainder_of,
    request_of,
    starting_too_many,
)
from framework.core.reservations import may_be_reserved_for, to_reserve
from framework.core.starting import start
from framework.core.turn import Turn
from framework.core.world import old_key
from framework.domain.actions import Accept, Decline
from framework.domain.app import App
from framework.domain.ids import instance_id
from framework.domain.instance import Instance
from framework.domain.mesos import Offer

_Key = tuple[int, int, int]
_Heap = list[tuple[_Key, int, Remainder]]
_Values = tuple[str | None, ...]
_Group = tuple[_Values, str | None]
_Rank = tuple[tuple[int, ...], _Key, int, _Group]

# One step launches so many, or half as many as it has offers; then commands get their turn. What
# looking at all offers costs is shared by as many launches, however many offers there are.
_LAUNCHES_A_STEP = 1_000
_HELD_MS = 1_000


def place(turn: Turn) -> None:
    """Use this turn's offers, and decline what is not used: no offer is held any longer, but
    where there is more to launch than one step may."""
    world = turn.world
    if _waits(turn) or not world.offers:
        return
    pool = _pool(turn)
    asking = _choosers(turn, pool)
    cut_short = _take_turns(turn, asking, max(_LAUNCHES_A_STEP, len(pool) // 2))
    if cut_short and _hold(turn, pool):
        return
    _answer(turn, pool)
    if cut_short or world.cut_short:  # what is left of the offers comes back if we ask for it
        world.cut_short = False
        turn.revive.update(one.request.role for one in asking if one.key in world.demand)
    for chooser in sorted(asking, key=lambda one: waiting.explained_at_ms(turn, one.key)):
        world.subject = chooser.subject
        waiting.looked_at(turn, chooser.key, chooser.request, pool)


def _pool(turn: Turn) -> list[Remainder]:
    """What may be used of the offers; none is left for later."""
    known, turn.world.remainders = turn.world.remainders, {}
    pool = []
    for offer in _usable(turn):  # one by one: what breaks is set aside for the offer it came with
        rest = known.get(offer.id)
        if rest is None or rest.offer is not offer:
            rest = _looked_over(turn, offer)
        rest.closed = False
        pool.append(rest)
    turn.world.offers.clear()
    return pool


def _looked_over(turn: Turn, offer: Offer) -> Remainder:
    if offer.agent.id in turn.world.state.agents:  # it may have come back described otherwise
        turn.put_agent(offer.agent)
    rest = remainder_of(turn, offer)
    turn.world.seen.note(offer, turn.now_ms)
    volumes.look_at(turn, rest)
    return rest


def _choosers(turn: Turn, pool: list[Remainder]) -> list["Chooser"]:
    """Of each app that wants instances, the longest waiting first, once tasks are launched that
    go where their volumes are."""
    world = turn.world
    fitting: dict[tuple[object, ...], Fitting] = {}
    asking = []
    for key in sorted(ready_to_launch(turn), key=lambda key: (world.demand[key].since_ms, key)):
        app = world.demand[key].app
        world.subject = ("app", app.id)
        request = request_of(turn, app)
        if app.persistent_volumes:
            started = volumes.relaunch(turn, app, world.demand[key].wanted, pool)
            if _launched(turn, key, started) == 0:
                continue
        if request.need not in fitting:
            fitting[request.need] = Fitting(turn, request, pool)
        asking.append(Chooser(turn, key, request, fitting[request.need]))
    return asking


def _waits(turn: Turn) -> bool:
    """Whether to take in first what came meanwhile, for a second at most: each launch brings more
    of it, and Mesos sends again what is not acknowledged in time."""
    world = turn.world
    if world.offers and turn.context.behind:
        world.held_since_ms = world.held_since_ms or turn.now_ms
        if turn.now_ms - world.held_since_ms < _HELD_MS:
            return True
    world.held_since_ms = 0
    return False


def _hold(turn: Turn, pool: list[Remainder]) -> bool:
    """Go on in the next step with the offers that are not used yet; False: there is none."""
    world = turn.world
    used = [rest for rest in pool if rest.used]
    if len(used) == len(pool):
        return False
    world.offers.update((rest.offer.id, rest.offer) for rest in pool)
    for rest in used:
        del world.offers[rest.offer.id]
    # What reservations an offer has is looked at anew: they may be others by then.
    world.remainders = {rest.offer.id: rest for rest in pool if not (rest.used or rest.owned)}
    _answer(turn, used)
    world.cut_short = True
    world.deadlines.set(turn.now_ms, Due.PLACE)
    return True


def _usable(turn: Turn) -> Iterable[Offer]:
    """The offers that may be looked at; others are declined."""
    for offer in turn.world.offers.values():
        if crashes.begin(turn, ("offers of agent", offer.agent.id)):
            yield offer
        else:
            seconds = turn.policy.decline_offer_duration / 1000
            turn.actions.append(Decline((offer.id,), seconds))


def ready_to_launch(turn: Turn) -> list[str]:
    """Keys of the demands whose app is neither frozen nor in back-off."""
    held = anything(turn)
    return [
        key
        for key, demand in turn.world.demand.items()
        if not (held and frozen(turn, demand.app.id))
        and backoff.remaining_ms(turn, demand.app) == 0
    ]


def _take_turns(turn: Turn, choosers: Iterable["Chooser"], most: int) -> bool:
    """Whether there is more to launch than ``most``."""
    queue = deque(choosers)
    while queue and most:
        chooser = queue.popleft()
        turn.world.subject = chooser.subject
        app = chooser.request.app
        if app.persistent_volumes and not to_reserve(turn, app):
            continue
        rest = chooser.choose()
        if rest is None:
            continue
        launch(turn, chooser.request, rest)
        most -= 1
        if _launched(turn, chooser.key, 1):
            queue.append(chooser)
    return bool(queue)


def _launched(turn: Turn, key: str, count: int) -> int:
    """So many fewer are wanted; how many are left."""
    demand = turn.world.demand[key]
    if count:
        demand.wanted -= count
        demand.last_used_at_ms = turn.now_ms
    if not demand.wanted:
        del turn.world.demand[key]
    return demand.wanted


class Fitting:
    """The offers that fit a need at the beginning of a turn, the tightest first: made once for
    all apps with that need, and once for all that also group by the same fields."""

    def __init__(self, turn: Turn, request: Request, pool: list[Remainder]) -> None:
        self._sorted: _Heap = sorted(
            (_key(0, request, rest), number, rest)
            for number, rest in enumerate(pool)
            if refusal(turn, request, rest) is None
        )
        self._grouped: dict[tuple[str, ...], dict[_Group, _Heap]] = {}
        self.used_up: set[int] = set()  # numbers of offers in which what is left does not do

    def heaps(self, fields: tuple[str, ...]) -> dict[_Group, _Heap]:
        """A heap of its own for each group and zone, to be used up. Instances that an app has on
        an agent already are not in the keys, so a key says where an offer comes at the
        earliest. Without a value GROUP_BY takes no agent."""
        if fields not in self._grouped:
            groups: dict[_Group, _Heap] = {}
            for entry in self._sorted:
                known, zone = entry[2].values, entry[2].offer.agent.zone
                values = tuple([known.get(field) for field in fields])
                if None not in values:
                    groups.setdefault((values, zone), []).append(entry)
            self._grouped[fields] = groups
        return {group: list(heap) for group, heap in self._grouped[fields].items()}


def _key(on_agent: int, request: Request, rest: Remainder) -> _Key:
    return (on_agent, rest.left("cpus", request.roles), rest.left("mem", request.roles))


class Chooser:
    """Finds the best offer for the next instance of one app, in one turn. Within a turn offers
    only shrink and most constraints only get stricter, so what is refused once is dropped; only
    GROUP_BY can admit later what it refused before, hence a heap for each of its groups. And for
    each zone: a launch changes the place of one agent in its heap, and that of the whole zone.

    Places only ever get worse in a turn. So what stands first in a heap is looked at anew, and
    put back if it got worse; nothing else has to be."""

    def __init__(self, turn: Turn, key: str, request: Request, fitting: Fitting) -> None:
        self.key = key
        self.subject = ("app", request.app.id)  # what a crash would be about
        self.request = request
        self._turn = turn
        self._index = turn.world.apps[request.app.id]
        self._groups = tuple(
            check for check in request.dynamic if check.constraint.operator is Operator.GROUP_BY
        )
        self._used_up = fitting.used_up
        self._heaps = fitting.heaps(tuple([check.field for check in self._groups]))
        self._zones: dict[str | None, list[_Rank]] = {}
        for group in self._heaps:
            self._zones.setdefault(group[1], []).append(self._rank(group))
        for ranks in self._zones.values():
            heapq.heapify(ranks)

    def choose(self) -> Remainder | None:
        """The best offer for one more instance; None if there is none in this turn."""
        refused: list[_Rank] = []
        chosen = None
        while chosen is None and (zone := self._best_zone(refused)) is not None:
            group = zone[0][-1]
            _, number, rest = self._heaps[group][0]
            if self._refused(number, rest):
                self._drop_first(zone, group)
            else:
                chosen = rest
        for rank in refused:
            heapq.heappush(self._zones[rank[-1][1]], rank)
        return chosen

    def _best_zone(self, refused: list[_Rank]) -> list[_Rank] | None:
        """The ranks of the zone whose first group is best."""
        best: tuple[tuple[int, ...], int, int, _Key, int] | None = None
        found = None
        for zone, ranks in self._zones.items():
            if self._settle(ranks, refused):
                sizes, key, number, _ = ranks[0]
                place = (sizes, key[0], self._index.on_zone[zone], key, number)
                if best is None or place < best:
                    best, found = place, ranks
        return found

    def _settle(self, ranks: list[_Rank], refused: list[_Rank]) -> bool:
        """Bring a group to the front that is admitted and stands where it belongs. Of one field
        GROUP_BY refuses what is larger than a group that it refuses: there the first decides."""
        while ranks:
            group = ranks[0][-1]
            if (now := self._rank(group)) > ranks[0]:
                heapq.heapreplace(ranks, now)
            elif self._admitted(group[0]):
                return True
            elif len(self._groups) == 1:
                return False
            else:
                refused.append(heapq.heappop(ranks))
        return False

    def _drop_first(self, ranks: list[_Rank], group: _Group) -> None:
        """The first offer of the first group is refused, and so for the rest of the turn."""
        heapq.heappop(self._heaps[group])
        if self._heaps[group]:
            heapq.heapreplace(ranks, self._rank(group))
        else:
            heapq.heappop(ranks)

    def _rank(self, group: _Group) -> _Rank:
        """How good the group's first offer is, zones aside: the smallest group, then its key. The
        number of the offer decides between equals, so groups are never compared."""
        heap, on_agent, used_up = self._heaps[group], self._index.on_agent, self._used_up
        while True:
            known, number, rest = heap[0]
            if (number in used_up or rest.closed) and len(heap) > 1:  # another app was refused
                heapq.heappop(heap)
            elif (here := on_agent[rest.offer.agent.id]) > known[0]:
                heapq.heapreplace(heap, (_key(here, self.request, rest), number, rest))
            else:
                return (self._sizes(group[0]), known, number, group)

    def _sizes(self, values: _Values) -> tuple[int, ...]:
        """How many instances are in these groups already: the smallest goes first."""
        if not values:
            return ()
        counts = self._index.counts_for(self.request.app)
        if len(values) == 1:  # nearly always, and asked more often than anything else
            return (counts.get(self._groups[0].field, NOTHING_COUNTED).get(values[0]),)
        return tuple(
            counts.get(check.field, NOTHING_COUNTED).get(value)
            for check, value in zip(self._groups, values, strict=True)
        )

    def _admitted(self, values: _Values) -> bool:
        if not values:
            return True
        counts = self._index.counts_for(self.request.app)
        return all(
            check.admits(value, counts.get(check.field, NOTHING_COUNTED))
            for check, value in zip(self._groups, values, strict=True)
        )

    def _refused(self, number: int, rest: Remainder) -> bool:
        turn = self._turn
        rest.closed = rest.closed or starting_too_many(turn, rest)
        if rest.closed or number in self._used_up:
            return True
        if rest.launches and refusal(turn, self.request, rest) is not None:
            self._used_up.add(number)
            return True
        return crowded_out(turn, self.request, rest) is not None


def launch(turn: Turn, request: Request, rest: Remainder) -> None:
    """Start one instance on this offer: a waiting one again, else a new one."""
    app = request.app
    taken = rest.take(request, turn.context.chance)
    before = _next_waiting(turn, app)
    task = (
        before.id if before else instance_id(app.id, turn.context.new_id()),
        before.incarnation + 1 if before else 1,
    )
    if app.persistent_volumes:
        taken = volumes.reserve(turn, request, rest, task, taken)
    instead = moving.stands_in_for(turn, app, before)
    start(turn, app, rest, task, taken, stands_in_for=instead)


def _next_waiting(turn: Turn, app: App) -> Instance | None:
    """One of this configuration if there is one; else one of another is made this, unless that is
    wanted as what it is."""
    index = turn.world.apps[app.id]
    instances = turn.world.state.instances
    ids = [*index.members[Slot.OLD_WAITING]]
    if index.app is not None and app.config == index.app.config:
        old = turn.world.demand.get(old_key(app.id))
        spare = len(ids) - (0 if old is None else old.wanted)
        ids = [*index.members[Slot.WAITING], *ids[: max(0, spare)]]
    if app.persistent_volumes:
        ids = [one for one in ids if may_be_reserved_for(turn, instances[one])]
    same = (instances[one] for one in ids if instances[one].config == app.config)
    return next(same, instances[ids[0]] if ids else None)


def _answer(turn: Turn, pool: list[Remainder]) -> None:
    seconds = turn.policy.decline_offer_duration / 1000
    declined = []
    for rest in pool:
        if rest.used:
            launches, operations = tuple(rest.launches), tuple(rest.operations)
            turn.actions.append(Accept((rest.offer.id,), launches, seconds, operations))
        else:
            declined.append(rest.offer.id)
    if declined:
        turn.actions.append(Decline(tuple(declined), seconds))
