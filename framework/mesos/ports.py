"""The ports of one launch, paired with what the app declares about them.

``public`` ports are host ports; the others can be reached only inside their container network.
"""

from collections.abc import Iterator
from typing import NamedTuple

from framework.domain.actions import Launch
from framework.domain.app import App, NetworkMode


class LaunchedPort(NamedTuple):
    """One declared port of a task. ``number`` is its effective number, ``inner`` the number
    inside the container's network (on the host network the same)."""

    number: int
    inner: int
    host_port: int | None
    protocols: tuple[str, ...]
    name: str | None
    labels: dict[str, str]
    network_names: tuple[str, ...]


def launched_ports(launch: Launch) -> tuple[LaunchedPort, ...]:
    """Every declared port, in order. ValueError if the launch's numbers do not fit the app."""
    app = launch.app
    if app.on_host_network:
        declared = zip(app.port_definitions, launch.effective_ports, strict=True)
        return tuple(
            LaunchedPort(port, port, port, _protocols(each.protocol), each.name, each.labels, ())
            for each, port in declared
        )
    return tuple(_mapped_ports(launch))


def _mapped_ports(launch: Launch) -> Iterator[LaunchedPort]:
    host_ports = iter(launch.host_ports)
    for mapping, number in zip(launch.app.port_mappings, launch.effective_ports, strict=True):
        host_port = None
        if mapping.host_port is not None:
            host_port = next(host_ports, None)
            if host_port is None:
                raise ValueError(f"{launch.task_id} has too few host ports")
        yield LaunchedPort(
            number=number,
            inner=mapping.container_port or number,
            host_port=host_port,
            protocols=_protocols(mapping.protocol),
            name=mapping.name,
            labels=mapping.labels,
            network_names=mapping.network_names or _container_networks(launch.app),
        )


def _container_networks(app: App) -> tuple[str, ...]:
    return tuple(
        network.name
        for network in app.networks
        if network.mode is NetworkMode.CONTAINER and network.name
    )


def _protocols(text: str) -> tuple[str, ...]:
    return tuple(protocol.strip() for protocol in text.split(","))
