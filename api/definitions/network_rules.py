"""Rules on networks, ports and containers; the texts are Marathon's."""

from collections.abc import Iterator, Sequence

from api.faults import Fault
from framework.domain.app import App, Container, Network, NetworkMode

_PORT_NAMES = "Port names must be unique."


def container_faults(app: App) -> Iterator[Fault]:
    """What is wrong inside ``container``, its ports aside."""
    container = app.container
    if container is None:
        return
    if container.docker is None:
        if container.type == "DOCKER":
            yield Fault("/container/docker", "not defined")
    else:
        if not container.docker.image:
            yield Fault("/container/docker/image", "must not be empty")
        if container.type == "MESOS" and container.docker.parameters:
            yield Fault("/container/docker/parameters", "must be empty")


def port_faults(app: App) -> Iterator[Fault]:
    """Names and numbers that must be unique, and what a mapping says of networks."""
    if app.on_host_network:
        if _repeated([item.name for item in app.port_definitions]):
            yield Fault("/portDefinitions", _PORT_NAMES)
        if _repeated([item.port or None for item in app.port_definitions]):
            yield Fault("/portDefinitions", "Ports must be unique.")
        return
    if _repeated([mapping.name for mapping in app.port_mappings]):
        yield Fault("/container/portMappings", _PORT_NAMES)
    names = [network.name for network in app.networks if network.name is not None]
    several = sum(network.mode is NetworkMode.CONTAINER for network in app.networks) > 1
    for index, mapping in enumerate(app.port_mappings):
        path = f"/container/portMappings({index})"
        if several and mapping.host_port is not None and len(mapping.network_names) != 1:
            yield Fault(
                path,
                "networkNames must be a single item list when hostPort is specified and "
                "more than 1 container network is defined",
            )
        for position, name in enumerate(mapping.network_names):
            if name not in names:
                yield Fault(
                    f"{path}/networkNames({position})", f"is not one of ({','.join(names)})"
                )


def network_faults(app: App) -> Iterator[Fault]:
    """Which networks there may be, and which go together."""
    for index, network in enumerate(app.networks):
        error = _network_error(network)
        if error:
            yield Fault(f"/networks({index})", error)
    keys = [(network.mode, network.name) for network in app.networks]
    if len(set(keys)) != len(keys):
        yield Fault("/networks", "Duplicate networks are not allowed")
    modes = {network.mode for network in app.networks}
    if len(app.networks) > 1 and modes != {NetworkMode.CONTAINER}:
        yield Fault(
            "/networks",
            "May specify a single host network, single bridge network, "
            "or else 1-to-n container networks",
        )
    if _docker_engine(app.container) and modes == {NetworkMode.CONTAINER} and len(keys) > 1:
        yield Fault(
            "/",
            "may only specify a single container network when using the Docker container engine",
        )


def _network_error(network: Network) -> str:
    match network.mode:
        case NetworkMode.HOST if network.name is not None or network.labels:
            return "Host networks may not have names or labels"
        case NetworkMode.BRIDGE if network.name is not None:
            return "Bridge networks may not have names"
        case NetworkMode.CONTAINER if network.name is None:
            return "Network name must be specified when container network is selected."
        case _:
            return ""


def _docker_engine(container: Container | None) -> bool:
    return container is not None and container.type == "DOCKER"


def _repeated(values: Sequence[str | int | None]) -> bool:
    """Whether one of them occurs twice; absent ones do not count."""
    given = [value for value in values if value is not None]
    return len(set(given)) != len(given)
