"""Divided traffic in a run: deployments that say what share of it their new instances get.

Shares are parts of a hundred, of deployments that wait; and while one is divided old instances
leave only for canaries that are not there, since traffic may go back to them at any moment.
Recounted from the records.
"""

from collections.abc import Mapping

from framework.domain.app import App
from framework.domain.events import Command, PauseDeployment, ShareDeployment
from framework.domain.instance import Goal, Instance
from framework.domain.rollout import Deployment
from framework.domain.state import State
from tests.simulation.oracle import effective, live
from tests.simulation.stage import Stage, Violation

OFTEN = 0.3  # of what is asked, in runs with shares
_WHOLE = 100
_REPLACED = "replaced"


def choose(stage: Stage, view: State) -> Command | None:
    """Divide what a deployment may divide, or give all back; one that does not wait is to."""
    if not view.deployments:
        return None
    deployment = view.deployments[stage.pick([*view.deployments])]
    if not deployment.paused and not deployment.canary and stage.rng.random() < 0.2:
        return PauseDeployment(deployment.id)
    return ShareDeployment(deployment.id, stage.pick((None, 0.0, 5.0, 50.0, 100.0)))


class Divided:
    """Watches every step; ``steps``: in how many of an app the traffic was divided."""

    def __init__(self) -> None:
        self.steps = 0
        self._shared: dict[str, tuple[Deployment, int]] = {}  # by app: with how many new ones

    def before(self, state: State) -> None:
        """A step is about to be taken."""
        self._shared = {
            app_id: (one, _new(state, app_id))
            for one in state.deployments.values()
            if one.share is not None
            for app_id in state.plan(one).affected
        }

    def check(self, state: State, before: Mapping[str, Instance]) -> None:
        """It was taken; ``before``: the instances as they were."""
        for one in state.deployments.values():
            _check_share(state, one)
        for app_id, (deployment, had) in self._shared.items():
            now, app = state.deployments.get(deployment.id), effective(state, app_id)
            if now is None or app is None or now.share is None or not _waits(app, now):
                continue
            self.steps += 1
            # Those that wait to start again where their data is want their place, too.
            wanted = max(app.upgrade_strategy.canary, len(_current(state, app)))
            missing = max(0, wanted - min(had, _new(state, app_id)))
            gone = [
                one.id
                for one in state.instances_of.get(app_id, {}).values()
                if one.kill_reason.startswith(_REPLACED)
                and one.goal is not Goal.RUNNING
                and one.id in before
                and before[one.id].goal is Goal.RUNNING
                and live(before[one.id])
                and one.config != app.config
            ]
            if len(gone) > missing:
                raise Violation(f"{gone} leave while the traffic of {app_id} is divided")


def _waits(app: App, deployment: Deployment) -> bool:
    """Apps without canaries are replaced while others of the deployment wait after theirs."""
    canaries = app.upgrade_strategy.canary and not deployment.promoted
    return bool((deployment.paused and not deployment.canary) or canaries)


def _new(state: State, app_id: str) -> int:
    app = effective(state, app_id)
    if app is None:
        return 0
    return sum(map(live, _current(state, app)))


def _current(state: State, app: App) -> list[Instance]:
    mine = state.instances_of.get(app.id, {}).values()
    return [one for one in mine if one.config == app.config and one.goal is Goal.RUNNING]


def _check_share(state: State, deployment: Deployment) -> None:
    share = deployment.share
    if share is None:
        return
    if not 0 <= share <= _WHOLE:
        raise Violation(f"{deployment.id} gives its instances {share} %")
    apps = (effective(state, app_id) for app_id in state.plan(deployment).affected)
    waits = deployment.paused or any(app is not None and _waits(app, deployment) for app in apps)
    if not waits and share != _WHOLE and not deployment.reverts:
        raise Violation(f"{deployment.id} goes on with {share} % for its instances")
