"""Launches for the tests: an app and the numbers that the core would have chosen for it."""

from typing import Any

from framework.domain.actions import Launch, TaskResource
from framework.domain.app import App, Container, Network, NetworkMode, PortDefinition, PortMapping
from framework.domain.mesos import Agent, OfferResource

VERSION = "2026-01-02T03:04:05.006Z"
TASK_ID = "dev_web.instance-1._app.1"
AGENT = Agent(id="agent-1", hostname="host1.example")
HOST_NETWORK = (Network(),)
BRIDGE = (Network(NetworkMode.BRIDGE),)
DC_NETWORK = (Network(NetworkMode.CONTAINER, name="dc"),)


def an_app(**changes: Any) -> App:
    """A small app without ports, unless told otherwise."""
    return App(**({"id": "/dev/web", "version": VERSION, "cmd": "run"} | changes))


def a_launch(
    app: App,
    host_ports: tuple[int, ...] = (),
    effective_ports: tuple[int, ...] | None = None,
    resources: tuple[TaskResource, ...] = (),
    *,
    role: str = "*",
    enforce_role: bool = False,
) -> Launch:
    """``effective_ports`` are the host ports unless given."""
    return Launch(
        task_id=TASK_ID,
        instance_id="dev_web.instance-1",
        app=app,
        agent=AGENT,
        role=role,
        host_ports=host_ports,
        effective_ports=host_ports if effective_ports is None else effective_ports,
        resources=resources,
        enforce_role=enforce_role,
    )


def on_host(*definitions: PortDefinition, **changes: Any) -> App:
    """An app on the host network with these ports."""
    return an_app(port_definitions=definitions, **changes)


def in_bridge(*mappings: PortMapping, type: str = "MESOS", **changes: Any) -> App:  # noqa: A002 - the field's name
    """An app on a bridge with these mappings."""
    container = Container(type=type, port_mappings=mappings)
    return an_app(networks=BRIDGE, container=container, **changes)


def scalar(name: str, millis: int, **entry: Any) -> TaskResource:
    return TaskResource(OfferResource(name, 100_000, **entry), millis)
