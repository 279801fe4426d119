"""A group as Marathon shows it: its apps, its groups, and theirs."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from api.render.appinfo import Embed, app_embeds
from api.render.json import encode
from api.trees import ROOT, Tree, is_top_level, parent
from framework.domain.app import App

_PARTS = {"group.groups": "groups", "group.apps": "apps", "group.pods": "pods"}
_ALL = frozenset(_PARTS.values())


@dataclass(frozen=True, slots=True)
class GroupEmbeds:
    """What a group is shown with: its ``parts`` (groups, apps, pods), and what its apps are."""

    parts: frozenset[str] = _ALL
    of_apps: frozenset[Embed] = frozenset()


def group_embeds(names: Iterable[str]) -> GroupEmbeds:
    """The embeds of a query. Once one is given, only what is named is shown; one of apps implies
    the apps."""
    given = list(names)
    if not given:
        return GroupEmbeds()
    of_apps = app_embeds(given)
    parts = {_PARTS[name] for name in given if name in _PARTS}
    return GroupEmbeds(frozenset(parts | ({"apps"} if of_apps else set())), of_apps)


@dataclass(slots=True)
class GroupRenderer:
    """Renders groups of one tree. Each app is encoded by itself, so that the scheduler's thread
    gets its turn between two (see ``json``)."""

    tree: Tree
    embeds: GroupEmbeds
    app_info: Callable[[App], dict[str, Any]]
    _apps: dict[str, list[App]] = field(init=False, default_factory=dict)
    _groups: dict[str, list[str]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        for app_id in sorted(self.tree.apps):
            self._apps.setdefault(parent(app_id), []).append(self.tree.apps[app_id])
        for path in sorted(self.tree.groups.keys() - {ROOT}):
            self._groups.setdefault(parent(path), []).append(path)

    def group(self, path: str) -> dict[str, Any]:
        """The group at this path."""
        record = self.tree.groups[path]
        fields: dict[str, Any] = {
            "id": path,
            "dependencies": list(record.dependencies),
            "version": record.version,
        }
        # Only where it was set: marathon-python breaks on every group that has it.
        if is_top_level(path) and record.enforce_role is not None:
            fields["enforceRole"] = record.enforce_role
        if "apps" in self.embeds.parts:
            infos = map(self.app_info, self._apps.get(path, []))
            fields["apps"] = [msgspec.Raw(encode(info)) for info in infos]
        if "pods" in self.embeds.parts:
            fields["pods"] = []
        if "groups" in self.embeds.parts:
            fields["groups"] = [self.group(one) for one in self._groups.get(path, [])]
        return fields
