"""What the checks of an instance say together: ours, and the executor's, which Mesos tells.

Each has a say where an app has both; what is known of each check is not stored, the verdict is.
"""

from framework.core.turn import Turn
from framework.domain.app import App
from framework.domain.health import CheckHealth, InstanceHealth, ProbeResult, health_key
from framework.domain.instance import Instance
from framework.domain.records import replace
from framework.domain.state import Kind


def known(turn: Turn, instance: Instance) -> InstanceHealth:
    """What is known of the checks of its present task."""
    found = turn.world.state.health.get(instance.id)
    if found is None or found.task_id != instance.task_id:
        return InstanceHealth(instance.task_id)
    return found


def after(before: CheckHealth, result: ProbeResult) -> CheckHealth:
    """What is known of a check once there is this result."""
    if result.alive:
        return replace(
            before,
            alive=True,
            consecutive_failures=0,
            first_success_ms=before.first_success_ms or result.at_ms,
            last_success_ms=result.at_ms,
        )
    return replace(
        before,
        alive=False,
        consecutive_failures=before.consecutive_failures + 1,
        last_failure_ms=result.at_ms,
        cause=result.cause[:1_000],
    )


def verdict(definition: App, checks: dict[int, CheckHealth], before: bool | None) -> bool | None:
    """What all checks say together; that of ``before`` until each has said something."""
    alive = [
        checks.get(index, CheckHealth()).alive for index in range(len(definition.health_checks))
    ]
    return False if False in alive else before if None in alive else True


def told_by_executor(turn: Turn, instance: Instance, alive: bool) -> bool | None:
    """The verdict on an instance whose executor says this of its own check: where the app has
    checks of ours as well, each has a say."""
    definition = turn.world.definition_of(instance)
    index = None if definition is None else _index_beside_ours(definition)
    if definition is None or index is None:
        return alive
    found = known(turn, instance)
    before = found.checks.get(index, CheckHealth())
    if before.alive is not alive:  # else Mesos only says it again
        result = ProbeResult(health_key(instance.task_id, index), turn.now_ms, alive)
        found = replace(found, checks=found.checks | {index: after(before, result)})
        turn.put(Kind.HEALTH, instance.id, found)
    return verdict(definition, found.checks, instance.healthy)


def _index_beside_ours(definition: App) -> int | None:
    """That of the executor's check (a task has one at most), if the app has checks of ours too."""
    by_executor = [check.run_by_executor for check in definition.health_checks]
    return None if all(by_executor) or not any(by_executor) else by_executor.index(True)
