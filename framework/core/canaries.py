"""Canaries: so many instances of a new definition, and then a wait before the rest follows.

A person ends the wait, or the definition says in which steps the canaries get traffic and for how
long each holds: then the scheduler goes through them by itself, so that no terminal has to stay
open for it, and promotes after the last. It never goes on from what it does not see to be well;
whoever pauses the deployment or divides its traffic by hand takes the steps over.
"""

from collections.abc import Sequence

from framework.core import sizing
from framework.core.deadlines import Due
from framework.core.freezing import frozen
from framework.core.index import OLD_LIVE, OLD_MARKED, Slot
from framework.core.turn import Turn
from framework.domain.app import App, CanaryStep
from framework.domain.notices import SharesChanged
from framework.domain.records import replace
from framework.domain.rollout import Deployment
from framework.domain.state import Kind


def watch(turn: Turn, deployment: Deployment, apps: Sequence[App]) -> bool:
    """Pause once the canaries of the present step's ``apps`` serve, and take their steps when
    those are due; whether the canaries are to be promoted now."""
    if deployment.promoted:
        return False
    waiting = [app for app in apps if _stays_partly_old(turn, app)]
    if not deployment.paused:
        deployment = _begin(turn, deployment, waiting)
    if not deployment.canary or deployment.by_hand:
        return False
    steps = steps_of(apps)
    if not steps or not turn.world.subscribed or any(frozen(turn, app.id) for app in apps):
        return False
    if not waiting:
        return True  # nothing old is left: there is nobody to share with
    return _take_step(turn, deployment, waiting, steps)


def steps_of(apps: Sequence[App]) -> tuple[CanaryStep, ...]:
    """Those of the first app that has some: a deployment divides the traffic of all its apps."""
    named = (app.upgrade_strategy.canary_steps for app in sorted(apps, key=_by_id))
    return next((steps for steps in named if steps), ())


def serving(turn: Turn, app: App) -> int:
    """Instances of the present configuration that serve, to be replaced or not."""
    return turn.world.apps[app.id].size(Slot.READY, Slot.MARKED_READY)


def tell_share(turn: Turn, deployment_id: str) -> None:
    """Say to whoever routes that the traffic of a deployment's apps is divided otherwise."""
    turn.notices.append(SharesChanged(deployment_id, turn.world.plans[deployment_id].affected))


def by_hand(deployment: Deployment) -> Deployment:
    """Its steps, if it has some, are a person's from now on."""
    return replace(deployment, by_hand=True, canary_until_ms=0)


def again(turn: Turn, deployment: Deployment, apps: Sequence[App]) -> Deployment:
    """The present step holds anew: while Mesos or we were away nobody saw how it goes."""
    steps = steps_of(apps)
    if not deployment.canary_until_ms or not steps:
        return deployment
    held = steps[min(deployment.canary_step, len(steps)) - 1]
    return replace(deployment, canary_until_ms=turn.now_ms + held.seconds * 1000)


def _by_id(app: App) -> str:
    return app.id


def _begin(turn: Turn, deployment: Deployment, waiting: Sequence[App]) -> Deployment:
    """Wait once all canaries serve. Those with steps get nothing before."""
    if not waiting:
        return deployment
    if steps_of(waiting) and deployment.share is None and not deployment.by_hand:
        deployment = replace(deployment, share=0.0)
        turn.put(Kind.DEPLOYMENT, deployment.id, deployment)
        tell_share(turn, deployment.id)
    if not _all_serve(turn, waiting):
        return deployment
    deployment = replace(deployment, paused=True, canary=True)
    turn.put(Kind.DEPLOYMENT, deployment.id, deployment)
    names = ", ".join(app.id for app in waiting)
    asked = "" if steps_of(waiting) else f"; promote or cancel {deployment.id}"
    turn.remark("info", f"the canaries of {names} serve{asked}")
    return deployment


def _all_serve(turn: Turn, apps: Sequence[App]) -> bool:
    return all(
        serving(turn, app) >= min(app.upgrade_strategy.canary, app.instances) for app in apps
    )


def _stays_partly_old(turn: Turn, app: App) -> bool:
    """Whether the canaries do not make up the whole app; no old one has to run at the moment."""
    index = turn.world.apps[app.id]
    share = sizing.share_of(turn, app, index)
    return share is not None and (share < app.instances or index.size(*OLD_LIVE, *OLD_MARKED) > 0)


def _take_step(
    turn: Turn, deployment: Deployment, waiting: Sequence[App], steps: tuple[CanaryStep, ...]
) -> bool:
    """Take the traffic back if a canary does not serve; else go on if it is time. Whether the
    last step is over."""
    if not _all_serve(turn, waiting):
        _take_back(turn, deployment, waiting)
        return False
    if turn.now_ms >= deployment.canary_until_ms:
        if deployment.canary_step >= len(steps):
            return True
        step = steps[deployment.canary_step]
        deployment = replace(
            deployment,
            share=step.share,
            canary_step=deployment.canary_step + 1,
            canary_until_ms=turn.now_ms + step.seconds * 1000,
        )
        turn.put(Kind.DEPLOYMENT, deployment.id, deployment)
        tell_share(turn, deployment.id)
        place = f"step {deployment.canary_step} of {len(steps)}"
        names = ", ".join(app.id for app in waiting)
        turn.remark("info", f"canaries of {names} get {step.share:g} % of the traffic ({place})")
    turn.world.deadlines.reset(deployment.canary_until_ms, Due.CANARY, deployment.id)
    return False


def _take_back(turn: Turn, deployment: Deployment, waiting: Sequence[App]) -> None:
    turn.put(Kind.DEPLOYMENT, deployment.id, by_hand(replace(deployment, share=0.0)))
    tell_share(turn, deployment.id)
    names = ", ".join(app.id for app in waiting)
    turn.remark(
        "warning",
        f"canaries of {names} do not serve any more and get no traffic; "
        f"promote or cancel {deployment.id}",
    )
