"""What a deployment holds back: later steps, canaries that nobody promoted, pauses.

Checked at each launch: which definition may be launched at this moment, and how many instances
of the new configuration there may be.
"""

from collections.abc import Mapping, Sequence

from framework.domain.actions import Launch
from framework.domain.app import App
from framework.domain.instance import Goal, Instance
from framework.domain.rollout import Deployment
from framework.domain.state import State
from tests.simulation.oracle import WAITS, effective, live
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
        deployment, old = _replaced(state, app_id)
        if app is None or deployment is None or old is None or app != state.apps.get(app_id):
            continue
        if any(launch.app.config == app.config for launch in launches if launch.app.id == app_id):
            _share(state, app, deployment, before)


def _allowed(state: State, app_id: str) -> list[App | None]:
    """The definition in force, and the one that a held deployment is replacing."""
    deployment, old = _replaced(state, app_id)
    app = effective(state, app_id)
    if deployment is None or old is None or app is None:
        return [app]
    held = deployment.paused or (app.upgrade_strategy.canary and not deployment.promoted)
    return [app, old] if held else [app]


def _replaced(state: State, app_id: str) -> tuple[Deployment | None, App | None]:
    """The deployment an app is in, and the other configuration it had before."""
    for deployment in state.deployments.values():
        before = state.plan(deployment).before
        if app_id in before:
            old = state.versions_of.get(app_id, {}).get(before[app_id])
            same = old is not None and old.config == state.apps[app_id].config
            return deployment, None if same else old
    return None, None


def _share(state: State, app: App, deployment: Deployment, before: Mapping[str, Instance]) -> None:
    mine = [
        one
        for one in state.instances_of.get(app.id, {}).values()
        if one.config == app.config and one.goal is Goal.RUNNING and live(one)
    ]
    canary = app.upgrade_strategy.canary
    if canary and not deployment.promoted and len(mine) > canary:
        raise Violation(f"{app.id} has {len(mine)} instances of {canary} canaries")
    if deployment.paused and not deployment.canary:
        known = sum(
            one.id in before and (live(before[one.id]) or before[one.id].condition in WAITS)
            for one in mine
        )
        if len(mine) > known:
            raise Violation(f"{app.id} grows to {len(mine)} new instances during a pause")
