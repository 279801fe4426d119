"""Rotation: an instance that replaces another counts once the edges send it requests.

An edge that is slow (it holds back what it is told, waits for a reload, leaves the app out) would
else lose the old instances before it serves the new ones. Where daemons follow, an instance that is
launched while its app is being replaced waits for all of them once it serves, for a while at most:
a deployment must not depend for ever on somebody else's load balancer. An edge that does not serve
the app says so by the same word.
"""

from framework.core import crashes, retiring
from framework.core.deadlines import Due
from framework.core.index import serves
from framework.core.turn import Turn
from framework.domain.app import App
from framework.domain.edges import EdgeKind
from framework.domain.instance import STAGED, WAITING, Instance
from framework.domain.records import replace

_NOT_STARTED = WAITING | STAGED


def is_asked(turn: Turn, app: App) -> bool:
    """Whether an instance of this definition that is launched now is to wait for the edges."""
    return (
        turn.policy.edge_rotation_timeout > 0
        and app.id in turn.world.replaced
        and any(app.service_ports)
        and retiring.is_followed(turn, EdgeKind.DAEMON)
    )


def watch_touched(turn: Turn) -> None:
    """Of the instances that changed in this turn: those that serve now are waited for from now on,
    those that do not any more have all of their time when they do again. Only these, for there may
    be thousands of an app that wait for something else."""
    for instance_id in list(turn.touched):
        instance = turn.world.state.instances.get(instance_id)
        if instance is None or not instance.awaits_edges:
            continue
        if not crashes.begin(turn, ("instance", instance_id)):
            continue
        if not _serves(turn, instance):
            turn.world.deadlines.clear(Due.ROTATION, instance_id)
            continue
        turn.world.rotating.setdefault(instance.task_id, set())
        until_ms = turn.now_ms + turn.policy.edge_rotation_timeout
        turn.world.deadlines.set(until_ms, Due.ROTATION, instance_id)
        _look(turn, instance)


def due(turn: Turn, instance_id: str) -> None:
    """Its time is over: it counts now, whatever the edges do."""
    instance = turn.world.state.instances.get(instance_id)
    if instance is None or not instance.awaits_edges or not _serves(turn, instance):
        return
    done = turn.world.rotating.get(instance.task_id, set())
    missing = sorted({*retiring.live(turn, EdgeKind.DAEMON)} - done)
    if missing:
        turn.remark(
            "warning",
            f"{instance.id} counts although it gets no requests of edge {', '.join(missing[:3])} "
            f"yet; look at: stayer edge list",
        )
    _counts(turn, instance)


def acknowledged(turn: Turn, name: str, task_ids: tuple[str, ...]) -> None:
    """An edge sends these tasks requests, or has no use for their app. Of one that
    has not started it means nothing."""
    for task_id in task_ids:
        instance = turn.world.instance_of(task_id)
        if instance is None or not instance.awaits_edges:
            continue
        if instance.condition not in _NOT_STARTED:
            turn.world.rotating.setdefault(task_id, set()).add(name)
            _look(turn, instance)


def edge_left(turn: Turn) -> None:
    """Nobody waits for it any more."""
    for task_id in list(turn.world.rotating):
        instance = turn.world.instance_of(task_id)
        if instance is not None:
            _look(turn, instance)


def _look(turn: Turn, instance: Instance) -> None:
    if turn.world.rotating[instance.task_id].issuperset(retiring.live(turn, EdgeKind.DAEMON)):
        _counts(turn, instance)


def _counts(turn: Turn, instance: Instance) -> None:
    turn.world.rotating.pop(instance.task_id, None)
    turn.world.deadlines.clear(Due.ROTATION, instance.id)
    turn.put_instance(replace(instance, awaits_edges=False))


def _serves(turn: Turn, instance: Instance) -> bool:
    definition = turn.world.definition_of(instance)
    return definition is not None and serves(definition, instance)
