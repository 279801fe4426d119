"""Deployments as JSON."""

from typing import Any

from framework.domain.rollout import Deployment, DeploymentAction


def deployment(record: Deployment) -> dict[str, Any]:
    """A change under way, with its steps and what it does at the moment."""
    step = record.current_step
    current = record.steps[step - 1] if 0 < step <= len(record.steps) else ()
    return {
        "id": record.id,
        "version": record.version,
        "affectedApps": list(record.affected),
        "affectedPods": [],
        "steps": [{"actions": [_action(action) for action in step]} for step in record.steps],
        "currentActions": [{**_action(one), "readinessCheckResults": []} for one in current],
        "currentStep": step,
        "totalSteps": len(record.steps),
    }


def _action(action: DeploymentAction) -> dict[str, Any]:
    return {"action": action.action.value, "app": action.app_id}
