"""What agents had to offer when they were last seen: all that is known of room that nothing uses.

Offers are held while there is more to launch on them and no longer, and none comes while nothing
waits; so a few of the last ones are kept beside the state, for whoever wants to know what would fit
(``fitting``). A new subscription begins anew, an agent that Mesos lost is forgotten at once, any
other a day after its last offer.
"""

from collections import OrderedDict
from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

from framework.domain.mesos import Offer

AGENTS_KEPT = 50_000
ROLES_KEPT = 16
FORGOTTEN_MS = 24 * 3_600_000
LARGEST_MS = 3_600_000
"""So long a larger offer counts beside the last one: what was used of it may be free again."""


class Sighting(NamedTuple):
    """The last offer of an agent to a role, and the largest of late."""

    last: Offer
    at_ms: int
    largest: Offer
    largest_at_ms: int
    size: tuple[int, int]  # thousandths of cpus and mem in the largest


class Seen:
    """The agents of late offers, the latest last. Costs an offer no more than a write."""

    __slots__ = ("_agents",)

    def __init__(self) -> None:
        self._agents: OrderedDict[str, dict[str, Sighting]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._agents)

    def note(self, offer: Offer, now_ms: int) -> None:
        """An offer came, of which nothing is used yet."""
        agents, size = self._agents, _size(offer)
        roles = agents.get(offer.agent.id)
        if roles is None:
            roles = agents[offer.agent.id] = {}
            if len(agents) > AGENTS_KEPT:
                agents.popitem(last=False)
        else:
            agents.move_to_end(offer.agent.id)
        known = roles.get(offer.role)
        if known is None or _gives_way(known, size, now_ms):
            roles[offer.role] = Sighting(offer, now_ms, offer, now_ms, size)
            if len(roles) > ROLES_KEPT:
                del roles[next(iter(roles))]
        else:
            _, _, largest, largest_at_ms, most = known
            roles[offer.role] = Sighting(offer, now_ms, largest, largest_at_ms, most)

    def forget(self, agent_id: str) -> None:
        """Mesos has lost the agent."""
        self._agents.pop(agent_id, None)

    def clear(self) -> None:
        """Another subscription begins: Mesos offers everything anew."""
        self._agents.clear()

    def sample(self, most: int, now_ms: int) -> tuple[int, list[list[Offer]]]:
        """How many agents are known, and at most so many of them, evenly chosen: the offers kept
        of each."""
        agents = self._agents
        while agents and _is_over(next(iter(agents.values())).values(), now_ms):
            agents.popitem(last=False)
        every = -(-len(agents) // most) or 1
        return len(agents), [
            list(_offers(roles.values(), now_ms))
            for roles in islice(agents.values(), 0, None, every)
        ]


def _gives_way(known: Sighting, size: tuple[int, int], now_ms: int) -> bool:
    """Whether an offer of this size is the largest now."""
    larger = size[0] >= known.size[0] and size[1] >= known.size[1]
    return larger or now_ms - known.largest_at_ms >= LARGEST_MS


def _offers(sightings: Iterable[Sighting], now_ms: int) -> Iterable[Offer]:
    for one in sightings:
        if now_ms - one.at_ms < FORGOTTEN_MS:
            yield one.last
            if one.largest is not one.last and now_ms - one.largest_at_ms < LARGEST_MS:
                yield one.largest


def _is_over(sightings: Iterable[Sighting], now_ms: int) -> bool:
    return all(now_ms - one.at_ms >= FORGOTTEN_MS for one in sightings)


def _size(offer: Offer) -> tuple[int, int]:
    cpus = mem = 0
    for entry in offer.resources:
        if entry.name == "cpus" and entry.plain:
            cpus += entry.millis
        elif entry.name == "mem" and entry.plain:
            mem += entry.millis
    return cpus, mem
