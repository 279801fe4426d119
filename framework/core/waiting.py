"""Why something waits: what was offered to an app, and what each offer lacked.

Kept only while an app wants instances, published with each look at offers (``/v2/queue`` and
``/v3/apps/<id>/waiting``). Since when it waits and its counts are stored now and then, so that the
next process goes on counting; the offers themselves and what they lacked come again by themselves.
"""

from collections import Counter

from framework.core import backoff, moving
from framework.core.deadlines import Due
from framework.core.freezing import over
from framework.core.matching import Remainder, Request, explain, starting_too_many
from framework.core.reservations import sentences
from framework.core.turn import Turn
from framework.core.world import Demand, old_key
from framework.domain.app import App
from framework.domain.clock import iso
from framework.domain.instance import NOT_LAUNCHED
from framework.domain.rollout import LaunchStats, UnusedOffer, Wait
from framework.domain.state import Kind

_OFFERS_SHOWN = 100
_SENTENCES_SHOWN = 10
_CROWDED_PAUSE_MS = 1_000
# A wait that is over before this leaves no record: most launches of a working cluster.
_FIRST_STORED_MS = 10_000
_STORED_EVERY_MS = 30_000
_SHOWN_AFTER_MS = 1_000
_EXPLAINED_A_SECOND = 100


def begin(turn: Turn, key: str, app: App) -> Demand:
    """An app begins to want launches, or goes on with what an earlier process has stored."""
    known = turn.world.state.waits.get(key)
    turn.world.deadlines.set(turn.now_ms + _FIRST_STORED_MS, Due.WAIT, key)
    if known is None:
        return Demand(app, since_ms=turn.now_ms)
    return Demand(
        app,
        since_ms=min(known.since_ms, turn.now_ms),
        processed=known.processed,
        unused=known.unused,
        last_used_at_ms=known.last_used_at_ms,
        last_unused_at_ms=known.last_unused_at_ms,
        stored_at_ms=turn.now_ms,
        refused=Counter(known.refused),
    )


def lasts(turn: Turn, key: str) -> None:
    """If it still waits, that is worth a record."""
    demand = turn.world.demand.get(key)
    if demand is None:
        return
    worth_it_ms = demand.since_ms + _FIRST_STORED_MS
    if turn.now_ms < worth_it_ms:  # a later wait than the one this was set for
        turn.world.deadlines.set(worth_it_ms, Due.WAIT, key)
    elif not demand.stored_at_ms:
        _store(turn, key, demand)


def _store(turn: Turn, key: str, demand: Demand) -> None:
    demand.stored_at_ms = turn.now_ms
    wait = Wait(
        demand.app.id,
        demand.since_ms,
        demand.processed,
        demand.unused,
        demand.last_used_at_ms,
        demand.last_unused_at_ms,
        dict(demand.refused),
    )
    turn.put(Kind.WAIT, key, wait)


def looked_at(turn: Turn, key: str, request: Request, pool: list[Remainder]) -> None:
    """Count a turn's offers for an app that still wants instances, and now and then what each of
    them lacked: that takes longer than to place an instance."""
    demand = turn.world.demand.get(key)
    if demand is None:
        turn.put(Kind.LAUNCH_STATS, key, None)
        return
    demand.processed += len(pool)
    demand.unused += sum(1 for rest in pool if not rest.launches)
    demand.last_unused_at_ms = turn.now_ms
    if _is_due(turn, demand):
        _explain(turn, request, pool, demand)
        publish(turn, key, demand)
    else:
        turn.world.deadlines.set(turn.now_ms + _SHOWN_AFTER_MS, Due.SHOW, key)
    if demand.stored_at_ms and turn.now_ms - demand.stored_at_ms >= _STORED_EVERY_MS:
        _store(turn, key, demand)


def explained_at_ms(turn: Turn, key: str) -> int:
    """When it was last said what offers lack for an app (0: not yet)."""
    demand = turn.world.demand.get(key)
    return 0 if demand is None else demand.explained_at_ms


def _is_due(turn: Turn, demand: Demand) -> bool:
    """Whether to say anew what offers lack: so often in a second, of all apps together."""
    second, count = turn.world.explained
    if second != turn.now_ms // 1000:
        second, count = turn.now_ms // 1000, 0
    due = count < _EXPLAINED_A_SECOND
    if due:
        demand.explained_at_ms = turn.now_ms
    turn.world.explained = (second, count + due)
    return due


def show(turn: Turn, key: str) -> None:
    """Publish what was only counted for a while."""
    demand = turn.world.demand.get(key)
    if demand is not None:
        publish(turn, key, demand)


def _explain(turn: Turn, request: Request, pool: list[Remainder], demand: Demand) -> None:
    sentences: Counter[str] = Counter()
    for rest in pool[:_OFFERS_SHOWN]:
        reason, sentence = explain(turn, request, rest)
        sentences[sentence or "already used by other instances"] += 1
        if reason is not None:
            demand.refused[reason] += 1
        demand.last_offers.pop(rest.offer.agent.id, None)
        reasons = () if reason is None else (str(reason),)
        demand.last_offers[rest.offer.agent.id] = UnusedOffer(rest.offer, reasons, turn.now_ms)
        if reason is None and starting_too_many(turn, rest):
            turn.world.deadlines.set(turn.now_ms + _CROWDED_PAUSE_MS, Due.REVIVE, request.role)
    while len(demand.last_offers) > _OFFERS_SHOWN:
        del demand.last_offers[next(iter(demand.last_offers))]
    shown = min(len(pool), _OFFERS_SHOWN)
    demand.sentences = tuple(
        f"{count} of {shown} offers: {sentence}"
        for sentence, count in sentences.most_common(_SENTENCES_SHOWN)
    )


def publish(turn: Turn, key: str, demand: Demand) -> None:
    """Show what is known of an app's wait."""
    app = demand.app
    last = Counter(reason for unused in demand.last_offers.values() for reason in unused.reasons)
    stats = LaunchStats(
        app_id=app.id,
        role=app.role,
        since_ms=demand.since_ms,
        waiting=demand.wanted,
        processed=demand.processed,
        unused=demand.unused,
        last_used_at_ms=demand.last_used_at_ms,
        last_unused_at_ms=demand.last_unused_at_ms,
        refused_attempt=dict(demand.refused),
        refused_last=dict(last),
        processed_last=len(demand.last_offers),
        last_unused_offers=tuple(demand.last_offers.values()),
        explanation=_explanation(turn, demand),
    )
    turn.put(Kind.LAUNCH_STATS, key, stats)


def _explanation(turn: Turn, demand: Demand) -> tuple[str, ...]:
    freeze = over(turn, demand.app.id)
    if freeze is not None:  # what offers lacked before says nothing of why it waits now
        return (f"frozen: {freeze.reason}" if freeze.reason else "frozen",)
    if not turn.world.subscribed:
        return ("not connected to Mesos", *demand.sentences)
    delay_ms = backoff.remaining_ms(turn, demand.app)
    if delay_ms:  # as a moment: nobody renews the sentence as time passes
        until = iso(turn.now_ms + delay_ms)
        waits = f"waits until {until} after a failure (back-off)"
        return (*_never_started(turn, demand.app), waits, *demand.sentences)
    since_ms = max(demand.since_ms, demand.last_used_at_ms or 0)
    never_started = _never_started(turn, demand.app, since_ms)
    told = (*never_started, *sentences(turn, demand.app), *demand.sentences)
    told = told or (_not_looked_at(demand),)
    moves = moving.explanation(turn, demand.app.id)
    return (moves, *told) if moves else told


def _not_looked_at(demand: Demand) -> str:
    """Where no offer was compared in detail: with many waiting apps they take turns at that."""
    if demand.processed:
        return "offers came and none was used; what they lack is still to be looked at"
    return "no offer has come yet"


def _never_started(turn: Turn, app: App, since_ms: int = 0) -> tuple[str, ...]:
    """Why its last launch, if it was ``since_ms`` or later, was no launch: a secret that can not
    be had, a definition that Mesos refuses. There is no task whose end would tell."""
    failure = turn.world.state.failures.get(app.id)
    if failure is None or failure.state != NOT_LAUNCHED or failure.version != app.version:
        return ()
    return (failure.message,) if failure.timestamp_ms >= since_ms else ()


def refresh(turn: Turn) -> None:
    """Publish the waits of apps that changed in this turn, and end those that are over."""
    shown, waits = turn.world.state.launch_stats, turn.world.state.waits
    for app_id in turn.dirty:
        turn.world.subject = ("app", app_id)
        for key in (app_id, old_key(app_id)):
            demand = turn.world.demand.get(key)
            if demand is None:
                if key in shown:
                    turn.put(Kind.LAUNCH_STATS, key, None)
                if key in waits:
                    turn.put(Kind.WAIT, key, None)
            elif key not in shown or _says_otherwise(turn, shown[key], demand):
                publish(turn, key, demand)


def _says_otherwise(turn: Turn, shown: LaunchStats, demand: Demand) -> bool:
    """Whether what is shown of a wait is true no more; what offers lacked is published as they
    come."""
    return shown.waiting != demand.wanted or shown.explanation != _explanation(turn, demand)
