"""What an app definition means where it says nothing: networks, ports, roles, health ports.

Works on canonical dicts. Everything else has fixed defaults, which are those of the record
``framework.domain.app.App``.
"""

from typing import Any

from api.options import ApiOptions

_DEFAULT_MAPPING = {"containerPort": 0, "name": "default"}
_ONE_AT_A_TIME = {"minimumHealthCapacity": 0.5, "maximumOverCapacity": 0}
_RESIDENT: dict[str, Any] = {
    "acceptedResourceRoles": ["*"],
    "upgradeStrategy": _ONE_AT_A_TIME,
    "unreachableStrategy": "disabled",
    "residency": {},
}
_DEFAULT_DEFINITION = {"port": 0, "name": "default"}


def with_defaults(app: dict[str, Any], options: ApiOptions, role: str) -> dict[str, Any]:
    """The definition with every default that depends on other fields or on settings. ``role``
    is that of an app which names none."""
    networks = [_named(network, options) for network in app.get("networks", [])]
    networks = networks or [{"mode": "host"}]
    complete = {**app, "networks": networks}
    if all(network["mode"] == "host" for network in networks):
        _host_ports(complete)
    else:
        _container_ports(complete)
    if _has_external_volumes(app):
        complete.setdefault("upgradeStrategy", _ONE_AT_A_TIME)
    mappings = complete.get("container", {}).get("portMappings")
    if "healthChecks" in app and (complete.get("portDefinitions") or mappings):
        complete["healthChecks"] = [_with_port(check) for check in app["healthChecks"]]
    role = app.get("role", role)
    complete["role"] = role
    if has_persistent_volumes(app):
        complete = {**_RESIDENT, **complete}
    elif "acceptedResourceRoles" not in app:
        complete["acceptedResourceRoles"] = default_resource_roles(role, options)
    return complete


def has_persistent_volumes(app: dict[str, Any]) -> bool:
    """Whether the app keeps something on its agents."""
    return any("persistent" in volume for volume in app.get("container", {}).get("volumes", []))


def _has_external_volumes(app: dict[str, Any]) -> bool:
    return any("external" in volume for volume in app.get("container", {}).get("volumes", []))


def default_resource_roles(role: str, options: ApiOptions) -> list[str]:
    """Whose resources an app of this role takes when it does not say."""
    behavior = options.accepted_resource_roles_default_behavior
    if behavior == "unreserved":
        return ["*"]
    if behavior == "reserved":
        return [role]
    return sorted({"*", role})


def _named(network: dict[str, Any], options: ApiOptions) -> dict[str, Any]:
    complete = {"mode": "container", **network}
    name = options.default_network_name
    if complete["mode"] == "container" and "name" not in complete and name is not None:
        complete["name"] = name
    return complete


def _host_ports(app: dict[str, Any]) -> None:
    app.setdefault("portDefinitions", [_DEFAULT_DEFINITION])
    if "container" in app:
        app["container"] = {
            name: value for name, value in app["container"].items() if name != "portMappings"
        }


def _container_ports(app: dict[str, Any]) -> None:
    """Ports are mappings of the container; definitions beyond their number become mappings."""
    definitions = app.pop("portDefinitions", [])
    app["requirePorts"] = False
    container = dict(app.get("container", {"type": "MESOS"}))
    mappings = list(container.get("portMappings", [_DEFAULT_MAPPING]))
    mappings += [{} for _ in range(len(definitions) - len(mappings))]
    if any(network["mode"] == "container/bridge" for network in app["networks"]):
        mappings = [{"hostPort": 0, **mapping} for mapping in mappings]
    container["portMappings"] = mappings
    app["container"] = container


def _with_port(check: dict[str, Any]) -> dict[str, Any]:
    """Old clients leave out the port index and mean the first port.

    Marathon fills it in only where the request itself declared ports; but then the definition it
    shows, sent back unchanged, is another one and restarts the app.
    """
    if check.get("protocol") == "COMMAND" or "port" in check or "portIndex" in check:
        return check
    return {**check, "portIndex": 0}
