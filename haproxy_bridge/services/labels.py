"""The labels of one app: what they say of each of its ports, and what is wrong with them.

Names and meaning are marathon-lb's (bridge.md 3.1), with some of our own. A label that nothing
reads is told, since it is most often a slip; one that is not understood keeps its port out.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial
from typing import Any

from haproxy_bridge.rendered import Problem, Trouble
from haproxy_bridge.services import templates, values
from haproxy_bridge.services.model import Mode
from haproxy_bridge.services.options import ServiceOptions
from haproxy_bridge.services.values import BadValueError
from haproxy_bridge.snapshot import App

MAX_TEMPLATE = 65_536
MAX_UNKNOWN = 20
"""So many labels of an app that nothing reads are told: each takes a search for what was meant."""

_NAME = re.compile(r"HAPROXY_(?:(\d{1,4})_)?([A-Z0-9_]+)")
_APP_LEVEL = frozenset(
    {
        "GROUP",
        "APP_ID",
        "DEPLOYMENT_GROUP",
        "DEPLOYMENT_ALT_PORT",
        "DEPLOYMENT_COLOUR",
        "DEPLOYMENT_STARTED_AT",
        "DEPLOYMENT_TARGET_INSTANCES",
        "DEPLOYMENT_NEW_INSTANCES",
    }
)
Reader = Callable[[str], object]
# The label's name, the field of Service (or of PortLabels) that it gives, and how it is read.
PORT_LABELS: dict[str, tuple[str, Reader]] = {
    "GROUP": ("groups", values.groups),
    "ENABLED": ("enabled", values.boolean),
    "VHOST": ("hosts", values.hosts),
    "PATH": ("paths", values.paths),
    "BACKEND_WEIGHT": ("weight", partial(values.number, lowest=-1_000_000, highest=1_000_000)),
    "PORT": ("port", partial(values.number, lowest=1, highest=65_535)),
    "BIND_ADDR": ("bind_addr", values.bind_address),
    "BIND_OPTIONS": ("bind_options", values.words),
    "MODE": ("mode", lambda text: Mode(values.choice(text, "http", "tcp"))),
    "BALANCE": ("balance", values.balance),
    "STICKY": ("sticky", values.boolean),
    "REDIRECT_TO_HTTPS": ("redirect_to_https", values.boolean),
    "USE_HSTS": ("hsts", values.boolean),
    "SSL_CERT": ("certificate", values.file),
    "AUTH": ("auth", values.auth),
    "HTTP_BACKEND_PROXYPASS_PATH": ("proxypass_path", values.path),
    "HTTP_BACKEND_REVPROXY_PATH": ("revproxy_path", values.path),
    "HTTP_BACKEND_REDIR": ("root_redirect", values.path),
    "BACKEND_NETWORK_ALLOWED_ACL": ("allowed_networks", values.networks),
    "BACKEND_HEALTHCHECK_PORT_INDEX": (
        "check_port_index",
        partial(values.number, lowest=0, highest=9_999),
    ),
    # Ours
    "AUTH_LIST": ("auth_list", values.auth_list),
    "BACKEND_NAME": ("backend_name", values.backend_name),
    "REDIRECT_WWW": ("www_redirect", values.boolean),
    "TLS_PASSTHROUGH": ("tls_passthrough", values.boolean),
    "BACKEND_TLS": ("backend_tls", partial(values.choice, *("true", "verify", "false"))),
    "RATE_LIMIT": ("rate_limit", values.rate),
    "MAXCONN": ("maxconn", partial(values.number, lowest=1, highest=10_000_000)),
    "MAXCONN_SERVER": ("server_maxconn", partial(values.number, lowest=1, highest=10_000_000)),
    "SLOWSTART": ("slow_start_seconds", partial(values.number, lowest=0, highest=86_400)),
    "TIMEOUT_SERVER": ("server_timeout_seconds", partial(values.number, lowest=1, highest=86_400)),
    "TIMEOUT_TUNNEL": ("tunnel_timeout_seconds", partial(values.number, lowest=1, highest=604_800)),
    "SHUTDOWN_SESSIONS": ("shutdown_sessions", values.boolean),
    "ERROR_PAGE": ("error_page", values.page),
    "MATCH_HEADER": ("match_header", values.header),
    "MATCH_COOKIE": ("match_cookie", values.pair),
    "MATCH_QUERY": ("match_query", values.pair),
    "OBSERVE": ("observe", values.observe),
    "RETRY_ON": ("retry_on", values.retry_on),
    "HTTP2": ("http2", values.boolean),
    "SEND_PROXY": ("send_proxy", values.boolean),
}
_KNOWN = sorted({*PORT_LABELS, *_APP_LEVEL, *templates.OF_APPS})
_LONGEST = 80


@dataclass(slots=True)
class PortLabels:
    """What the labels say of one port: ``given`` by field of Service, ``texts`` as they were
    written, ``templates`` by name."""

    given: dict[str, Any] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    templates: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    @property
    def broken(self) -> bool:
        """Whether something keeps this port out."""
        return any(problem.keeps_out for problem in self.problems)


@dataclass(slots=True)
class AppLabels:
    """The labels of an app by port, those of the whole app, and findings about no port."""

    ports: dict[int, PortLabels] = field(default_factory=dict)
    app: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def port(self, index: int) -> PortLabels:
        """What is said of one port."""
        return self.ports.setdefault(index, PortLabels())


def read(app: App, options: ServiceOptions) -> AppLabels:
    """Every label of the app that begins with HAPROXY_, and those of its ports."""
    found = AppLabels()
    for label, text in sorted(app.labels.items()):
        if label.startswith("HAPROXY_"):
            _read(found, app, options, label, text)
    for index, port in enumerate(app.ports):
        for label, text in sorted(_own(port.labels).items()):
            _read(found, app, options, f"HAPROXY_{index}_{label}", text)
    return found


def _own(labels: Mapping[str, str]) -> dict[str, str]:
    """Labels of a port itself: HAPROXY_VHOST there means that port."""
    return {
        name.removeprefix("HAPROXY_"): text
        for name, text in labels.items()
        if name.startswith("HAPROXY_") and name.removeprefix("HAPROXY_") in PORT_LABELS
    }


def _read(found: AppLabels, app: App, options: ServiceOptions, label: str, text: str) -> None:
    match = _NAME.fullmatch(label)
    index, name = (None, "") if match is None else (match[1], match[2])
    if index is None and name in _APP_LEVEL:
        found.app[name] = text
    elif index is None or (name not in PORT_LABELS and name not in templates.OF_APPS):
        if len(found.problems) < MAX_UNKNOWN:
            found.problems.append(_unknown(app, label, name))
    elif int(index) >= len(app.ports):
        message = f"there is no port {index}: the app has {len(app.ports)}"
        found.problems.append(Problem(Trouble.IGNORED, app.id, message, label))
    elif name in templates.OF_APPS and not _is_value(name):
        _template(found.port(int(index)), app, options, label, name, text)
    else:
        _value(found.port(int(index)), app, options, label, name, text)
        if PORT_LABELS[name][1] is values.boolean and values.is_doubtful(text):
            message = (
                'counts as false, as with marathon-lb: only "true", "t", "yes" and "y" are true'
            )
            found.problems.append(Problem(Trouble.IGNORED, app.id, message, label))


def _is_value(name: str) -> bool:
    return name in PORT_LABELS


def _unknown(app: App, label: str, name: str) -> Problem:
    near = get_close_matches(name, _KNOWN, 1) if len(name) < _LONGEST else []
    meant = (
        f"; did you mean {'HAPROXY_' if near[0] in _APP_LEVEL else 'HAPROXY_0_'}{near[0]}?"
        if near
        else ""
    )
    return Problem(Trouble.IGNORED, app.id, f"nothing reads this label{meant}", label[:200])


def _value(
    port: PortLabels, app: App, options: ServiceOptions, label: str, name: str, text: str
) -> None:
    if not options.policy.allows_label(app.id, name):
        message = "this node's policy has no such label for this app"
        port.problems.append(Problem(Trouble.FORBIDDEN, app.id, message, label))
        return
    if len(text) > values.MAX_VALUE:
        problem = Problem(
            Trouble.INVALID, app.id, f"more than {values.MAX_VALUE} characters", label
        )
        port.problems.append(problem)
        return
    key, reader = PORT_LABELS[name]
    try:
        port.given[key] = reader(text)
    except BadValueError as error:
        port.problems.append(Problem(Trouble.INVALID, app.id, str(error), label))
    port.texts[name] = text


def _template(
    port: PortLabels, app: App, options: ServiceOptions, label: str, name: str, text: str
) -> None:
    if not options.policy.allows_templates(app.id):
        message = (
            "raw directives are not allowed on this node (--allow-raw-templates, or a rule of "
            "its policy)"
        )
        port.problems.append(Problem(Trouble.FORBIDDEN, app.id, message, label))
    elif len(text) > MAX_TEMPLATE or "\0" in text:
        message = f"a template has at most {MAX_TEMPLATE} characters, and no NUL"
        port.problems.append(Problem(Trouble.INVALID, app.id, message, label))
    else:
        port.templates[name] = text.replace("\r\n", "\n").replace("\r", "\n")
