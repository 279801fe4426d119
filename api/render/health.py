"""What checks found of an instance: results of health checks and of readiness checks."""

from typing import Any

from framework.domain.app import App
from framework.domain.clock import iso
from framework.domain.health import CheckHealth, InstanceHealth
from framework.domain.instance import Instance
from framework.domain.state import State


def definition_of(instance: Instance, app: App, view: State) -> App:
    """The definition that the instance's task was launched with, if it is still known."""
    if instance.version == app.version:
        return app
    return view.versions_of.get(app.id, {}).get(instance.version, app)


def health_results(instance: Instance, app: App, view: State) -> list[dict[str, Any]]:
    """One result for each health check that was carried out; ``app`` is the definition with the
    checks. After a new start of the scheduler, until its own checks were carried out again, there
    is one: the verdict it remembers."""
    known = _known(instance, view)
    results = [
        _counted(instance, known.checks[index])
        for index in range(len(app.health_checks))
        if index in known.checks
    ]
    told_by_executor = all(check.run_by_executor for check in app.health_checks)
    if instance.healthy is not None and (told_by_executor or not results):
        results.append(_verdict(instance))
    return results


def _known(instance: Instance, view: State) -> InstanceHealth:
    known = view.health.get(instance.id)
    if known is None or known.task_id != instance.task_id:
        return InstanceHealth(instance.task_id)
    return known


def _counted(instance: Instance, check: CheckHealth) -> dict[str, Any]:
    result: dict[str, Any] = {
        "alive": check.alive is True,
        "consecutiveFailures": check.consecutive_failures,
        "instanceId": instance.id,
    }
    for name, moment_ms in (
        ("firstSuccess", check.first_success_ms),
        ("lastSuccess", check.last_success_ms),
        ("lastFailure", check.last_failure_ms),
    ):
        if moment_ms is not None:
            result[name] = iso(moment_ms)
    if check.cause:
        result["lastFailureCause"] = check.cause
    return result


def _verdict(instance: Instance) -> dict[str, Any]:
    """The last verdict. The executor tells when it changed, and nothing of how often."""
    alive = instance.healthy is True
    result: dict[str, Any] = {
        "alive": alive,
        "consecutiveFailures": 0 if alive else 1,
        "instanceId": instance.id,
    }
    if instance.health_since_ms:
        since = iso(instance.health_since_ms)
        result |= {"firstSuccess": since, "lastSuccess": since} if alive else {"lastFailure": since}
    return result


def readiness_results(app: App, view: State) -> list[dict[str, Any]]:
    """What the readiness check of the present configuration found, for each instance that was
    asked."""
    if not app.readiness_checks:
        return []
    name = app.readiness_checks[0].name
    results = []
    for instance in list(view.instances_of.get(app.id, {}).values()):
        found = _known(instance, view).readiness
        # The answer is not stored, and that it was ready is.
        asked = found is not None or instance.ready is True
        if instance.config != app.config or instance.ready is None or not asked:
            continue
        result: dict[str, Any] = {
            "name": name,
            "taskId": instance.task_id,
            "ready": instance.ready,
        }
        if found is not None and found.answer is not None:
            result["lastResponse"] = {
                "status": found.answer.status,
                "contentType": found.answer.content_type,
                "body": found.answer.body,
            }
        results.append(result)
    return results
