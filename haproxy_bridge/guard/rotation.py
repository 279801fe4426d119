"""Which tasks of an app serve: those that run, are healthy as far as is known, and ready."""

from msgspec.structs import replace

from haproxy_bridge.guard.memory import GuardOptions, Memory, Panic
from haproxy_bridge.snapshot import App, Snapshot, Task, Verdict


def merged(new: Snapshot, memory: Memory) -> Snapshot:
    """While a leader has not compared its tasks with Mesos, what it does not name may still run:
    apps and tasks of the last snapshot stay."""
    last = memory.rotation
    if new.synced or last is None or last.state_id != new.state_id:
        return new
    named = {app.id: app for app in new.apps}
    kept = {app.id: app for app in last.apps if app.id not in named}
    for before in last.apps:
        if before.id in named:
            named[before.id] = _with_missing(named[before.id], before)
    return replace(new, apps=tuple(sorted([*named.values(), *kept.values()], key=_by_id)))


def _by_id(app: App) -> str:
    return app.id


def _with_missing(app: App, before: App) -> App:
    there = {task.id for task in app.tasks}
    missing = tuple(task for task in before.tasks if task.id not in there)
    return replace(app, tasks=app.tasks + missing) if missing else app


def verdicts_of(new: Snapshot, memory: Memory) -> dict[str, Verdict]:
    """The health of each task, where it is unknown the last one that was known."""
    return {
        task.id: memory.verdicts.get(task.id, task.health)
        if task.health is Verdict.UNKNOWN
        else task.health
        for app in new.apps
        for task in app.tasks
    }


def in_rotation(
    new: Snapshot, verdicts: dict[str, Verdict], memory: Memory, options: GuardOptions, now_ms: int
) -> Snapshot:
    """The snapshot with only those tasks that serve, and those that drain."""
    last = {} if memory.rotation is None else {app.id: app for app in memory.rotation.apps}
    apps = tuple(
        replace(app, tasks=_serving(app, last.get(app.id), verdicts, options, now_ms))
        for app in new.apps
    )
    return replace(new, apps=apps)


def _serving(
    app: App, last: App | None, verdicts: dict[str, Verdict], options: GuardOptions, now_ms: int
) -> tuple[Task, ...]:
    before = set() if last is None else {task.id for task in last.tasks}
    running = [task for task in app.tasks if task.reachable or task.id in before]
    draining = [task for task in running if task.draining]
    # One that is not ready is up on purpose, but not for traffic: no emergency changes that.
    staying = [task for task in running if not task.draining and task.ready is not False]
    healthy = [
        task
        for task in staying
        if _is_healthy(app, task, task.id in before, verdicts, options, now_ms)
    ]
    share = len(healthy) / len(staying) if staying else 1.0
    if not healthy or share < options.healthy_share:
        healthy = _in_panic(staying, healthy, before, options)
    chosen = {task.id for task in [*healthy, *draining]}
    return tuple(task for task in app.tasks if task.id in chosen)


def _is_healthy(
    app: App,
    task: Task,
    served: bool,
    verdicts: dict[str, Verdict],
    options: GuardOptions,
    now_ms: int,
) -> bool:
    if not app.has_checks and verdicts[task.id] is Verdict.UNKNOWN:
        least_ms = options.min_uptime_seconds * 1000  # none: whatever the clocks say
        return served or not least_ms or now_ms - task.started_at_ms >= least_ms
    return verdicts[task.id] is Verdict.UP


def _in_panic(
    staying: list[Task], healthy: list[Task], before: set[str], options: GuardOptions
) -> list[Task]:
    if healthy or options.panic is Panic.ALL:
        return staying  # too few are healthy to carry the load alone, or any is better than none
    if options.panic is Panic.KEEP_LAST:
        return [task for task in staying if task.id in before]
    return []
