"""Who gets what several ask for: ports of the node, and hosts with their paths.

The winner is the one with the higher weight, then that of the older app: the same on each node and
in each run, so that nobody loses what he has to an app that comes later. Who loses is told, and
loses only what it lost.
"""

from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter

from msgspec.structs import replace

from haproxy_bridge.rendered import Problem, Trouble
from haproxy_bridge.services.model import Host, Mode, Service, other_members
from haproxy_bridge.services.options import ServiceOptions

HTTP_PORTS = frozenset({80, 443})
"""Those of the front ends that all virtual hosts share."""
_ANY = frozenset({"*", "0.0.0.0", "[::]"})


class Settlement:
    """Settles again and again. Who has what depends on everything but members: where only these
    are others, it stays as it was."""

    def __init__(self, options: ServiceOptions) -> None:
        self._options = options
        self._asked: Sequence[Service] = ()
        self._got: tuple[Service, ...] = ()
        self._problems: tuple[Problem, ...] = ()

    def settled(self, services: Sequence[Service]) -> tuple[tuple[Service, ...], Sequence[Problem]]:
        """The services by name with what each of them got, and what somebody lost."""
        changed = other_members(self._asked, services)
        if changed is None:
            got, problems = settled(services, self._options)
            self._got, self._problems = tuple(sorted(got, key=attrgetter("name"))), tuple(problems)
        elif changed:
            news = {(one.app_id, one.index): one for one in (services[at] for at in changed)}
            apps = {app_id for app_id, _ in news}
            self._got = tuple(
                [one if one.app_id not in apps else _with_members(one, news) for one in self._got]
            )
        self._asked = services
        return self._got, self._problems


def _with_members(settled: Service, news: Mapping[tuple[str, int], Service]) -> Service:
    new = news.get((settled.app_id, settled.index))
    return settled if new is None else replace(settled, members=new.members)


def settled(
    services: Iterable[Service], options: ServiceOptions
) -> tuple[list[Service], list[Problem]]:
    """The services with what each of them got."""
    ranked = sorted(services, key=attrgetter("rank"))
    problems: list[Problem] = []
    names = _named(ranked, problems)
    with_ports = _ports(names, options, problems)
    return _routes(with_ports, problems), problems


def _named(services: list[Service], problems: list[Problem]) -> list[Service]:
    """Two ids may lead to one name; the second one is left out."""
    kept: dict[str, Service] = {}
    for service in services:
        other = kept.setdefault(service.name, service)
        if other is not service:
            message = f"its backend would be {service.name}, which is that of {other.app_id}"
            problems.append(Problem(Trouble.CONFLICT, service.app_id, message))
    return list(kept.values())


def _ports(
    services: list[Service], options: ServiceOptions, problems: list[Problem]
) -> list[Service]:
    owners: dict[int, list[Service]] = {}
    kept = []
    for service in services:
        why = _no_port(service, owners, options)
        if why:
            problems.append(Problem(Trouble.CONFLICT, service.app_id, why))
        if (why or service.port in HTTP_PORTS) and service.port:
            service = replace(service, port=0)
        if service.port:
            owners.setdefault(service.port, []).append(service)
        if service.port or service.hosts:
            kept.append(service)
    return kept


def _no_port(service: Service, owners: dict[int, list[Service]], options: ServiceOptions) -> str:
    port = service.port
    if port in HTTP_PORTS:
        shares = service.hosts and (service.mode is Mode.HTTP or service.tls_passthrough)
        return (
            "" if shares else f"port {port} is shared by virtual hosts: HAPROXY_n_VHOST is missing"
        )
    if port in options.reserved_ports:
        return f"port {port} is used by haproxy itself"
    for owner in owners.get(port, ()):
        addresses = {owner.bind_addr, service.bind_addr}
        if len(addresses) == 1 or addresses & _ANY:
            return f"port {port} is that of {owner.app_id} already"
    return ""


def _routes(services: list[Service], problems: list[Problem]) -> list[Service]:
    owners: dict[tuple[object, ...], Service] = {}
    kept = []
    for service in services:
        lost: list[Host] = []
        for host in service.hosts:
            keys = [
                (service.tls_passthrough, host, service.ignore_case, path, service.matches)
                for path in service.paths or ("/",)
            ]
            other = next((owners[key] for key in keys if key in owners), None)
            if other is None:
                owners.update(dict.fromkeys(keys, service))
                continue
            lost.append(host)
            where = f"{host.shown}{' ' + ' '.join(service.paths) if service.paths else ''}"
            message = f"{where} is served by {other.app_id} already"
            problems.append(Problem(Trouble.CONFLICT, service.app_id, message))
        if lost:
            hosts = tuple(host for host in service.hosts if host not in lost)
            service = replace(service, hosts=hosts)
        if service.hosts or service.port:
            kept.append(service)
    return kept
