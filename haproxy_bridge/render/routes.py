"""Virtual hosts to backends: maps for what is exact, rules for the rest, the specific ones first.

One look into a map finds the longest ``host/path`` that a request begins with, whatever the number
of hosts. Rules come before it where labels give a weight or a text of their own, and behind it for
``*.x`` and patterns.
"""

from collections.abc import Iterable, Iterator

from haproxy_bridge.render.backends import MAX_WORDS, names
from haproxy_bridge.render.pieces import Pieces
from haproxy_bridge.render.texts import word
from haproxy_bridge.services.model import Host, HostKind, Service

HOST = "var(txn.stayer_host)"
BASE = "var(txn.stayer_base)"

_HTTP_TEMPLATES = (
    "HTTP_FRONTEND_ACL",
    "HTTP_FRONTEND_ACL_ONLY",
    "HTTP_FRONTEND_ACL_WITH_AUTH",
    "HTTP_FRONTEND_ACL_WITH_PATH",
    "HTTP_FRONTEND_ACL_WITH_AUTH_AND_PATH",
    "HTTP_FRONTEND_ACL_ONLY_WITH_PATH",
    "HTTP_FRONTEND_ACL_ONLY_WITH_PATH_AND_AUTH",
    "HTTP_FRONTEND_ROUTING_ONLY",
    "HTTP_FRONTEND_ROUTING_ONLY_WITH_AUTH",
    "HTTP_FRONTEND_ROUTING_ONLY_WITH_PATH",
    "HTTP_FRONTEND_ROUTING_ONLY_WITH_PATH_AND_AUTH",
)
_HTTPS_TEMPLATES = (
    "HTTPS_FRONTEND_ACL",
    "HTTPS_FRONTEND_ACL_WITH_AUTH",
    "HTTPS_FRONTEND_ACL_WITH_PATH",
    "HTTPS_FRONTEND_ACL_WITH_AUTH_AND_PATH",
    "HTTPS_FRONTEND_ACL_ONLY_WITH_PATH",
)


def route_maps(services: Iterable[Service]) -> dict[str, str]:
    """Entries of the maps by kind: ``exact`` and, for paths of any case, ``nocase``."""
    maps: dict[str, list[str]] = {"exact": [], "nocase": []}
    for service in services:
        if service.weight is not None or service.tls_passthrough:
            continue
        kind = "nocase" if service.ignore_case else "exact"
        for host in service.hosts:
            if host.kind is HostKind.EXACT:
                for path in service.paths or ("/",):
                    place = f"{host.text}{path}"
                    place = place.lower() if service.ignore_case else place
                    maps[kind].append(f"{place} {service.name}\n")
    return {kind: "".join(sorted(entries)) for kind, entries in maps.items()}


def own_rules(services: Iterable[Service], pieces: Pieces, *, https: bool) -> Iterator[str]:
    """Rules before the maps: texts of the apps themselves, and routes with a weight."""
    some = [one for one in services if one.templates or one.weight is not None]
    ranked = sorted(some, key=lambda one: (-(one.weight or 0), one.name))
    for service in ranked:
        own = [name for name in _HTTPS_TEMPLATES if https and name in service.templates]
        own = own or [name for name in _HTTP_TEMPLATES if name in service.templates]
        for name in own:
            yield pieces.of(service, name, names(service))
        if service.weight is not None and not service.tls_passthrough and not own:
            yield from (_rule(service, host) for host in service.hosts)


def other_rules(services: Iterable[Service]) -> Iterator[str]:
    """Rules behind the maps: ``*.x``, the longest first, then patterns."""
    found = [
        (host, service)
        for service in services
        if service.weight is None and not service.tls_passthrough
        for host in service.hosts
        if host.kind is not HostKind.EXACT
    ]
    found.sort(key=_by_specificity)
    yield from (_rule(service, host) for host, service in found)


def _by_specificity(route: tuple[Host, Service]) -> tuple[bool, int, int, str]:
    host, service = route
    longest = max((len(path) for path in service.paths), default=0)
    return host.kind is HostKind.REGEX, -len(host.text), -longest, service.name


def _rule(service: Service, host: Host) -> str:
    condition = host_condition(host, HOST)
    if not service.paths:
        return f"  use_backend {service.name} if {condition}\n"
    flag = "-i " if service.ignore_case else ""
    paths = [word(path) for path in service.paths]
    parts = (
        " ".join(paths[first : first + MAX_WORDS]) for first in range(0, len(paths), MAX_WORDS)
    )
    return "".join(
        f"  use_backend {service.name} if {condition} {{ path_beg {flag}{part} }}\n"
        for part in parts
    )


def host_condition(host: Host, sample: str) -> str:
    """That the sample, a host in lower case, is one of these."""
    how = {HostKind.EXACT: "str", HostKind.SUFFIX: "end", HostKind.REGEX: "reg"}[host.kind]
    text = f"^(?:{host.text})$" if host.kind is HostKind.REGEX else host.text
    return f"{{ {sample} -m {how} {word(text)} }}"
