"""Plans: which steps take the apps from what they are to what they are to be.

Marathon's order (behaviour.md, section 3.1): stop what is gone; announce what is new; then, by
depth in the graph of dependencies, scale or restart. A step begins when the one before is done.
"""

from collections.abc import Callable, Collection, Iterable, Mapping

from framework.domain.app import App, same_configuration
from framework.domain.rollout import ActionName, DeploymentPart, PlannedAction

Pair = tuple[App | None, App | None]
ACTIONS_A_PART = 500


def planned(
    pairs: Iterable[Pair],
    depths: Mapping[str, int],
    restarting: Collection[str],
    replaced: Callable[[App], str],
) -> list[PlannedAction]:
    """Every action of the change from the first to the second definition of each pair, its steps
    numbered from 1 without gaps. ``restarting``: apps to restart though their definition is the
    same. ``replaced`` gives the version of the definition whose instances a new one replaces."""
    by_place: dict[tuple[int, int], list[tuple[ActionName, str, str, str]]] = {}
    for old, new in pairs:
        for place, action in _actions(old, new, depths, restarting):
            app = new or old
            assert app is not None
            before = "" if old is None else old.version
            replaces = "" if old is None or new is None else replaced(new)
            by_place.setdefault(place, []).append((action, app.id, before, replaces))
    return [
        PlannedAction(step, *action)
        for step, place in enumerate(sorted(by_place), start=1)
        for action in by_place[place]
    ]


_STOP, _START, _CHANGE = 0, 1, 2


def _actions(
    old: App | None, new: App | None, depths: Mapping[str, int], restarting: Collection[str]
) -> list[tuple[tuple[int, int], ActionName]]:
    if new is None:
        return [((_STOP, 0), ActionName.STOP)]
    change = (_CHANGE, depths.get(new.id, 0))
    if old is None:
        return [((_START, 0), ActionName.START), (change, ActionName.SCALE)]
    resumed = old.keep_old and not new.keep_old
    if new.id in restarting or resumed or old.config != new.config:
        # With nothing to run there is nothing to restart (behaviour.md, section 3.4).
        return [(change, ActionName.RESTART if new.instances else ActionName.SCALE)]
    return [(change, ActionName.SCALE)] if old.instances != new.instances else []


def parts_of(deployment_id: str, actions: list[PlannedAction]) -> list[DeploymentPart]:
    """The actions in records of bounded size."""
    return [
        DeploymentPart(deployment_id, tuple(actions[start : start + ACTIONS_A_PART]))
        for start in range(0, len(actions), ACTIONS_A_PART)
    ]


def warnings(pairs: Iterable[Pair]) -> tuple[str, ...]:
    """What may keep a change from ending, as far as the definitions tell: no room beside
    instances that must stay up."""
    return tuple(
        text
        for old, new in pairs
        if old is not None and new is not None
        for text in _tight(old, new)
    )


def _tight(old: App, new: App) -> list[str]:
    strategy = new.upgrade_strategy
    replaced = old.config != new.config or not same_configuration(old, new)
    if not replaced or not new.instances or strategy.minimum_health_capacity < 1:
        return []
    reasons = []
    if any(new.requested_host_ports):
        reasons.append("fixed host ports")
    if strategy.count_old_instances and new.constraints:
        reasons.append("constraints that count old instances")
    return [
        f"{new.id}: all {new.instances} instances must stay up (minimumHealthCapacity 1), so the "
        f"first new one needs room beside them on another agent, because of {reason}; a smaller "
        "minimumHealthCapacity lets old ones go first"
        for reason in reasons
    ]
