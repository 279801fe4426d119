"""Apps and groups out of decoded JSON: an answer of Marathon, or definitions in a file.

Understood are the answers of ``/v2/groups``, ``/v2/apps`` and of pages below them, and plain
definitions of apps and groups, single or in a list. Ids may be relative to the group around them.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from api.definitions import absolute

MAX_APPS = 10_000
_MAX_DEPTH = 64

RawApp = dict[str, Any]


class DocumentError(ValueError):
    """This is no document with apps or groups; the text says where and why."""


@dataclass(frozen=True, slots=True)
class GroupSettings:
    """What a group says itself, besides what is in it. ``dependencies`` are absolute."""

    dependencies: tuple[str, ...] = ()
    enforce_role: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """What a document holds, by absolute id: apps as they stand there, groups, ids of pods."""

    apps: Mapping[str, RawApp] = field(default_factory=dict)
    groups: Mapping[str, GroupSettings] = field(default_factory=dict)
    pods: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Member:
    """One app, group or pod, with its absolute id."""

    kind: str
    id: str
    body: dict[str, Any]


def read_document(document: object) -> Found:
    """All that is in one document. DocumentError."""
    return merged([_found(_members(document, "/", 0))])


def merged(parts: Iterable[Found]) -> Found:
    """Several documents as one. DocumentError for an app that is in two of them differently."""
    apps: dict[str, RawApp] = {}
    groups: dict[str, GroupSettings] = {}
    pods: dict[str, None] = {}
    for part in parts:
        for app_id, app in part.apps.items():
            if apps.setdefault(app_id, app) != app:
                raise DocumentError(f"two different definitions of {app_id}")
        groups |= part.groups
        pods |= dict.fromkeys(part.pods)
        if len(apps) > MAX_APPS:
            raise DocumentError(f"more than {MAX_APPS} apps")
    return Found(apps, groups, tuple(pods))


def _found(members: Iterable[_Member]) -> Found:
    apps: dict[str, RawApp] = {}
    groups: dict[str, GroupSettings] = {}
    pods: list[str] = []
    for member in members:
        if member.kind == "pod":
            pods.append(member.id)
        elif member.kind == "group":
            groups[member.id] = _settings(member)
        elif apps.setdefault(member.id, member.body) != member.body:
            raise DocumentError(f"two different definitions of {member.id}")
        if len(apps) > MAX_APPS:
            raise DocumentError(f"more than {MAX_APPS} apps")
    return Found(apps, groups, tuple(pods))


def _members(document: object, base: str, depth: int) -> Iterator[_Member]:
    """Every app, group and pod, groups before what is in them."""
    if depth > _MAX_DEPTH:
        raise DocumentError("groups are nested too deeply")
    if isinstance(document, list):
        for item in document:
            yield from _members(item, base, depth + 1)
        return
    if not isinstance(document, dict):
        raise DocumentError(f"in {base} there is something that is no object")
    yield from _of_object(document, base, depth)


def _of_object(document: dict[str, Any], base: str, depth: int) -> Iterator[_Member]:
    inner = document.get("app")
    if isinstance(inner, dict):  # /v2/apps/{id}
        document = inner
    if "apps" in document or "groups" in document:
        yield from _of_group(document, base, depth)
        return
    app_id = _id(document, base)
    if app_id is None:
        raise DocumentError(f"in {base} there is something without an id")
    yield _Member("pod" if "containers" in document else "app", app_id, document)


def _of_group(document: dict[str, Any], base: str, depth: int) -> Iterator[_Member]:
    path = _id(document, base) or base
    if path != "/" or "id" in document:
        yield _Member("group", path, document)
    for name in ("apps", "pods", "groups"):
        inside = document.get(name)
        if inside is None:
            continue
        if not isinstance(inside, list):
            raise DocumentError(f"{name} of {path} is no list")
        yield from _members(_as_groups(inside) if name == "groups" else inside, path, depth + 1)


def _as_groups(items: list[Any]) -> list[Any]:
    """A group may be as empty as {"id": "/x"}; here it is sure to be none of the others."""
    return [{"apps": [], **item} if isinstance(item, dict) else item for item in items]


def _id(document: dict[str, Any], base: str) -> str | None:
    given = document.get("id")
    return absolute(given, base) if isinstance(given, str) and given else None


def _settings(group: _Member) -> GroupSettings:
    named = group.body.get("dependencies") or ()
    texts = [one for one in named if isinstance(one, str)] if isinstance(named, list) else []
    return GroupSettings(
        tuple(dict.fromkeys(absolute(one, group.id) for one in texts)),
        group.body.get("enforceRole") is True,
    )
