"""The promises of an upgrade, checked at each of our own kills and launches.

Never below minimumHealthCapacity by our own kills, never above what maximumOverCapacity allows,
as ``sizing.size`` promises. What a person kills by id, and what returned from an unreachable
agent after it was replaced, is not the upgrade's doing.
"""

import math
from collections.abc import Iterable, Mapping

from framework.domain.actions import Launch
from framework.domain.app import App
from framework.domain.draining import Drain
from framework.domain.instance import Goal, Instance
from framework.domain.records import replace
from framework.domain.state import State
from tests.simulation.oracle import current, effective, live, serving, unreachable
from tests.simulation.stage import Violation


def check(
    state: State,
    before: Mapping[str, Instance],
    drains: Iterable[Drain],
    launches: Iterable[Launch],
    asked: set[str],
) -> None:
    """``before``, ``drains``: as they were; ``asked``: instances that a command of this step
    names."""
    drains = [*drains, *state.drains.values()]
    for app_id in dict.fromkeys(launch.app.id for launch in launches):
        app = effective(state, app_id)
        assert app is not None
        _not_too_many(app, list(state.instances_of.get(app_id, {}).values()))
    stopped: dict[str, list[Instance]] = {}
    replaced: dict[str, list[Instance]] = {}
    for old in before.values():
        new = state.instances.get(old.id)
        if marked(old) and _has_deadline(state, drains, old):
            continue  # it may have been killed for that, and is of no more use then
        if (
            old.app_id in state.apps
            and old.id not in asked
            and old.goal is Goal.RUNNING
            and new is not None  # one that was forgotten served nobody
            and new.goal is Goal.DECOMMISSIONED
            and not old.kill_reason
            and new.kill_reason  # else Mesos drains its agent, and ends it
        ):
            if marked(new) and current_of(state, new):
                replaced.setdefault(old.app_id, []).append(new)
                continue
            # As it is now, but for what was decided about it.
            seen = replace(new, goal=Goal.RUNNING, kill_reason="")
            stopped.setdefault(old.app_id, []).append(seen)
    for app_id, instances in stopped.items():
        app = effective(state, app_id)
        if app is not None:
            _enough_left(state, app, instances)

    for app_id, instances in replaced.items():
        app = effective(state, app_id)
        held = any(app_id in state.plan(one).before for one in state.deployments.values())
        if app is not None and not held:  # else an upgrade's own bounds hold
            _served_in_place(state, app, instances)


def _has_deadline(state: State, drains: Iterable[Drain], instance: Instance) -> bool:
    agent = state.agents.get(instance.agent_id)
    names = {instance.agent_id} | ({agent.hostname} if agent else set())
    return any(one.deadline_ms and one.agent in names for one in drains)


def current_of(state: State, instance: Instance) -> bool:
    """Whether it runs the present configuration of its app."""
    app = effective(state, instance.app_id)
    return app is not None and current(app, instance)


def _served_in_place(state: State, app: App, gone: list[Instance]) -> None:
    """Marked instances leave when so many others serve as are wanted; nobody waits for others that
    have not served since before any was marked. With volumes only it can stand in for itself."""
    if app.persistent_volumes:
        return
    rest = [
        one
        for one in state.instances_of.get(app.id, {}).values()
        if live(one) and one.goal is Goal.RUNNING
    ]
    kept = [one for one in rest if marked(one)]
    others = [one for one in rest if not marked(one)]
    if any(not current(app, one) for one in rest) or len(kept) + len(others) > app.instances:
        return  # an upgrade's own bounds hold; or more are there than are wanted
    first_ms = min(one.mark.since_ms for one in (*gone, *kept) if one.mark is not None)
    idle = [
        one
        for one in others
        if not serving(state, one) and max(one.since_ms, one.health_since_ms) < first_ms
    ]
    well = sum(serving(state, one) for one in others)
    if well + len(kept) + len(idle) < app.instances:
        raise Violation(f"{app.id}: {len(gone)} are replaced by {well} that serve")


def marked(instance: Instance) -> bool:
    """Whether another one is to take its place first."""
    return instance.mark is not None and not unreachable(instance)


def _not_too_many(app: App, instances: list[Instance]) -> None:
    tasks = [instance for instance in instances if live(instance)]
    wanted = [
        one for one in tasks if one.goal is Goal.RUNNING and current(app, one) and not marked(one)
    ]
    if len(wanted) > app.instances:
        raise Violation(f"{app.id} is launched to {len(wanted)}, not {app.instances}")
    moving = any(marked(one) for one in tasks)
    upgraded = not all(current(app, instance) for instance in tasks)
    limit = max(most(app), app.instances + 1) if moving else most(app)
    # What leaves for another reason does not keep a missing one from being launched.
    counted = tasks if upgraded else [one for one in tasks if one.goal is Goal.RUNNING]
    if (upgraded or moving) and len(counted) > max(limit, app.instances):
        raise Violation(f"{app.id} grows to {len(counted)} in a change, at most {limit}")


def most(app: App) -> int:
    """How many tasks there may be during an upgrade."""
    if app.persistent_volumes:  # each starts where its volumes are, in the place of one that ended
        return app.instances
    capacity = app.instances * (1 + app.upgrade_strategy.maximum_over_capacity)
    return max(math.floor(round(capacity, 6)), minimum(app) + 1)


def minimum(app: App) -> int:
    """How many must serve during an upgrade."""
    fewest = math.ceil(round(app.instances * app.upgrade_strategy.minimum_health_capacity, 6))
    return min(fewest, max(0, app.instances - 1)) if app.persistent_volumes else fewest


def _used(state: State, instance: Instance) -> bool:
    """Whether clients have it to turn to: edges that have not put it in rotation yet must not lose
    others for it."""
    return serving(state, instance) and not instance.awaits_edges


def _enough_left(state: State, app: App, stopped: list[Instance]) -> None:
    if all(current(app, instance) for instance in stopped):
        return
    left = sum(_used(state, one) for one in state.instances_of.get(app.id, {}).values())
    lost = sum(_used(state, one) for one in stopped)
    if left < min(left + lost, minimum(app)):
        raise Violation(
            f"{app.id}: an upgrade stopped {lost} that served, {left} are left of at least "
            f"{minimum(app)}"
        )
