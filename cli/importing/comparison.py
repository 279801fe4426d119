"""What the import would change: each app judged and compared with the one that is there.

Definitions are judged by the API's own rules, with the settings of the scheduler that is to take
them, so that a bad one is told apart from the others; the scheduler has the last word.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any

from api.client import JsonObject
from api.definitions import absolute, parse_app
from api.faults import NOT_VALID, Fault, Invalid
from api.options import ApiOptions
from api.render.app import definition
from cli.importing.documents import Found, GroupSettings, RawApp
from cli.importing.translation import Translated, translate
from constraints import CompilePattern
from framework.core.definitions import with_service_ports
from framework.domain.app import App

NO_PODS = "pods are not supported by this release"
_CLASH = "there is a group at this path, or an app above it"
_JUDGED_BY = (
    "accepted_resource_roles_default_behavior",
    "default_network_name",
    "enable_features",
    "mesos_bridge_name",
    "mesos_role",
)


class Action(Enum):
    """What becomes of one app."""

    CREATE = "create"
    CHANGE = "change"
    UNCHANGED = "unchanged"
    IMPOSSIBLE = "not possible"


@dataclass(frozen=True, slots=True)
class Planned:
    """One app of the import. ``before`` and ``after`` are counts of instances (``before`` None:
    there is no such app); ``wanted`` is the count in Marathon, and ``running`` how many tasks run
    there as far as that is known."""

    id: str
    action: Action
    definition: RawApp = field(default_factory=dict)
    changed: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    unknown: tuple[str, ...] = ()
    before: int | None = None
    after: int = 0
    wanted: int = 0
    running: int = 0
    service_ports: tuple[int, ...] = ()

    @property
    def starts_tasks(self) -> bool:
        """Whether more instances run afterwards."""
        return self.after > (self.before or 0)


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that the import would do. ``groups`` are the settings to give to groups first;
    ``warnings`` are for people."""

    apps: tuple[Planned, ...]
    groups: Mapping[str, JsonObject] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def of(self, action: Action) -> list[Planned]:
        """The apps that this becomes of."""
        return [one for one in self.apps if one.action is action]

    @property
    def definitions(self) -> list[RawApp]:
        """What is to be put, in the order of ids."""
        return [one.definition for one in self.apps if one.action in _PUT]

    @property
    def sets_roles(self) -> bool:
        """Whether a group begins to enforce its role, which apps may need."""
        return any("enforceRole" in change for change in self.groups.values())


_PUT = (Action.CREATE, Action.CHANGE)


@dataclass(frozen=True, slots=True)
class Target:
    """The scheduler that is to take the apps: what it has, and how it judges. ``tag`` is the
    ETag of its apps."""

    apps: Mapping[str, RawApp]
    groups: Mapping[str, GroupSettings]
    options: ApiOptions
    compile_pattern: CompilePattern
    tag: str = ""


def options_of(settings: Mapping[str, object]) -> ApiOptions:
    """The settings of a scheduler that decide which definitions it accepts. Those that it does
    not tell, or tells in a way of its own, are as by default."""
    defaults = ApiOptions()
    known = {one.name for one in fields(ApiOptions)} & set(_JUDGED_BY)
    given: dict[str, Any] = {}
    for name in known:
        value, default = settings.get(name), getattr(defaults, name)
        if isinstance(value, list) and isinstance(default, tuple):
            given[name] = tuple(str(one) for one in value)
        elif isinstance(value, str) and not isinstance(default, tuple):
            given[name] = value
    return ApiOptions(**given)


def compare(found: Found, target: Target, *, suspended: bool, marathon_role: str) -> Plan:
    """What taking over all of this would change. ``suspended``: new apps get no instances, and
    those that are there keep as many as they have."""
    enforcing = {path for path, one in found.groups.items() if one.enforce_role}
    enforcing |= {path for path, one in target.groups.items() if one.enforce_role}
    judge = _Judge(target, lambda group: f"/{group}" in enforcing, _occupied(found, target))
    planned = [
        judge.planned(translate(app_id, raw, marathon_role=marathon_role), suspended=suspended)
        for app_id, raw in sorted(found.apps.items())
    ]
    pods = [
        Planned(pod, Action.IMPOSSIBLE, faults=(Fault("/", NO_PODS),)) for pod in sorted(found.pods)
    ]
    return Plan(
        (*planned, *pods),
        dict(_group_changes(found, target)),
        tuple(_port_warnings(planned, judge, target)),
    )


class _Judge:
    """Definitions by the rules of one scheduler."""

    def __init__(
        self, target: Target, enforces: Callable[[str], bool], occupied: Collection[str]
    ) -> None:
        self._target = target
        self._enforces = enforces
        self._occupied = occupied

    def parsed(self, body: RawApp, role: str | None = None) -> App | Invalid:
        """The record of a definition."""
        target = self._target
        return parse_app(body, target.options, target.compile_pattern, role, self._enforces)

    def planned(self, translated: Translated, *, suspended: bool) -> Planned:
        """What becomes of one app."""
        body = translated.definition
        app_id = body["id"]
        current = self._target.apps.get(app_id)
        if suspended:
            body = {**body, "instances": 0 if current is None else _instances(current)}
        role = None if current is None else current.get("role")
        new = self.parsed(body, role if isinstance(role, str) else None)
        if app_id in self._occupied:
            new = Invalid(NOT_VALID, (Fault("/id", _CLASH),))
        if isinstance(new, Invalid):
            return Planned(app_id, Action.IMPOSSIBLE, faults=new.faults, unknown=translated.unknown)
        changed = () if current is None else self._changed(new, current)
        action = Action.CHANGE if changed else Action.UNCHANGED
        return Planned(
            app_id,
            Action.CREATE if current is None else action,
            body,
            changed,
            unknown=translated.unknown,
            before=None if current is None else _instances(current),
            after=new.instances,
            wanted=_instances(translated.definition),
            running=translated.running,
            service_ports=new.service_ports,
        )

    def _changed(self, new: App, current: RawApp) -> tuple[str, ...]:
        """The fields that differ. Service ports that the new definition leaves open are those
        that were assigned."""
        now = translate(new.id, current, marathon_role="").definition
        old = self.parsed(now, now.get("role"))
        if isinstance(old, Invalid):
            return ("everything",)  # not readable by these rules, so it is replaced
        ports, known = new.service_ports, old.service_ports
        if len(ports) == len(known):
            pairs = zip(ports, known, strict=True)
            new = with_service_ports(new, [port or assigned for port, assigned in pairs])
        before, after = definition(old), definition(new)
        names = before.keys() | after.keys()
        return tuple(sorted(name for name in names if before.get(name) != after.get(name)))


def _instances(app: RawApp) -> int:
    """How many it wants; one if it does not say."""
    count = app.get("instances", 1)
    return count if isinstance(count, int) else 1


def _occupied(found: Found, target: Target) -> set[str]:
    """Ids of these apps at which there is, or would be, a group; and of those below an app."""
    apps = found.apps.keys() | target.apps.keys()
    groups = target.groups.keys() | set(_ancestors(found.apps))
    below = {path for path in found.apps if not apps.isdisjoint(_ancestors((path,)))}
    return below | (found.apps.keys() & groups)


def _group_changes(found: Found, target: Target) -> Iterator[tuple[str, JsonObject]]:
    """Settings of groups that are not so yet, and groups that nothing is in. What a group of the
    scheduler has beyond these stays."""
    filled = set(_ancestors(found.apps)) | set(_ancestors(found.groups))
    for path, group in sorted(found.groups.items()):
        present = target.groups.get(path)
        change: JsonObject = {}
        if group.dependencies and (present is None or present.dependencies != group.dependencies):
            change["dependencies"] = list(group.dependencies)
        if group.enforce_role and not (present and present.enforce_role):
            change["enforceRole"] = True
        if change or (present is None and path not in filled and path != "/"):
            yield path, change


def _ancestors(paths: Iterable[str]) -> Iterator[str]:
    for path in paths:
        while path != "/":
            path = absolute("..", path)
            yield path


def _port_warnings(planned: Sequence[Planned], judge: _Judge, target: Target) -> Iterator[str]:
    """Service ports that several apps would have: a load balancer serves one of them there."""
    users: dict[int, dict[str, None]] = defaultdict(dict)
    imported = {one.id for one in planned if one.action is not Action.IMPOSSIBLE}
    for one in planned:
        for port in one.service_ports:
            users[port][one.id] = None
    for app_id, current in target.apps.items():
        if app_id in imported:
            continue
        app = judge.parsed(translate(app_id, current, marathon_role="").definition)
        for port in () if isinstance(app, Invalid) else app.service_ports:
            users[port][f"{app_id} (there already)"] = None
    for port, apps in sorted(users.items()):
        if port and len(apps) > 1:
            yield f"service port {port} is that of several apps: {', '.join(apps)}"
