"""Deployments: each change of definitions is one, from the change until the apps are there.

A deployment goes through its steps; apps of later steps stay as they were (``World.held``). What
happens within a step is sizing's, app by app; here is only when a step is done, what locks what,
and when a deployment is given up. It ends when its last step is done, when it is cancelled, or
when nothing is left for it to act on: none outlives its reason.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from functools import partial
from typing import NamedTuple

from framework.core import canaries, crashes, dependencies, sizing, trees
from framework.core.deadlines import Due
from framework.core.index import CURRENT_LIVE, LEAVING, MARKED, OLD_LIVE, OLD_MARKED, Slot
from framework.core.planning import Pair, parts_of, planned
from framework.core.turn import Turn
from framework.core.world import CurrentStep
from framework.domain.app import App
from framework.domain.instance import Condition, Goal, Instance
from framework.domain.notices import (
    DeploymentEnded,
    DeploymentStarted,
    DeploymentStepped,
)
from framework.domain.records import replace
from framework.domain.replies import Refused, Why
from framework.domain.rollout import ActionName, Deployment, PlannedAction, part_key
from framework.domain.state import Kind, version_key

WHOLE = 100.0
"""All of the traffic, in percent."""
_OLD_WANTED = (*OLD_LIVE, *OLD_MARKED, Slot.OLD_WAITING)


def locked(turn: Turn, app_ids: Iterable[str], *, force: bool) -> Refused | None:
    """Refuse while another deployment holds one of the apps, unless that is to be ended."""
    deploying = turn.world.deploying
    holders = {deploying[app_id] for app_id in app_ids if app_id in deploying}
    if holders and not force:
        return Refused(Why.LOCKED, "", deployment_ids=tuple(sorted(holders)))
    running = len(turn.world.state.deployments) - len(holders)
    if running >= turn.policy.max_running_deployments:
        return Refused(Why.TOO_MANY_DEPLOYMENTS, "")
    return None


def make_way(turn: Turn, app_ids: Iterable[str], why: str) -> None:
    """End the deployments that hold any of these apps; their other apps stay as they are."""
    deploying = turn.world.deploying
    for deployment_id in sorted({deploying[one] for one in app_ids if one in deploying}):
        cancel(turn, turn.world.state.deployments[deployment_id], why)


def unfinished(turn: Turn, app_ids: Iterable[str]) -> set[str]:
    """Those of the apps that still have instances of another configuration, or wait for their
    turn: putting the same definition again means to finish that."""
    world = turn.world
    return {
        app_id
        for app_id in app_ids
        if app_id in world.held or (app_id in world.apps and world.apps[app_id].size(*_OLD_WANTED))
    }


def plan_change(
    turn: Turn, pairs: list[Pair], restarting: Collection[str]
) -> list[PlannedAction] | Refused:
    """The actions of a change, in the order of dependencies; a circle of those is refused."""
    changed = {new.id: new for _, new in pairs if new is not None}
    gone = {old.id for old, new in pairs if old is not None and new is None}
    depths: Mapping[str, int] = {}
    state = turn.world.state
    if len(changed) > 1 or any(app.dependencies for app in changed.values()):
        others = {key: app for key, app in state.apps.items() if key not in gone}
        found = dependencies.depths(dependencies.edges(others | changed, state.groups))
        if found is None:
            message = "Dependency graph has cyclic dependencies."
            return Refused(Why.INVALID, "", "Object is not valid", (("/", message),))
        depths = found
    return planned(pairs, depths, restarting, partial(_replaced, turn))


def _replaced(turn: Turn, app: App) -> str:
    """The version of the definition whose instances this one would replace: the one that most of
    its others run, of equals the newest; if there are none at the moment, the one in force."""
    if app.keep_old:
        return ""
    state = turn.world.state
    known = state.versions_of.get(app.id, {})
    sizes: Counter[str] = Counter()
    newest: dict[str, str] = {}
    for one in state.instances_of.get(app.id, {}).values():
        if one.config != app.config and one.version in known and _is_wanted(one):
            sizes[one.config] += 1
            newest[one.config] = max(one.version, newest.get(one.config, ""))
    if sizes:
        return max((sizes[config], version) for config, version in newest.items())[1]
    present = turn.world.effective(app.id)
    leaves = present is not None and present.config != app.config and present.instances
    return present.version if present is not None and leaves else ""


def _is_wanted(instance: Instance) -> bool:
    inactive = instance.condition is Condition.UNREACHABLE_INACTIVE
    return instance.goal is Goal.RUNNING and not inactive


class Begun(NamedTuple):
    """As what a deployment begins: the one that it takes back, and its ``share``."""

    reverts: str = ""
    share: float | None = None


def start(
    turn: Turn,
    deployment_id: str,
    version: str,
    actions: list[PlannedAction],
    begun: Begun = Begun(),  # noqa: B008 - never changes
) -> None:
    """Begin a deployment. To be called before the definitions are stored."""
    parts = parts_of(deployment_id, actions)
    deployment = Deployment(
        id=deployment_id,
        version=version,
        parts=len(parts),
        total_steps=actions[-1].step,
        current_step=1,
        started_at_ms=turn.now_ms,
        progress_at_ms=turn.now_ms,
        promoted=bool(begun.reverts),  # the way back needs no canaries
        reverts=begun.reverts,
        share=begun.share,
    )
    for number, part in enumerate(parts):
        turn.put(Kind.DEPLOYMENT_PART, part_key(deployment_id, number), part)
    turn.put(Kind.DEPLOYMENT, deployment_id, deployment)
    plan = turn.world.state.plan(deployment)
    turn.world.hold(deployment, plan)
    turn.notices.append(DeploymentStarted(deployment, plan))
    turn.advancing[deployment_id] = None


def end(turn: Turn, deployment: Deployment, failure: str = "") -> None:
    """It is over; its apps may be changed again."""
    plan = turn.world.plans[deployment.id]
    turn.put(Kind.DEPLOYMENT, deployment.id, None)
    for number in range(deployment.parts):
        turn.put(Kind.DEPLOYMENT_PART, part_key(deployment.id, number), None)
    turn.world.release(deployment.id)
    for app_id in plan.affected:
        turn.look_at(app_id)
        trees.forget_unmentioned(turn, app_id)
    turn.notices.append(DeploymentEnded(deployment, plan, failure))


def cancel(turn: Turn, deployment: Deployment, why: str) -> None:
    """End it where it is: nothing is taken back, and nothing more is replaced. Counts are kept."""
    plan = turn.world.plans[deployment.id]
    end(turn, deployment, why)
    for app_id in plan.affected:
        app = turn.world.state.apps.get(app_id)
        before = plan.before[app_id]
        if app is None or not before or app.keep_old:
            continue
        if turn.world.apps[app_id].size(*_OLD_WANTED):
            kept = replace(app, keep_old=True)
            turn.put(Kind.APP, app_id, kept)
            # Also in the history: a later deployment may hold the app at this definition.
            turn.put(Kind.APP_VERSION, version_key(app_id, app.version), kept)


def advance(turn: Turn) -> None:
    """Move every deployment that something changed for: to its next step, or to its end."""
    world = turn.world
    ids = {world.deploying[app_id]: None for app_id in turn.dirty if app_id in world.deploying}
    for deployment_id in [*ids, *turn.advancing]:
        deployment = world.state.deployments.get(deployment_id)
        if deployment is not None and crashes.begin(turn, ("deployment", deployment_id)):
            _advance(turn, deployment)
    turn.advancing.clear()


def _advance(turn: Turn, deployment: Deployment) -> None:
    plan = turn.world.plans[deployment.id]
    while _step_done(turn, deployment):
        if deployment.current_step == deployment.total_steps:
            end(turn, deployment)
            return
        deployment = replace(deployment, current_step=deployment.current_step + 1)
        turn.put(Kind.DEPLOYMENT, deployment.id, deployment)
        _begin_step(turn, deployment)
        turn.notices.append(DeploymentStepped(deployment, plan))
    _watch_canaries(turn, deployment)
    _watch_progress(turn, turn.world.state.deployments[deployment.id])


def _begin_step(turn: Turn, deployment: Deployment) -> None:
    for one in turn.world.plans[deployment.id].steps[deployment.current_step - 1]:
        if turn.world.held.pop(one.app_id, turn) is not turn:
            turn.world.index_app(one.app_id)
        turn.look_at(one.app_id)


def _step_done(turn: Turn, deployment: Deployment) -> bool:
    """Whether every action of the present step is done. Looks first at the one that was not when
    this was last asked: a large step is gone through once, not with every change."""
    actions = turn.world.plans[deployment.id].steps[deployment.current_step - 1]
    current = _current(turn, deployment)
    for _ in actions:
        one = actions[current.place]
        if not _done(turn, one.action, one.app_id):
            return False
        current.place = (current.place + 1) % len(actions)
    return True


def _current(turn: Turn, deployment: Deployment) -> CurrentStep:
    """What does not change while the present step lasts, found once."""
    known = turn.world.current_steps.get(deployment.id)
    if known is None or known.number != deployment.current_step:
        strategies = [(app.id, app.upgrade_strategy) for app in _current_apps(turn, deployment)]
        known = turn.world.current_steps[deployment.id] = CurrentStep(
            deployment.current_step,
            tuple(app_id for app_id, strategy in strategies if strategy.canary),
            max((one.progress_deadline_seconds for _, one in strategies), default=0),
        )
    return known


def _done(turn: Turn, action: ActionName, app_id: str) -> bool:
    return action is ActionName.START or settled(turn, app_id)


def settled(turn: Turn, app_id: str) -> bool:
    """Whether the app has exactly the instances it should have, serving and of this version."""
    index = turn.world.apps.get(app_id)
    app = turn.world.effective(app_id)
    if index is None or app is None:
        return app_id not in turn.world.state.instances_of
    if index.size(*_OLD_WANTED, *LEAVING):
        return False
    if index.size(*MARKED):  # what is beside them may be on its way, or have no place
        if sizing.size(app, sizing.have(turn, index)).marked:
            return False  # what is to leave now may have served
        return index.size(Slot.READY, Slot.MARKED_READY) >= app.instances
    return (
        index.size(Slot.READY) == app.instances
        and index.size(*CURRENT_LIVE) == app.instances
        and index.size(Slot.WAITING) == 0
    )


def _current_apps(turn: Turn, deployment: Deployment) -> list[App]:
    plan = turn.world.plans[deployment.id]
    apps = (turn.world.effective(one.app_id) for one in plan.steps[deployment.current_step - 1])
    return [app for app in apps if app is not None]


def _watch_canaries(turn: Turn, deployment: Deployment) -> None:
    """Wait after canaries, go through their steps, and go on after the last."""
    if canaries.watch(turn, deployment, _canary_apps(turn, deployment)):
        turn.remark("info", f"the canaries of {deployment.id} served through all steps: it goes on")
        go_on(turn, deployment.id)


def _canary_apps(turn: Turn, deployment: Deployment) -> list[App]:
    asked = [turn.world.effective(app_id) for app_id in _current(turn, deployment).canaries]
    return [app for app in asked if app is not None]


def due(turn: Turn, deployment_id: str) -> None:
    """Look at a deployment again."""
    turn.advancing[deployment_id] = None


def _watch_progress(turn: Turn, deployment: Deployment) -> None:
    """Note progress of a deployment that has a deadline, and when to look at it again."""
    seconds = _deadline_seconds(turn, deployment)
    if not seconds or deployment.paused:
        return
    apps = _current_apps(turn, deployment)
    serving = sum(canaries.serving(turn, app) for app in apps)
    progress = deployment.current_step * 1_000_000_000 + serving
    if progress > deployment.progress:
        deployment = replace(deployment, progress=progress, progress_at_ms=turn.now_ms)
        turn.put(Kind.DEPLOYMENT, deployment.id, deployment)
    due_ms = deployment.progress_at_ms + seconds * 1000
    turn.world.deadlines.reset(due_ms, Due.PROGRESS, deployment.id)


def subscribed(turn: Turn) -> None:
    """Deadlines begin anew: while Mesos or we were away nothing could have been started."""
    for deployment in list(turn.world.state.deployments.values()):
        if _deadline_seconds(turn, deployment) or deployment.canary_until_ms:
            resumed = replace(deployment, progress_at_ms=turn.now_ms)
            resumed = canaries.again(turn, resumed, _canary_apps(turn, deployment))
            turn.put(Kind.DEPLOYMENT, deployment.id, resumed)
            turn.advancing[deployment.id] = None


def _deadline_seconds(turn: Turn, deployment: Deployment) -> int:
    if deployment.reverts:
        return 0  # else a way back that is slow would end where it came from, and so on
    return _current(turn, deployment).deadline_seconds


def late_seconds(turn: Turn, deployment: Deployment) -> int:
    """The deadline that has passed without progress; 0 while there is time, or nobody waits."""
    if deployment.paused or not turn.world.subscribed:
        return 0
    seconds = _deadline_seconds(turn, deployment)
    return seconds if turn.now_ms >= deployment.progress_at_ms + seconds * 1000 else 0


def pause(turn: Turn, deployment_id: str) -> Refused | Deployment:
    """Replace nothing more for now."""
    deployment = turn.world.state.deployments.get(deployment_id)
    if deployment is None:
        return Refused(Why.DEPLOYMENT_UNKNOWN, deployment_id)
    paused = canaries.by_hand(replace(deployment, paused=True))
    turn.put(Kind.DEPLOYMENT, deployment_id, paused)
    _look_at_all(turn, deployment_id)
    return paused


def go_on(turn: Turn, deployment_id: str) -> Refused | Deployment:
    """End a pause; canaries are promoted by it."""
    deployment = turn.world.state.deployments.get(deployment_id)
    if deployment is None:
        return Refused(Why.DEPLOYMENT_UNKNOWN, deployment_id)
    promoted = deployment.promoted or deployment.canary
    running = replace(
        deployment,
        paused=False,
        canary=False,
        promoted=promoted,
        by_hand=False,
        canary_step=0,
        canary_until_ms=0,
        progress_at_ms=turn.now_ms,
        # As the numbers change a part would soon be too much for few: only all of it is kept.
        share=deployment.share if deployment.share == WHOLE else None,
    )
    turn.put(Kind.DEPLOYMENT, deployment_id, running)
    if running.share != deployment.share:
        canaries.tell_share(turn, deployment_id)
    _look_at_all(turn, deployment_id)
    return running


def share(turn: Turn, deployment_id: str, percent: float | None) -> Refused | Deployment:
    """Divide the traffic of its apps between what it brings and what was; None: by number."""
    deployment = turn.world.state.deployments.get(deployment_id)
    if deployment is None:
        return Refused(Why.DEPLOYMENT_UNKNOWN, deployment_id)
    has_canaries = not deployment.promoted and bool(_current(turn, deployment).canaries)
    if percent is not None and not deployment.paused and not has_canaries:
        message = "only of a deployment that is paused, or has canaries that are not promoted yet"
        return Refused(Why.INVALID, "", "Object is not valid", (("/share", message),))
    shared = canaries.by_hand(replace(deployment, share=percent))
    turn.put(Kind.DEPLOYMENT, deployment_id, shared)
    canaries.tell_share(turn, deployment_id)
    _look_at_all(turn, deployment_id)  # old ones stay beside the new ones while it is divided
    return shared


def share_of_the_way_back(turn: Turn, reverted: str) -> float | None:
    """What the old instances have at the moment: they go on with it while the new ones leave."""
    deployment = turn.world.state.deployments.get(reverted)
    if deployment is None or deployment.share is None:
        return None
    return WHOLE - deployment.share


def _look_at_all(turn: Turn, deployment_id: str) -> None:
    for app_id in turn.world.plans[deployment_id].affected:
        turn.look_at(app_id)
