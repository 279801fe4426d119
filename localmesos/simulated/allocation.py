"""Who is offered what: fair shares, refused-offer filters, and resources that come back.

An agent is looked at only when something about it changed (resources came back, a filter expired)
or when a framework begins to want offers, so a cluster at rest costs nothing. As in Mesos an
offer holds everything that is free on one agent, and a filter hides an agent as long as what
would be offered is a subset of what was refused.
"""

from collections.abc import Iterable

from localmesos.simulated import events, reserved
from localmesos.simulated.resources import Bag, contains, for_role, is_empty, minus, plus
from localmesos.simulated.state import Agent, Cluster, Framework, Offer

Seat = tuple[Framework, str]
"""A framework in one of its roles."""

MOST_REFUSE_SECONDS = 365 * 24 * 3600.0
DEFAULT_REFUSE_SECONDS = 5.0
_LEAST_CPUS, _LEAST_MEM = 10, 32_000  # --min_allocatable_resources: cpus:0.01|mem:32


def mark(cluster: Cluster, now: float, agent: Agent) -> None:
    """Consider the agent at the next beat."""
    cluster.dirty[agent] = None
    if cluster.allocation_due is None:
        beat = cluster.last_allocation + cluster.options.allocation_seconds
        cluster.allocation_due = max(now, beat)


def mark_all(cluster: Cluster, now: float) -> None:
    """Consider all agents at once, because somebody new wants offers."""
    for agent in cluster.agents.values():
        if not is_empty(agent.free):
            cluster.dirty[agent] = None
    cluster.dirty |= cluster.maintained  # even where nothing is free: it may have to leave
    cluster.allocation_due = now


def seats(cluster: Cluster) -> list[Seat]:
    return [
        (framework, role)
        for framework in cluster.frameworks.values()
        if framework.stream is not None
        for role in framework.roles
        if role not in framework.suppressed
    ]


def allocate(cluster: Cluster, now: float) -> Iterable[Agent]:
    """Offer what is free on the agents that were marked, and tell which these were."""
    cluster.allocation_due = None
    cluster.last_allocation = now
    cluster.counters.allocations += 1
    agents, cluster.dirty = cluster.dirty, {}
    waiting = seats(cluster)
    if waiting:  # else the next seat marks all agents anew
        _make_offers(cluster, now, agents, waiting)
    return agents


def _make_offers(
    cluster: Cluster, now: float, agents: Iterable[Agent], waiting: list[Seat]
) -> None:
    fairness = _Fairness(cluster, waiting)
    made: dict[Framework, list[bytes]] = {}
    for agent in agents:
        # What is reserved for one role may be left when another got the rest.
        while agent.active and _allocatable(agent.free):
            seat = _seat_for(cluster, now, agent, fairness.order())
            if seat is None:
                break
            offer = _make_offer(cluster, seat, agent)
            fairness.took(seat, offer.bag)
            made.setdefault(seat[0], []).append(events.offer(offer))
    for framework, each in made.items():
        cluster.emit(framework, events.offers(each))


def _allocatable(bag: Bag) -> bool:
    scalars = bag.scalars
    if scalars.get("cpus", 0) >= _LEAST_CPUS or scalars.get("mem", 0) >= _LEAST_MEM:
        return True
    if reserved.all_plain(scalars):
        return False
    sums = reserved.summed(scalars.items())
    return sums.get("cpus", 0) >= _LEAST_CPUS or sums.get("mem", 0) >= _LEAST_MEM


def _seat_for(cluster: Cluster, now: float, agent: Agent, order: list[Seat]) -> Seat | None:
    wake = 0.0
    for framework, role in order:
        if not _allocatable(for_role(agent.free, role)):
            continue
        until = blocked_until(framework, role, agent, now)
        if until is None:
            return framework, role
        wake = min(wake, until) if wake else until
    if wake:
        _wake(cluster, agent, wake)
    return None


def blocked_until(framework: Framework, role: str, agent: Agent, now: float) -> float | None:
    """When the last filter expires that hides what is free on the agent; None for no filter."""
    by_agent = framework.filters.get(role)
    if not by_agent:
        return None
    filters = by_agent.get(agent)
    if filters is None:
        return None
    free = for_role(agent.free, role)
    blocking = [until for until, bag in filters if until > now and contains(bag, free)]
    return max(blocking, default=None)


def _wake(cluster: Cluster, agent: Agent, due: float) -> None:
    """Mark the agent when its first filter expires; at most one plan an agent is in force."""
    if agent.wakes_at and agent.wakes_at <= due:
        return
    agent.wakes_at = due

    def wake(now: float) -> None:
        if agent.wakes_at == due:
            agent.wakes_at = 0.0
            mark(cluster, now, agent)

    cluster.timers.at(due, wake)


def _make_offer(cluster: Cluster, seat: Seat, agent: Agent) -> Offer:
    framework, role = seat
    bag = for_role(agent.free, role)
    offer = Offer(cluster.offer_id(), framework, role, agent, bag)
    cluster.counters.offers += 1
    cluster.offers[offer.id] = agent.offers[offer.id] = offer
    agent.free = Bag() if bag is agent.free else minus(agent.free, bag)
    allocated = framework.allocated.setdefault(role, {})
    for name, milli in offer.bag.scalars.items():
        allocated[name] = allocated.get(name, 0) + milli
    return offer


class _Fairness:
    """Dominant shares: first the role with the least, then in it the framework with the least."""

    def __init__(self, cluster: Cluster, waiting: list[Seat]) -> None:
        self._waiting = waiting
        self._total = cluster.total
        self._roles: dict[str, dict[str, int]] = {}
        if len(waiting) > 1:
            for framework in cluster.frameworks.values():
                for role, allocated in framework.allocated.items():
                    self._add(role, allocated)

    def _add(self, role: str, scalars: dict[str, int]) -> None:
        sums = self._roles.setdefault(role, {})
        for name, milli in scalars.items():
            sums[name] = sums.get(name, 0) + milli

    def _share(self, allocated: dict[str, int]) -> float:
        total = self._total
        return max(
            (milli / total[reserved.base(n)] for n, milli in allocated.items() if milli),
            default=0.0,
        )

    def _key(self, seat: Seat) -> tuple[float, float]:
        framework, role = seat
        mine = framework.allocated.get(role, {})
        return self._share(self._roles.get(role, {})), self._share(mine)

    def order(self) -> list[Seat]:
        if len(self._waiting) == 1:
            return self._waiting
        return sorted(self._waiting, key=self._key)

    def took(self, seat: Seat, bag: Bag) -> None:
        if len(self._waiting) > 1:
            self._add(seat[1], bag.scalars)


def refuse(
    cluster: Cluster, now: float, seat: Seat, agent: Agent, bag: Bag, seconds: float
) -> None:
    """Hide the agent from the seat while what is free there is a subset of `bag`."""
    if seconds < 0:
        seconds = DEFAULT_REFUSE_SECONDS
    if seconds == 0 or is_empty(bag):
        return
    until = now + max(min(seconds, MOST_REFUSE_SECONDS), cluster.options.allocation_seconds)
    framework, role = seat
    by_agent = framework.filters.setdefault(role, {})
    kept = by_agent.get(agent)
    if kept is None:
        by_agent[agent] = [(until, bag)]
        return
    kept[:] = [
        (end, old) for end, old in kept if end > now and not (end <= until and contains(bag, old))
    ]
    kept.append((until, bag))


def recover(cluster: Cluster, now: float, seat: Seat, agent: Agent, bag: Bag) -> None:
    """Give back resources that were offered or used."""
    if is_empty(bag):
        return
    framework, role = seat
    agent.free = plus(agent.free, bag)
    allocated = framework.allocated.get(role)
    if allocated is not None:
        for name, milli in bag.scalars.items():
            allocated[name] = allocated.get(name, 0) - milli
    mark(cluster, now, agent)


def forget(cluster: Cluster, offer: Offer) -> None:
    """It is answered; what becomes of its resources is for the caller."""
    del cluster.offers[offer.id]
    del offer.agent.offers[offer.id]


def take(cluster: Cluster, now: float, offer: Offer, *, rescind: bool = False) -> None:
    """Undo an offer, and tell its framework if it still believes in it."""
    forget(cluster, offer)
    recover(cluster, now, (offer.framework, offer.role), offer.agent, offer.bag)
    if rescind:
        cluster.emit(offer.framework, events.rescind(offer.id))


def decline(
    cluster: Cluster, now: float, framework: Framework, ids: list[str], seconds: float
) -> None:
    """Unknown offers are ignored, as the master does."""
    for offer_id in ids:
        offer = cluster.offers.get(offer_id)
        if offer is not None and offer.framework is framework:
            take(cluster, now, offer)
            refuse(cluster, now, (framework, offer.role), offer.agent, offer.bag, seconds)


def revive(cluster: Cluster, now: float, framework: Framework, roles: list[str]) -> None:
    """Forget the filters of the roles (none: all), end their suppression, offer at once.

    Only what was refused, or came free while a role was suppressed, can be offered then that was
    not before; so reviving again and again costs nothing.
    """
    for role in roles or framework.roles:
        if role in framework.roles:
            refused = framework.filters.pop(role, {})
            if role in framework.suppressed:
                framework.suppressed.discard(role)
                mark_all(cluster, now)
            elif refused:
                cluster.dirty |= dict.fromkeys(refused)
                cluster.allocation_due = now


def suppress(framework: Framework, roles: list[str]) -> None:
    """Make no more offers to the roles (none: all); those made stay good."""
    framework.suppressed.update(
        role for role in roles or framework.roles if role in framework.roles
    )
