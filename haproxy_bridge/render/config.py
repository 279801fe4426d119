"""The whole configuration: global part, shared front ends, and a stanza for each service."""

import hashlib
from collections.abc import Mapping, Sequence

from msgspec import Struct

from haproxy_bridge.render import backends, routes
from haproxy_bridge.render.frontends import Shared
from haproxy_bridge.render.options import RenderOptions
from haproxy_bridge.render.pieces import Pieces
from haproxy_bridge.render.texts import filled, word
from haproxy_bridge.rendered import Backend, Rendered
from haproxy_bridge.services.model import Service, Services


class _Part(Struct, frozen=True, gc=False):
    """What one service contributes: its text, how many lines those are, and a digest of all that
    can not be changed at run time."""

    service: Service
    text: str
    lines: int
    backend: Backend
    structure: str


def render(services: Services, options: RenderOptions) -> Rendered:
    """The configuration for haproxy 2.6 and later; equal input gives equal bytes."""
    return Renderer(options).render(services)


class Renderer:
    """Renders again and again, and writes only what is not as it was the last time. What comes of
    it is the same as that of ``render``, as services never change in place."""

    def __init__(self, options: RenderOptions) -> None:
        self._options = options
        self._pieces = Pieces(options)
        self._known: dict[str, _Part] = {}

    def render(self, services: Services) -> Rendered:
        """As the function of this name."""
        options, pieces = self._options, self._pieces
        files = _maps(services.services)
        names = {kind: _file_name(kind, text) for kind, text in files.items()}
        shared = [_head(pieces, options), Shared(services.services, pieces, options, names).text()]
        parts = [self._part(service) for service in services.services]
        self._known = {part.service.name: part for part in parts}
        pieces.forget_unused()
        stanzas: dict[str, str] = {}
        for part in parts:
            app_id = part.service.app_id
            before = stanzas.get(app_id)
            stanzas[app_id] = part.structure if before is None else _digest(before + part.structure)
        fixed = [*shared, *sorted(stanzas.values()), options.extra, *names.values()]
        return Rendered(
            config="".join([*shared, *(part.text for part in parts), options.extra]).encode(),
            files={names[kind]: text.encode() for kind, text in files.items()},
            structure=_digest("".join(fixed)),
            backends=tuple([part.backend for part in parts]),
            problems=services.problems,
            stanzas=stanzas,
            owners=_owners(_lines(shared) + 1, parts),
        )

    def _part(self, service: Service) -> _Part:
        known = self._known.get(service.name)
        if known is not None and (known.service is service or known.service == service):
            return known
        made = backends.stanza(service, self._pieces, self._options)
        text = made.head + made.servers
        structure = made.head if made.backend.dynamic else text
        return _Part(service, text, text.count("\n"), made.backend, _digest(structure))


def _owners(line: int, parts: Sequence[_Part]) -> tuple[tuple[int, int, str], ...]:
    found = []
    for part in parts:
        found.append((line, line + part.lines - 1, part.service.app_id))
        line += part.lines
    return tuple(found)


def _lines(parts: Sequence[str]) -> int:
    return sum(part.count("\n") for part in parts)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _maps(services: Sequence[Service]) -> Mapping[str, str]:
    found = routes.route_maps(services)
    # A map for each app id leads to the first of its ports, as with marathon-lb.
    by_app: dict[str, str] = {}
    for service in sorted(services, key=lambda one: (one.app_id, one.index)):
        if service.mode.value == "http":
            by_app.setdefault(service.app_id, service.name)
    found["appid"] = "".join(f"{app_id} {name}\n" for app_id, name in by_app.items())
    own = dict.fromkeys(one.certificate for one in services if one.hosts and one.certificate)
    found["certificates"] = "".join(f"{path}\n" for path in sorted(own))
    return {kind: text for kind, text in found.items() if text}


def _file_name(kind: str, text: str) -> str:
    """With the digest of what is in it, so that the old file stays good for the old
    configuration."""
    return f"stayer-{kind}-{_digest(text)}.map"


def _head(pieces: Pieces, options: RenderOptions) -> str:
    own = pieces.common("HEAD")
    return (filled(own, {}) if own else _global(options)) + _statistics(options)


def _global(options: RenderOptions) -> str:
    log = f"  log {options.log}\n" if options.log else ""
    log_defaults = "  log global\n" if options.log else ""
    user = f"  user {word(options.user)}\n" if options.user else ""
    group = f"  group {word(options.group)}\n" if options.group else ""
    limit = f"  maxconn {options.maxconn}\n" if options.maxconn else ""
    return (
        "# Made by `stayer haproxy`; changes here are overwritten.\n"
        "global\n"
        "  default-path config\n"
        f"{log}{user}{group}{limit}"
        f"  stats socket {word(options.socket)} mode 660 level admin expose-fd listeners\n"
        f"  hard-stop-after {options.hard_stop_seconds}s\n"
        "  tune.ssl.default-dh-param 2048\n"
        "  ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets\n"
        "\ndefaults\n"
        "  mode http\n"
        f"{log_defaults}"
        "  option dontlognull\n"
        "  option redispatch 1\n"
        "  retries 5\n"
        f"  timeout connect {options.connect_seconds:g}s\n"
        f"  timeout client {options.idle_seconds:g}s\n"
        f"  timeout server {options.idle_seconds:g}s\n"
        "  timeout queue 10s\n"
        "  timeout http-request 15s\n"
        "  timeout tunnel 1h\n"
        "  default-server init-addr last,libc,none\n"
    )


def _statistics(options: RenderOptions) -> str:
    if not options.stats_bind:
        return ""
    auth = ""
    if options.stats_user:
        auth = f"  stats auth {word(options.stats_user)}:{word(options.stats_password)}\n"
    return (
        "\nfrontend stayer_stats\n"
        f"  bind {options.stats_bind}\n"
        "  mode http\n"
        "  monitor-uri /_haproxy_health_check\n"
        "  http-request use-service prometheus-exporter if { path /metrics }\n"
        "  stats enable\n"
        "  stats uri /\n"
        "  stats show-node\n"
        "  stats refresh 5s\n"
        f"{auth}"
    )
