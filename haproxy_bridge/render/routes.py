"""Virtual hosts to backends: maps for what is exact, rules for the rest, the specific ones first.

One look into a map finds the longest ``host/path`` that a request begins with, whatever the number
of hosts. Rules come before it where labels give a weight or where somebody wrote the way to a path,
and behind it for ``*.x``, patterns, and what is to come last.
"""

from collections.abc import Iterable, Iterator

from haproxy_bridge.render.backends import names
from haproxy_bridge.render.pieces import Pieces
from haproxy_bridge.render.texts import DEFAULTS, MAX_WORDS, filled, word
from haproxy_bridge.services import templates
from haproxy_bridge.services.model import Host, HostKind, Service

HOST = "var(txn.stayer_host)"
BASE = "var(txn.stayer_base)"


def route_maps(services: Iterable[Service], pieces: Pieces) -> dict[str, str]:
    """Entries of the maps by kind: ``exact`` and, for paths of any case, ``nocase``."""
    maps: dict[str, list[str]] = {"exact": [], "nocase": []}
    found = list(_mapped(services, pieces))
    mixed = _mixed(found)
    for host, service in found:
        if host in mixed:
            continue
        for path in service.paths or ("/",):
            place = f"{host}{path.lower() if service.ignore_case else path}"
            maps["nocase" if service.ignore_case else "exact"].append(f"{place} {service.name}\n")
    return {kind: "".join(sorted(entries)) for kind, entries in maps.items()}


def _mapped(services: Iterable[Service], pieces: Pieces) -> Iterator[tuple[str, Service]]:
    """Hosts that are looked up, with who has a path there."""
    for service in services:
        if service.matches or service.tls_passthrough or service.weight:
            continue
        if not _has_own(service, pieces):
            for host in service.hosts:
                if host.kind is HostKind.EXACT:
                    yield host.text, service


def _mixed(found: Iterable[tuple[str, Service]]) -> set[str]:
    """Hosts with paths of both kinds: no order of the two maps would find the longest there."""
    kinds: dict[bool, set[str]] = {False: set(), True: set()}
    for host, service in found:
        kinds[service.ignore_case].add(host)
    return kinds[False] & kinds[True]


def mixed_rules(services: Iterable[Service], pieces: Pieces) -> Iterator[str]:
    """Rules for hosts with paths of both kinds, the longest first."""
    found = list(_mapped(services, pieces))
    mixed = _mixed(found)
    places = [
        (host, -len(path), service.ignore_case, path, service.name)
        for host, service in found
        if host in mixed
        for path in service.paths or ("/",)
    ]
    for host, _, ignore_case, path, name in sorted(places):
        asked = f"{{ {HOST} -m str {host} }} {{ path_beg {'-i ' * ignore_case}{word(path)} }}"
        yield f"  use_backend {name} if {asked}\n"


def first_rules(services: Iterable[Service], pieces: Pieces, *, https: bool) -> Iterator[str]:
    """Rules before the maps: for requests with a header, cookie or query of their own, routes with
    a weight, and to paths where somebody wrote the way."""
    services = list(services)
    yield from _pinned(services)
    for service in _ranked(services):
        if _weight(service) > 0 and (service.weight or _has_own(service, pieces)):
            yield from _route(service, pieces, https=https)


def last_rules(services: Iterable[Service], pieces: Pieces, *, https: bool) -> Iterator[str]:
    """Rules behind the maps: hosts to which somebody wrote the way, ``*.x`` with the longest first,
    patterns, and what has a weight below that of all others."""
    ranked = _ranked(services)
    own = {one.name for one in ranked if not one.weight and _has_own(one, pieces)}
    for service in ranked:
        if service.name in own and not service.paths:
            yield from _route(service, pieces, https=https)
    found = [
        (host, service)
        for service in ranked
        if not service.weight and service.name not in own
        for host in service.hosts
        if host.kind is not HostKind.EXACT
    ]
    found.sort(key=_by_specificity)
    yield from (_rule(service, host) for host, service in found)
    for service in ranked:
        if _weight(service) < 0:
            yield from _route(service, pieces, https=https)


def _ranked(services: Iterable[Service]) -> list[Service]:
    some = [one for one in services if not (one.tls_passthrough or one.matches)]
    return sorted(some, key=lambda one: (-_weight(one), one.name))


def _pinned(services: list[Service]) -> Iterator[str]:
    """Those for some requests of a host before those for all. What another app has below it stays
    with that app: somebody who tries a new shop still sees the old ``/help``."""
    pinned = [one for one in services if one.matches and not one.tls_passthrough]
    pinned.sort(key=lambda one: (-_weight(one), -_longest(one), -len(one.matches), one.name))
    for service in pinned:
        asked = "".join(
            f" {{ {sample}({name}) {f'-m str {word(value)}' if value else '-m found'} }}"
            for sample, name, value in service.matches
        )
        for number, host in enumerate(service.hosts):
            below = _below(service, host, services)
            acl = f"below{number}_{service.name}"
            yield from (f"  acl {acl} {one}\n" for one in below)
            yield from _rule(service, host, f"{asked} !{acl}" if below else asked)


def _below(service: Service, host: Host, services: Iterable[Service]) -> list[str]:
    own = service.paths or ("",)
    found: list[str] = []
    for other in services:
        if host in other.hosts and not other.matches and not other.tls_passthrough:
            deeper = [
                path
                for path in other.paths
                if any(path.startswith(one) and path != one for one in own)
            ]
            found += _paths(other, deeper)
    return found


def _longest(service: Service) -> int:
    return max((len(path) for path in service.paths), default=0)


def _weight(service: Service) -> int:
    """As marathon-lb takes it: without one, a path counts 1."""
    return service.weight or (1 if service.paths else 0)


def _has_own(service: Service, pieces: Pieces) -> bool:
    """Whether somebody wrote some of the way to it: then that is the way, and no map is."""
    if not (service.templates or pieces.of_operator):
        return False
    return any(not pieces.is_ours(service, name) for name in templates.routes(service))


def _route(service: Service, pieces: Pieces, *, https: bool) -> Iterator[str]:
    """In pieces if one of them is not ours: the others go with it as marathon-lb's do."""
    of_front_end = templates.https_route if https else templates.http_route
    chosen = tuple(of_front_end(service))
    if all(pieces.is_ours(service, name) for name in chosen):
        yield from (_rule(service, host) for host in service.hosts)
        return
    each = chosen[-1] if https else "HTTP_FRONTEND_ACL_ONLY"
    for name in chosen:
        for host in service.hosts if name == each else service.hosts[:1]:
            yield _piece(name, service, host, pieces)


def _piece(name: str, service: Service, host: Host, pieces: Pieces) -> str:
    own = {
        "hostname": host.text,
        "hostMatch": _host_match(host, HOST),
        "pathLines": "".join(
            f"  acl path_{service.name} {one}\n" for one in _paths(service, service.paths)
        ),
        "realmWord": word(service.auth.realm) if service.auth else "",
    }
    values = names(service) | own
    if name in templates.REDIRECTS and pieces.is_ours(service, name):
        return filled(DEFAULTS[_TO_REDIRECT[name]], values)
    return pieces.of(service, name, values)


_TO_REDIRECT = dict(
    zip(
        templates.REDIRECTS,
        ("HTTP_FRONTEND_ROUTING_ONLY", "HTTP_FRONTEND_ROUTING_ONLY_WITH_PATH"),
        strict=True,
    )
)
"""Where the text is ours, the backend redirects: what leads there, then."""


def _by_specificity(route: tuple[Host, Service]) -> tuple[bool, int, int, str]:
    host, service = route
    return host.kind is HostKind.REGEX, -len(host.text), -_longest(service), service.name


def _rule(service: Service, host: Host, more: str = "") -> str:
    condition = host_condition(host, HOST) + more
    paths = [f" {{ {one} }}" for one in _paths(service, service.paths)] or [""]
    return "".join(f"  use_backend {service.name} if {condition}{path}\n" for path in paths)


def _paths(service: Service, some: Iterable[str]) -> list[str]:
    """That the path is one of these, in as many lines as haproxy's limit of words takes."""
    flag = "-i " if service.ignore_case else ""
    paths = [word(path) for path in some]
    return [
        f"path_beg {flag}{' '.join(paths[first : first + MAX_WORDS])}"
        for first in range(0, len(paths), MAX_WORDS)
    ]


def host_condition(host: Host, sample: str) -> str:
    """That the sample, a host in lower case, is one of these."""
    return f"{{ {_host_match(host, sample)} }}"


def _host_match(host: Host, sample: str) -> str:
    how = {HostKind.EXACT: "str", HostKind.SUFFIX: "end", HostKind.REGEX: "reg"}[host.kind]
    text = f"^(?:{host.text})$" if host.kind is HostKind.REGEX else host.text
    return f"{sample} -m {how} {word(text)}"
