"""Definitions: what the whole of the apps has to say about one that is put or removed.

The API has checked each definition by itself; here is what only the State can tell: whether the
app exists, whether its path is a group, which service ports are free, which version comes next.
"""

from framework.core.index import ancestors
from framework.core.turn import Turn
from framework.domain.app import App, same_configuration
from framework.domain.events import PutApp
from framework.domain.records import replace
from framework.domain.replies import Refused, Why
from framework.domain.state import Kind, version_key


def check_put(turn: Turn, put: PutApp) -> Refused | None:
    """Refuse what can not be put into this tree, or was made for a version that is past."""
    app = put.app
    existing = turn.world.state.apps.get(app.id)
    if put.expected_version is not None:
        if existing is not None and not put.expected_version:
            return Refused(Why.APP_EXISTS, app.id)
        if existing is None and put.expected_version:
            return Refused(Why.APP_UNKNOWN, app.id)
        if existing is not None and existing.version != put.expected_version:
            return Refused(Why.CHANGED_MEANWHILE, app.id)
    if existing is not None:
        return None
    collides = turn.world.paths.is_group(app.id) or any(
        path in turn.world.state.apps for path in ancestors(app.id)
    )
    if collides:
        message = "Groups and Applications may not have the same identifier."
        return Refused(Why.INVALID, app.id, "Object is not valid", (("/id", message),))
    return None


def stamp(turn: Turn, apps: list[App], version: str) -> list[App] | Refused:
    """The definitions as they are stored: service ports assigned, versions set. One that says
    nothing new keeps its version."""
    stamped: list[App] = []
    taken: set[int] = set()
    for app in apps:
        existing = turn.world.state.apps.get(app.id)
        assigned = _assign_service_ports(turn, app, existing, taken)
        if assigned is None:
            low, high = turn.policy.local_port_min, turn.policy.local_port_max
            message = f"All ports in the range [{low}-{high}) are already in use"
            return Refused(Why.PORTS_EXHAUSTED, app.id, message)
        taken.update(assigned.service_ports)
        stamped.append(_stamped(assigned, existing, version))
    return stamped


def _stamped(app: App, existing: App | None, version: str) -> App:
    if existing is None or not same_configuration(app, existing):
        return replace(app, version=version, last_scaling_at=version, last_config_change_at=version)
    same_count = app.instances == existing.instances
    return replace(
        app,
        version=existing.version if same_count else version,
        last_scaling_at=existing.last_scaling_at if same_count else version,
        last_config_change_at=existing.last_config_change_at,
    )


def _assign_service_ports(
    turn: Turn, app: App, existing: App | None, taken: set[int]
) -> App | None:
    """Replace zero service ports: first by those the app had, then by the lowest free ones
    (app-definition.md, section 2.2). None when the range is exhausted."""
    ports = app.service_ports
    missing = ports.count(0)
    if not missing:
        return app
    low, high = turn.policy.local_port_min, turn.policy.local_port_max
    kept = [] if existing is None else existing.service_ports
    free = [port for port in kept if low <= port < high and port not in ports]
    used = turn.world.ports
    candidate = low
    while len(free) < missing and candidate < high:
        if candidate not in used and candidate not in taken and candidate not in ports:
            free.append(candidate)
        candidate += 1
    if len(free) < missing:
        return None
    rest = iter(free)
    return _with_service_ports(app, [port or next(rest) for port in ports])


def _with_service_ports(app: App, ports: list[int]) -> App:
    if app.on_host_network:
        definitions = zip(app.port_definitions, ports, strict=True)
        return replace(
            app,
            port_definitions=tuple(replace(one, port=port) for one, port in definitions),
        )
    assert app.container is not None
    mappings = zip(app.container.port_mappings, ports, strict=True)
    container = replace(
        app.container,
        port_mappings=tuple(replace(one, service_port=port) for one, port in mappings),
    )
    return replace(app, container=container)


def store_app(turn: Turn, app: App) -> None:
    """Make it the app's definition, and one of its bounded history."""
    existing = turn.world.state.apps.get(app.id)
    if existing == app:
        return
    turn.put(Kind.APP, app.id, app)
    turn.put(Kind.APP_VERSION, version_key(app.id, app.version), app)
    if existing is None or existing.last_config_change_at != app.last_config_change_at:
        turn.put(Kind.DELAY, app.id, None)
    versions = turn.world.state.versions_of[app.id]
    for version in sorted(versions)[: -turn.policy.zk_max_versions]:
        turn.put(Kind.APP_VERSION, version_key(app.id, version), None)


def removed_app(turn: Turn, app_id: str) -> None:
    """Forget the app and all that is kept about it; its instances are stopped by sizing."""
    for version in list(turn.world.state.versions_of.get(app_id, ())):
        turn.put(Kind.APP_VERSION, version_key(app_id, version), None)
    turn.put(Kind.APP, app_id, None)
    turn.put(Kind.FAILURE, app_id, None)
    turn.put(Kind.DELAY, app_id, None)
