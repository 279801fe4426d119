"""Deployments: as Marathon shows them, and (on ``/v3``) with how far each app of them is."""

from collections.abc import Iterable, Sequence
from typing import Any

from api.render.freeze import held_back
from api.render.health import definition_of, readiness_results
from framework.core.canaries import steps_of
from framework.core.index import (
    CURRENT_LIVE,
    LEAVING,
    MARKED,
    OLD_LIVE,
    OLD_MARKED,
    Slot,
    is_old,
    serves,
    slot_of,
)
from framework.core.planning import warnings
from framework.domain.app import App, CanaryStep
from framework.domain.clock import iso
from framework.domain.replies import Done, Misfit
from framework.domain.rollout import Deployment, DeploymentAction, Plan
from framework.domain.state import State


def steps(planned: Iterable[Sequence[DeploymentAction]]) -> list[dict[str, Any]]:
    """The steps of a plan."""
    return [{"actions": [_action(one) for one in actions]} for actions in planned]


def _action(action: DeploymentAction) -> dict[str, Any]:
    return {"action": action.action.value, "app": action.app_id}


def deployment(view: State, record: Deployment) -> dict[str, Any]:
    """A change under way, with its steps and what it does at the moment."""
    plan = view.plan(record)
    return {
        **_common(record, plan),
        "affectedPods": [],
        "currentActions": [
            {**_action(one), "readinessCheckResults": _readiness(view, one.app_id)}
            for one in _current(record, plan)
        ],
    }


def _common(record: Deployment, plan: Plan) -> dict[str, Any]:
    return {
        "id": record.id,
        "version": record.version,
        "affectedApps": list(plan.affected),
        "steps": steps(plan.steps),
        "currentStep": record.current_step,
        "totalSteps": record.total_steps,
    }


def _current(record: Deployment, plan: Plan) -> tuple[DeploymentAction, ...]:
    step = record.current_step
    return plan.steps[step - 1] if 0 < step <= len(plan.steps) else ()


def _readiness(view: State, app_id: str) -> list[dict[str, Any]]:
    app = view.apps.get(app_id)
    return [] if app is None else readiness_results(app, view)


def watched_deployment(view: State, record: Deployment) -> dict[str, Any]:
    """A change under way as it is to be watched: what serves, what it waits for, until when.

    ``canary``: it waits after its canaries to be promoted, by itself after ``canarySteps``, of
    which ``canaryStep`` is in force until ``nextStepAt``; ``deadlineAt``: when it is taken back
    unless there is progress before."""
    plan = view.plan(record)
    frozen = held_back(view, plan.affected)
    fields: dict[str, Any] = {
        **_common(record, plan),
        "paused": record.paused,
        "canary": record.canary,
        "apps": [_progress(view, app_id) for app_id in plan.affected],
        "startedAt": iso(record.started_at_ms),
        "progressAt": iso(record.progress_at_ms),
        "warnings": [*frozen, *_warnings(view, plan)],
    }
    if record.reverts:
        fields["reverts"] = record.reverts
    if record.share is not None:
        fields["share"] = record.share
    if record.canary_until_ms:
        fields["canaryStep"] = record.canary_step
        fields["canarySteps"] = len(_canary_steps(view, record, plan))
        fields["nextStepAt"] = iso(record.canary_until_ms)
    deadline_seconds = _deadline_seconds(view, record, plan)
    if deadline_seconds and not record.paused and not frozen:
        fields["deadlineAt"] = iso(record.progress_at_ms + deadline_seconds * 1000)
    return fields


def _canary_steps(view: State, record: Deployment, plan: Plan) -> tuple[CanaryStep, ...]:
    found = (view.apps.get(one.app_id) for one in _current(record, plan))
    return steps_of([app for app in found if app is not None])


def _deadline_seconds(view: State, record: Deployment, plan: Plan) -> int:
    if record.reverts:
        return 0  # a way back has none
    apps = [view.apps.get(one.app_id) for one in _current(record, plan)]
    return max(
        (app.upgrade_strategy.progress_deadline_seconds for app in apps if app is not None),
        default=0,
    )


def _progress(view: State, app_id: str) -> dict[str, Any]:
    """How far one app is. Instances that wait for an offer, or were lost for so long that they
    were replaced, are none here. ``awaitingEdges``: new ones that would serve."""
    app = view.apps.get(app_id)
    sizes = dict.fromkeys(Slot, 0)
    awaiting_edges = 0
    for instance in list(view.instances_of.get(app_id, {}).values()):
        definition = None if app is None else definition_of(instance, app, view)
        sizes[slot_of(app, instance, definition)] += 1
        if app is not None and instance.awaits_edges and not is_old(app, instance):
            awaiting_edges += serves(definition or app, instance)
    fields: dict[str, Any] = {
        "id": app_id,
        "wanted": 0 if app is None else app.instances,
        "newServing": sizes[Slot.READY] + sizes[Slot.MARKED_READY],
        "newTotal": sum(sizes[slot] for slot in (*CURRENT_LIVE, *MARKED)),
        "oldServing": sizes[Slot.OLD_READY] + sizes[Slot.OLD_MARKED_READY],
        "oldTotal": sum(sizes[slot] for slot in (*OLD_LIVE, *OLD_MARKED)),
        "leaving": sum(sizes[slot] for slot in LEAVING),
    }
    if awaiting_edges:
        fields["awaitingEdges"] = awaiting_edges
    return fields


def dry_run(done: Done) -> dict[str, Any]:
    """What a change would do and, if there is something to say of it, what may not fit."""
    shown: dict[str, Any] = {"steps": steps(done.steps)}
    if done.warnings:
        misfits = {one.message: one for one in done.misfits}
        shown["warnings"] = [_warning(text, misfits.get(text)) for text in done.warnings]
    return shown


def _warning(text: str, misfit: Misfit | None) -> dict[str, Any]:
    if misfit is None:
        return {"message": text}
    return {
        "message": text,
        "id": misfit.app_id,
        "instances": misfit.instances,
        "agentsSeen": misfit.agents_seen,
        "agentsLookedAt": misfit.agents_looked_at,
        "reasons": [
            {"reason": one.reason, "agents": one.agents, "message": one.message}
            for one in misfit.reasons
        ],
    }


def _warnings(view: State, plan: Plan) -> list[str]:
    pairs: list[tuple[App | None, App | None]] = []
    for app_id, version in plan.before.items():
        pairs.append((view.versions_of.get(app_id, {}).get(version), view.apps.get(app_id)))
    return list(warnings(pairs))
