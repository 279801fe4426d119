"""ContainerInfo of a task: the image, its networks with mapped ports, and volumes."""

from framework.domain.app import App, Container, Docker, Network, NetworkMode
from framework.mesos.json_parts import JsonObject, labels
from framework.mesos.ports import LaunchedPort

_DOCKER_NETWORKS = {
    NetworkMode.HOST: "HOST",
    NetworkMode.BRIDGE: "BRIDGE",
    NetworkMode.CONTAINER: "USER",
}


def container_info(
    app: App, task_id: str, ports: tuple[LaunchedPort, ...], bridge_name: str
) -> JsonObject | None:
    """The task's container, or None for one that needs no more than a process. ``bridge_name``
    is the CNI network that stands for a bridge with the Mesos containerizer."""
    container = app.container
    if container is None:
        if app.on_host_network and not app.tty:
            return None
        container = Container(type="MESOS")
    info: JsonObject = {"type": container.type}
    if container.volumes:
        info["volumes"] = [
            {
                "container_path": volume.container_path,
                "host_path": volume.host_path,
                "mode": volume.mode,
            }
            for volume in container.volumes
        ]
    if app.tty:
        info["tty_info"] = {}
    if container.type == "DOCKER":
        _add_docker(info, app, container, task_id, ports)
    else:
        _add_mesos(info, app, container, ports, bridge_name)
    return info


def _add_docker(
    info: JsonObject, app: App, container: Container, task_id: str, ports: tuple[LaunchedPort, ...]
) -> None:
    if container.docker is None:
        raise ValueError(f"{app.id} has a DOCKER container without an image")
    mode = app.networks[0].mode if app.networks else NetworkMode.HOST
    docker: JsonObject = {
        "image": container.docker.image,
        "network": _DOCKER_NETWORKS[mode],
        "privileged": container.docker.privileged,
        "force_pull_image": container.docker.force_pull_image,
        "parameters": _parameters(container.docker, task_id),
    }
    if not app.on_host_network:
        docker["port_mappings"] = _port_mappings(ports)
    info["docker"] = docker
    if mode is NetworkMode.CONTAINER:
        info["network_infos"] = [_network_info(network, network.name) for network in app.networks]


def _parameters(docker: Docker, task_id: str) -> list[JsonObject]:
    own: list[JsonObject] = [{"key": each.key, "value": each.value} for each in docker.parameters]
    return [*own, {"key": "label", "value": f"MESOS_TASK_ID={task_id}"}]


def _add_mesos(
    info: JsonObject,
    app: App,
    container: Container,
    ports: tuple[LaunchedPort, ...],
    bridge_name: str,
) -> None:
    docker = container.docker
    if docker is not None:
        image = {"type": "DOCKER", "docker": {"name": docker.image}}
        info["mesos"] = {"image": image | {"cached": not docker.force_pull_image}}
    if app.on_host_network:
        return
    networks: list[JsonObject] = []
    for network in app.networks:
        bridge = network.mode is NetworkMode.BRIDGE
        network_info = _network_info(network, bridge_name if bridge else network.name)
        inside = [
            port for port in ports if not port.network_names or network.name in port.network_names
        ]
        if mappings := _port_mappings(tuple(inside)):
            network_info["port_mappings"] = mappings
        networks.append(network_info)
    info["network_infos"] = networks


def _network_info(network: Network, name: str | None) -> JsonObject:
    info: JsonObject = {"ip_addresses": [{"protocol": "IPv4"}]}
    if name:
        info["name"] = name
    if network.labels:
        info["labels"] = labels(network.labels)
    return info


def _port_mappings(ports: tuple[LaunchedPort, ...]) -> list[JsonObject]:
    return [
        {"host_port": port.host_port, "container_port": port.inner, "protocol": protocol}
        for port in ports
        if port.host_port is not None
        for protocol in port.protocols
    ]
