"""Agents that are to be empty: by an operator's drain, or because Mesos announced maintenance.

Nothing is launched there, and what runs there is replaced first (see ``moving``). An inverse offer
is declined while instances are there, so that Mesos asks again; that one is kept, and accepted when
the agent is empty. Mesos' own draining kills at once: what it ends is made up for at once.
"""

from collections.abc import Iterable

from framework.core import kills, moving
from framework.core.deadlines import Due
from framework.core.freezing import frozen
from framework.core.turn import Turn
from framework.domain.actions import AcceptInverseOffer, DeclineInverseOffer
from framework.domain.draining import Drain, InverseOffer, Maintenance
from framework.domain.events import DrainAgent, UndrainAgent
from framework.domain.instance import WAITING, Goal, Instance
from framework.domain.mesos import Offer
from framework.domain.replies import Done, Refused, Reply, Why
from framework.domain.state import Kind

KEPT = 10_000
"""Drains and maintenance windows that may be remembered."""

_ACCEPTED_SECONDS = 600.0
_RESCINDED_MS = 10_000  # a changed schedule takes inverse offers back before it sends new ones


def drain(turn: Turn, command: DrainAgent) -> Reply:
    """Want an agent empty; the same again changes reason and deadline."""
    known = turn.world.drains.get(command.agent)
    if known is None and len(turn.world.drains) >= KEPT:
        return Refused(Why.INVALID, command.agent, f"{KEPT} agents are drained already")
    since_ms = turn.now_ms if known is None else known.since_ms
    deadline_ms = turn.now_ms + command.deadline_seconds * 1000 if command.deadline_seconds else 0
    record = Drain(command.agent, since_ms, command.reason, deadline_ms)
    turn.put(Kind.DRAIN, command.agent, record)
    turn.remark("info", f"agent {command.agent} is drained")
    _look_again(turn, command.agent)
    return Done()


def undrain(turn: Turn, command: UndrainAgent) -> Reply:
    """Use an agent again; what was not yet replaced stays there."""
    if command.agent not in turn.world.drains:
        return Refused(Why.DRAIN_UNKNOWN, command.agent)
    turn.put(Kind.DRAIN, command.agent, None)
    turn.remark("info", f"agent {command.agent} is drained no longer")
    _look_again(turn, command.agent)
    turn.revive |= {demand.app.role for demand in turn.world.demand.values()}
    return Done()


def _look_again(turn: Turn, name: str) -> None:
    for agent_id in _agents(turn, name):
        _mark(turn, agent_id)
    _set_deadlines(turn, name)


def _agents(turn: Turn, name: str) -> list[str]:
    """The ids of agents with instances that have this id or hostname."""
    agents = turn.world.state.agents
    return [one.id for one in agents.values() if name in (one.id, one.hostname)]


def _instances(turn: Turn, agent_id: str) -> list[Instance]:
    """What is wanted and has a task there."""
    return [
        one
        for one in turn.world.state.instances.values()
        if one.agent_id == agent_id and one.goal is Goal.RUNNING and one.condition not in WAITING
    ]


def _mark(turn: Turn, agent_id: str) -> None:
    """Have what runs there replaced first, or no longer."""
    for instance in _instances(turn, agent_id):
        moving.refresh(turn, instance)


def _set_deadlines(turn: Turn, name: str) -> None:
    """Set when to look at a drain, or at the maintenance of an agent, again."""
    drained, window = turn.world.drains.get(name), turn.world.maintenance.get(name)
    moments = [] if drained is None else [drained.deadline_ms]
    if window is not None:
        moments.append(window.from_ms - turn.policy.maintenance_lead)
        moments.append(0 if window.for_ms is None else window.from_ms + window.for_ms)
    coming = [at_ms for at_ms in moments if at_ms > turn.now_ms]
    turn.world.deadlines.clear(Due.DRAIN, name)
    if coming:
        turn.world.deadlines.set(min(coming), Due.DRAIN, name)


def due(turn: Turn, name: str) -> None:
    """A deadline has passed, or maintenance comes close or is over."""
    window = turn.world.maintenance.get(name)
    if window is not None and _is_over(turn, window):
        turn.put(Kind.MAINTENANCE, name, None)
    _look_again(turn, name)
    drained = turn.world.drains.get(name)
    if drained is not None and 0 < drained.deadline_ms <= turn.now_ms:
        for agent_id in _agents(turn, name):
            _end_all(turn, agent_id)


def _end_all(turn: Turn, agent_id: str) -> None:
    """Kill what is left: it is started again elsewhere, as soon as there is room."""
    for instance in _instances(turn, agent_id):
        if instance.condition not in kills.LOST and not frozen(turn, instance.app_id):
            kills.kill(turn, instance, "the time to drain its agent is over")


def _is_over(turn: Turn, window: Maintenance) -> bool:
    return window.for_ms is not None and turn.now_ms >= window.from_ms + window.for_ms


def look_at_all(turn: Turn) -> None:
    """At a start, and when a freeze has ended."""
    for name in [*turn.world.drains, *turn.world.maintenance]:
        due(turn, name)


# -- what Mesos says --------------------------------------------------------------------------


def offered(turn: Turn, inverse_offers: Iterable[InverseOffer]) -> None:
    """Mesos asks for agents back."""
    for offer in inverse_offers:
        turn.world.inverse_offers[offer.id] = offer
        _announced(turn, Maintenance(offer.agent_id, offer.from_ms, offer.for_ms))


def rescinded(turn: Turn, offer_id: str) -> None:
    """It no longer does, unless it says so again soon: a changed schedule looks like this too."""
    offer = turn.world.inverse_offers.pop(offer_id, None)
    if offer is not None:
        turn.world.declined.discard(offer.agent_id)
        turn.world.deadlines.set(turn.now_ms + _RESCINDED_MS, Due.RESCINDED, offer.agent_id)


def rescinded_due(turn: Turn, agent_id: str) -> None:
    """Whether Mesos has asked for the agent again meanwhile."""
    asked = any(one.agent_id == agent_id for one in turn.world.inverse_offers.values())
    if not asked and agent_id in turn.world.maintenance:
        _called_off(turn, agent_id)


def seen(turn: Turn, offers: Iterable[Offer]) -> None:
    """Offers say too when their agent will be unavailable, or that it is so no more."""
    for offer in offers:
        agent_id = offer.agent.id
        if offer.unavailable_from_ms is not None:
            window = Maintenance(agent_id, offer.unavailable_from_ms, offer.unavailable_for_ms)
            _announced(turn, window)
        elif agent_id in turn.world.maintenance:
            _called_off(turn, agent_id)


def _announced(turn: Turn, window: Maintenance) -> None:
    known = turn.world.maintenance
    if known.get(window.agent_id) == window or len(known) >= KEPT:
        return
    turn.put(Kind.MAINTENANCE, window.agent_id, window)
    _look_again(turn, window.agent_id)


def _called_off(turn: Turn, agent_id: str) -> None:
    turn.put(Kind.MAINTENANCE, agent_id, None)
    _look_again(turn, agent_id)


def answer(turn: Turn) -> None:
    """Answer inverse offers: an empty agent is given back at once. One that is not is refused
    once, so that people see it; the next offer of it is kept until it is empty."""
    world = turn.world
    if not world.inverse_offers or not world.subscribed:
        return
    for offer in list(world.inverse_offers.values()):
        if offer.agent_id not in world.agent_uses:
            turn.actions.append(AcceptInverseOffer((offer.id,), _ACCEPTED_SECONDS))
        elif (seconds := _patience_seconds(turn, offer)) is not None:
            turn.actions.append(DeclineInverseOffer((offer.id,), seconds))
        else:
            continue
        del world.inverse_offers[offer.id]


def _patience_seconds(turn: Turn, offer: InverseOffer) -> float | None:
    """For how long not to be asked again; None: the offer is kept."""
    before_ms = offer.from_ms - turn.policy.maintenance_lead - turn.now_ms
    if before_ms > 0:
        return before_ms / 1000
    if offer.agent_id in turn.world.declined:
        return None
    turn.world.declined.add(offer.agent_id)
    return 0.0


def subscribed(turn: Turn) -> None:
    """What was offered before is void."""
    turn.world.inverse_offers.clear()
    turn.world.declined.clear()
