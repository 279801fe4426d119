"""ContainerInfo of a task: the image, its networks with mapped ports, and volumes."""

from framework.domain.app import App, Container, Docker, LinuxInfo, Network, NetworkMode
from framework.mesos.json_parts import JsonObject, labels, secret
from framework.mesos.late import Late
from framework.mesos.ports import LaunchedPort
from framework.mesos.volumes import driver_of, volumes

_DOCKER_NETWORKS = {
    NetworkMode.HOST: "HOST",
    NetworkMode.BRIDGE: "BRIDGE",
    NetworkMode.CONTAINER: "USER",
}


def container_info(
    app: App, task_id: str, ports: tuple[LaunchedPort, ...], bridge_name: str, late: Late
) -> JsonObject | None:
    """The task's container, or None for one that needs no more than a process. ``bridge_name``
    is the CNI network that stands for a bridge with the Mesos containerizer."""
    container = app.container
    if container is None:
        if app.on_host_network and not app.tty:
            return None
        container = Container(type="MESOS")
    info: JsonObject = {"type": container.type}
    if mounted := volumes(container, late):
        info["volumes"] = mounted
    if app.tty:
        info["tty_info"] = {}
    if container.linux_info is not None:
        info["linux_info"] = _linux_info(container.linux_info)
    if container.type == "DOCKER":
        _add_docker(info, app, container, task_id, ports)
    else:
        _add_mesos(info, app, container, ports, bridge_name, late)
    return info


def _linux_info(linux: LinuxInfo) -> JsonObject:
    info: JsonObject = {}
    if linux.seccomp_profile is not None:
        info["seccomp"] = {"profile_name": linux.seccomp_profile}
    elif linux.seccomp_unconfined:
        info["seccomp"] = {"unconfined": True}
    if linux.ipc_mode is not None:
        info["ipc_mode"] = linux.ipc_mode
    if linux.shm_size_mib is not None:
        info["shm_size"] = linux.shm_size_mib
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
        "parameters": _parameters(container, container.docker, task_id),
    }
    if not app.on_host_network:
        docker["port_mappings"] = _port_mappings(ports)
    info["docker"] = docker
    if mode is NetworkMode.CONTAINER:
        info["network_infos"] = [_network_info(network, network.name) for network in app.networks]


def _parameters(container: Container, docker: Docker, task_id: str) -> list[JsonObject]:
    parameters = [(each.key, each.value) for each in docker.parameters]
    drivers = dict.fromkeys(driver_of(volume) for volume in container.external_volumes)
    parameters += [("volume-driver", driver) for driver in drivers]
    parameters.append(("label", f"MESOS_TASK_ID={task_id}"))
    return [{"key": key, "value": value} for key, value in parameters]


def _add_mesos(
    info: JsonObject,
    app: App,
    container: Container,
    ports: tuple[LaunchedPort, ...],
    bridge_name: str,
    late: Late,
) -> None:
    docker = container.docker
    if docker is not None:
        named: JsonObject = {"name": docker.image}
        if docker.pull_secret is not None:
            named["config"] = secret(late.data[docker.pull_secret])
        image = {"type": "DOCKER", "docker": named, "cached": not docker.force_pull_image}
        info["mesos"] = {"image": image}
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
