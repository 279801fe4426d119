"""The pieces that a configuration is put together from, under marathon-lb's names where it has
them, and how placeholders in them are filled.

Only a known ``{name}`` is filled. ``{{`` and ``}}`` stand for braces, and any other brace stays as
it is: haproxy's own ``{ hdr(host) -i x }`` must survive.
"""

import re
from collections.abc import Mapping

MAX_WORDS = 40
"""Values in one line; haproxy takes 64 words, some of which are the line's own."""
PROXYPASS_PATH = """\
  http-request replace-path ^{proxypathPattern}/?(.*) /\\1
"""
SEVERAL_PATHS = """\
  option httpchk
  http-check set-var(check.path) srv_name{otherPaths},regsub(^[^/].*$,{encodedPath}),url_dec
  http-check send meth GET uri-lf %[var(check.path)] ver HTTP/1.1 hdr Host {backend}
  http-check expect status 200-399
  timeout check {healthCheckTimeoutSeconds}s
"""
"""Where tasks of several configurations are asked for several paths: the mark at the end of some
servers' names says which. No name begins with a slash, and each path does."""
_HOST_ACL = "  acl host_{cleanedUpHostname} {hostMatch}\n"
_AUTH_ACL = "  acl auth_{cleanedUpHostname} http_auth(user_{backend})\n"
_PATH_ACL = "{pathLines}"
_FOR_HOST = "host_{cleanedUpHostname}"
_FOR_PATH = f"{_FOR_HOST} path_{{backend}}"
_IN_HTTPS = "{{ {hostMatch} }}"
_PATH_IN_HTTPS = f"{_IN_HTTPS} path_{{backend}}"


def _use(condition: str) -> str:
    return f"  use_backend {{backend}} if {condition}\n"


def _ask(condition: str) -> str:
    return f"  http-request auth realm {{realmWord}} if {condition} !auth_{{cleanedUpHostname}}\n"


# The way to a virtual host, for services of which somebody replaced a piece of it.
ROUTES: dict[str, str] = {
    "HTTP_FRONTEND_ACL": _HOST_ACL + _use(_FOR_HOST),
    "HTTP_FRONTEND_ACL_WITH_AUTH": _HOST_ACL + _AUTH_ACL + _ask(_FOR_HOST) + _use(_FOR_HOST),
    "HTTP_FRONTEND_ACL_WITH_PATH": _HOST_ACL + _PATH_ACL + _use(_FOR_PATH),
    "HTTP_FRONTEND_ACL_WITH_AUTH_AND_PATH": (
        _HOST_ACL + _AUTH_ACL + _PATH_ACL + _ask(_FOR_PATH) + _use(_FOR_PATH)
    ),
    "HTTP_FRONTEND_ACL_ONLY": _HOST_ACL,
    "HTTP_FRONTEND_ACL_ONLY_WITH_PATH": _PATH_ACL,
    "HTTP_FRONTEND_ACL_ONLY_WITH_PATH_AND_AUTH": _PATH_ACL + _AUTH_ACL,
    "HTTP_FRONTEND_ROUTING_ONLY": _use(_FOR_HOST),
    "HTTP_FRONTEND_ROUTING_ONLY_WITH_AUTH": _AUTH_ACL + _ask(_FOR_HOST) + _use(_FOR_HOST),
    "HTTP_FRONTEND_ROUTING_ONLY_WITH_PATH": _use(_FOR_PATH),
    "HTTP_FRONTEND_ROUTING_ONLY_WITH_PATH_AND_AUTH": _ask(_FOR_PATH) + _use(_FOR_PATH),
    "HTTPS_FRONTEND_ACL": _use(_IN_HTTPS),
    "HTTPS_FRONTEND_ACL_WITH_AUTH": _AUTH_ACL + _ask(_IN_HTTPS) + _use(_IN_HTTPS),
    "HTTPS_FRONTEND_ACL_WITH_PATH": _use(_PATH_IN_HTTPS),
    "HTTPS_FRONTEND_ACL_WITH_AUTH_AND_PATH": (
        _AUTH_ACL + _ask(_PATH_IN_HTTPS) + _use(_PATH_IN_HTTPS)
    ),
    "HTTPS_FRONTEND_ACL_ONLY_WITH_PATH": _PATH_ACL,
}
DEFAULTS: dict[str, str] = ROUTES | {
    "FRONTEND_HEAD": """
frontend {backend}
  bind {bindAddr}:{servicePort}{sslCert}{bindOptions}
  mode {mode}
""",
    "FRONTEND_BACKEND_GLUE": """\
  default_backend {backend}
""",
    "BACKEND_HEAD": """
backend {backend}
  mode {mode}
  balance {balance}
""",
    "USERLIST_HEAD": """
userlist user_{backend}
  user {user} password {passwd}
""",
    "BACKEND_HSTS_OPTIONS": """\
  http-response set-header Strict-Transport-Security max-age=15768000 if { ssl_fc }
""",
    "BACKEND_HTTP_OPTIONS": """\
  option forwardfor
  http-request set-header X-Forwarded-Port %[dst_port]
  http-request set-header X-Forwarded-Proto http unless { ssl_fc }
  http-request set-header X-Forwarded-Proto https if { ssl_fc }
""",
    "BACKEND_STICKY_OPTIONS": """\
  cookie mesosphere_server_id insert indirect nocache dynamic
  dynamic-cookie-key {cookieKey}
""",
    "BACKEND_SERVER_OPTIONS": """\
  server {serverName} {host_ipv4}:{port} {cookieOptions}{healthCheckOptions}{otherOptions}
""",
    "BACKEND_HTTP_HEALTHCHECK_OPTIONS": """\
  option httpchk
  http-check send meth GET uri {healthCheckPath} ver HTTP/1.1 hdr Host {backend}
  http-check expect status 200-399
  timeout check {healthCheckTimeoutSeconds}s
""",
    "BACKEND_TCP_HEALTHCHECK_OPTIONS": """\
  timeout check {healthCheckTimeoutSeconds}s
""",
    "BACKEND_SERVER_HTTP_HEALTHCHECK_OPTIONS": """\
check inter {healthCheckIntervalSeconds}s fastinter 1s downinter 2s fall {healthCheckFalls} rise 1\
{healthCheckPortOptions}{observed}
""",
    "BACKEND_SERVER_TCP_HEALTHCHECK_OPTIONS": """\
check inter {healthCheckIntervalSeconds}s fastinter 1s downinter 2s fall {healthCheckFalls} rise 1\
{healthCheckPortOptions}{observed}
""",
    "HTTP_BACKEND_PROXYPASS_GLUE": """\
  http-request set-header Host {hostname}
"""
    + PROXYPASS_PATH,
    "HTTP_BACKEND_REVPROXY_GLUE": """\
  http-response replace-header Location ^(https?://{hostnamePattern}(:[0-9]+)?)?(/.*) \
{rootpathFormat}\\3
""",
    "HTTP_BACKEND_NETWORK_ALLOWED_ACL": """\
  acl network_allowed src {network_allowed}
""",
    "HTTP_BACKEND_ACL_ALLOW_DENY": """\
  http-request allow if network_allowed
  http-request deny
""",
    "TCP_BACKEND_NETWORK_ALLOWED_ACL": """\
  acl network_allowed src {network_allowed}
""",
    "TCP_BACKEND_ACL_ALLOW_DENY": """\
  tcp-request content accept if network_allowed
  tcp-request content reject
""",
    "HTTP_FRONTEND_HEAD": """
frontend marathon_http_in
  bind {httpBind}
  mode http
""",
    "HTTPS_FRONTEND_HEAD": """
frontend marathon_https_in
  bind {httpsBind} ssl {sslCerts} alpn h2,http/1.1
  mode http
""",
    "HTTP_FRONTEND_APPID_HEAD": """
frontend marathon_http_appid_in
  bind {appidBind}
  mode http
""",
}

_SPECIAL = re.compile(r"([\\ '\"#])")
_PLACE = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_]*)\}")


def filled(text: str, values: Mapping[str, object]) -> str:
    """The text with each known placeholder's value."""

    def fill(found: re.Match[str]) -> str:
        if found[0] in {"{{", "}}"}:
            return found[0][0]
        return str(values[found[1]]) if found[1] in values else found[0]

    return _PLACE.sub(fill, text)


def formatted(text: str) -> str:
    """The text as a word where haproxy fills in %[...] and the like: nothing is filled in."""
    return word(text).replace("%", "%%")


def word(text: str) -> str:
    """The text as one word of a line. ValueError if it can not be one: it has a line's end or
    another control character."""
    if not text or not text.isprintable():
        raise ValueError(f"not a word of a configuration: {text[:60]!r}")
    return _SPECIAL.sub(r"\\\1", text)
