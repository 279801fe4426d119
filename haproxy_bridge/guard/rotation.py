"""Which tasks of an app serve: those that run, are healthy as far as is known, and ready."""

from itertools import compress, count
from operator import is_not

from msgspec import Struct
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


class _Known(Struct, frozen=True):
    """What came of an app, and what that followed from; ``unknown``: of its tasks that nobody knows
    the health of, the verdicts that were taken."""

    app: App
    last: App | None
    verdicts: dict[str, Verdict]
    unknown: dict[str, Verdict]
    serving: App


_NOBODY = App("", 0)
_NOTHING = _Known(_NOBODY, None, {}, {}, _NOBODY)


class Rotation:
    """Decides again and again, and thinks only about apps that are not as they were the last time;
    what comes of it is that of a first decision."""

    def __init__(self, options: GuardOptions) -> None:
        self._options = options
        self._known: dict[str, _Known] = {}
        self._verdicts: dict[str, Verdict] = {}
        self._told: tuple[App, ...] = ()
        self._made: Snapshot | None = None

    def decide(
        self, new: Snapshot, memory: Memory, now_ms: int
    ) -> tuple[Snapshot, dict[str, Verdict]]:
        """The snapshot with only those tasks that serve, and those that drain; and the health of
        each task, where it is unknown the last one that was known."""
        places = self._places(new, memory)
        if places is not None:
            return self._decided_at(places, new, memory, now_ms)
        last = {} if memory.rotation is None else {app.id: app for app in memory.rotation.apps}
        before = self._known
        own, timed = memory.verdicts is self._verdicts, self._options.min_uptime_seconds > 0
        known: dict[str, _Known] = {}
        anew: list[_Known] = []
        for app in new.apps:
            app_id = app.id
            known[app_id] = found = before.get(app_id, _NOTHING)
            same = found.app is app and found.last is last.get(app_id)
            if not same or timed or (found.unknown and not own):
                known[app_id] = other = self._of(app, last.get(app_id), memory, now_ms)
                if other is not found:
                    anew.append(other)
        verdicts = self._verdicts_with(anew, known, memory)
        self._known, self._verdicts = known, verdicts
        made = replace(new, apps=tuple([one.serving for one in known.values()]))
        self._told, self._made = new.apps, made
        return made, verdicts

    def _places(self, new: Snapshot, memory: Memory) -> list[int] | None:
        """Where apps may not serve as the last time; None where that is not all there is to see:
        other apps, other memories, or time that counts."""
        made, own = self._made, memory.verdicts is self._verdicts
        own = own and made is not None and memory.rotation is made
        if not own or self._options.min_uptime_seconds or len(new.apps) != len(self._told):
            return None
        # What serves of an app that is as it was is the same, also after that has served.
        changed = list(compress(count(), map(is_not, new.apps, self._told)))
        if any(new.apps[at].id != self._told[at].id for at in changed):
            return None
        return changed

    def _decided_at(
        self, places: list[int], new: Snapshot, memory: Memory, now_ms: int
    ) -> tuple[Snapshot, dict[str, Verdict]]:
        """As ``decide``, looking at these places alone."""
        assert self._made is not None, "there are places of a last time"
        before, serving = self._made.apps, list(self._made.apps)
        verdicts = memory.verdicts.copy() if places else memory.verdicts
        for at in places:
            for task_id in self._known[new.apps[at].id].verdicts:
                verdicts.pop(task_id, None)
        for at in places:
            app = new.apps[at]
            self._known[app.id] = found = self._of(app, before[at], memory, now_ms)
            verdicts.update(found.verdicts)
            serving[at] = found.serving
        made = replace(new, apps=tuple(serving))
        self._told, self._made, self._verdicts = new.apps, made, verdicts
        return made, verdicts

    def _verdicts_with(
        self, anew: list[_Known], known: dict[str, _Known], memory: Memory
    ) -> dict[str, Verdict]:
        """Those of all tasks. They are many: of those of the last time only what is not so any
        more is changed, if nothing came between."""
        gone = [one for app_id, one in self._known.items() if app_id not in known]
        changed = [self._known.get(one.app.id, _NOTHING) for one in anew]
        if memory.verdicts is not self._verdicts:
            gone, changed, anew, found = [], [], list(known.values()), {}
        else:
            found = memory.verdicts if not (anew or gone) else memory.verdicts.copy()
        for one in (*gone, *changed):
            for task_id in one.verdicts:
                found.pop(task_id, None)
        for one in anew:
            found.update(one.verdicts)
        return found

    def _of(self, app: App, last: App | None, memory: Memory, now_ms: int) -> _Known:
        before = self._known.get(app.id)
        if before is not None and self._holds(before, app, last, memory):
            return before
        verdicts = {
            task.id: memory.verdicts.get(task.id, task.health)
            if task.health is Verdict.UNKNOWN
            else task.health
            for task in app.tasks
        }
        unknown = {
            task.id: verdicts[task.id] for task in app.tasks if task.health is Verdict.UNKNOWN
        }
        serving = replace(app, tasks=_serving(app, last, verdicts, self._options, now_ms))
        return _Known(app, last, verdicts, unknown, last if last == serving else serving)

    def _holds(self, known: _Known, app: App, last: App | None, memory: Memory) -> bool:
        """Whether the same would come of it; with a least time of running, time alone matters."""
        same = known.app is app and known.last is last
        return (
            same
            and not self._options.min_uptime_seconds
            and all(
                memory.verdicts.get(task_id, Verdict.UNKNOWN) is verdict
                for task_id, verdict in known.unknown.items()
            )
        )


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
