"""One app as Marathon answers it, of any release, as a definition that the API accepts.

Marathon shows what it knows beside what it was told, and up to 1.4 both the old and the new form
of the same setting, and nulls. What only it says is left out, and of two forms the new one stays;
a setting is never changed here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api.definitions import absolute
from api.schemas import APP
from cli.importing.documents import Found, GroupSettings, RawApp

READ_ONLY = frozenset(
    {
        "deployments",
        "lastTaskFailure",
        "readinessCheckResults",
        "storeUrls",
        "taskStats",
        "tasks",
        "tasksHealthy",
        "tasksRunning",
        "tasksStaged",
        "tasksUnhealthy",
        "version",
        "versionInfo",
    }
)
"""What an answer has and a definition has not (rest-api.md, section 3; old: storeUrls)."""

_EMPTY_MEANS_ABSENT = ("acceptedResourceRoles", "residency", "secrets", "ipAddress", "args")
_FREE_MAPS = frozenset({"env", "labels"})
_NOT_FOR_COMMANDS = ("path", "port", "portIndex")


@dataclass(frozen=True, slots=True)
class Translated:
    """``unknown``: fields that nothing here knows; Marathon ignores such fields too.
    ``running``: how many tasks it had in Marathon when that answered."""

    definition: RawApp
    unknown: tuple[str, ...] = ()
    running: int = 0


@dataclass(frozen=True, slots=True)
class Renaming:
    """A group that gets another place: its path before and after."""

    old: str
    new: str

    def path(self, path: str) -> str:
        """Where the app or group of this absolute path is afterwards."""
        if path == self.old:
            return self.new
        rest = path.removeprefix("/" if self.old == "/" else f"{self.old}/")
        if rest == path:
            return path
        return f"/{rest}" if self.new == "/" else f"{self.new}/{rest}"


def translate(app_id: str, raw: RawApp, *, marathon_role: str) -> Translated:
    """The definition of an app. ``marathon_role`` is Marathon's ``--mesos_role``: what it gave to
    apps that asked for no role, so these ask for none here either."""
    app = {name: _plain(value, name) for name, value in raw.items() if value is not None}
    running = _count(app.get("tasksRunning")) + _count(app.get("tasksStaged"))
    unknown = tuple(sorted(app.keys() - APP.fields.keys() - READ_ONLY))
    app = {name: value for name, value in app.items() if name in APP.fields}
    app.pop("version", None)
    app["id"] = app_id
    for name in _EMPTY_MEANS_ABSENT:
        if name in app and app[name] in ([], {}):
            del app[name]
    _drop_old_forms(app)
    _drop_default_role(app, marathon_role)
    if isinstance(app.get("constraints"), list):
        app["constraints"] = [_constraint(one) for one in app["constraints"]]
    if isinstance(app.get("healthChecks"), list):
        app["healthChecks"] = [_health_check(one) for one in app["healthChecks"]]
    return Translated(app, unknown, running)


def below(found: Found, prefix: str) -> Found:
    """Only what is at or below this path."""
    return Found(
        {path: app for path, app in found.apps.items() if _is_in(path, prefix)},
        {path: one for path, one in found.groups.items() if _is_in(path, prefix)},
        tuple(path for path in found.pods if _is_in(path, prefix)),
    )


def renamed(found: Found, renaming: Renaming) -> Found:
    """Everything in its new place, and dependencies with it; see ``renaming_clashes`` first."""
    return Found(
        {renaming.path(path): _moved(app, path, renaming) for path, app in found.apps.items()},
        {
            renaming.path(path): GroupSettings(
                tuple(renaming.path(one) for one in group.dependencies), group.enforce_role
            )
            for path, group in found.groups.items()
        },
        tuple(renaming.path(path) for path in found.pods),
    )


def renaming_clashes(found: Found, renaming: Renaming) -> list[str]:
    """Apps that would get the id of another one of these."""
    taken: dict[str, str] = {}
    clashes = []
    for path in found.apps:
        other = taken.setdefault(renaming.path(path), path)
        if other != path:
            clashes.append(path)
    return clashes


def _is_in(path: str, prefix: str) -> bool:
    return prefix == "/" or path == prefix or path.startswith(f"{prefix}/")


def _moved(app: RawApp, path: str, renaming: Renaming) -> RawApp:
    """The app with absolute dependencies. The role that it has by its top-level group's name
    follows the group."""
    moved = {**app, "id": renaming.path(path)}
    named = app.get("dependencies")
    if isinstance(named, list):
        moved["dependencies"] = [
            renaming.path(absolute(one, path)) if isinstance(one, str) else one for one in named
        ]
    before, after = (one.split("/")[1] for one in (path, moved["id"]))
    if app.get("role") == before and path.count("/") > 1:
        moved["role"] = after
    return moved


def _plain(value: Any, name: str = "") -> Any:
    """Without the nulls of old answers, which mean that nothing is set; maps of a user's own
    names are left alone."""
    if isinstance(value, dict) and name not in _FREE_MAPS:
        return {key: _plain(one, key) for key, one in value.items() if one is not None}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0


def _drop_old_forms(app: RawApp) -> None:
    """Of a setting in both forms only the new one."""
    if app.get("fetch"):
        app.pop("uris", None)
    if "portDefinitions" in app:
        app.pop("ports", None)
    if app.get("networks"):
        app.pop("ipAddress", None)
    container = app.get("container")
    docker = container.get("docker") if isinstance(container, dict) else None
    old_network = docker.get("network") if isinstance(docker, dict) else None
    if isinstance(docker, dict) and isinstance(container, dict):
        docker = dict(docker)
        if app.get("networks"):
            docker.pop("network", None)
        if container.get("portMappings") is not None or docker.get("portMappings") == []:
            docker.pop("portMappings", None)
        app["container"] = {**container, "docker": docker}
    if not _on_host(app, old_network):
        # Up to 1.4 it lists the service ports here too; the mappings have them. More of them than
        # mappings is an old way to ask for more.
        for name in ("ports", "portDefinitions"):
            listed = app.get(name)
            if isinstance(listed, list) and len(listed) <= _mappings(app):
                del app[name]


def _on_host(app: RawApp, old_network: object) -> bool:
    networks = app.get("networks")
    if isinstance(networks, list) and networks:
        return any(isinstance(one, dict) and one.get("mode") == "host" for one in networks)
    return old_network in (None, "HOST") and "ipAddress" not in app


def _mappings(app: RawApp) -> int:
    """How many port mappings it has, in either form."""
    container = app.get("container")
    places = [container, container.get("docker")] if isinstance(container, dict) else []
    found = [one.get("portMappings") for one in places if isinstance(one, dict)]
    return max((len(one) for one in found if isinstance(one, list)), default=0)


def _drop_default_role(app: RawApp, marathon_role: str) -> None:
    if app.get("role") != marathon_role:
        return
    del app["role"]
    roles = app.get("acceptedResourceRoles")
    if isinstance(roles, list) and set(map(str, roles)) == {marathon_role, "*"}:
        del app["acceptedResourceRoles"]  # what it gives to apps that name none


def _constraint(constraint: Any) -> Any:
    """Old answers have an empty value where there is none."""
    if isinstance(constraint, list) and len(constraint) == 3 and constraint[2] == "":
        return constraint[:2]
    return constraint


def _health_check(check: Any) -> Any:
    """Old answers give a command's check the defaults of the others."""
    if isinstance(check, Mapping) and check.get("protocol") == "COMMAND":
        return {name: one for name, one in check.items() if name not in _NOT_FOR_COMMANDS}
    return check
