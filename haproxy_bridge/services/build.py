"""From a snapshot to services: who is served on this node, under which names and ports."""

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from haproxy_bridge.rendered import Problem, Trouble
from haproxy_bridge.services import conflicts, effects, joined, labels, members, values
from haproxy_bridge.services.joined import Part
from haproxy_bridge.services.labels import AppLabels, PortLabels
from haproxy_bridge.services.model import Auth, Mode, Service, Services
from haproxy_bridge.services.numbering import Numbering
from haproxy_bridge.services.options import ServiceOptions
from haproxy_bridge.snapshot import HTTP_KINDS, App, Port, Snapshot

_NOT_OF_SERVICE = frozenset(
    {"groups", "enabled", "check_port_index", "paths", "backend_tls", "auth_list", "backend_name"}
)


def build(snapshot: Snapshot, options: ServiceOptions, seed: str = "") -> Services:
    """Every exposed port as a service; conflicts are decided the same way on each node. ``seed``
    makes the order of servers another one on each node."""
    return Builder(options, seed).build(snapshot)


class _OfApp(Struct, frozen=True):
    """What one app leads to, whatever the others say. ``group``: with whom it is deployed as one,
    "" for alone. ``joined``: something of it is served together with other apps."""

    app: App
    read: AppLabels
    services: tuple[Service, ...] = ()
    problems: tuple[Problem, ...] = ()
    group: str = ""
    joined: bool = False


class _Group(Struct, frozen=True):
    """Apps of which one service each is served together, and as what."""

    parts: tuple[_OfApp, ...]
    service: Service
    problems: tuple[Problem, ...] = ()


class Builder:
    """Builds again and again, and looks only at apps that are not as they were the last time.
    What comes of it is the same as that of ``build``, as apps never change in place."""

    def __init__(self, options: ServiceOptions, seed: str = "") -> None:
        self._options = options
        self._seed = seed
        self._known: dict[str, _OfApp] = {}
        self._groups: dict[tuple[str, int, str], _Group] = {}
        self._named: dict[tuple[str, str], _Group] = {}
        self._settlement = conflicts.Settlement(options)
        self._numbering = Numbering(options)

    def build(self, snapshot: Snapshot) -> Services:
        """As the function of this name."""
        before, known = self._known, {}
        apps, unnumbered = self._numbering.numbered(snapshot.apps)
        for app in apps:
            one = before.get(app.id)
            known[app.id] = one if one is not None and one.app is app else self._of(app, one)
        self._known = known
        problems = [problem for one in known.values() for problem in one.problems]
        kept, lost = self._settlement.settled(self._together(known.values()))
        problems += [problem for one in self._named.values() for problem in one.problems]
        return Services(kept, (*unnumbered, *problems, *lost))

    def _of(self, app: App, before: _OfApp | None) -> _OfApp:
        options = self._options
        if before is not None and before.app == app:
            return before
        own = bool(options.own_app_id) and app.id == options.own_app_id
        if own or not options.selects(app.labels):
            return _OfApp(app, AppLabels())
        if not values.is_app_id(app.id):
            message = "not an id of letters, digits and ._- behind slashes"
            problem = Problem(Trouble.INVALID, app.id[:100], message)
            return _OfApp(app, AppLabels(), problems=(problem,))
        problems: list[Problem] = []
        read = labels.read(app, options)
        services = tuple(_services(app, read, options, problems))
        if services or _concerns(read, options):
            problems += read.problems
        group = read.app.get("DEPLOYMENT_GROUP", "").strip()
        if services:
            problems += effects.of_app(app.id, read.app)
            problems += effects.without_address(app.id, services)
        if group:
            problems += _names_of_group(services)
        else:
            services = tuple(one if one.shared_name else self._turned(one) for one in services)
        together = bool(group) or any(one.shared_name for one in services)
        return _OfApp(app, read, services, tuple(problems), group, together)

    def _turned(self, service: Service) -> Service:
        turned = members.rotated(service.members, self._seed, service.name)
        return service if turned is service.members else replace(service, members=turned)

    def _together(self, of_apps: Iterable[_OfApp]) -> list[Service]:
        """Services of apps that are deployed as one (HAPROXY_DEPLOYMENT_GROUP) become one service
        under the name of the group; its labels are those of the app that was started last. Apps
        that the policy tells apart are never one: else whoever may submit an app could join. The
        same holds for those that ask for one backend by its name."""
        alone: list[Service] = []
        named: dict[tuple[str, str], list[tuple[_OfApp, Service]]] = {}
        several: dict[tuple[str, int, str], list[tuple[_OfApp, Service]]] = {}
        for one in of_apps:
            if not one.joined:
                alone += one.services
                continue
            party = self._options.policy.party(one.app.id)
            for service in one.services:
                if one.group:
                    several.setdefault((one.group, service.index, party), []).append((one, service))
                elif service.shared_name:
                    named.setdefault((service.shared_name, party), []).append((one, service))
                else:
                    alone.append(service)
        self._groups = {key: self._group(key, parts) for key, parts in several.items()}
        self._named = {key: self._joined(key, parts) for key, parts in named.items()}
        groups = (*self._groups.values(), *self._named.values())
        return alone + [one.service for one in groups]

    def _joined(self, key: tuple[str, str], found: list[tuple[_OfApp, Service]]) -> _Group:
        before = self._named.get(key)
        apps = tuple(one for one, _ in found)
        if before is not None and before.parts == apps:
            return before
        parts = [Part(one.app, service, one.read.port(service.index)) for one, service in found]
        service, problems = joined.joined(key[0], parts)
        return _Group(apps, self._turned(service), problems)

    def _group(self, key: tuple[str, int, str], found: list[tuple[_OfApp, Service]]) -> _Group:
        before = self._groups.get(key)
        parts = tuple(one for one, _ in found)
        if before is not None and before.parts == parts:
            return before
        return _Group(parts, self._turned(_merged(key[0], found)))


def _concerns(read: AppLabels, options: ServiceOptions) -> bool:
    """Whether an app that exposes nothing here is one of this node's groups at all."""
    return options.serves(_groups(read, None))


def _groups(read: AppLabels, port: PortLabels | None) -> tuple[str, ...]:
    if port is not None and "groups" in port.given:
        own: tuple[str, ...] = port.given["groups"]
        return own
    return tuple(word.strip() for word in read.app.get("GROUP", "").split(",") if word.strip())


def _services(
    app: App, read: AppLabels, options: ServiceOptions, problems: list[Problem]
) -> Iterator[Service]:
    for index, port in enumerate(app.ports):
        said = read.port(index)
        enabled = said.given.get("enabled", not options.strict)
        if not enabled or not options.serves(_groups(read, said)):
            continue
        is_asked_for = said.broken or not said.given.keys().isdisjoint(_PLACES)
        if not port.service_port and not is_asked_for:
            continue  # nothing to listen on
        if "tcp" not in port.protocol.split(","):
            message = f"port {index} is {port.protocol}, which haproxy does not carry"
            problems.append(Problem(Trouble.UNSUPPORTED, app.id, message))
            continue
        said.problems += _forbidden(app, port, said, options)
        said.problems += _listed(app, index, said, options)
        problems += said.problems
        if not said.broken:
            service, found = effects.looked_at(_service(app, index, port, said), said)
            problems += found
            yield service


_PLACES = frozenset({"hosts", "port", "backend_name"})
"""Labels by which a port without a service port is served."""


def _names_of_group(services: Iterable[Service]) -> Iterator[Problem]:
    for service in services:
        if service.shared_name:
            label = f"HAPROXY_{service.index}_BACKEND_NAME"
            why = "does nothing with HAPROXY_DEPLOYMENT_GROUP, which names the backend"
            yield Problem(Trouble.IGNORED, service.app_id, why, label)


def _listed(app: App, index: int, said: PortLabels, options: ServiceOptions) -> Iterator[Problem]:
    """Put the users of the list that a label names in the place of those of AUTH."""
    if "auth_list" not in said.given:
        return
    realm, name = said.given["auth_list"]
    users = options.users.get(name)
    label = f"HAPROXY_{index}_AUTH_LIST"
    if "auth" in said.given:
        why = f"say HAPROXY_{index}_AUTH or this one, not both"
        yield Problem(Trouble.INVALID, app.id, why, label)
    elif users is None:
        known = ", ".join(sorted(options.users)) or "none"
        why = f"this node has no list of users {name} (--auth-file; there are: {known})"
        yield Problem(Trouble.INVALID, app.id, why, label)
    else:
        said.given["auth"] = Auth(realm, users)


def _forbidden(
    app: App, port: Port, said: PortLabels, options: ServiceOptions
) -> Iterator[Problem]:
    for host in said.given.get("hosts", ()):
        why = options.policy.forbidden_host(app.id, host.shown)
        if why:
            yield Problem(Trouble.FORBIDDEN, app.id, why)
    number = said.given.get("port", port.service_port)
    why = options.policy.forbidden_port(app.id, number) if number else ""
    if why:
        yield Problem(Trouble.FORBIDDEN, app.id, why)


def _service(app: App, index: int, port: Port, said: PortLabels) -> Service:
    given = said.given
    paths, ignore_case = given.get("paths", ((), False))
    plain: dict[str, Any] = {
        key: value for key, value in given.items() if key not in _NOT_OF_SERVICE
    }
    found = members.members(app, index, given.get("check_port_index"))
    tls = given.get("backend_tls", "false")
    service = Service(
        name=backend_name(app.id, port.service_port, index),
        app_id=app.id,
        index=index,
        mode=Mode.HTTP if "hosts" in given or _checked_by_http(app, index) else Mode.TCP,
        port=port.service_port,
        members=found,
        paths=paths if "hosts" in given else (),
        ignore_case=ignore_case,
        hostname=said.texts.get("VHOST", ""),
        backend_tls="" if tls == "false" else tls,
        shared_name=given.get("backend_name", ""),
        created_at_ms=app.created_at_ms,
        templates=said.templates,
    )
    service = replace(service, **plain)
    if service.tls_passthrough:
        service = replace(service, mode=Mode.TCP)
    return service


def backend_name(app_id: str, service_port: int, index: int) -> str:
    """marathon-lb's name of a backend: the id with _ for /, and the service port."""
    return f"{app_id.strip('/').replace('/', '_')}_{service_port or f'port{index}'}"


def _checked_by_http(app: App, index: int) -> bool:
    """Whether a check of the port is one of http. One with a number of its own speaks for the only
    port of an app; of several it would be a guess (marathon-lb takes it for all of them)."""
    alone = len(app.ports) == 1
    return any(
        check.kind in HTTP_KINDS
        and (alone if check.port is not None else check.port_index == index)
        for task in app.tasks
        for check in task.checks
    )


def _merged(group: str, several: list[tuple[_OfApp, Service]]) -> Service:
    ordered = sorted(
        several, key=lambda one: (one[0].read.app.get("DEPLOYMENT_STARTED_AT", ""), one[0].app.id)
    )
    last, newest = ordered[-1]
    # As old as the first of them: nobody gets what they have while one hands over to the next.
    ages = [one.app.created_at_ms for one, _ in ordered if one.app.created_at_ms]
    name, age = _group_name(group, newest), min(ages, default=0)
    named = replace(newest, name=name, created_at_ms=age)
    if any(one.app.share is not None for one, _ in ordered):
        shares = [(one.app, service.members) for one, service in ordered]
        return replace(named, members=members.shared(shares))
    old = [member for _, service in ordered[:-1] for member in service.members]
    if not old:
        return named
    labels, wanted = last.read.app, last.app.wanted
    return replace(named, members=members.handed_over(old, newest.members, labels, wanted))


def _group_name(group: str, service: Service) -> str:
    safe = "".join(
        char if char.isascii() and (char.isalnum() or char in "-._") else "_" for char in group
    )
    return backend_name(safe, service.port, service.index)
