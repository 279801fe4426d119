"""Deployments: each change of definitions is one, from the change until the apps are there.

For now a deployment observes: sizing moves every app at once, and the deployment ends when all
its apps have the wanted count, version and health. It also locks its apps against a second
change, unless that is forced.
"""

from collections.abc import Iterable

from framework.core.definitions import deployment_ended
from framework.core.index import CURRENT_LIVE, LEAVING, OLD_LIVE, Slot
from framework.core.turn import Turn
from framework.domain.app import App
from framework.domain.notices import DeploymentEnded, DeploymentStarted
from framework.domain.replies import Refused, Why
from framework.domain.rollout import ActionName, Deployment, DeploymentAction
from framework.domain.state import Kind

Pair = tuple[App | None, App | None]


def locked(turn: Turn, app_ids: Iterable[str], *, force: bool) -> Refused | None:
    """Refuse while another deployment holds one of the apps; ``force`` ends that one instead."""
    deploying = turn.world.deploying
    holders = sorted({deploying[app_id] for app_id in app_ids if app_id in deploying})
    if holders and not force:
        return Refused(Why.LOCKED, "", deployment_ids=tuple(holders))
    for deployment_id in holders:
        end(turn, turn.world.state.deployments[deployment_id], "cancelled by a forced change")
    if len(turn.world.state.deployments) >= turn.policy.max_running_deployments:
        return Refused(Why.TOO_MANY_DEPLOYMENTS, "")
    return None


def start(turn: Turn, version: str, pairs: Iterable[Pair]) -> str:
    """A deployment of these (before, after) definitions; returns its id. One that changes
    nothing is over before it begins."""
    pairs = list(pairs)
    steps = tuple(step for step in _steps(pairs) if step)
    deployment_id = turn.context.new_id()
    if not steps:
        return deployment_id
    affected = {action.app_id for step in steps for action in step}
    before = {
        (old or new).id: "" if old is None else old.version  # type: ignore[union-attr]  # one is there
        for old, new in pairs
    }
    deployment = Deployment(
        id=deployment_id,
        version=version,
        steps=steps,
        affected=tuple(sorted(affected)),
        before={app_id: before[app_id] for app_id in sorted(affected)},
        current_step=1,
        started_at_ms=turn.now_ms,
    )
    turn.put(Kind.DEPLOYMENT, deployment_id, deployment)
    turn.world.deploying.update(dict.fromkeys(deployment.affected, deployment_id))
    turn.notices.append(DeploymentStarted(deployment))
    return deployment_id


def _steps(pairs: list[Pair]) -> tuple[tuple[DeploymentAction, ...], ...]:
    """Marathon's order: stop what is gone, start what is new, then scale or restart."""
    stop, begin, change = [], [], []
    for old, new in pairs:
        if new is None:
            assert old is not None
            stop.append(DeploymentAction(ActionName.STOP, old.id))
        elif old is None:
            begin.append(DeploymentAction(ActionName.START, new.id))
            change.append(DeploymentAction(ActionName.SCALE, new.id))
        elif old.last_config_change_at != new.last_config_change_at:
            change.append(DeploymentAction(ActionName.RESTART, new.id))
        elif old.instances != new.instances:
            change.append(DeploymentAction(ActionName.SCALE, new.id))
    return tuple(stop), tuple(begin), tuple(change)


def end(turn: Turn, deployment: Deployment, failure: str = "") -> None:
    """It is over; its apps may be changed again."""
    turn.put(Kind.DEPLOYMENT, deployment.id, None)
    deployment_ended(turn, deployment)
    for app_id in deployment.affected:
        if turn.world.deploying.get(app_id) == deployment.id:
            del turn.world.deploying[app_id]
    turn.notices.append(DeploymentEnded(deployment, failure))


def finish_settled(turn: Turn) -> None:
    """End the deployments all of whose apps are where they should be."""
    world = turn.world
    ids = {world.deploying[app_id] for app_id in turn.dirty if app_id in world.deploying}
    for deployment_id in sorted(ids):
        deployment = world.state.deployments[deployment_id]
        if all(settled(turn, app_id) for app_id in deployment.affected):
            end(turn, deployment)


def settled(turn: Turn, app_id: str) -> bool:
    """Whether the app has exactly the instances it should have, serving and of this version."""
    index = turn.world.apps.get(app_id)
    app = turn.world.state.apps.get(app_id)
    if index is None or app is None:
        return app_id not in turn.world.state.instances_of
    return (
        index.size(Slot.READY) == app.instances
        and index.size(*CURRENT_LIVE) == app.instances
        and index.size(*OLD_LIVE, *LEAVING, Slot.WAITING) == 0
    )
