"""Definitions: what the whole of the apps has to say about one that is put or removed.

The API has checked each definition by itself; here is what only the State can tell: whether the
app exists, whether its path is a group, which service ports are free, which version comes next.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from framework.core import external
from framework.core.index import ancestors
from framework.core.reservations import scalars_of
from framework.core.turn import Turn
from framework.core.world import old_key
from framework.domain.app import App, same_configuration
from framework.domain.events import PutApp
from framework.domain.groups import Group
from framework.domain.instance import MOST_FAILURES, failure_key
from framework.domain.records import replace
from framework.domain.replies import Refused, Why
from framework.domain.state import Kind, version_key


def check_puts(
    turn: Turn,
    puts: Sequence[PutApp],
    removes: Collection[str],
    groups: Sequence[Group] = (),
    *,
    force: bool = False,
) -> Refused | None:
    """Refuse what can not be put into the tree that is left without ``removes``, or was made for
    a version that is past. ``groups`` are put too."""
    ids = {put.app.id for put in puts}
    paths = {path for app_id in ids for path in ancestors(app_id)}
    paths |= {group.id for group in groups}
    leaving = Counter(path for app_id in removes for path in ancestors(app_id))
    gone = {*removes}
    named = {*gone}
    for put in puts:
        app_id = put.app.id
        refused = _check_version(turn, put)
        if refused is not None:
            return refused
        if app_id in named:
            return _invalid(app_id, "The app is named twice.")
        named.add(app_id)
        existing = turn.world.state.apps.get(app_id)
        if existing is not None:
            faults = tuple(_resident_faults(existing, put.app, force=force))
            if faults:
                return Refused(Why.INVALID, app_id, "Object is not valid", faults)
            continue
        is_group = app_id in paths or turn.world.paths.below(app_id) > leaving[app_id]
        if is_group or _inside_app(turn, app_id, ids, gone):
            return _invalid(app_id, _CLASH)
    for group in groups:
        if sum(len(one.encode()) + _AROUND_A_PATH for one in group.dependencies) > _GROUP_BYTES:
            fault = ("/dependencies", "The dependencies of a group are too many to be stored.")
            return Refused(Why.INVALID, group.id, "Object is not valid", (fault,))
    apps = turn.world.state.apps
    clashes = {one.id for one in groups if one.id in ids or (one.id in apps and one.id not in gone)}
    if clashes:
        return _invalid(min(clashes), _CLASH)
    return external.conflict(turn, [put.app for put in puts], gone)


_RESIDENT = (
    "Services with persistent volumes configured may not change {}. If you need to make this "
    "change, please create a new service."
)


def _resident_faults(old: App, new: App, *, force: bool) -> Iterable[tuple[str, str]]:
    """What would need other volumes than those that instances have already."""
    if not old.persistent_volumes and not new.persistent_volumes:
        return
    if old.persistent_volumes != new.persistent_volumes:
        yield "/container/volumes", "Persistent volumes can not be changed!"
    if scalars_of(old) != scalars_of(new):
        yield "/", _RESIDENT.format("resource requirements")
    before, after = old.requested_host_ports, new.requested_host_ports
    if len(before) != len(after) or any(
        wanted not in {0, port} for port, wanted in zip(before, after, strict=True)
    ):
        yield "/", _RESIDENT.format("host ports")
    if old.role != new.role and not force:
        yield "/role", "The role of a resident app changes only with ?force=true, for new instances"


_GROUP_BYTES = 256 * 1024
_AROUND_A_PATH = 3  # bytes of the record's form
_CLASH = "Groups and Applications may not have the same identifier."


def _check_version(turn: Turn, put: PutApp) -> Refused | None:
    existing = turn.world.state.apps.get(put.app.id)
    if put.expected_version is None:
        return None
    if existing is not None and not put.expected_version:
        return Refused(Why.APP_EXISTS, put.app.id)
    if existing is None and put.expected_version:
        return Refused(Why.APP_UNKNOWN, put.app.id)
    if existing is not None and existing.version != put.expected_version:
        return Refused(Why.CHANGED_MEANWHILE, put.app.id)
    return None


def _inside_app(turn: Turn, app_id: str, puts: set[str], removes: Collection[str]) -> bool:
    apps = turn.world.state.apps
    return any(path in puts or (path in apps and path not in removes) for path in ancestors(app_id))


def _invalid(app_id: str, message: str) -> Refused:
    return Refused(Why.INVALID, app_id, "Object is not valid", (("/id", message),))


def stamp(
    turn: Turn,
    apps: list[App],
    version: str,
    *,
    again: Collection[str] = (),
    revert: bool = False,
) -> list[App] | Refused:
    """The definitions as they are stored: service ports assigned, versions set. One that says
    nothing new keeps its version. ``again``: apps whose upgrade the same definition begins anew.
    ``revert``: they were stored before, and where only a restart is taken back, what ran before it
    is right again."""
    stamped: list[App] = []
    taken: set[int] = set()
    used = turn.world.ports
    lowest = max(turn.policy.local_port_min, turn.world.no_port_below)
    while lowest in used:
        lowest += 1
    turn.world.no_port_below = lowest
    for app in apps:
        existing = turn.world.state.apps.get(app.id)
        while lowest in taken or lowest in used:
            lowest += 1
        assigned = _assign_service_ports(turn, app, existing, taken, lowest)
        if assigned is None:
            low, high = turn.policy.local_port_min, turn.policy.local_port_max
            message = f"All ports in the range [{low}-{high}) are already in use"
            return Refused(Why.PORTS_EXHAUSTED, app.id, message)
        taken.update(assigned.service_ports)
        one = _stamped(turn, assigned, existing, version, revert=revert)
        # Going on is news: the definition that is gone on with stays in the history as it was.
        went_on = one.id in again or (existing is not None and existing.keep_old and not revert)
        stamped.append(replace(one, version=version) if went_on else one)
    return stamped


def _stamped(turn: Turn, app: App, existing: App | None, version: str, *, revert: bool) -> App:
    suspended_from = app.suspended_from or (0 if existing is None else existing.suspended_from)
    app = replace(app, suspended_from=0 if app.instances else suspended_from)
    created_at = app.created_at or version if existing is None else _created(turn, existing)
    if existing is None or not same_configuration(app, existing):
        return replace(
            app,
            version=version,
            created_at=created_at,
            config=_known_configuration(turn, app) or version,
            keep_old=False,
            last_scaling_at=version,
            last_config_change_at=version,
        )
    config = app.config if revert else existing.config
    same_count = app.instances == existing.instances
    same = same_count and config == existing.config
    return replace(
        app,
        version=existing.version if same else version,
        created_at=existing.created_at if same else created_at,
        config=config,
        keep_old=_stays_cancelled(app, existing, config, revert=revert),
        last_scaling_at=existing.last_scaling_at if same_count else version,
        last_config_change_at=(
            existing.last_config_change_at if config == existing.config else version
        ),
    )


def _created(turn: Turn, app: App) -> str:
    """When it was; of an app that was stored before that was noted, the oldest version known."""
    return app.created_at or min((*turn.world.state.versions_of.get(app.id, {}), app.version))


def _stays_cancelled(app: App, existing: App, config: str, *, revert: bool) -> bool:
    """Whether an upgrade that was cancelled in place stays so: when the app is scaled, and when
    going on with it is taken back. The same definition once more goes on with it."""
    if revert:
        return app.keep_old and config == existing.config
    return existing.keep_old and app.instances != existing.instances


def _known_configuration(turn: Turn, app: App) -> str:
    """The name of this configuration if the app had it before: what runs it already is kept."""
    versions = turn.world.state.versions_of.get(app.id, {})
    for version in sorted(versions, reverse=True):
        if same_configuration(versions[version], app):
            return versions[version].config
    return ""


def _assign_service_ports(
    turn: Turn, app: App, existing: App | None, taken: set[int], lowest: int
) -> App | None:
    """Replace zero service ports: first by those the app had, then by the lowest free ones, none
    of which is below ``lowest`` (app-definition.md, section 2.2). None when the range is
    exhausted."""
    ports = app.service_ports
    missing = ports.count(0)
    if not missing:
        return app
    low, high = turn.policy.local_port_min, turn.policy.local_port_max
    kept = [] if existing is None else existing.service_ports
    free = [port for port in kept if low <= port < high and port not in ports]
    used = turn.world.ports
    candidate = lowest
    while len(free) < missing and candidate < high:
        if candidate not in used and candidate not in taken and candidate not in ports:
            free.append(candidate)
        candidate += 1
    if len(free) < missing:
        return None
    rest = iter(free)
    return with_service_ports(app, [port or next(rest) for port in ports])


def with_service_ports(app: App, ports: list[int]) -> App:
    """The definition with these service ports, one for each declared port."""
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
    if existing is None or existing.config != app.config:
        _forget_delays(turn, app.id)
    _forget_old_versions(turn, app.id)


def _forget_old_versions(turn: Turn, app_id: str) -> None:
    """Bound the history. A definition that an instance still runs, or a deployment started from,
    is kept as long as it does."""
    state = turn.world.state
    surplus = sorted(state.versions_of[app_id])[: -turn.policy.zk_max_versions]
    if not surplus:
        return
    used = {instance.version for instance in state.instances_of.get(app_id, {}).values()}
    plan = turn.world.plans.get(turn.world.deploying.get(app_id, ""))
    if plan is not None:
        used |= {plan.before.get(app_id, ""), plan.replaces.get(app_id, "")}
    for version in surplus:
        if version not in used:
            turn.put(Kind.APP_VERSION, version_key(app_id, version), None)


def removed_app(turn: Turn, app_id: str) -> None:
    """Forget the app; its instances are stopped by sizing. Its earlier definitions stay as long
    as the tree's history speaks of them."""
    turn.put(Kind.APP, app_id, None)
    turn.put(Kind.FAILURE, app_id, None)
    for slot in range(MOST_FAILURES):
        turn.put(Kind.PAST_FAILURE, failure_key(app_id, slot), None)
    _forget_delays(turn, app_id)
    for key in (app_id, old_key(app_id)):
        turn.world.demand.pop(key, None)


def _forget_delays(turn: Turn, app_id: str) -> None:
    for key in (app_id, old_key(app_id)):
        turn.put(Kind.DELAY, key, None)
