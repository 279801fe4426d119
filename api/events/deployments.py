"""The events of a deployment, and of what its steps begin and end: health checks and apps.

The checks of an app are told when a step starts or restarts it, as Marathon begins them then; that
an app is terminated once its stop is done.
"""

from collections.abc import Callable, Iterator

from api.events.happening import Fields, Happening
from api.render.app import health_check
from api.render.deployment import steps
from framework.domain.app import HealthCheck
from framework.domain.notices import DeploymentEnded, DeploymentStarted, DeploymentStepped
from framework.domain.rollout import ActionName, Deployment, Plan
from framework.domain.state import State

_BEGINNING = frozenset({ActionName.START, ActionName.RESTART})


def of_deployment(
    notice: DeploymentStarted | DeploymentStepped | DeploymentEnded, view: State
) -> Iterator[Happening]:
    """The events of a deployment's beginning, step or end, in order."""
    match notice:
        case DeploymentStarted():
            yield from _started(notice, view)
        case DeploymentStepped():
            yield from _stepped(notice, view)
        case DeploymentEnded():
            yield from _ended(notice, view)


def _plan(deployment: Deployment, plan: Plan) -> Fields:
    return {"id": deployment.id, "steps": steps(plan.steps), "version": deployment.version}


def _step(plan: Plan, number: int) -> Fields:
    """The actions of a step, counted from 1."""
    there = 0 < number <= len(plan.steps)
    return steps([plan.steps[number - 1]])[0] if there else {"actions": []}


def _of_step(kind: str, deployment: Deployment, plan: Plan, number: int) -> Happening:
    return Happening(
        kind,
        plan.affected,
        lambda: {"plan": _plan(deployment, plan), "currentStep": _step(plan, number)},
    )


def _started(notice: DeploymentStarted, view: State) -> Iterator[Happening]:
    deployment, plan = notice.deployment, notice.plan
    if plan.steps:
        number = max(1, deployment.current_step)
        yield _of_step("deployment_info", deployment, plan, number)
        yield from _checks_added(plan, number, view)


def _stepped(notice: DeploymentStepped, view: State) -> Iterator[Happening]:
    deployment, plan = notice.deployment, notice.plan
    number = deployment.current_step
    yield from _apps_terminated(plan, number - 1, view)
    yield _of_step("deployment_step_success", deployment, plan, number - 1)
    yield _of_step("deployment_info", deployment, plan, number)
    yield from _checks_added(plan, number, view)


def _ended(notice: DeploymentEnded, view: State) -> Iterator[Happening]:
    deployment, plan = notice.deployment, notice.plan
    if notice.failure:
        yield Happening(
            "deployment_failed",
            plan.affected,
            lambda: {
                "id": deployment.id,
                "plan": _plan(deployment, plan),
                "reason": notice.failure,
            },
        )
        return
    if plan.steps:
        yield from _apps_terminated(plan, len(plan.steps), view)
        yield _of_step("deployment_step_success", deployment, plan, len(plan.steps))
    yield Happening(
        "deployment_success",
        plan.affected,
        lambda: {"id": deployment.id, "plan": _plan(deployment, plan)},
    )


def _checks_added(plan: Plan, number: int, view: State) -> Iterator[Happening]:
    """Of the apps whose present definition begins to run with this step."""
    for action in plan.steps[number - 1]:
        app = view.apps.get(action.app_id)
        if app is not None and action.action in _BEGINNING:
            for check in app.health_checks:
                fields = {"appId": app.id, "version": app.version}
                yield Happening("add_health_check_event", (app.id,), _with_check(fields, check))


def _with_check(fields: Fields, check: HealthCheck) -> Callable[[], Fields]:
    return lambda: fields | {"healthCheck": health_check(check)}


def _apps_terminated(plan: Plan, number: int, view: State) -> Iterator[Happening]:
    """Apps of which nothing is left after this step, and before that the end of their checks."""
    for action in plan.steps[number - 1]:
        if action.action is ActionName.STOP:
            app_id = action.app_id
            last = view.versions_of.get(app_id, {}).get(plan.before.get(app_id, ""))
            checks = 0 if last is None else len(last.health_checks)
            for kind in ["remove_health_check_event"] * checks + ["app_terminated_event"]:
                yield Happening(kind, (app_id,), _of_app(app_id))


def _of_app(app_id: str) -> Callable[[], Fields]:
    return lambda: {"appId": app_id}
