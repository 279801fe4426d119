"""The promises of an upgrade, checked at each of our own kills and launches.

Never below minimumHealthCapacity by our own kills, never above what maximumOverCapacity allows,
as ``sizing.size`` promises. What a person kills by id, and what returned from an unreachable
agent after it was replaced, is not the upgrade's doing.
"""

import math
from collections.abc import Iterable, Mapping

from framework.domain.actions import Launch
from framework.domain.app import App
from framework.domain.instance import Goal, Instance
from framework.domain.records import replace
from framework.domain.state import State
from tests.simulation.oracle import current, effective, live, serving
from tests.simulation.stage import Violation


def check(
    state: State, before: Mapping[str, Instance], launches: Iterable[Launch], asked: set[str]
) -> None:
    """``asked``: instances that a command of this step names."""
    for app_id in dict.fromkeys(launch.app.id for launch in launches):
        app = effective(state, app_id)
        assert app is not None
        _not_too_many(app, list(state.instances_of.get(app_id, {}).values()))
    stopped: dict[str, list[Instance]] = {}
    for old in before.values():
        new = state.instances.get(old.id)
        if (
            old.app_id in state.apps
            and old.id not in asked
            and old.goal is Goal.RUNNING
            and new is not None  # one that was forgotten served nobody
            and new.goal is Goal.DECOMMISSIONED
            and not old.kill_reason
        ):
            # As it is now, but for what was decided about it.
            seen = replace(new, goal=Goal.RUNNING, kill_reason="")
            stopped.setdefault(old.app_id, []).append(seen)
    for app_id, instances in stopped.items():
        app = effective(state, app_id)
        if app is not None:
            _enough_left(state, app, instances)


def _not_too_many(app: App, instances: list[Instance]) -> None:
    tasks = [instance for instance in instances if live(instance)]
    wanted = [one for one in tasks if one.goal is Goal.RUNNING and current(app, one)]
    if len(wanted) > app.instances:
        raise Violation(f"{app.id} is launched to {len(wanted)}, not {app.instances}")
    if all(current(app, instance) for instance in tasks):
        return
    if len(tasks) > most(app):
        raise Violation(f"{app.id} grows to {len(tasks)} in an upgrade, at most {most(app)}")


def most(app: App) -> int:
    """How many tasks there may be during an upgrade."""
    capacity = app.instances * (1 + app.upgrade_strategy.maximum_over_capacity)
    return max(math.floor(round(capacity, 6)), minimum(app) + 1)


def minimum(app: App) -> int:
    """How many must serve during an upgrade."""
    return math.ceil(round(app.instances * app.upgrade_strategy.minimum_health_capacity, 6))


def _enough_left(state: State, app: App, stopped: list[Instance]) -> None:
    if all(current(app, instance) for instance in stopped):
        return
    left = sum(serving(state, one) for one in state.instances_of.get(app.id, {}).values())
    lost = sum(serving(state, one) for one in stopped)
    if left < min(left + lost, minimum(app)):
        raise Violation(
            f"{app.id}: an upgrade stopped {lost} that served, {left} are left of at least "
            f"{minimum(app)}"
        )
