"""Marathon's old forms: what may not be mixed with today's, and their translation.

Works on the plain dict that a schema has read, of a whole definition or of a partial update, and
leaves only canonical fields behind. Nothing absent is defaulted here.
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from api.faults import Fault

_ARCHIVES = (
    ".tar",
    ".tar.gz",
    ".tar.bz2",
    ".tar.xz",
    ".gz",
    ".tgz",
    ".tbz2",
    ".txz",
    ".zip",
)
_NETWORK_MODES = {"HOST": "host", "BRIDGE": "container/bridge", "USER": "container"}


def legacy_faults(app: dict[str, Any]) -> Iterator[Fault]:
    """Old fields that contradict each other or their successors."""
    docker = _docker(app)
    if docker.get("network") and app.get("networks"):
        yield Fault("/", "must not specify both container.docker.network and networks")
    if docker.get("network") == "NONE":
        yield Fault("/container/docker/network", "unsupported docker network type NONE")
    if "ipAddress" in app and app.get("networks"):
        yield Fault("/", "must not specify both networks and ipAddress")
    if "ipAddress" in app and (app.get("ports") or app.get("portDefinitions")):
        yield Fault("/", "cannot specify both an IP address and port")
    yield from _port_faults(app)
    if app.get("uris") and app.get("fetch"):
        yield Fault("/uris", "may not be set in conjunction with fetch")
    yield from _container_faults(app)


def _port_faults(app: dict[str, Any]) -> Iterator[Fault]:
    ports = app.get("ports", [])
    chosen = [port for port in ports if port != 0]
    if len(set(chosen)) != len(chosen):
        yield Fault("/", "ports must be unique")
    definitions = app.get("portDefinitions", [])
    if ports and definitions and [item.get("port", 0) for item in definitions] != ports:
        yield Fault("/", "cannot specify both ports and port definitions")


def _container_faults(app: dict[str, Any]) -> Iterator[Fault]:
    docker = _docker(app)
    mappings = app.get("container", {}).get("portMappings")
    discovered = _discovery_ports(app)
    if "credential" in docker:
        yield Fault("/container/docker/credential", "must be empty")
    if docker.get("portMappings") and mappings:
        yield Fault("/container", "cannot specify both portMappings and docker.portMappings")
    if app.get("container", {}).get("type") == "MESOS":
        if docker.get("network"):
            yield Fault("/container/docker/network", "must be empty")
        if docker.get("portMappings"):
            yield Fault("/container/docker/portMappings", "must be empty")
        if discovered and mappings:
            yield Fault(
                "/container",
                "container.portMappings and ipAddress.discovery.ports must not both be set",
            )
    elif "container" in app and "discovery" in app.get("ipAddress", {}):
        yield Fault("/ipAddress", "ipAddress/discovery is not allowed for Docker containers")


def translate(
    app: dict[str, Any], *, bridge_name: str, default_network_name: str | None
) -> dict[str, Any]:
    """The same settings in canonical fields only. Expects no ``legacy_faults``."""
    canonical = {
        name: value for name, value in app.items() if name not in ("uris", "ports", "ipAddress")
    }
    if app.get("uris"):
        canonical["fetch"] = [{"uri": uri, "extract": _is_archive(uri)} for uri in app["uris"]]
    if "ports" in app and "portDefinitions" not in app:
        canonical["portDefinitions"] = [{"port": port} for port in app["ports"]]
    networks = _networks(app, bridge_name, default_network_name)
    if networks is not None:
        canonical["networks"] = networks
    container = _container(app)
    if container is not None:
        canonical["container"] = container
    return canonical


def _docker(app: dict[str, Any]) -> dict[str, Any]:
    docker: dict[str, Any] = app.get("container", {}).get("docker", {})
    return docker


def _discovery_ports(app: dict[str, Any]) -> list[dict[str, Any]]:
    ports: list[dict[str, Any]] = app.get("ipAddress", {}).get("discovery", {}).get("ports", [])
    return ports


def _is_archive(uri: str) -> bool:
    """Whether Marathon would unpack it: by the end of the path, whatever the query says."""
    try:
        return urlsplit(uri).path.endswith(_ARCHIVES)
    except ValueError:
        return False  # refused later, as a bad URI


def _networks(
    app: dict[str, Any], bridge_name: str, default_name: str | None
) -> list[dict[str, Any]] | None:
    address = app.get("ipAddress")
    kind = _docker(app).get("network")
    if kind in ("HOST", "BRIDGE"):
        return [{"mode": _NETWORK_MODES[kind]}]
    if kind is None and address is None:
        return None
    address = address or {}
    if address.get("networkName") == bridge_name and kind is None:
        return [{"mode": "container/bridge"}]
    network = {"mode": "container"}
    name = address.get("networkName", default_name)
    if name is not None:
        network["name"] = name
    if address.get("labels"):
        network["labels"] = address["labels"]
    return [network]


def _container(app: dict[str, Any]) -> dict[str, Any] | None:
    if "container" not in app and "ipAddress" not in app:
        return None
    container = dict(app.get("container", {"type": "MESOS"}))
    if "docker" in container:
        docker = dict(container["docker"])
        docker.pop("network", None)
        mappings = docker.pop("portMappings", None)
        if mappings is not None and not container.get("portMappings"):
            container["portMappings"] = mappings
        container["docker"] = docker
    discovered = _discovery_ports(app)
    if discovered and container.get("type") == "MESOS":
        container["portMappings"] = [_discovered_mapping(port) for port in discovered]
    return container


def _discovered_mapping(port: dict[str, Any]) -> dict[str, Any]:
    kept = ("name", "protocol", "labels")
    mapping: dict[str, Any] = {name: port[name] for name in kept if name in port}
    return {**mapping, "containerPort": port["number"]}
