"""Several clusters as one: what each has of an app serves together, or one after the other.

The first cluster that has an app says what its labels and ports are; the others give tasks.
"""

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from haproxy_bridge.snapshot import App, Snapshot, Task


class Spread(StrEnum):
    """How an app that several clusters have is served. FALLBACK: by the first one that has it, and
    by the others while no task of that one can. UNION: by all of them."""

    FALLBACK = "fallback"
    UNION = "union"


class _Made(Struct, frozen=True):
    parts: tuple[App, ...]
    app: App


class Together:
    """Puts them together again and again: an app that is the same everywhere is the same record."""

    def __init__(self, spread: Spread) -> None:
        self._spread = spread
        self._known: dict[str, _Made] = {}

    def of(self, parts: Sequence[Snapshot]) -> Snapshot:
        """The clusters in order of preference, of which there is one at least."""
        if len(parts) == 1:
            return parts[0]
        found: dict[str, list[App]] = {}
        for part in parts:
            for app in part.apps:
                found.setdefault(app.id, []).append(app)
        self._known = {app_id: self._made(app_id, apps) for app_id, apps in found.items()}
        made = [one.app for one in self._known.values()]
        return replace(parts[0], apps=tuple(sorted(made, key=lambda app: app.id)), tag="")

    def _made(self, app_id: str, apps: list[App]) -> _Made:
        before = self._known.get(app_id)
        if before is not None and list(map(id, before.parts)) == list(map(id, apps)):
            return before
        first, *others = apps
        more = tuple(self._joined(task, first) for app in others for task in app.tasks)
        app = replace(first, tasks=(*first.tasks, *more)) if more else first
        return _Made(tuple(apps), app)

    def _joined(self, task: Task, first: App) -> Task:
        """With as many endpoints as the app has ports. Where shares are told, they are of the new
        tasks of the first cluster: those of others count as old ones."""
        count = len(first.ports)
        endpoints = (*task.endpoints[:count], *[None] * (count - len(task.endpoints)))
        backup = self._spread is Spread.FALLBACK
        return replace(task, endpoints=endpoints, backup=backup, old=first.new_share is not None)
