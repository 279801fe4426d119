"""DiscoveryInfo of a task: what Mesos-DNS and others learn of its ports."""

from framework.domain.ids import discovery_name
from framework.mesos.json_parts import JsonObject, labels
from framework.mesos.ports import LaunchedPort


def discovery_info(app_id: str, ports: tuple[LaunchedPort, ...]) -> JsonObject:
    """One entry per port and protocol, and for ports that are not public per network too."""
    entries = [entry for port in ports for entry in _entries(port)]
    return {
        "visibility": "FRAMEWORK",
        "name": discovery_name(app_id),
        "ports": {"ports": entries},
    }


def _entries(port: LaunchedPort) -> list[JsonObject]:
    return [_entry(port, protocol, scope) for scope in _scopes(port) for protocol in port.protocols]


def _scopes(port: LaunchedPort) -> list[dict[str, str]]:
    if port.host_port is not None:
        return [{"network-scope": "host"}]
    names = port.network_names
    scope = {"network-scope": "container"}
    return [scope | {"network-name": name} for name in names] if names else [scope]


def _entry(port: LaunchedPort, protocol: str, scope: dict[str, str]) -> JsonObject:
    entry: JsonObject = {
        "number": port.number if port.host_port is None else port.host_port,
        "protocol": protocol,
        "labels": labels(port.labels | scope),
    }
    if port.name:
        entry["name"] = port.name
    return entry
