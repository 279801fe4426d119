"""The whole configuration: global part, shared front ends, and a stanza for each service."""

from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from haproxy_bridge.render import backends, routes
from haproxy_bridge.render.frontends import Shared
from haproxy_bridge.render.options import RenderOptions
from haproxy_bridge.render.pieces import Pieces
from haproxy_bridge.render.texts import filled, word
from haproxy_bridge.rendered import (
    NODE,
    Backend,
    Piece,
    Problem,
    Rendered,
    Trouble,
    digest,
    file_name,
)
from haproxy_bridge.services import templates
from haproxy_bridge.services.model import Service, Services, other_members

_JSON_LOG_BYTES = 8192
_ROUTES = frozenset({"exact", "nocase", "appid"})
"""Kinds of maps whose entries haproxy can replace while it runs."""


class _Part(Struct, frozen=True, gc=False):
    """What one service contributes: its text, its servers, and a digest of all that can not be
    changed at run time."""

    service: Service
    piece: Piece
    backend: Backend
    structure: str


class _Shared(Struct, frozen=True):
    """What is no single service's: the text before all of them, files, and of these by kind the
    names of the maps with routes."""

    piece: Piece
    files: dict[str, bytes]
    maps: dict[str, str]

    def structure(self) -> str:
        """What needs a reload of it: what is in the maps does not."""
        text = self.piece.text.decode()
        for kind, name in self.maps.items():
            text = text.replace(name, kind)
        names = self.maps.values()
        return "".join((text, *(name for name in self.files if name not in names)))


def render(services: Services, options: RenderOptions) -> Rendered:
    """The configuration for haproxy 2.6 and later; equal input gives equal bytes."""
    return Renderer(options).render(services)


class Renderer:
    """Renders again and again, and writes only what is not as it was the last time. What comes of
    it is the same as that of ``render``, as services never change in place."""

    def __init__(self, options: RenderOptions) -> None:
        self._options = options
        self._pieces = Pieces(options)
        self._extra = _piece(options.extra)
        self._problems = tuple(
            Problem(Trouble.IGNORED, NODE, why, f"HAPROXY_{name}")
            for name, why in templates.without_effect(options.templates)
        )
        self._services: tuple[Service, ...] = ()
        self._parts: list[_Part] = []
        self._last: Rendered | None = None

    def render(self, services: Services) -> Rendered:
        """As the function of this name."""
        last, wanted = self._last, services.services
        services = replace(services, problems=(*self._problems, *services.problems))
        changed = None if last is None else other_members(self._services, wanted)
        parts = self._all(wanted) if changed is None else self._with(changed, wanted)
        if last is None or changed is None or _structures(parts) != _structures(self._parts):
            made = self._anew(services, parts)
        else:
            made = _with_parts(last, changed, parts, services)
        self._services, self._parts, self._last = wanted, parts, made
        self._pieces.forget_unused()
        return made

    def _all(self, services: tuple[Service, ...]) -> list[_Part]:
        known = {part.service.name: part for part in self._parts}
        return [self._part(service, known.get(service.name)) for service in services]

    def _with(self, changed: list[int], services: tuple[Service, ...]) -> list[_Part]:
        parts = list(self._parts)
        for at in changed:
            parts[at] = self._part(services[at], parts[at])
        return parts

    def _part(self, service: Service, known: _Part | None) -> _Part:
        if known is not None and (known.service is service or known.service == service):
            return known
        made = backends.stanza(service, self._pieces, self._options)
        text = made.head + made.servers
        structure = made.fixed if made.backend.dynamic else made.fixed + made.servers
        piece = _piece(text, service.app_id)
        return _Part(service, piece, made.backend, digest(structure))

    def _anew(self, services: Services, parts: list[_Part]) -> Rendered:
        shared = self._shared(services.services)
        whole = "".join([part.structure for part in parts])
        fixed = (shared.structure(), whole, self._options.extra)
        return Rendered(
            pieces=(shared.piece, *(part.piece for part in parts), self._extra),
            files=shared.files,
            maps=shared.maps,
            structure=digest("".join(fixed)),
            backends=tuple([part.backend for part in parts]),
            problems=services.problems,
        )

    def _shared(self, services: tuple[Service, ...]) -> _Shared:
        texts = _maps(services, self._pieces)
        names = {kind: file_name(kind, text) for kind, text in texts.items()}
        all_pages = (self._options.error_page, *(one.error_page for one in services))
        pages = dict.fromkeys(page for page in all_pages if page)
        front_ends = Shared(services, self._pieces, self._options, names).text()
        return _Shared(
            _piece(_head(self._pieces, self._options) + front_ends),
            {names[kind]: text.encode() for kind, text in texts.items()}
            | {file_name(backends.ERROR_PAGE, page): page.encode() for page in pages},
            {kind: name for kind, name in names.items() if kind in _ROUTES and name in front_ends},
        )


def _structures(parts: list[_Part]) -> list[str]:
    return [part.structure for part in parts]


def _with_parts(
    last: Rendered, changed: list[int], parts: list[_Part], services: Services
) -> Rendered:
    """The last one with other members."""
    pieces, found = list(last.pieces), list(last.backends)
    for at in changed:
        pieces[at + 1] = parts[at].piece  # behind what is shared
        found[at] = parts[at].backend
    return replace(last, pieces=tuple(pieces), backends=tuple(found), problems=services.problems)


def _piece(text: str, app_id: str = "") -> Piece:
    return Piece(text.encode(), text.count("\n"), app_id)


def _maps(services: Sequence[Service], pieces: Pieces) -> Mapping[str, str]:
    found = routes.route_maps(services, pieces)
    # A map for each app id leads to the first of its ports, as with marathon-lb.
    by_app: dict[str, str] = {}
    for service in sorted(services, key=lambda one: (one.app_id, one.index)):
        if service.mode.value == "http":
            by_app.setdefault(service.app_id, service.name)
    found["appid"] = "".join(f"{app_id} {name}\n" for app_id, name in by_app.items())
    own = dict.fromkeys(one.certificate for one in services if one.hosts and one.certificate)
    found["certificates"] = "".join(f"{path}\n" for path in sorted(own))
    return {kind: text for kind, text in found.items() if text}


def _head(pieces: Pieces, options: RenderOptions) -> str:
    own = pieces.common("HEAD")
    return (filled(own, {}) if own else _global(options)) + _statistics(options)


def _global(options: RenderOptions) -> str:
    log = f"  log {_logged_to(options)}\n" if options.log else ""
    log_defaults = "  log global\n" if options.log else ""
    user = f"  user {word(options.user)}\n" if options.user else ""
    group = f"  group {word(options.group)}\n" if options.group else ""
    limit = f"  maxconn {options.maxconn}\n" if options.maxconn else ""
    reloads = f"  mworker-max-reloads {options.max_reloads}\n" if options.max_reloads else ""
    page = backends.error_lines(options.error_page) if options.error_page else ""
    return (
        "# Made by `stayer haproxy`; changes here are overwritten.\n"
        "global\n"
        "  default-path config\n"
        f"{log}{user}{group}{limit}"
        f"  stats socket {word(options.socket)} mode 660 level admin expose-fd listeners\n"
        f"  hard-stop-after {options.hard_stop_seconds}s\n"
        f"{reloads}"
        "  spread-checks 5\n"  # checks of many servers at a time, and of all edges, drift apart
        "  tune.ssl.default-dh-param 2048\n"
        "  ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets\n"
        "\ndefaults\n"
        "  mode http\n"
        f"{log_defaults}"
        "  option dontlognull\n"
        # After a reload the old worker may be closing a connection as its client sends the next
        # request on it: it answers that one first.
        "  option idle-close-on-response\n"
        "  option redispatch 1\n"
        "  retries 5\n"
        f"  timeout connect {options.connect_seconds:g}s\n"
        f"  timeout client {options.idle_seconds:g}s\n"
        f"  timeout server {options.idle_seconds:g}s\n"
        "  timeout queue 10s\n"
        "  timeout http-request 15s\n"
        "  timeout tunnel 1h\n"
        "  default-server init-addr last,libc,none\n"
        f"{page}"
    )


def _logged_to(options: RenderOptions) -> str:
    """With room for a whole line of JSON, unless somebody said how much."""
    address, *rest = options.log.split()
    if options.json_log and "len" not in rest:
        rest = ["len", str(_JSON_LOG_BYTES), *rest]
    return " ".join((address, *rest))


def _statistics(options: RenderOptions) -> str:
    if not options.stats_bind:
        return ""
    auth = ""
    if options.stats_user:
        auth = f"  stats auth {word(options.stats_user)}:{word(options.stats_password)}\n"
    head = (
        "\nfrontend stayer_stats\n"
        f"  bind {options.stats_bind}\n"
        "  mode http\n"
        "  monitor-uri /_haproxy_health_check\n"
        "  http-request use-service prometheus-exporter if { path /metrics }\n"
    )
    return head + _pages(options) + _STATISTICS + auth


_STATISTICS = (
    "  stats enable\n"
    "  stats uri /\n"  # also of what asks for /haproxy?stats;csv
    "  stats show-node\n"
    "  stats refresh 5s\n"
)


def _pages(options: RenderOptions) -> str:
    """What marathon-lb has at the same address; statistics have a backend of their own then, since
    they answer before any other is chosen."""
    if not options.pages:
        return ""
    return (
        "  use_backend stayer_pages if { path_beg /_haproxy_get /_mlb_signal/ }\n"
        "  default_backend stayer_statistics\n"
        "\nbackend stayer_pages\n"
        "  mode http\n"
        f"  server daemon {options.pages}\n"
        "\nbackend stayer_statistics\n"
        "  mode http\n"
    )
