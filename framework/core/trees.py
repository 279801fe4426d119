"""The tree of groups: its records, its versions and its history.

Every accepted change gives the root, and each group in or below which something changed, one
version. The history is kept as changes taken in; an earlier tree is today's with the later ones
taken back (``domain/groups.py``).
"""

from collections.abc import Iterable, Iterator, Sequence

from framework.core.index import ancestors
from framework.core.planning import Pair
from framework.core.turn import Turn
from framework.domain.groups import Group, TreeChange, change_key
from framework.domain.instance import Goal
from framework.domain.records import replace
from framework.domain.state import Kind, version_key

ROOT = "/"
_PART_BYTES = 256 * 1024
_AROUND_A_PATH = 50  # bytes of a version, and of the record's form


def below(path: str, paths: Iterable[str]) -> list[str]:
    """Those of the paths that lie below ``path``."""
    prefix = path.rstrip("/") + "/"
    return [one for one in paths if one.startswith(prefix)]


def changed(
    turn: Turn,
    version: str,
    pairs: Sequence[Pair],
    groups: Iterable[Group],
    removed: Iterable[str],
) -> None:
    """Store what a change made of the groups, and the change itself in the history. A new app
    takes the place of groups that nothing was in. A group comes after all that is in it."""
    apps_before = {
        (old or new).id: "" if old is None else old.version  # type: ignore[union-attr]  # one is there
        for old, new in pairs
        if old != new
    }
    stored = turn.world.state.groups
    put = {group.id: replace(group, version=version) for group in groups}
    taken = [new.id for old, new in pairs if old is None and new is not None]
    gone = {
        path for top in [*removed, *taken] for path in [top, *below(top, stored)] if path in stored
    }
    gone -= {ROOT, *put}
    if not apps_before and not gone and all(_same(put[path], stored.get(path)) for path in put):
        return
    touched = {
        ROOT,
        *put,
        *(one for path in [*apps_before, *put, *gone] for one in ancestors(path)),
    }
    groups_before: dict[str, Group | None] = {}
    for path in sorted(gone):
        groups_before[path] = stored.get(path)
        turn.put(Kind.GROUP, path, None)
    for path in sorted(touched - gone, reverse=True):
        before = stored.get(path)
        groups_before[path] = before
        now = put.get(path) or before or Group(path, version)
        turn.put(Kind.GROUP, path, replace(now, version=version))
    for number, part in enumerate(_parts(version, apps_before, groups_before)):
        turn.put(Kind.TREE_CHANGE, change_key(version, number), part)
    _forget_oldest(turn)


def _parts(
    version: str, apps: dict[str, str], groups: dict[str, Group | None]
) -> Iterator[TreeChange]:
    """The change in records of bounded size; one at least."""
    part, size = TreeChange(version, {}, {}), 0
    for path in dict.fromkeys([*apps, *groups]):
        group = groups.get(path)
        others = () if group is None else group.dependencies
        more = sum(_AROUND_A_PATH + len(one.encode()) for one in (path, path, *others))
        if size and size + more > _PART_BYTES:
            yield part
            part, size = TreeChange(version, {}, {}), 0
        size += more
        if path in apps:
            part.apps_before[path] = apps[path]
        if path in groups:
            part.groups_before[path] = group
    yield part


def _same(group: Group, stored: Group | None) -> bool:
    return stored is not None and replace(stored, version=group.version) == group


def _forget_oldest(turn: Turn) -> None:
    """Bound the history; with its last mention go the definitions of an app that is gone."""
    changes = turn.world.state.tree_changes
    versions = sorted({one.version for one in changes.values()})
    gone = {*versions[: -turn.policy.zk_max_versions]}
    forgotten = [(key, one) for key, one in changes.items() if one.version in gone]
    for key, _ in forgotten:
        turn.put(Kind.TREE_CHANGE, key, None)
    for _, change in forgotten:
        for app_id in change.apps_before:
            forget_unmentioned(turn, app_id)


def forget_unmentioned(turn: Turn, app_id: str) -> None:
    """Forget the definitions of an app that is gone, once neither the history nor a deployment
    could bring it back, and a freeze keeps no instance of it."""
    state = turn.world.state
    if app_id in state.apps or app_id in turn.world.deploying:
        return
    if any(one.goal is Goal.RUNNING for one in state.instances_of.get(app_id, {}).values()):
        return
    if not any(app_id in change.apps_before for change in state.tree_changes.values()):
        for version in list(state.versions_of.get(app_id, ())):
            turn.put(Kind.APP_VERSION, version_key(app_id, version), None)


def ensure_root(turn: Turn, version: str) -> None:
    """The root group always exists."""
    if ROOT not in turn.world.state.groups:
        turn.put(Kind.GROUP, ROOT, Group(ROOT, version))
