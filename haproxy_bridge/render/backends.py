"""The stanza of one service: its users, its own front end, and its backend with servers.

What an app's labels ask for is in its own stanza as far as haproxy allows, so that one app's
mistakes stay there; the shared front ends only find the way to a backend.
"""

import re
from collections.abc import Iterator, Mapping

from msgspec import Struct

from haproxy_bridge.render import servers
from haproxy_bridge.render.options import RenderOptions
from haproxy_bridge.render.pieces import FORWARDED_SCHEME, Pieces
from haproxy_bridge.render.texts import MAX_WORDS, PROXYPASS_PATH, filled, formatted, word
from haproxy_bridge.rendered import Backend, Server, file_name
from haproxy_bridge.services import templates
from haproxy_bridge.services.model import HostKind, Mode, Service
from haproxy_bridge.snapshot import HTTP_KINDS

_OWN_SERVER = re.compile(r"^\s*server\s+(\S+)", re.MULTILINE)
_NOT_OF_ACL = re.compile(r"[^A-Za-z0-9-]")
_PROXYPASS = "HTTP_BACKEND_PROXYPASS_GLUE"
ERROR_PAGE = "page"
"""The kind of files that have an app's own page for errors."""
_HTML = '"text/html;charset=utf-8"'

Values = dict[str, object]
"""What placeholders are filled with, by name."""


def names(service: Service) -> Values:
    """What marathon-lb's templates call the parts of a service."""
    hosts = [host.text for host in service.hosts if host.kind is HostKind.EXACT]
    first = hosts[0] if hosts else ""
    cleaned = _NOT_OF_ACL.sub("_", first) + service.app_id.replace("/", "_")
    return {
        "backend": service.name,
        "bindAddr": service.bind_addr,
        "servicePort": service.port,
        "sslCert": f" ssl crt {service.certificate}" if service.certificate else "",
        "bindOptions": f" {service.bind_options}" if service.bind_options else "",
        "mode": service.mode.value,
        "balance": service.balance,
        "cleanedUpHostname": cleaned,
        "cleanedUpAppId": _NOT_OF_ACL.sub("_", service.app_id),
        "hostname": first,
        "appId": service.app_id,
        "path": " ".join(("-i", *service.paths) if service.ignore_case else service.paths),
        "realm": service.auth.realm if service.auth else "",
        "proxypath": service.proxypass_path,
        "proxypathPattern": word(re.escape(service.proxypass_path or "/")),
        "rootpath": service.revproxy_path,
        "rootpathFormat": formatted(service.revproxy_path or "/"),
        "hostnamePattern": word(re.escape(first)) if first else "[^/:]*",
        "network_allowed": " ".join(service.allowed_networks),
    }


class Stanza(Struct, frozen=True, gc=False):
    """The text of a service: what comes before its servers, and them. ``fixed``: the former without
    numbers that change at run time."""

    head: str
    fixed: str
    servers: str
    backend: Backend


def stanza(service: Service, pieces: Pieces, options: RenderOptions) -> Stanza:
    """Of one service."""
    members = servers.servers(service, pieces, by_task=options.json_log)
    dynamic = servers.is_dynamic(service) and pieces.is_ours(service, "BACKEND_SERVER_OPTIONS")
    values = names(service)
    head = "".join(
        [
            _users(service, pieces, values),
            _front_end(service, pieces, options, values),
            *_backend(service, pieces, options, values),
        ]
    )
    ids = {} if pieces.is_ours(service, "BACKEND_SERVER_OPTIONS") else servers.numbers(members)
    lines = "".join(
        [_server(service, one, pieces, values, dynamic=dynamic, ids=ids) for one in members]
    )
    others = tuple(_OWN_SERVER.findall(head)) if service.templates or options.templates else ()
    # A template may call the front end as it likes, and then nobody can be told of its limit.
    limit = service.maxconn if service.port and pieces.is_ours(service, "FRONTEND_HEAD") else 0
    fixed = head.replace(_limit(limit), "  maxconn\n", 1) if limit else head
    return Stanza(head, fixed, lines, Backend(service.name, members, dynamic, others, limit))


def _limit(maxconn: int) -> str:
    return f"  maxconn {maxconn}\n" if maxconn else ""


def error_lines(page: str) -> str:
    """That this page is what clients get where no server answers."""
    name = file_name(ERROR_PAGE, page)
    return "".join(
        f"  http-error status {status} content-type {_HTML} file {name}\n"
        for status in (502, 503, 504)
    )


def _users(service: Service, pieces: Pieces, values: Values) -> str:
    if service.auth is None:
        return ""
    users = service.auth.users
    first = {"user": users[0][0], "passwd": users[0][1]}
    text = pieces.of(service, "USERLIST_HEAD", values | first)
    return text + "".join(f"  user {user} password {crypted}\n" for user, crypted in users[1:])


def _front_end(service: Service, pieces: Pieces, options: RenderOptions, values: Values) -> str:
    if not service.port:
        return ""
    head = pieces.of(service, "FRONTEND_HEAD", values)
    limit = _limit(service.maxconn)
    arriving = pieces.arriving(options, service.mode.value)
    return head + limit + arriving + pieces.of(service, "FRONTEND_BACKEND_GLUE", values)


def _backend(
    service: Service, pieces: Pieces, options: RenderOptions, values: Values
) -> Iterator[str]:
    values = values | {"cookieKey": word(options.cookie_key)}
    yield pieces.of(service, "BACKEND_HEAD", values)
    if options.json_log:
        rule = "http-request" if service.mode is Mode.HTTP else "tcp-request content"
        yield f"  {rule} set-var(txn.stayer_app) str({service.app_id})\n"
    if options.all_backups:
        yield "  option allbackups\n"
    if service.server_timeout_seconds:
        yield f"  timeout server {service.server_timeout_seconds}s\n"
    if service.tunnel_timeout_seconds:
        yield f"  timeout tunnel {service.tunnel_timeout_seconds}s\n"
    if service.mode is Mode.HTTP and service.error_page:
        yield error_lines(service.error_page)
    if service.mode is Mode.HTTP:
        yield from _http(service, pieces, values)
    elif service.allowed_networks:
        yield from _networks(service, pieces, values, "TCP")
        yield pieces.common("TCP_BACKEND_ACL_ALLOW_DENY")
    check = servers.chosen_check(service)
    if check.kind in HTTP_KINDS:
        yield servers.http_check(service, pieces, values)
    else:
        more = servers.check_values(service, check)
        yield pieces.of(service, "BACKEND_TCP_HEALTHCHECK_OPTIONS", values | more)


def _http(service: Service, pieces: Pieces, values: Values) -> Iterator[str]:
    if service.allowed_networks:
        yield from _networks(service, pieces, values, "HTTP")
        # Said here and not by the common piece: what follows an `allow` would be passed over.
        yield "  http-request deny unless network_allowed\n"
    yield from _redirects(service, pieces)
    if service.auth is not None:
        realm, known = word(service.auth.realm), f"{{ http_auth(user_{service.name}) }}"
        asked = "".join(_asked_before(service, pieces))
        yield f"  http-request auth realm {realm} unless {known}{asked}\n"
    if service.rate_limit is not None:
        requests, seconds = service.rate_limit
        store = f"expire {seconds}s store http_req_rate({seconds}s)"
        yield f"  stick-table type ipv6 size 100k {store}\n"
        yield "  http-request track-sc0 src\n"
        yield f"  http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt {requests} }}\n"
    yield pieces.of(service, "BACKEND_HTTP_OPTIONS", values)
    if pieces.trusts and pieces.is_ours(service, "BACKEND_HTTP_OPTIONS"):
        yield FORWARDED_SCHEME
    # A request that is safe to repeat is, on another server: a task that ends costs nobody one.
    yield f"  retry-on {' '.join(service.retry_on)}\n"
    yield "  http-request disable-l7-retry unless { method GET HEAD OPTIONS }\n"
    if service.hsts:
        yield pieces.of(service, "BACKEND_HSTS_OPTIONS", values)
    if service.sticky:
        yield pieces.of(service, "BACKEND_STICKY_OPTIONS", values)
    if service.proxypass_path and (values["hostname"] or not pieces.is_ours(service, _PROXYPASS)):
        yield pieces.of(service, _PROXYPASS, values)
    elif service.proxypass_path:
        yield filled(PROXYPASS_PATH, values)
    if service.revproxy_path:
        yield pieces.of(service, "HTTP_BACKEND_REVPROXY_GLUE", values)


def _asked_before(service: Service, pieces: Pieces) -> Iterator[str]:
    """Where somebody wrote how the front end asks for passwords, it is the front end that asks."""
    for scheme, of_front_end in (
        ("http", templates.http_route),
        ("https", templates.https_route),
    ):
        own = (name for name in of_front_end(service) if not pieces.is_ours(service, name))
        if any("_AUTH" in name for name in own):
            yield f" || {{ var(txn.stayer_in) -m str {scheme} }}"


def _networks(service: Service, pieces: Pieces, values: Values, mode: str) -> Iterator[str]:
    """Lines of one name count as one list; haproxy takes 64 words a line."""
    networks = service.allowed_networks
    for first in range(0, len(networks), MAX_WORDS):
        some = {"network_allowed": " ".join(networks[first : first + MAX_WORDS])}
        yield pieces.of(service, f"{mode}_BACKEND_NETWORK_ALLOWED_ACL", values | some)


def _redirects(service: Service, pieces: Pieces) -> Iterator[str]:
    redirect = templates.REDIRECTS[bool(service.paths)]
    if service.redirect_to_https and service.hosts and pieces.is_ours(service, redirect):
        unless = " !{ var(txn.stayer_proto) -m str https }" if pieces.trusts else ""
        here = f"{{ var(txn.stayer_in) -m str http }}{unless}"
        yield f"  http-request redirect scheme https code 301 if {here}\n"
    if service.www_redirect:
        yield (
            "  http-request redirect prefix //%[req.hdr(host),regsub(^www\\.,,i)] code 301 "
            "if { req.hdr(host) -i -m beg www. }\n"
        )
    if service.root_redirect:
        target = formatted(service.root_redirect)
        yield f"  http-request redirect location {target} code 301 if {{ path / }}\n"


def _server(
    service: Service,
    server: Server,
    pieces: Pieces,
    values: Values,
    *,
    dynamic: bool,
    ids: Mapping[str, int],
) -> str:
    address = f"[{server.address}]" if ":" in server.address else server.address
    if dynamic or pieces.is_ours(service, "BACKEND_SERVER_OPTIONS"):
        line = f"  server {server.name} {address}:{server.port} weight {server.weight}"
        return f"{line} {server.options}".rstrip() + (" disabled\n" if server.draining else "\n")
    return pieces.of(
        service,
        "BACKEND_SERVER_OPTIONS",
        values
        | {
            "serverName": server.name,
            "serverId": ids.get(server.name, ""),
            "host": address,
            "host_ipv4": address,
            "port": server.port,
            "cookieOptions": f" cookie {server.name}" if service.sticky else "",
            "healthCheckOptions": f" {server.options}" if server.options else "",
            "otherOptions": f" weight {server.weight}{' disabled' if server.draining else ''}",
        },
    )
