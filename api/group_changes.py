"""From a body about groups to one command: the tree it is to leave, less the tree that is there.

The whole tree of the request is worked out on the published view; the command says for which
version of the tree that was, and when somebody was faster it is worked out anew.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from api.changes import moment, unstamped
from api.context import Context
from api.definitions import Update, absolute, app_id_errors, merge, parse_app
from api.errors import ConflictError, UnprocessableError, group_unknown, invalid, refusal
from api.faults import INVALID_JSON, NOT_VALID, Fault, Invalid, below
from api.schemas import GROUP_UPDATE, MAX_INSTANCES, read
from api.trees import ROOT, Tree, earlier, inside, is_top_level, parent, today
from framework.core.definitions import with_service_ports
from framework.domain.app import App, same_configuration
from framework.domain.events import ChangeApps, PutApp
from framework.domain.groups import Group
from framework.domain.records import replace
from framework.domain.replies import Done, Refused, Why

_ATTEMPTS = 20
_TRY_AGAIN = frozenset({Why.CHANGED_MEANWHILE, Why.APP_EXISTS, Why.APP_UNKNOWN, Why.GROUP_UNKNOWN})
_CLASH = "Groups and Applications may not have the same identifier."
_NOT_BESIDE_OTHERS = "not allowed in conjunction with other properties."
_NOT_NESTED = "is not possible in a nested group"
_ROLE_APART = (
    "enforceRole cannot be modified in a request that adds, removes or modifies services; "
    "please make these changes in separate requests."
)


@dataclass(slots=True)
class Draft:
    """A tree on its way to what the request wants, and what is wrong with the request."""

    context: Context
    before: Tree
    apps: dict[str, App] = field(init=False)
    groups: dict[str, Group] = field(init=False)
    structural: list[Fault] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    _apps_in: dict[str, list[str]] = field(init=False)
    _groups_in: dict[str, list[str]] = field(init=False)

    def __post_init__(self) -> None:
        self.apps, self.groups = dict(self.before.apps), dict(self.before.groups)
        self._apps_in = _by_parent(self.apps)
        self._groups_in = _by_parent(path for path in self.groups if path != ROOT)

    def enforces(self, group: str) -> bool:
        """Whether the top-level group of this name asks for its name as role."""
        record = self.groups.get(f"/{group}")
        return record is not None and record.enforce_role is True

    def groups_in(self, path: str) -> list[str]:
        """The groups that lay directly in this one before."""
        return self._groups_in.get(path, [])

    def remove_group(self, path: str) -> None:
        """Take out a group with all that was in it."""
        self.empty_group(path)
        self.groups.pop(path, None)

    def empty_group(self, path: str) -> None:
        """Take out all that was in a group."""
        self.remove_apps(path)
        for child in self.groups_in(path):
            self.remove_group(child)

    def remove_apps(self, path: str) -> None:
        """Take out the apps that were directly in a group."""
        for key in self._apps_in.get(path, []):
            self.apps.pop(key, None)

    def check(self) -> None:
        """Raise what is wrong, structure first."""
        if self.structural:
            raise invalid(Invalid(INVALID_JSON, tuple(self.structural)))
        if self.faults:
            raise invalid(Invalid(NOT_VALID, tuple(self.faults)))

    def command(self) -> ChangeApps:
        """What leads from the tree before to this one."""
        before = self.before
        puts = tuple(
            PutApp(app, _version_of(before.apps.get(app.id)))
            for app in self.apps.values()
            if not _is_there(before.apps.get(app.id), app)
        )
        groups = tuple(
            group for path, group in self.groups.items() if before.groups.get(path) != group
        )
        gone = before.groups.keys() - self.groups.keys()
        removes = before.apps.keys() - self.apps.keys()
        return ChangeApps(
            puts,
            tuple(sorted(key for key in removes if parent(key) not in gone)),
            groups,
            tuple(sorted(path for path in gone if parent(path) not in gone)),
            expected_tree=before.seen,
        )


def _by_parent(paths: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in paths:
        found.setdefault(parent(path), []).append(path)
    return found


def _version_of(existing: App | None) -> str:
    return "" if existing is None else existing.version


def _is_there(existing: App | None, app: App) -> bool:
    """Whether the definition is stored already. Service ports that it leaves open are those
    assigned before."""
    if existing is None or existing.keep_old:
        return existing is app
    ports, known = app.service_ports, existing.service_ports
    if len(ports) == len(known) and not all(ports):
        pairs = zip(ports, known, strict=True)
        app = with_service_ports(app, [port or assigned for port, assigned in pairs])
    return same_configuration(existing, app) and existing.instances == app.instances


def change_tree(
    context: Context, make: Callable[[Tree], ChangeApps], *, force: bool, dry_run: bool
) -> Done:
    """Carry out the change that ``make`` finds for the tree as it is."""
    for attempt in range(_ATTEMPTS):
        command = make(today(context.view))
        reply = context.reply_to(replace(command, force=force, dry_run=dry_run))
        if not isinstance(reply, Refused):
            return reply
        if reply.why not in _TRY_AGAIN or attempt == _ATTEMPTS - 1:
            raise refusal(reply, context.settings)
    raise AssertionError("the last attempt returns or raises")


@dataclass(frozen=True, slots=True)
class GroupWish:
    """What is asked for a group: its path, and the known fields of the body."""

    path: str
    update: dict[str, Any]


def group_wish(base: str, body: Any) -> GroupWish:
    """The wish for the group that the URL names, or one below it that the body names."""
    update = read(GROUP_UPDATE, body)
    if isinstance(update, Invalid):
        raise invalid(update)
    path = absolute(update.pop("id", base), base)
    faults = [] if path == base or inside(path, base) else [_no_child(base)]
    if path != ROOT:
        faults += app_id_errors(path)
    if "scaleBy" in update and len(update) > 1:
        which = "version" if "version" in update else "scaleBy"
        raise invalid(Invalid(NOT_VALID, (Fault(f"/{which}", _NOT_BESIDE_OTHERS),)))
    if faults:
        raise invalid(Invalid(NOT_VALID, tuple(Fault("/id", error) for error in faults)))
    return GroupWish(path, update)


def _no_child(base: str) -> str:
    return f"Identifier is not child of '{base}'"


def create(context: Context, wish: GroupWish, tree: Tree) -> ChangeApps:
    """The command for a group that must not be there."""
    if wish.path in tree.groups:
        raise ConflictError(f"Group {wish.path} is already created. Use PUT to change this group.")
    if wish.path in tree.apps:
        raise ConflictError(f"An app with the path {wish.path} already exists.")
    return update(context, wish, tree)


def update(context: Context, wish: GroupWish, tree: Tree) -> ChangeApps:
    """The command for whatever the wish is: another version, another size, another structure."""
    draft = Draft(context, tree)
    goes_back = wish.update.keys() == {"version"}
    if goes_back:
        _roll_back(draft, wish.path, wish.update["version"])
    elif "scaleBy" in wish.update:
        _scale(draft, wish.path, wish.update["scaleBy"])
    else:
        _check_version(draft, wish.path, wish.update, "", _NOT_BESIDE_OTHERS)
        _restructure(draft, wish.path, wish.update, "")
        _check_places(draft)
    draft.check()
    command = draft.command()
    if not goes_back:
        _check_roles(draft, command)
    return command


def remove(context: Context, path: str, tree: Tree) -> ChangeApps:
    """The command that removes a group with all below it; the root is emptied."""
    if path not in tree.groups:
        raise group_unknown(path)
    draft = Draft(context, tree)
    if path == ROOT:
        draft.empty_group(ROOT)
        draft.groups[ROOT] = replace(draft.groups[ROOT], dependencies=())
    else:
        draft.remove_group(path)
    return draft.command()


def set_role(context: Context, path: str, enforce_role: bool | None, tree: Tree) -> ChangeApps:
    """The command that stores whether a group enforces its name as role."""
    if not is_top_level(path):
        raise invalid(Invalid(NOT_VALID, (Fault("/", "Path needs to be top-level"),)))
    if path not in tree.groups:
        raise group_unknown(path)
    draft = Draft(context, tree)
    draft.groups[path] = replace(draft.groups[path], enforce_role=enforce_role)
    return draft.command()


def _roll_back(draft: Draft, path: str, version: str) -> None:
    wanted = moment(version)
    past = earlier(draft.context.view, path, wanted)
    if past is None:
        raise UnprocessableError(f"Group {path} not available in version {version}")
    draft.empty_group(path)
    now = draft.before
    for key, group in past.groups.items():
        if key == path or inside(key, path):
            known = now.groups.get(key)
            back = group if known is None else replace(group, version=known.version)
            draft.groups[key] = back
    draft.apps |= {key: unstamped(app) for key, app in past.apps.items() if inside(key, path)}


def _scale(draft: Draft, path: str, factor: float) -> None:
    if path not in draft.groups:
        raise group_unknown(path)
    context = draft.context
    for key, app in draft.before.apps.items():
        instances = math.ceil(app.instances * factor)
        if not inside(key, path) or instances == app.instances:
            continue
        if instances > MAX_INSTANCES:
            draft.faults.append(Fault("/scaleBy", f"{key} would have {instances} instances"))
            continue
        size = Update(key, "", {"instances": instances})
        outcome = merge(app, size, context.options, context.compile_pattern, draft.enforces)
        if isinstance(outcome, Invalid):
            draft.faults += outcome.faults
        else:
            draft.apps[key] = outcome


def _check_version(draft: Draft, path: str, update: dict[str, Any], place: str, why: str) -> None:
    """Who sends back what was read sends the version that it was read from: taken while nobody
    was faster, and for a group that is new."""
    known = draft.before.groups.get(path)
    if "version" in update and known and moment(update["version"]) != known.version:
        draft.faults.append(Fault(f"{place}/version", why))


def _restructure(draft: Draft, path: str, update: dict[str, Any], place: str) -> None:
    """Apps, groups and dependencies that are given are whole sets; others stay."""
    group = draft.groups.get(path) or Group(path, "")
    if "dependencies" in update:
        named = (absolute(one, path) for one in update["dependencies"])
        group = replace(group, dependencies=tuple(dict.fromkeys(named)))
    if "enforceRole" in update:
        if not is_top_level(path):
            error = f"enforceRole can only be set for top-level groups, and {path} is not top-level"
            draft.faults.append(Fault(f"{place}/enforceRole", error))
        if update["enforceRole"] is not bool(group.enforce_role):
            group = replace(group, enforce_role=update["enforceRole"])
    draft.groups[path] = group
    if "apps" in update:
        _put_apps(draft, path, update["apps"], place)
    if "groups" in update:
        _put_groups(draft, path, update["groups"], place)


def _put_apps(draft: Draft, path: str, bodies: list[Any], place: str) -> None:
    context = draft.context
    draft.remove_apps(path)
    for index, body in enumerate(bodies):
        here = f"{place}/apps({index})"
        app_id = _child_id(draft, path, body, here)
        if app_id is not None:
            body = {**body, "id": app_id}
        existing = draft.before.apps.get(app_id or "")
        role = None if existing is None else existing.role
        outcome = parse_app(body, context.options, context.compile_pattern, role, draft.enforces)
        if isinstance(outcome, Invalid):
            faults = draft.structural if outcome.message == INVALID_JSON else draft.faults
            faults += below(here, outcome.faults)
        elif outcome.id in draft.apps:
            draft.faults.append(Fault(f"{here}/id", "is named twice in this request"))
        else:
            draft.apps[outcome.id] = outcome


def _put_groups(draft: Draft, path: str, bodies: list[Any], place: str) -> None:
    given: dict[str, tuple[dict[str, Any], str]] = {}
    for index, body in enumerate(bodies):
        here = f"{place}/groups({index})"
        child = read(GROUP_UPDATE, body)
        if isinstance(child, Invalid):
            draft.structural += below(here, child.faults)
            continue
        child_id = _child_id(draft, path, child, here)
        if child_id is None:
            draft.structural.append(Fault(f"{here}/id", "error.path.missing"))
        elif child_id in given:
            draft.faults.append(Fault(f"{here}/id", "is named twice in this request"))
        else:
            draft.faults += [Fault(f"{here}/id", error) for error in app_id_errors(child_id)]
            given[child_id] = child, here
    for key in draft.groups_in(path):
        if key not in given:
            draft.remove_group(key)
    for child_id, (child, here) in given.items():
        _check_version(draft, child_id, child, here, _NOT_NESTED)
        if "scaleBy" in child:
            draft.faults.append(Fault(f"{here}/scaleBy", _NOT_NESTED))
        _restructure(draft, child_id, child, here)


def _child_id(draft: Draft, base: str, body: Any, place: str) -> str | None:
    """The absolute id of a member of a group; None: it has none that could be read."""
    given = body.get("id") if isinstance(body, dict) else None
    if not isinstance(given, str) or not given:
        return None
    path = absolute(given, base)
    if parent(path) != base or path == ROOT:
        draft.faults.append(Fault(f"{place}/id", _no_child(base)))
    return path


def _check_places(draft: Draft) -> None:
    """No group at the place of an app, nor below one."""
    for path in draft.groups.keys() - draft.before.groups.keys():
        while path != ROOT:
            if path in draft.apps:
                draft.faults.append(Fault("/id", _CLASH))
            path = parent(path)


def _check_roles(draft: Draft, command: ChangeApps) -> None:
    """A group that is there changes its role apart from its services."""
    if not command.puts and not command.removes and not command.removed_groups:
        return
    for group in command.groups:
        before = draft.before.groups.get(group.id)
        if before is not None and bool(before.enforce_role) != bool(group.enforce_role):
            raise invalid(Invalid(NOT_VALID, (Fault("/enforceRole", _ROLE_APART),)))
