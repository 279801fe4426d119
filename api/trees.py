"""The tree of groups as it is published, and as it was after an earlier change.

Apps name their place by their path, so a path with an app below it is a group even where no
record of it exists. An earlier tree is today's with the later changes taken back.
"""

from dataclasses import dataclass

from framework.core.index import ancestors
from framework.domain.app import App
from framework.domain.groups import Group
from framework.domain.state import State

ROOT = "/"
_NEVER_CHANGED = "1970-01-01T00:00:00.000Z"


@dataclass(frozen=True, slots=True)
class Tree:
    """``groups`` has every group, ``/`` among them. ``seen``: the root's version when reading
    began, which a change made from this tree is for. ``lost``: apps of an earlier tree whose
    definition is kept no more."""

    apps: dict[str, App]
    groups: dict[str, Group]
    seen: str | None = None
    lost: frozenset[str] = frozenset()


def parent(path: str) -> str:
    """The group that holds this path; the root holds itself."""
    return path.rpartition("/")[0] or ROOT


def inside(path: str, group: str) -> bool:
    """Whether the path lies below the group."""
    return path != ROOT and path.startswith(group if group == ROOT else f"{group}/")


def is_top_level(path: str) -> bool:
    """Whether a group lies directly below the root."""
    return path != ROOT and parent(path) == ROOT


def today(view: State) -> Tree:
    """The tree as published. The root is read first, and published last of all that a change
    touches: if something of a later change is mixed in, a command for the root's version is
    refused."""
    root = view.groups.get(ROOT)
    groups, apps = dict(view.groups), dict(view.apps)
    return Tree(apps, _with_implied(groups, apps), None if root is None else root.version)


def earlier(view: State, path: str, version: str) -> Tree | None:
    """The tree that had the group ``path``, or the root, in this version; None: none is known."""
    tree = _at(view, version)
    group = tree.groups.get(path)
    if group is None or version not in (group.version, tree.groups[ROOT].version):
        return None
    return None if any(inside(one, path) for one in tree.lost) else tree


def versions(view: State, path: str) -> list[str]:
    """The versions that a group had, the newest first."""
    found = {
        before.version
        for change in list(view.tree_changes.values())
        if (before := change.groups_before.get(path)) is not None
    }
    group = today(view).groups.get(path)
    if group is not None:
        found.add(group.version)
    return sorted(found, reverse=True)


def _at(view: State, version: str) -> Tree:
    now = today(view)
    groups = dict(view.groups)
    app_versions = {app.id: app.version for app in now.apps.values()}
    for change in sorted(view.tree_changes.copy().values(), key=lambda one: one.version)[::-1]:
        if change.version <= version:
            break
        app_versions.update(change.apps_before)
        for path, before in change.groups_before.items():
            if before is None:
                groups.pop(path, None)
            else:
                groups[path] = before
    apps, lost = {}, set()
    for app_id, app_version in app_versions.items():
        app = now.apps.get(app_id)
        if app is None or app.version != app_version:
            app = view.versions_of.get(app_id, {}).get(app_version)
        if app is not None:
            apps[app_id] = app
        elif app_version:  # empty: it was not there yet
            lost.add(app_id)
    return Tree(apps, _with_implied(groups, apps), now.seen, frozenset(lost))


def _with_implied(groups: dict[str, Group], apps: dict[str, App]) -> dict[str, Group]:
    """Groups without a record are as new as the newest app below them."""
    newest: dict[str, str] = {}
    for app in apps.values():
        for path in (ROOT, *ancestors(app.id)):
            if path not in groups:
                newest[path] = max(newest.get(path, _NEVER_CHANGED), app.version)
    implied = {path: Group(path, version) for path, version in newest.items()}
    return {ROOT: Group(ROOT, _NEVER_CHANGED)} | groups | implied
