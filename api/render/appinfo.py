"""An app with what was asked to be embedded: Marathon's AppInfo."""

from collections.abc import Collection, Iterable
from enum import StrEnum
from typing import Any

import msgspec

from api.render.app import app_object
from api.render.health import readiness_results
from api.render.instance import counts, failure, shown, task, task_stats
from api.render.pieces import Pieces
from framework.domain.app import App
from framework.domain.state import Kind, State


class Embed(StrEnum):
    """What can be added to an app, by the names of the query."""

    TASKS = "tasks"
    DEPLOYMENTS = "deployments"
    READINESS = "readiness"
    LAST_TASK_FAILURE = "lastTaskFailure"
    COUNTS = "counts"
    TASK_STATS = "taskStats"
    DOCUMENTED_TASK_STATS = "app.taskStats"


STATS = frozenset({Embed.TASK_STATS, Embed.DOCUMENTED_TASK_STATS})
_PREFIXES = ("group.apps.", "apps.", "app.")
_IMPLIED = {
    **{embed.value: frozenset({embed}) for embed in Embed},
    "tasks": frozenset({Embed.TASKS, Embed.DEPLOYMENTS}),
    "failures": frozenset({Embed.TASKS, Embed.LAST_TASK_FAILURE, Embed.DEPLOYMENTS}),
}


def app_embeds(names: Iterable[str]) -> frozenset[Embed]:
    """The embeds of a query; names with any of the prefixes are equal, unknown ones ignored.

    But for ``app.taskStats``: marathon-python, which spells it so, parses the numbers under the
    name of Marathon's documentation, and breaks on the one that Marathon sends.
    """
    embeds: set[Embed] = set()
    for name in names:
        plain = name
        if name != Embed.DOCUMENTED_TASK_STATS:
            prefix = next((prefix for prefix in _PREFIXES if name.startswith(prefix)), "")
            plain = name.removeprefix(prefix)
        embeds |= _IMPLIED.get(plain, frozenset())
    return frozenset(embeds)


_SHOWN_AS = {
    Embed.TASKS: ("tasks",),
    Embed.DEPLOYMENTS: ("deployments",),
    Embed.READINESS: ("readinessCheckResults",),
    Embed.LAST_TASK_FAILURE: ("lastTaskFailure",),
    Embed.COUNTS: ("tasksStaged", "tasksRunning", "tasksHealthy", "tasksUnhealthy"),
    Embed.TASK_STATS: ("taskStats", "tasksStats"),
    Embed.DOCUMENTED_TASK_STATS: ("taskStats",),
}


def needed(embeds: frozenset[Embed], fields: Collection[str]) -> frozenset[Embed]:
    """Those of which something will be seen if only these fields are; all without any."""
    if not fields:
        return embeds
    return frozenset(one for one in embeds if any(name in fields for name in _SHOWN_AS[one]))


class Deploying:
    """Which deployments affect which app: made anew when one begins, ends or moves."""

    def __init__(self) -> None:
        self._known: tuple[object, dict[str, list[str]]] = (None, {})

    def ids(self, view: State) -> dict[str, list[str]]:
        """The deployments' ids by app id."""
        revisions = view.kind_revisions
        stamp = (revisions.get(Kind.DEPLOYMENT), revisions.get(Kind.DEPLOYMENT_PART))
        known = self._known
        if known[0] != stamp:
            found: dict[str, list[str]] = {}
            for deployment in list(view.deployments.values()):
                for app_id in view.plan(deployment).affected:
                    found.setdefault(app_id, []).append(deployment.id)
            self._known = known = (stamp, found)
        return known[1]


class AppInfos:
    """Renders apps of one published view, for one request. ``pieces`` and ``deploying`` keep what
    was rendered from one request to the next."""

    def __init__(
        self,
        view: State,
        now_ms: int,
        pieces: Pieces | None = None,
        deploying: Deploying | None = None,
    ) -> None:
        self._view = view
        self._now_ms = now_ms
        self._pieces = pieces
        self._deployment_ids = (deploying or Deploying()).ids(view)

    def shown(self, app: App, embeds: frozenset[Embed]) -> dict[str, Any] | msgspec.Raw:
        """The app with these embeds, or its JSON if that may be kept: ages may not."""
        if self._pieces is None or embeds & STATS:
            return self.info(app, embeds)
        ids = self._deployment_ids.get(app.id, [])
        return self._pieces.of(self._view, app, embeds, ids, lambda: self.info(app, embeds))

    def info(self, app: App, embeds: frozenset[Embed]) -> dict[str, Any]:
        """The app with these embeds."""
        fields = app_object(app)
        instances = shown(list(self._view.instances_of.get(app.id, {}).values()))
        if Embed.COUNTS in embeds:
            for name, count in counts(app, instances).items():
                fields[f"tasks{name.capitalize()}"] = count
        if Embed.DEPLOYMENTS in embeds:
            ids = self._deployment_ids.get(app.id, [])
            fields["deployments"] = [{"id": deployment_id} for deployment_id in ids]
        if Embed.TASKS in embeds:
            fields["tasks"] = [task(instance, app, self._view) for instance in instances]
        if Embed.LAST_TASK_FAILURE in embeds:
            record = self._view.failures.get(app.id)
            if record is not None:
                fields["lastTaskFailure"] = failure(record)
        if Embed.READINESS in embeds:
            fields["readinessCheckResults"] = readiness_results(app, self._view)
        if embeds & STATS:
            fields["taskStats"] = task_stats(app, instances, self._now_ms)
        if Embed.TASK_STATS in embeds:
            fields["tasksStats"] = fields["taskStats"]
        return fields


def created(app: App, deployment_id: str) -> dict[str, Any]:
    """The answer to a creation: nothing runs yet, one deployment is under way."""
    return {
        **app_object(app),
        "tasksStaged": 0,
        "tasksRunning": 0,
        "tasksHealthy": 0,
        "tasksUnhealthy": 0,
        "deployments": [{"id": deployment_id}],
    }
