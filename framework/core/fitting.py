"""What of a change would not fit: its apps against the agents that were last seen in offers.

Judged by ``matching``, as a real offer is. Where in doubt nothing is said: an app is named only if
none of the agents looked at had room for even one more instance of it. Offers show what is free
while nothing waits for it, so this is a warning and never a refusal; and it is bounded, since the
scheduler does nothing else meanwhile.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from constraints import Counts
from framework.core.matching import (
    SCALAR_REASONS,
    Reason,
    Remainder,
    Request,
    crowding,
    refusal,
    remainder_of,
    request_of,
    sentence_of,
)
from framework.core.planning import Pair
from framework.core.reservations import idle
from framework.core.turn import Turn
from framework.domain.app import App
from framework.domain.replies import Misfit, Unfit
from framework.domain.rollout import ActionName, PlannedAction

AGENTS_LOOKED_AT = 1_000
JUDGEMENTS = 10_000
"""So many comparisons of an app with an agent for one change."""
MISFITS_TOLD = 100
_TEXT_CHARACTERS = 300
_ORDER = {reason: place for place, reason in enumerate(Reason)}


class Fits(NamedTuple):
    """What would not fit, and in sentences what of that could not be found out."""

    misfits: tuple[Misfit, ...] = ()
    unknown: tuple[str, ...] = ()


class _Wanted(NamedTuple):
    """Instances that a change starts. ``more``: beside those of the same configuration."""

    app: App
    instances: int
    more: bool


class _Verdict(NamedTuple):
    """The first reason against an offer; ``left``: what it had of a scalar that it lacks."""

    reason: Reason
    text: str
    left: int = 0
    crowded: bool = False


def judge(turn: Turn, pairs: Iterable[Pair], actions: Iterable[PlannedAction]) -> Fits:
    """The apps of a plan that start instances where no agent seen has room for one."""
    wanted = list(_starting(turn, pairs, actions))
    if not wanted:
        return Fits()
    known, found = turn.world.seen.sample(AGENTS_LOOKED_AT, turn.now_ms)
    if not known:
        nothing = "no offer was seen lately, so nothing is known of what would fit"
        return Fits(unknown=(nothing,))
    agents = [[remainder_of(turn, one) for one in offers] for offers in found]
    return _Judge(turn, known, agents).of(wanted)


def _starting(
    turn: Turn, pairs: Iterable[Pair], actions: Iterable[PlannedAction]
) -> Iterable[_Wanted]:
    does = {one.app_id: one.action for one in actions}  # what follows a start is what counts
    for old, new in pairs:
        if new is None or new.id not in does:
            continue
        more = old is not None and does[new.id] is ActionName.SCALE
        count = new.instances - (old.instances if old is not None and more else 0)
        if count > 0 and not _has_its_place(turn, new, more=more):
            yield _Wanted(new, count, more)


def _has_its_place(turn: Turn, app: App, *, more: bool) -> bool:
    """Whether it starts where its volumes are, which are offered to nobody else."""
    if not app.persistent_volumes:
        return False
    held = turn.world.state.reservations_of.get(app.id)
    return bool(idle(turn, app)) if more else bool(held)


class _Judge:
    """Compares apps with agents, each agent being the offers kept of it, until it has done as
    much as it may."""

    def __init__(self, turn: Turn, known: int, agents: list[list[Remainder]]) -> None:
        self._turn, self._known, self._agents = turn, known, agents
        self._roles = {rest.offer.role for agent in agents for rest in agent}
        self._left = JUDGEMENTS
        self._found: dict[object, list[_Verdict] | None] = {}

    def of(self, wanted: list[_Wanted]) -> Fits:
        """Apps in the order of the change."""
        misfits: list[Misfit] = []
        unknown: list[str] = []
        for place, one in enumerate(wanted):
            if self._left <= 0 or len(misfits) == MISFITS_TOLD:
                more = len(wanted) - place
                apps = "app" if more == 1 else "apps"
                unknown.append(f"whether {more} more {apps} would fit was not tried")
                break
            request = request_of(self._turn, one.app)
            verdicts = self._verdicts(request, more=one.more)
            if verdicts is None:
                continue
            if request.roles - {"*"} and request.role not in self._roles:
                unknown.append(
                    f"{one.app.id}: no offer to role {request.role} was seen lately, so nothing is "
                    "known of what is reserved for it; nothing else seen fits"
                )
            else:
                misfits.append(self._misfit(one, request, verdicts))
        return Fits(tuple(misfits), tuple(unknown))

    def _verdicts(self, request: Request, *, more: bool) -> list[_Verdict] | None:
        """What is against each agent; None if one fits, or if that can not be known. Found once
        for all apps that ask the same."""
        key: object = (request.need, tuple([check.key for check in request.dynamic]))
        counts: Mapping[str, Counts] = {}
        if more and request.dynamic:
            key = request.app.id
            counts = self._turn.world.apps[request.app.id].counts_for(request.app)
        if key not in self._found:
            self._found[key] = self._compare(request, counts)
        return self._found[key]

    def _compare(self, request: Request, counts: Mapping[str, Counts]) -> list[_Verdict] | None:
        asked = {role: replace(request, role=role) for role in self._roles}
        verdicts = []
        for agent in self._agents:
            self._left -= len(agent)
            if self._left < 0:
                return None
            nearest = None
            for rest in agent:
                verdict = self._verdict(asked[rest.offer.role], rest, counts)
                if verdict is None:
                    return None
                nearest = verdict if nearest is None else max(nearest, verdict, key=_nearness)
            if nearest is not None:
                verdicts.append(nearest)
        return verdicts

    def _verdict(
        self, request: Request, rest: Remainder, counts: Mapping[str, Counts]
    ) -> _Verdict | None:
        """The role an offer was made to is no matter: what nobody reserved is offered to any role
        that asks for it, and what is reserved says itself for which."""
        reason = refusal(self._turn, request, rest)
        if reason is None:
            check = crowding(request, rest, counts)
            if check is None:
                return None
            count = counts.get(check.field, Counts())
            text = check.explain(rest.values.get(check.field), count)
            return _Verdict(Reason.CONSTRAINT, text, crowded=True)
        for name, millis in request.scalars:
            left = rest.left(name, request.roles)
            if SCALAR_REASONS[name] is reason and left < millis:
                return _Verdict(reason, "", left)
        return _Verdict(reason, sentence_of(request, rest, reason))

    def _misfit(self, one: _Wanted, request: Request, verdicts: list[_Verdict]) -> Misfit:
        groups: dict[Reason, list[_Verdict]] = {}
        for verdict in verdicts:
            groups.setdefault(verdict.reason, []).append(verdict)
        reasons = tuple(
            Unfit(str(reason), len(group), _told(request, reason, group))
            for reason, group in sorted(groups.items(), key=lambda item: -len(item[1]))
        )
        looked_at = len(self._agents)
        which = _agents(self._known)
        if looked_at < self._known:
            which = f"{looked_at} of {which}"
        told = "; ".join(f"{_agents(unfit.agents)}: {unfit.message}" for unfit in reasons)
        room = "an instance" if one.instances == 1 else f"any of {one.instances} instances"
        return Misfit(
            app_id=one.app.id,
            instances=one.instances,
            agents_seen=self._known,
            agents_looked_at=looked_at,
            reasons=reasons,
            message=f"{one.app.id}: no room for {room} in the offers last seen of {which}, "
            f"which tell what was free then: {told}",
        )


def _agents(count: int) -> str:
    return "1 agent" if count == 1 else f"{count} agents"


def _nearness(verdict: _Verdict) -> tuple[bool, int, int]:
    """How far an offer came: the checks are in the order of the reasons, crowding last."""
    return verdict.crowded, _ORDER[verdict.reason], verdict.left


def _told(request: Request, reason: Reason, group: list[_Verdict]) -> str:
    """What is against these agents, in the words of the queue; of a scalar the nearest miss."""
    short = [verdict.left for verdict in group if not verdict.text]
    for name, millis in request.scalars:
        if short and SCALAR_REASONS[name] is reason:
            most = max(short) / 1000
            return f"needs {millis / 1000:g} {name}, the most in one offer was {most:g}"
    texts = Counter(verdict.text for verdict in group)
    text = texts.most_common(1)[0][0][:_TEXT_CHARACTERS]
    return text if len(texts) == 1 else f"for example {text}"
