"""Proving: an app may ask that a new instance serves for some time before it counts.

(``upgradeStrategy.minimumHealthySeconds``.) One that stops serving has to begin anew.
"""

from framework.core.deadlines import Due
from framework.core.index import Slot, serves
from framework.core.turn import Turn
from framework.domain.instance import Instance
from framework.domain.records import replace


def watch(turn: Turn, app_id: str) -> None:
    """Set the time of proof for the instances of an app that serve and are not proved yet."""
    app = turn.world.effective(app_id)
    index = turn.world.apps.get(app_id)
    if app is None or index is None or not app.upgrade_strategy.minimum_healthy_seconds:
        return
    for key in index.members[Slot.UNREADY]:
        instance = turn.world.state.instances[key]
        definition = turn.world.definition_of(instance) or app
        if not instance.proved and serves(definition, instance):
            turn.world.deadlines.set(_proved_at_ms(turn, instance), Due.PROVED, key)


def _proved_at_ms(turn: Turn, instance: Instance) -> int:
    app = turn.world.effective(instance.app_id)
    seconds = 0 if app is None else app.upgrade_strategy.minimum_healthy_seconds
    return max(instance.since_ms, instance.health_since_ms) + seconds * 1000


def due(turn: Turn, instance_id: str) -> None:
    """The time is over: if it served through all of it, it counts from now on."""
    instance = turn.world.state.instances.get(instance_id)
    definition = None if instance is None else turn.world.definition_of(instance)
    if instance is None or definition is None or not serves(definition, instance):
        return
    at_ms = _proved_at_ms(turn, instance)
    if turn.now_ms >= at_ms:
        turn.put_instance(replace(instance, proved=True))
    else:
        turn.world.deadlines.set(at_ms, Due.PROVED, instance_id)
