"""What we ask of Mesos so that offers come when, and only when, something waits for them.

New need revives the role at once (at most one REVIVE per role and interval); while need stays
unmet it is revived again at growing intervals, since a decline can overtake a revive inside
Mesos and what refused an offer may have gone. Nothing waiting: SUPPRESS.
"""

from collections.abc import Iterable

from framework.core import hand
from framework.core.deadlines import Due
from framework.core.placing import ready_to_launch
from framework.core.reservations import roles_to_look_at
from framework.core.turn import Turn
from framework.core.world import Asking
from framework.domain.actions import Decline, Revive, Suppress, UpdateRoles

_FIRST_INTERVAL_MS = 1_000
_DECLINE_AGAIN_MS = 1_000


def settle(turn: Turn) -> None:
    """Bring what Mesos offers us in line with what is needed now."""
    world = turn.world
    if not world.subscribed:
        return
    ready = ready_to_launch(turn)
    needed = _needed(turn, ready)
    _subscribe_to_new_roles(turn, needed)
    filling = hand.settle(turn, ready)
    for role in sorted(needed & turn.revive | {r for r in needed if world.asking[r].suppressed}):
        world.asking[role].interval_ms = _FIRST_INTERVAL_MS
        revive(turn, role)
    for role, asking in world.asking.items():
        if role not in needed | filling and not asking.suppressed:
            asking.suppressed = True
            turn.actions.append(Suppress((role,)))


def _needed(turn: Turn, ready: list[str]) -> set[str]:
    """The roles whose offers are of use now."""
    roles = {turn.world.demand[key].app.role for key in ready}
    return roles | roles_to_look_at(turn, ready)


def _subscribe_to_new_roles(turn: Turn, needed: set[str]) -> None:
    """``needed`` may name roles that no definition has any more: instances of an earlier one are
    wanted as they are while a deployment waits, and what was reserved is to be given back."""
    asking = turn.world.asking
    wanted = {turn.policy.mesos_role, *turn.world.roles(), *needed}
    if not asking:  # a new subscription; later reservations are of a role that we have
        wanted |= _reserved_roles(turn)
    roles = sorted(wanted)
    new = [role for role in roles if role not in asking]
    if new:
        asking.update({role: Asking() for role in new})
        suppressed = tuple(role for role, one in asking.items() if one.suppressed)
        turn.actions.append(UpdateRoles(tuple(sorted(asking)), suppressed))


def _reserved_roles(turn: Turn) -> set[str]:
    return {one.role for one in turn.world.state.reservations.values()}


def revive(turn: Turn, role: str) -> None:
    """Ask for all offers of a role again, declined ones too."""
    asking = turn.world.asking[role]
    earliest_ms = asking.revived_at_ms + turn.policy.min_revive_offers_interval
    if turn.now_ms < earliest_ms:
        turn.world.deadlines.set(earliest_ms, Due.REVIVE, role)
        return
    turn.actions.append(Revive((role,)))
    asking.suppressed = False
    asking.revived_at_ms = turn.now_ms
    turn.world.deadlines.reset(turn.now_ms + asking.interval_ms, Due.REVIVE, role)
    asking.interval_ms = min(asking.interval_ms * 2, turn.policy.max_revive_offers_interval)


def revive_due(turn: Turn, role: str) -> None:
    """The interval is over: ask again if something of this role still waits."""
    world = turn.world
    if not world.subscribed or role not in world.asking:
        return
    if role in _needed(turn, ready_to_launch(turn)):
        revive(turn, role)


def not_answered(turn: Turn, offer_ids: Iterable[str]) -> None:
    """Mesos did not take our answer to these offers. While the subscription lasts it keeps them
    for us, so that nobody else gets them: decline them a little later."""
    if turn.world.subscribed:
        for offer_id in offer_ids:
            turn.world.deadlines.set(turn.now_ms + _DECLINE_AGAIN_MS, Due.DECLINE, offer_id)


def decline_due(turn: Turn, offer_id: str) -> None:
    """Decline it once more; one that is void by now does no harm."""
    if turn.world.subscribed:
        seconds = turn.policy.decline_offer_duration / 1000
        turn.actions.append(Decline((offer_id,), seconds))


def subscribed(turn: Turn) -> None:
    """A new subscription may lack roles that came meanwhile: all are named to it again, and
    nothing is suppressed at first."""
    turn.world.asking = {}
    turn.revive |= {turn.policy.mesos_role, *turn.world.roles(), *_reserved_roles(turn)}
