"""Which app starts after which: depths in the graph of dependencies.

A dependency names an app or a group; one of a group holds for every app below it. Unknown names
are ignored, as Marathon does. Depth 0 depends on nothing; an app's depth is one more than the
deepest it depends on, so a deployment goes through the depths in order.
"""

from collections.abc import Iterable, Mapping

from framework.core.index import ancestors
from framework.domain.app import App
from framework.domain.groups import Group

Edges = dict[str, frozenset[str]]


def edges(apps: Mapping[str, App], groups: Mapping[str, Group]) -> Edges:
    """For each app the apps it depends on, its own and its groups' dependencies resolved."""
    below = _apps_below(apps)
    found: Edges = {}
    for app_id, app in apps.items():
        named = set(app.dependencies)
        inside = {"/", *ancestors(app_id)}
        for path in inside:
            group = groups.get(path)
            named.update(group.dependencies if group is not None else ())
        # A group that depends on one of its own apps does not make that app depend on itself.
        found[app_id] = frozenset(
            other
            for name in named
            for other in ([name] if name in apps else below.get(name, ()))
            if other != app_id
        )
    return found


def _apps_below(apps: Iterable[str]) -> dict[str, list[str]]:
    below: dict[str, list[str]] = {}
    for app_id in apps:
        for path in ancestors(app_id):
            below.setdefault(path, []).append(app_id)
    return below


def depths(graph: Edges) -> dict[str, int] | None:
    """The depth of every app; None if the dependencies run in a circle."""
    depth: dict[str, int] = {}
    waiting = {app_id: len(others) for app_id, others in graph.items()}
    dependents: dict[str, list[str]] = {}
    for app_id, others in graph.items():
        for other in others:
            dependents.setdefault(other, []).append(app_id)
    ready = [app_id for app_id, missing in waiting.items() if missing == 0]
    depth.update(dict.fromkeys(ready, 0))
    while ready:
        done = ready.pop()
        for app_id in dependents.get(done, ()):
            depth[app_id] = max(depth.get(app_id, 0), depth[done] + 1)
            waiting[app_id] -= 1
            if waiting[app_id] == 0:
                ready.append(app_id)
    return depth if all(missing == 0 for missing in waiting.values()) else None
