"""Placing: which waiting app gets which of the turn's offers.

All waiting apps take turns, one instance each; ``choosing`` says which offer is best for it. Offers
that can not fit a need are found once for all apps with that need.
"""

from collections import deque
from collections.abc import Iterable
from itertools import chain, islice

from framework.core import backoff, crashes, hand, moving, volumes, waiting
from framework.core.choosing import Chooser, Fitting
from framework.core.deadlines import Due
from framework.core.freezing import anything, frozen
from framework.core.index import Slot
from framework.core.matching import Remainder, Request, remainder_of, request_of
from framework.core.reservations import may_be_reserved_for, to_reserve
from framework.core.starting import start
from framework.core.turn import Turn
from framework.core.world import old_key
from framework.domain.actions import Accept, Decline
from framework.domain.app import App
from framework.domain.ids import instance_id
from framework.domain.instance import Instance
from framework.domain.mesos import Agent, Offer

# One step launches so many, or half as many as it has offers; then commands get their turn. What
# looking at all offers costs is shared by as many launches, however many offers there are.
_LAUNCHES_A_STEP = 1_000
_HELD_MS = 1_000


def place(turn: Turn) -> None:
    """Use this turn's offers, and decline what is not used: no offer is held any longer, but
    where there is more to launch than one step may, and the few that are to be at hand."""
    world = turn.world
    if world.hand:
        hand.bring(turn, ready_to_launch(turn))
    if _waits(turn) or not world.offers:
        return
    pool = _pool(turn)
    asking = _choosers(turn, pool)
    cut_short = _take_turns(turn, asking, max(_LAUNCHES_A_STEP, len(pool) // 2))
    if cut_short and _hold(turn, pool):
        return
    keeps = turn.policy.offers_at_hand and not ready_to_launch(turn)
    _answer(turn, hand.keep(turn, pool) if keeps else pool)
    if cut_short or world.cut_short:  # what is left of the offers comes back if we ask for it
        world.cut_short = False
        turn.revive.update(one.request.role for one in asking if one.key in world.demand)
    for chooser in sorted(asking, key=lambda one: waiting.explained_at_ms(turn, one.key)):
        world.subject = chooser.subject
        waiting.looked_at(turn, chooser.key, chooser.request, pool)


def _pool(turn: Turn) -> list[Remainder]:
    """What may be used of the offers; none is left for later."""
    known, turn.world.remainders = turn.world.remainders, {}
    turn.put_agents(_described(turn, known))
    pool = []
    for offer in _usable(turn):  # one by one: what breaks is set aside for the offer it came with
        rest = known.get(offer.id)
        if rest is None or rest.offer is not offer:
            rest = _looked_over(turn, offer)
        rest.closed = False
        pool.append(rest)
    turn.world.offers.clear()
    return pool


def _described(turn: Turn, known: dict[str, Remainder]) -> Iterable[Agent]:
    """Agents that we have a record of and that may have come back described otherwise."""
    agents = turn.world.state.agents
    for offer in turn.world.offers.values():
        if offer.id in known or offer.agent.id not in agents:
            continue
        if crashes.begin(turn, ("offers of agent", offer.agent.id)):
            yield offer.agent


def _looked_over(turn: Turn, offer: Offer) -> Remainder:
    rest = remainder_of(turn, offer)
    turn.world.seen.note(offer, turn.now_ms)
    volumes.look_at(turn, rest)
    return rest


def _choosers(turn: Turn, pool: list[Remainder]) -> list[Chooser]:
    """Of each app that wants instances, the one that got none for longest first, once tasks are
    launched that go where their volumes are."""
    world = turn.world
    fitting: dict[tuple[object, ...], Fitting] = {}
    asking = []
    for key in sorted(ready_to_launch(turn), key=lambda key: (world.demand[key].served_ms, key)):
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


def _take_turns(turn: Turn, choosers: Iterable[Chooser], most: int) -> bool:
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
    waiting, old_waiting = index.members[Slot.WAITING], index.members[Slot.OLD_WAITING]
    if not waiting and not old_waiting:
        return None
    instances = turn.world.state.instances
    ids: Iterable[str] = old_waiting
    if index.app is not None and app.config == index.app.config:
        old = turn.world.demand.get(old_key(app.id))
        spare = len(old_waiting) - (0 if old is None else old.wanted)
        ids = chain(waiting, islice(old_waiting, max(0, spare)))
    another = None
    for one in (instances[key] for key in ids):
        if not app.persistent_volumes or may_be_reserved_for(turn, one):
            if one.config == app.config:
                return one
            another = another or one
    return another


def _answer(turn: Turn, pool: list[Remainder]) -> None:
    seconds = turn.policy.decline_offer_duration / 1000
    declined: list[str] = []
    given_up: list[str] = []
    for rest in pool:
        if rest.used:
            offer_ids = (rest.offer.id,)
            turn.actions.append(Accept(offer_ids, rest.launches, seconds, rest.operations))
        elif rest.held_since_ms:
            given_up.append(rest.offer.id)
        else:
            declined.append(rest.offer.id)
    if declined:
        turn.actions.append(Decline(tuple(declined), seconds))
    if given_up:  # what was at hand was not enough: it is to come again with all others
        turn.actions.append(Decline(tuple(given_up), 0.0))
