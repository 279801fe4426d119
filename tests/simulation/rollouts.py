"""What a deployment holds back: later steps, canaries that nobody promoted, pauses.

Checked at each launch: which definition may be launched at this moment, and how many instances
of the new configuration there may be; and when a step or a deployment is said to be done: that
its apps are there.
"""

from collections.abc import Iterable, Mapping, Sequence

from framework.domain.actions import Launch
from framework.domain.app import App
from framework.domain.instance import Goal, Instance
from framework.domain.notices import DeploymentEnded, DeploymentStepped, Notice
from framework.domain.rollout import ActionName, Deployment
from framework.domain.state import State
from tests.simulation.capacity import marked
from tests.simulation.oracle import WAITS, current, effective, live, serving
from tests.simulation.stage import Violation


def check(state: State, before: Mapping[str, Instance], launches: Sequence[Launch]) -> None:
    """Check the launches of one step; ``before``: the instances as they were."""
    for launch in launches:
        if launch.app not in _allowed(state, launch.app.id):
            raise Violation(
                f"{launch.task_id} is launched as {launch.app.version}, which is not in force"
            )
    for app_id in dict.fromkeys(launch.app.id for launch in launches):
        app = effective(state, app_id)
        deployment = deployment_of(state, app_id)
        if app is None or deployment is None or app != state.apps.get(app_id):
            continue
        launched = any(one.app.config == app.config for one in launches if one.app.id == app_id)
        if launched and replaced(state, app, deployment) is not None:
            _share(state, app, deployment, before)


def check_done(state: State, notices: Iterable[Notice]) -> None:
    """A step or a deployment that is said to be done is done."""
    for notice in notices:
        if isinstance(notice, DeploymentStepped):
            done = notice.plan.steps[notice.deployment.current_step - 2]
        elif isinstance(notice, DeploymentEnded) and not notice.failure:
            done = notice.plan.steps[-1]
        else:
            continue
        for action in done:
            if action.action is not ActionName.START:
                _settled(state, action.app_id)


def _settled(state: State, app_id: str) -> None:
    app = effective(state, app_id)
    there = [one for one in state.instances_of.get(app_id, {}).values() if live(one)]
    well = [one for one in there if app and current(app, one) and serving(state, one)]
    if app and any(marked(one) for one in there) and len(well) >= app.instances:
        return
    if not len(there) == len(well) == (app.instances if app else 0):
        raise Violation(f"{app_id} is said to be done with {len(well)} of {len(there)} well")


def _allowed(state: State, app_id: str) -> list[App | None]:
    """The definition in force; while a deployment is held back also the earlier ones, of which it
    keeps some instances."""
    deployment = deployment_of(state, app_id)
    app = effective(state, app_id)
    if deployment is None or app is None:
        return [app]
    held = deployment.paused or (app.upgrade_strategy.canary and not deployment.promoted)
    return [app, *state.versions_of.get(app_id, {}).values()] if held else [app]


def deployment_of(state: State, app_id: str) -> Deployment | None:
    """The deployment that holds the app."""
    found = (one for one in state.deployments.values() if app_id in state.plan(one).before)
    return next(found, None)


def replaced(state: State, app: App, deployment: Deployment) -> App | None:
    """The definition whose instances the deployment replaces by this one's."""
    version = state.plan(deployment).replaces.get(app.id, "")
    return state.versions_of.get(app.id, {}).get(version)


def _stands_in(state: State, instance: Instance) -> bool:
    """Whether it is there only until the marked one that it was launched beside has left."""
    other = state.instances.get(instance.stands_in_for)
    return other is not None and marked(other) and other.goal is Goal.RUNNING and live(other)


def _share(state: State, app: App, deployment: Deployment, before: Mapping[str, Instance]) -> None:
    mine = [
        one
        for one in state.instances_of.get(app.id, {}).values()
        if one.config == app.config
        and one.goal is Goal.RUNNING
        and live(one)
        and not _stands_in(state, one)
    ]
    known = sum(
        one.app_id == app.id
        and one.config == app.config
        and one.goal is Goal.RUNNING
        and (live(one) or one.condition in WAITS)
        for one in before.values()
    )
    canary = app.upgrade_strategy.canary
    if canary and not deployment.promoted and len(mine) > max(canary, known):
        raise Violation(f"{app.id} has {len(mine)} instances of {canary} canaries")
    if deployment.paused and not deployment.canary and len(mine) > known:
        raise Violation(f"{app.id} grows to {len(mine)} new instances during a pause")
