"""Offers at hand: a few that stay open for each role while nothing waits (``offers_at_hand``).

Without them a lost task has Mesos offer all agents anew, and all of those are decoded before one
is used. What is at hand is used in the very step in which something comes to be wanted. It is
given up once anything waits that it is not enough for: then Mesos is asked for all, as ever. It is
filled from what is left of other offers, and by a REVIVE some time later, at growing intervals.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable

from framework.core.deadlines import Due
from framework.core.freezing import over
from framework.core.matching import Remainder
from framework.core.turn import Turn
from framework.core.world import Asking
from framework.domain.actions import Decline, Revive
from framework.domain.mesos import Offer, OfferResource, TaskState, TaskStatus

FIRST_REFILL_MS = 10_000
LONGEST_REFILL_MS = 300_000
KEPT_MS = 300_000
"""So long an offer is kept; then it is given back, to learn what its agent has by now."""

_FILLING_MS = 2_000  # until which offers that were asked for have come
_QUIET_MS = 1_000  # after something was used: a loss seldom comes alone, and all offers are many
_ASKED_ANEW_MS = 1_000
_AGENT_GONE = {TaskState.UNREACHABLE, TaskState.GONE, TaskState.GONE_BY_OPERATOR}


def bring(turn: Turn, ready: Collection[str]) -> None:
    """Have what is at hand looked at with the turn's offers if it may be enough for these demands:
    if they are no more than the offers. What more of them needs is spread over all agents."""
    if not ready:
        return
    world = turn.world
    wanted: Counter[str] = Counter()
    for key in ready:
        wanted[world.demand[key].app.role] += world.demand[key].wanted
    there = Counter(rest.offer.role for rest in world.hand.values())
    roles = {role for role, count in wanted.items() if 0 < count <= there[role]}
    for offer_id, rest in list(world.hand.items()):
        if rest.offer.role in roles:
            del world.hand[offer_id]
            world.offers[offer_id], world.remainders[offer_id] = rest.offer, rest
    for role in roles & world.asking.keys():
        asking = world.asking[role]
        asking.refill_ms = FIRST_REFILL_MS
        asking.refill_at_ms = _soonest_ms(asking, turn.now_ms + _QUIET_MS)


def _soonest_ms(asking: Asking, at_ms: int) -> int:
    """``at_ms``, or when offers may be asked for again, whatever they were asked for last."""
    return max(at_ms, asking.revived_at_ms + FIRST_REFILL_MS)


def keep(turn: Turn, pool: Iterable[Remainder]) -> list[Remainder]:
    """Nothing waits any more: keep what is missing at hand of what is left of these offers; the
    others, which are to be answered."""
    roles = _roles(turn)
    answered: list[Remainder] = []
    found: dict[str, list[Remainder]] = {}
    for rest in pool:
        if rest.used or rest.offer.role not in roles:
            answered.append(rest)
        elif rest.held_since_ms:  # nothing of it was used: back to where it was, in no time
            turn.world.hand[rest.offer.id] = rest
        elif not _worth_keeping(turn, rest):
            answered.append(rest)
        else:
            found.setdefault(rest.offer.role, []).append(rest)
    for role, rests in found.items():
        answered += _described_otherwise(turn, rests)
        answered += _fill(turn, role, rests)
    return answered


def _worth_keeping(turn: Turn, rest: Remainder) -> bool:
    """Only what most apps could use: no GPUs, nothing that is reserved for an instance or is a
    volume, which has to be used or given back, and no agent that is to be empty or is in another
    region."""
    offer = rest.offer
    return (
        _room(rest) > 0
        and not rest.has_gpus
        and all(entry.plain or _is_free(entry) for entry in offer.resources)
        and offer.agent.region in {None, turn.world.home_region}
        and not _is_to_go(turn, offer)
    )


def _is_free(entry: OfferResource) -> bool:
    return entry.role == "*" and not entry.owner and not entry.volume_id


def _room(rest: Remainder) -> int:
    """The more, the more there is of both: an agent without memory has no room."""
    room = 1
    for name in ("cpus", "mem"):
        room *= sum(left for _, left in rest.scalars.get(name, ()))
    return room


def _is_to_go(turn: Turn, offer: Offer) -> bool:
    """Whether its agent is drained, or maintenance of it is announced, at whatever time."""
    drains, agent = turn.world.drains, offer.agent
    announced = offer.unavailable_from_ms is not None or agent.id in turn.world.maintenance
    return announced or agent.id in drains or agent.hostname in drains


def _described_otherwise(turn: Turn, rests: list[Remainder]) -> list[Remainder]:
    """What is at hand of agents that these describe otherwise by now: it goes."""
    hand = turn.world.hand
    now = {(rest.offer.role, rest.offer.agent.id): rest.offer.agent for rest in rests}
    gone = [
        rest
        for rest in hand.values()
        if now.get((rest.offer.role, rest.offer.agent.id), rest.offer.agent) != rest.offer.agent
    ]
    for rest in gone:
        del hand[rest.offer.id]
    return gone


def _fill(turn: Turn, role: str, rests: list[Remainder]) -> Iterable[Remainder]:
    """Take into the hand what it lacks, one offer an agent: of each zone those with most room, in
    turns. Returns what is left."""
    hand = turn.world.hand
    held = [rest.offer.agent for rest in hand.values() if rest.offer.role == role]
    agents, zones = {agent.id for agent in held}, Counter(agent.zone for agent in held)
    ranks: list[tuple[int, int, int, Remainder]] = []
    for rest in sorted(rests, key=lambda one: -_room(one)):
        zone = rest.offer.agent.zone
        ranks.append((zones[zone], -_room(rest), len(ranks), rest))
        zones[zone] += 1
    for *_, rest in sorted(ranks):
        agent_id = rest.offer.agent.id
        if len(agents) < turn.policy.offers_at_hand and agent_id not in agents:
            agents.add(agent_id)
            rest.held_since_ms = turn.now_ms
            hand[rest.offer.id] = rest
        else:
            yield rest


def heard(turn: Turn, status: TaskStatus) -> None:
    """Where a task is out of reach, Mesos takes offers back only after it has said so."""
    if status.state in _AGENT_GONE:
        agent_gone(turn, status.agent_id)


def agent_gone(turn: Turn, agent_id: str) -> None:
    """Nothing is to be launched there."""
    _give_up(turn, lambda offer: offer.agent.id == agent_id)


def settle(turn: Turn, ready: Collection[str]) -> set[str]:
    """Bring what is at hand in line with what is true now, ``ready``: the demands that wait.
    The roles whose offers are wanted for it at the moment."""
    world = turn.world
    if not turn.policy.offers_at_hand:
        return set()
    if ready:  # our own come first: with another role, or together with what is free elsewhere
        _give_up(turn, lambda _: True, again=True)
        return set()
    roles = _roles(turn)
    if world.hand:
        _give_up(turn, lambda offer: offer.role not in roles or _is_to_go(turn, offer))
        _give_up_old(turn)
    there = Counter(rest.offer.role for rest in world.hand.values())
    return {role for role in sorted(roles) if _fills(turn, role, there[role])}


def _roles(turn: Turn) -> set[str]:
    """The roles that keep offers: apps live in them, and something could be launched."""
    if not turn.policy.offers_at_hand or turn.world.tearing_down or over(turn, "") is not None:
        return set()
    return set(turn.world.roles())


def _give_up(turn: Turn, goes: Callable[[Offer], bool], *, again: bool = False) -> None:
    """``again``: it is to be offered again, to us too, and with what is free there by now."""
    hand = turn.world.hand
    gone = [offer_id for offer_id, rest in hand.items() if goes(rest.offer)]
    for offer_id in gone:
        del hand[offer_id]
    if gone:
        seconds = 0.0 if again else turn.policy.decline_offer_duration / 1000
        turn.actions.append(Decline(tuple(gone), seconds))


def _give_up_old(turn: Turn) -> None:
    """And have others asked for in their stead."""
    before_ms = turn.now_ms - KEPT_MS
    old = {rest.offer.id for rest in turn.world.hand.values() if rest.held_since_ms <= before_ms}
    for role in {turn.world.hand[offer_id].offer.role for offer_id in old}:
        asking = turn.world.asking[role]
        asking.refill_at_ms = min(asking.refill_at_ms, _soonest_ms(asking, turn.now_ms))
    _give_up(turn, lambda offer: offer.id in old, again=True)


def _fills(turn: Turn, role: str, there: int) -> bool:
    """Whether offers are on their way to it; asks for them if it is time to."""
    asking, most, now_ms = turn.world.asking[role], turn.policy.offers_at_hand, turn.now_ms
    if there >= most:
        asking.filling_until_ms = 0
    refill_at_ms = _soonest_ms(asking, asking.refill_at_ms)
    if now_ms < asking.filling_until_ms:
        look_at_ms = asking.filling_until_ms
    elif 2 * there < most and now_ms >= refill_at_ms:
        look_at_ms = _ask(turn, role, asking)
    elif 2 * there < most:
        look_at_ms = refill_at_ms
    else:
        hand = turn.world.hand.values()
        look_at_ms = KEPT_MS + min(rest.held_since_ms for rest in hand if rest.offer.role == role)
    turn.world.deadlines.reset(look_at_ms, Due.HAND, role)
    return now_ms < asking.filling_until_ms


def _ask(turn: Turn, role: str, asking: Asking) -> int:
    """Ask for all offers; until when they should have come."""
    now_ms = turn.now_ms
    turn.actions.append(Revive((role,)))
    asking.suppressed = False
    asking.revived_at_ms = now_ms
    asking.refill_at_ms = now_ms + asking.refill_ms
    asking.refill_ms = min(2 * asking.refill_ms, LONGEST_REFILL_MS)
    asking.filling_until_ms = now_ms + _FILLING_MS
    asking.interval_ms = _ASKED_ANEW_MS
    turn.world.deadlines.reset(now_ms + _ASKED_ANEW_MS, Due.REVIVE, role)  # if need comes meanwhile
    return asking.filling_until_ms
