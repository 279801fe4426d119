"""Apps as services: where each task of them is reached, and whether it is to get traffic.

For load balancers: everything that they decide by, in one form, without history. A task's health
is what is known of it, and stays known over a change of leaders; a task that is to be killed is
``draining`` and gets nothing new.
"""

from typing import Any

from api.render.health import definition_of
from api.render.instance import shown_condition
from framework.core.index import is_old
from framework.domain.app import App, HealthCheck
from framework.domain.clock import parse_iso
from framework.domain.instance import Condition, Instance
from framework.domain.state import State

_KINDS = {
    "HTTP": "http",
    "HTTPS": "https",
    "TCP": "tcp",
    "MESOS_HTTP": "http",
    "MESOS_HTTPS": "https",
    "MESOS_TCP": "tcp",
}
_LISTED = frozenset({Condition.RUNNING, Condition.KILLING, Condition.UNREACHABLE})


def service(
    app: App,
    view: State,
    share: float | None = None,
    new_share: float | None = None,
    *,
    deploying: bool = False,
) -> dict[str, Any]:
    """One app with those of its tasks that run or are out of reach, its ``share`` of the traffic of
    a name that it serves with others, and that of its tasks that are not ``old``, in percent."""
    instances = list(view.instances_of.get(app.id, {}).values())
    tasks = [_task(one, app, view) for one in instances if one.condition in _LISTED]
    fields: dict[str, Any] = {
        "id": app.id,
        "version": app.version,
        "wanted": app.instances,
        "labels": _labels(app),
        "ports": _ports(app),
        "tasks": sorted(tasks, key=lambda task: str(task["id"])),
    }
    created_ms = _created_ms(app, view)
    if created_ms:
        fields["createdAtMs"] = created_ms
    if app.health_checks:
        fields["hasChecks"] = True
    if deploying:
        fields["deploying"] = True
    if share is not None:
        fields["share"] = share
    if new_share is not None:
        fields["newShare"] = new_share
    return fields


def _created_ms(app: App, view: State) -> int:
    """Since when there is an app of this name; 0 if that is not known. A change of it, and of who
    leads, is none of this."""
    oldest = app.created_at or min((*view.versions_of.get(app.id, ()), app.version))
    try:
        return parse_iso(oldest)
    except ValueError:
        return 0


def _labels(app: App) -> dict[str, str]:
    """Labels, and below them what early releases of marathon-lb read in the environment. Nothing
    else of the environment is told: it holds secrets."""
    env = {name: text for name, text in app.env.items() if name.startswith("HAPROXY_")}
    return env | app.labels


def _ports(app: App) -> list[dict[str, Any]]:
    if app.on_host_network:
        return [_port(one.port, one.name, one.protocol, one.labels) for one in app.port_definitions]
    return [
        _port(one.service_port, one.name, one.protocol, one.labels) for one in app.port_mappings
    ]


def _port(number: int, name: str | None, protocol: str, labels: dict[str, str]) -> dict[str, Any]:
    fields: dict[str, Any] = {"servicePort": number, "protocol": protocol}
    if name:
        fields["name"] = name
    if labels:
        fields["labels"] = labels
    return fields


def _task(instance: Instance, app: App, view: State) -> dict[str, Any]:
    agent = view.agents.get(instance.agent_id)
    host = "" if agent is None else agent.hostname
    definition = definition_of(instance, app, view)
    fields: dict[str, Any] = {
        "id": instance.task_id,
        "host": host,
        "endpoints": _endpoints(instance, definition, host),
        "version": instance.version,
        "startedAtMs": instance.started_at_ms,
        "health": {True: "up", False: "down", None: "unknown"}[instance.healthy],
    }
    if agent is not None and agent.address:
        fields["address"] = agent.address
    if instance.ready is not None:
        fields["ready"] = instance.ready
    if shown_condition(instance) is Condition.KILLING:
        fields["draining"] = True
    if instance.awaits_edges:
        fields["awaitsEdges"] = True
    if instance.condition is Condition.UNREACHABLE:
        fields["reachable"] = False
    if is_old(app, instance):
        fields["old"] = True
    checks = [_check(one) for one in definition.health_checks if one.protocol in _KINDS]
    if checks:
        fields["checks"] = checks
    return fields


def _endpoints(instance: Instance, definition: App, host: str) -> list[dict[str, Any] | None]:
    """One for each port that the task's own definition declares; null where there is none."""
    if definition.on_host_network:
        ports = instance.ports[: len(definition.port_definitions)]
        return [_endpoint(host, port) for port in ports]
    found: list[dict[str, Any] | None] = []
    host_ports = iter(instance.ports)
    for mapping in definition.port_mappings:
        if mapping.host_port is not None:
            found.append(_endpoint(host, next(host_ports, 0)))
        else:
            address = instance.addresses[0] if instance.addresses else ""
            found.append(_endpoint(address, mapping.container_port))
    return found


def _endpoint(host: str, port: int) -> dict[str, Any] | None:
    return {"host": host, "port": port} if host and port else None


def _check(check: HealthCheck) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "kind": _KINDS[check.protocol],
        "intervalSeconds": check.interval_seconds,
        "timeoutSeconds": check.timeout_seconds,
        "maxConsecutiveFailures": check.max_consecutive_failures,
    }
    if check.path:
        fields["path"] = check.path
    if check.port is not None and check.port_index is None:
        fields["port"] = check.port
    else:
        fields["portIndex"] = check.port_index or 0
    return fields
