"""The registry of edges: who follows us, until when, and what they have taken out of use."""

from framework.core import kills, rotation
from framework.core.deadlines import Due
from framework.core.retiring import live, own_seconds
from framework.core.turn import Turn
from framework.domain.edges import Edge, EdgeKind, EdgeReport, Shares
from framework.domain.events import AcknowledgeDrained, ForgetEdge, PutShares, RenewEdge
from framework.domain.instance import Instance
from framework.domain.notices import SharesChanged
from framework.domain.records import replace
from framework.domain.replies import Done, Refused, Reply, Why
from framework.domain.state import Kind

KEPT = 1_000
"""Edges that may be registered at the same time."""
MAX_SHARES = 1_000
"""Names whose traffic may be divided."""


def renew(turn: Turn, command: RenewEdge) -> Reply:
    """It lives, for another lease."""
    edges = turn.world.state.edges
    known = edges.get(command.name)
    if known is None and len(edges) >= KEPT:
        return Refused(Why.TOO_MANY_EDGES, command.name)
    since_ms = turn.now_ms if known is None else known.since_ms
    edge = Edge(command.name, command.kind, command.lease_seconds, since_ms)
    if edge != known:
        turn.put(Kind.EDGE, command.name, edge)
    report = EdgeReport(
        name=command.name,
        seen_ms=turn.now_ms,
        version=command.version,
        stale_seconds=command.stale_seconds,
        quarantined=command.quarantined,
        epoch=command.epoch,
    )
    turn.put(Kind.EDGE_REPORT, command.name, report)
    _expect(turn, edge)
    return Done()


def _expect(turn: Turn, edge: Edge) -> None:
    turn.world.deadlines.reset(turn.now_ms + edge.lease_seconds * 1000, Due.EDGE, edge.name)


def expect_all(turn: Turn) -> None:
    """At start: each has a whole lease to find the new leader."""
    for edge in turn.world.state.edges.values():
        _expect(turn, edge)


def lapsed(turn: Turn, name: str) -> None:
    """Its lease is over: nobody waits for it any more."""
    if name in turn.world.state.edges:
        turn.remark("warning", f"edge {name} is not heard of any more")
        _forget(turn, name)


def forget(turn: Turn, command: ForgetEdge) -> Reply:
    """It takes its leave, or an operator does so for it."""
    if command.name not in turn.world.state.edges:
        return Refused(Why.EDGE_UNKNOWN, command.name)
    _forget(turn, command.name)
    return Done()


def _forget(turn: Turn, name: str) -> None:
    turn.put(Kind.EDGE, name, None)
    turn.put(Kind.EDGE_REPORT, name, None)
    turn.world.deadlines.clear(Due.EDGE, name)
    for task_id in list(turn.world.draining):
        _look(turn, task_id)
    rotation.edge_left(turn)


def acknowledged(turn: Turn, command: AcknowledgeDrained) -> Reply:
    """An edge sends these tasks nothing more; of tasks that do not drain it means nothing. So it
    does that others are in rotation, of tasks that do not wait for it."""
    if command.name not in turn.world.state.edges:
        return Refused(Why.EDGE_UNKNOWN, command.name)
    rotation.acknowledged(turn, command.name, command.rotated)
    for task_id in command.task_ids:
        by = turn.world.draining.get(task_id)
        if by is not None:
            by.add(command.name)
            _look(turn, task_id)
    return Done()


def _look(turn: Turn, task_id: str) -> None:
    """Send the kill now if there is nobody left to wait for."""
    instance = _draining(turn, task_id)
    if instance is None:
        turn.world.draining.pop(task_id, None)
        return
    definition = turn.world.definition_of(instance)
    if definition is not None and own_seconds(definition) > 0 and _is_used_by_others(turn, task_id):
        return
    if turn.world.draining[task_id].issuperset(live(turn, EdgeKind.DAEMON)):
        turn.put_instance(replace(instance, draining_until_ms=turn.now_ms))
        kills.owed(turn, instance)


def _is_used_by_others(turn: Turn, task_id: str) -> bool:
    """Whether those that only look now and then may still send it something: whom nobody has
    heard of never says that it is done."""
    now_and_then = live(turn, EdgeKind.CRON)
    if not now_and_then and not live(turn, EdgeKind.DAEMON):
        return True
    return not turn.world.draining[task_id].issuperset(now_and_then)


def _draining(turn: Turn, task_id: str) -> Instance | None:
    instance = turn.world.instance_of(task_id)
    if instance is None or not instance.kill_reason:
        return None
    return instance if instance.draining_until_ms > turn.now_ms else None


def share(turn: Turn, command: PutShares) -> Reply:
    """Divide the traffic of a name; no shares: by the number of tasks again."""
    known = turn.world.state.shares
    if not command.shares:
        if command.group not in known:
            return Refused(Why.SHARES_UNKNOWN, command.group)
        turn.notices.append(SharesChanged(command.group, tuple(known[command.group].shares)))
        turn.put(Kind.SHARES, command.group, None)
        return Done()
    unknown = [one for one in command.shares if one not in turn.world.state.apps]
    if unknown:
        return Refused(Why.APP_UNKNOWN, unknown[0])
    if command.group not in known and len(known) >= MAX_SHARES:
        return Refused(Why.TOO_MANY_EDGES, command.group)
    turn.put(Kind.SHARES, command.group, Shares(command.group, command.shares, turn.now_ms))
    turn.notices.append(SharesChanged(command.group, tuple(command.shares)))
    return Done()
