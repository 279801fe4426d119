"""Inverse offers: a framework that has something on an agent is asked to leave before maintenance.

As in Mesos they are made with the offers, one to a framework and agent at a time; an answer is
kept for the operator, and the question comes again when its filter expires, until the
maintenance is over or nothing is left there. Accepting changes nothing by itself.
"""

from collections.abc import Iterable
from functools import partial

from localmesos.simulated import allocation, events, wire
from localmesos.simulated.operator_wire import Unavailability
from localmesos.simulated.state import Agent, Cluster, Framework, InverseOffer, Maintenance


def plan(cluster: Cluster, now: float, agent: Agent, unavailability: Unavailability | None) -> None:
    """Tell of maintenance to come, or that there is none; offers of before are void."""
    for offer in list(agent.offers.values()):
        allocation.take(cluster, now, offer, rescind=True)
    withdraw(cluster, agent)
    agent.maintenance = None if unavailability is None else Maintenance(unavailability)
    if unavailability is None:
        cluster.maintained.pop(agent, None)
    else:
        cluster.maintained[agent] = None
    agent.wire = events.agent_wire(agent, cluster.host, cluster.port)
    allocation.mark(cluster, now, agent)


def propose(cluster: Cluster, now: float, agents: Iterable[Agent]) -> None:
    """Ask those who have something on one of these agents and are not asked already."""
    made: dict[Framework, list[bytes]] = {}
    for agent in agents:
        maintenance = agent.maintenance
        if maintenance is None or not agent.active:
            continue
        for framework in _concerned(agent):
            if framework in maintenance.asked or framework.stream is None:
                continue
            if maintenance.refused_until.get(framework, 0.0) > now:
                continue
            inverse = InverseOffer(cluster.offer_id(), framework, agent)
            maintenance.asked[framework] = inverse
            cluster.inverse_offers[inverse.id] = inverse
            event = events.inverse_offer(inverse, maintenance.unavailability, cluster)
            made.setdefault(framework, []).append(event)
    for framework, each in made.items():
        cluster.emit(framework, events.inverse_offers(each))


def _concerned(agent: Agent) -> list[Framework]:
    """Who has offers or tasks there."""
    found = {offer.framework: None for offer in agent.offers.values()}
    found |= {task.framework: None for task in agent.tasks if not task.ended}
    return list(found)


def answer(
    cluster: Cluster, now: float, framework: Framework, call: wire.InverseAnswer, status: str
) -> None:
    """ACCEPT_INVERSE_OFFERS and DECLINE_INVERSE_OFFERS; unknown ones are ignored."""
    seconds = call.filters.refuse_seconds
    if seconds < 0:
        seconds = allocation.DEFAULT_REFUSE_SECONDS
    until = now + min(seconds, allocation.MOST_REFUSE_SECONDS)
    for each in call.inverse_offer_ids:
        inverse = cluster.inverse_offers.get(each.value)
        if inverse is None or inverse.framework is not framework:
            continue
        maintenance = _forget(cluster, inverse)
        maintenance.answers[framework.id] = (status, now + cluster.wall_offset)
        refused = maintenance.refused_until.get(framework, 0.0)
        maintenance.refused_until[framework] = max(until, refused)
        ask_again = partial(_mark, cluster, inverse.agent)
        cluster.timers.at(until, ask_again)


def _mark(cluster: Cluster, agent: Agent, now: float) -> None:
    allocation.mark(cluster, now, agent)


def _forget(cluster: Cluster, inverse: InverseOffer) -> Maintenance:
    del cluster.inverse_offers[inverse.id]
    maintenance = inverse.agent.maintenance
    assert maintenance is not None, "an inverse offer ends with its maintenance"
    del maintenance.asked[inverse.framework]
    return maintenance


def withdraw(cluster: Cluster, agent: Agent) -> None:
    """Take all inverse offers of an agent back."""
    if agent.maintenance is not None:
        for inverse in list(agent.maintenance.asked.values()):
            _forget(cluster, inverse)
            cluster.emit(inverse.framework, events.rescind_inverse(inverse.id))


def withdraw_from(cluster: Cluster, framework: Framework) -> None:
    """Forget what a framework that went was asked: it is asked anew when it is back."""
    for agent in cluster.maintained:
        maintenance = agent.maintenance
        if maintenance is not None:
            maintenance.refused_until.pop(framework, None)
            inverse = maintenance.asked.get(framework)
            if inverse is not None:
                _forget(cluster, inverse)
