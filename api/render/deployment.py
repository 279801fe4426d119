"""Deployments as Marathon shows them: steps, and what happens at the moment."""

from typing import Any

from framework.domain.rollout import Deployment, DeploymentAction
from framework.domain.state import State


def deployment(view: State, record: Deployment) -> dict[str, Any]:
    """A change under way, with its steps and what it does at the moment."""
    step = record.current_step
    plan = view.plan(record)
    current = plan.steps[step - 1] if 0 < step <= len(plan.steps) else ()
    return {
        "id": record.id,
        "version": record.version,
        "affectedApps": list(plan.affected),
        "affectedPods": [],
        "steps": [{"actions": [_action(action) for action in step]} for step in plan.steps],
        "currentActions": [{**_action(one), "readinessCheckResults": []} for one in current],
        "currentStep": step,
        "totalSteps": record.total_steps,
    }


def _action(action: DeploymentAction) -> dict[str, Any]:
    return {"action": action.action.value, "app": action.app_id}
