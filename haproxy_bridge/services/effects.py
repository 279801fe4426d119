"""What of a service comes to nothing or has a price, told instead of passed over.

marathon-lb says nothing there, and people search for hours why a label has no effect. Where the
label was to protect something, the port is left out rather than served without it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from msgspec.structs import replace

from haproxy_bridge.rendered import Problem, Trouble
from haproxy_bridge.services import templates, values
from haproxy_bridge.services.labels import PortLabels
from haproxy_bridge.services.model import Mode, Service
from haproxy_bridge.snapshot import is_address

_OF_HTTP = frozenset(
    {
        "STICKY",
        "REDIRECT_TO_HTTPS",
        "USE_HSTS",
        "HTTP_BACKEND_PROXYPASS_PATH",
        "HTTP_BACKEND_REVPROXY_PATH",
        "HTTP_BACKEND_REDIR",
        "REDIRECT_WWW",
        "RATE_LIMIT",
        "HTTP2",
        "ERROR_PAGE",
        "RETRY_ON",
        "MATCH_HEADER",
        "MATCH_COOKIE",
        "MATCH_QUERY",
    }
)
_OF_HOSTS = frozenset(
    {
        "PATH",
        "BACKEND_WEIGHT",
        "REDIRECT_TO_HTTPS",
        "TLS_PASSTHROUGH",
        "REDIRECT_WWW",
        "MATCH_HEADER",
        "MATCH_COOKIE",
        "MATCH_QUERY",
    }
)
_NAMES_TOLD = 3
_VERIFIED = re.compile(r"\bverify (required|optional)\b")


def of_app(app_id: str, labels: Mapping[str, str]) -> Iterator[Problem]:
    """What of an app's own labels comes to nothing. zdd.py writes a 0 there in each deployment."""
    name = "DEPLOYMENT_NEW_INSTANCES"
    if labels.get(name, "").strip() not in {"", "0"}:
        why = "does nothing: the number of tasks of each colour divides the traffic"
        yield Problem(Trouble.IGNORED, app_id, why, f"HAPROXY_{name}")


def without_address(app_id: str, services: Iterable[Service]) -> Iterator[Problem]:
    """Tasks that haproxy can send nothing, since nobody knows where their agents are."""
    members = {one.task_id: one.endpoint.host for service in services for one in service.members}
    lost = [host for host in members.values() if not is_address(host)]
    if not lost:
        return
    names = sorted(set(lost))
    more = f" and {len(names) - _NAMES_TOLD} more" if len(names) > _NAMES_TOLD else ""
    why = (
        f"{len(lost)} of its {len(members)} tasks get nothing: this node finds no address for "
        f"{', '.join(names[:_NAMES_TOLD])}{more} (look at its resolver, or add them to /etc/hosts)"
    )
    yield Problem(Trouble.UNRESOLVED, app_id, why)


def looked_at(service: Service, said: PortLabels) -> tuple[Service, list[Problem]]:
    """The service as it can be served, and what of its labels it leaves out."""
    problems = [
        Problem(Trouble.IGNORED, service.app_id, why, f"HAPROXY_{service.index}_{name}")
        for name, why in _without_effect(service, said)
    ]
    if service.mode is Mode.TCP and service.observe[0] == "layer7":
        why = "answers are seen in mode http only: here connections count (layer4)"
        label = f"HAPROXY_{service.index}_OBSERVE"
        problems.append(Problem(Trouble.IGNORED, service.app_id, why, label))
        service = replace(service, observe=("layer4", service.observe[1]))
    if service.mode is Mode.TCP and service.matches:
        service = replace(service, match_header=None, match_cookie=None, match_query=None)
    if service.hosts and service.mode is Mode.TCP and not service.tls_passthrough:
        why = "virtual hosts are told by http: with mode tcp there is only the service port"
        label = f"HAPROXY_{service.index}_VHOST"
        problems.append(Problem(Trouble.UNSUPPORTED, service.app_id, why, label))
        service = replace(service, hosts=(), paths=())
    if service.auth is not None and service.mode is Mode.TCP:
        why = "passwords are asked for by http, and this port is tcp: it is left out"
        label = f"HAPROXY_{service.index}_AUTH"
        problems.append(Problem(Trouble.UNSUPPORTED, service.app_id, why, label))
        service = replace(service, hosts=(), port=0)
    return service, problems


def _without_effect(service: Service, said: PortLabels) -> Iterator[tuple[str, str]]:
    for name in sorted(said.texts):
        if name in _OF_HTTP and service.mode is Mode.TCP:
            yield name, "does nothing in mode tcp"
        elif name in _OF_HOSTS and not service.hosts:
            yield name, f"does nothing without HAPROXY_{service.index}_VHOST"
    for name in sorted(templates.UNREAD & said.templates.keys()):
        yield name, templates.IN_MAPS
    chosen = templates.routes(service)
    for name in sorted((templates.OF_ROUTES - templates.UNREAD - chosen) & said.templates.keys()):
        yield name, f"the pieces of its route are others: {', '.join(sorted(chosen)) or 'none'}"
    if not values.is_dynamic(service.balance):
        several = ", ".join(sorted(values.DYNAMIC))
        yield "BALANCE", f"each server that comes or goes takes a reload; not so with {several}"
    if service.hosts and not service.tls_passthrough and _VERIFIED.search(service.bind_options):
        why = (
            "asks clients of its own port for certificates, those of its virtual hosts it does not"
        )
        yield "BIND_OPTIONS", f"{why}: with TLS_PASSTHROUGH the app itself can"
    if service.tls_passthrough and service.paths:
        yield "PATH", "does nothing with TLS_PASSTHROUGH, as the path can not be seen"
