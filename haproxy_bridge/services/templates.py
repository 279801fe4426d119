"""Names of marathon-lb's templates: pieces of configuration that a label may replace.

``HAPROXY_0_BACKEND_HEAD`` on an app replaces the piece for that port; an operator replaces one for
all apps. Which pieces lead to a virtual host depends on what else its labels say; ``http_route``
and ``https_route`` make marathon-lb's choice. (marathon-lb's documentation of its templates, and
its generateHttpVhostAcl; bridge.md 3.2 and 3.3.)
"""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from haproxy_bridge.services.model import Mode, Service

OF_APPS = frozenset(
    {
        "FRONTEND_HEAD",
        "FRONTEND_BACKEND_GLUE",
        "BACKEND_HEAD",
        "USERLIST_HEAD",
        "BACKEND_REDIRECT_HTTP_TO_HTTPS",
        "BACKEND_REDIRECT_HTTP_TO_HTTPS_WITH_PATH",
        "BACKEND_HSTS_OPTIONS",
        "BACKEND_HTTP_OPTIONS",
        "BACKEND_STICKY_OPTIONS",
        "BACKEND_SERVER_OPTIONS",
        "BACKEND_HTTP_HEALTHCHECK_OPTIONS",
        "BACKEND_TCP_HEALTHCHECK_OPTIONS",
        "BACKEND_SERVER_HTTP_HEALTHCHECK_OPTIONS",
        "BACKEND_SERVER_TCP_HEALTHCHECK_OPTIONS",
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
        "HTTP_FRONTEND_APPID_ACL",
        "HTTPS_FRONTEND_ACL",
        "HTTPS_FRONTEND_ACL_WITH_AUTH",
        "HTTPS_FRONTEND_ACL_WITH_PATH",
        "HTTPS_FRONTEND_ACL_WITH_AUTH_AND_PATH",
        "HTTPS_FRONTEND_ACL_ONLY_WITH_PATH",
        "MAP_HTTP_FRONTEND_ACL",
        "MAP_HTTP_FRONTEND_ACL_ONLY",
        "MAP_HTTPS_FRONTEND_ACL",
        "MAP_HTTP_FRONTEND_APPID_ACL",
        "HTTP_BACKEND_PROXYPASS_GLUE",
        "HTTP_BACKEND_REVPROXY_GLUE",
        "HTTP_BACKEND_NETWORK_ALLOWED_ACL",
        "TCP_BACKEND_NETWORK_ALLOWED_ACL",
    }
)
OF_OPERATORS = frozenset(
    {
        "HEAD",
        "HTTP_FRONTEND_HEAD",
        "HTTP_FRONTEND_APPID_HEAD",
        "HTTPS_FRONTEND_HEAD",
        "HTTP_BACKEND_ACL_ALLOW_DENY",
        "TCP_BACKEND_ACL_ALLOW_DENY",
    }
)
ALL = OF_APPS | OF_OPERATORS
UNREAD = frozenset(
    {
        "HTTP_FRONTEND_APPID_ACL",
        "MAP_HTTP_FRONTEND_ACL",
        "MAP_HTTP_FRONTEND_ACL_ONLY",
        "MAP_HTTPS_FRONTEND_ACL",
        "MAP_HTTP_FRONTEND_APPID_ACL",
    }
)
"""Templates of marathon-lb that stand for pieces which this bridge does not have."""
IN_MAPS = "no such piece is written here: routes by host and by id are in maps"
_BY_NAME = "no such piece is written here: a name's certificate is chosen among --ssl-certs"
INSTEAD = {
    **dict.fromkeys(sorted(UNREAD), IN_MAPS),
    "HTTPS_GROUPED_FRONTEND_HEAD": _BY_NAME,
    "HTTPS_GROUPED_VHOST_BACKEND_HEAD": _BY_NAME,
    "HTTPS_GROUPED_VHOST_FRONTEND_ACL": _BY_NAME,
    "HTTPS_GROUPED_VHOST_FRONTEND_HEAD": _BY_NAME,
    "GLOBAL_DEFAULT_OPTIONS": "nothing reads it: HAPROXY_HEAD is the text of global and defaults",
    "SSL_CERT": "nothing reads it: write it to a file and name that with --ssl-certs",
    "SSL_CERT0": "nothing reads it: write it to a file and name that with --ssl-certs",
    "SYSLOGD": "nothing reads it: --log says where logs go",
}
"""What an operator of marathon-lb may have set that has no effect here, and what has."""
REDIRECTS = ("BACKEND_REDIRECT_HTTP_TO_HTTPS", "BACKEND_REDIRECT_HTTP_TO_HTTPS_WITH_PATH")
_ROUTE_HEADS = ("HTTP_FRONTEND_", "HTTPS_FRONTEND_", *REDIRECTS)
OF_ROUTES = frozenset(name for name in OF_APPS if name.startswith(_ROUTE_HEADS))


def without_effect(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Those of an operator that nothing reads, and why."""
    for name in sorted(names):
        if name in INSTEAD:
            yield name, INSTEAD[name]
        elif name not in ALL:
            near = get_close_matches(name, sorted(ALL), 1)
            meant = f"; did you mean HAPROXY_{near[0]}?" if near else ""
            yield name, f"there is no template of this name{meant}"


def routes(service: Service) -> frozenset[str]:
    """The pieces that lead to its virtual hosts."""
    return frozenset({*http_route(service), *https_route(service)})


def http_route(service: Service) -> Iterator[str]:
    """The pieces that lead there in the front end for http, in their order. HTTP_FRONTEND_ACL_ONLY
    stands for one host, and comes for each."""
    if not _is_routed(service):
        return
    auth, path, redirect = service.auth is not None, bool(service.paths), service.redirect_to_https
    if len(service.hosts) > 1:
        if path:
            yield f"HTTP_FRONTEND_ACL_ONLY_WITH_PATH{'_AND_AUTH' if auth else ''}"
        yield "HTTP_FRONTEND_ACL_ONLY"
        yield REDIRECTS[path] if redirect else f"HTTP_FRONTEND_ROUTING_ONLY{_with(path, auth)}"
    elif redirect and path:
        yield from ("HTTP_FRONTEND_ACL_ONLY", "HTTP_FRONTEND_ACL_ONLY_WITH_PATH", REDIRECTS[True])
    elif redirect:
        yield from ("HTTP_FRONTEND_ACL", REDIRECTS[False])
    else:
        yield f"HTTP_FRONTEND_ACL{_with_auth_first(path, auth)}"


def https_route(service: Service) -> Iterator[str]:
    """The same in the front end for https; the last one comes for each host."""
    if not _is_routed(service):
        return
    if service.paths:
        yield "HTTPS_FRONTEND_ACL_ONLY_WITH_PATH"
    yield f"HTTPS_FRONTEND_ACL{_with_auth_first(bool(service.paths), service.auth is not None)}"


def _is_routed(service: Service) -> bool:
    return (
        bool(service.hosts)
        and service.mode is Mode.HTTP
        and not service.tls_passthrough
        and not service.matches
    )


def _with(path: bool, auth: bool) -> str:
    words = [word for word, there in (("PATH", path), ("AUTH", auth)) if there]
    return f"_WITH_{'_AND_'.join(words)}" if words else ""


def _with_auth_first(path: bool, auth: bool) -> str:
    return "_WITH_AUTH_AND_PATH" if path and auth else _with(path, auth)
