"""Tasks as lines of text, the form that the first haproxy bridges read.

``app_id<TAB>service port<TAB>host:port<TAB>host:port<TAB>`` and a newline, running instances only
(rest-api.md, section 3.2). An instance without the port of a line is left out of it, as in
Marathon from 1.9.136 on; addresses are sorted, so that equal states give equal bytes.
"""

from collections.abc import Iterable, Iterator, Sequence

from api.render.instance import shown_condition
from framework.domain.app import App, PortMapping
from framework.domain.ids import safe_id
from framework.domain.instance import Condition, Instance
from framework.domain.mesos import Agent
from framework.domain.state import State


def endpoints_text(view: State, apps: Iterable[App], networks: Sequence[str]) -> str:
    """The lines of these apps. For ports without a host port, addresses on the container
    ``networks`` are given (``*``: any)."""
    return "".join(line for app in apps for line in _lines(view, app, networks))


def _lines(view: State, app: App, networks: Sequence[str]) -> Iterator[str]:
    running = [
        instance
        for instance in list(view.instances_of.get(app.id, {}).values())
        if shown_condition(instance) is Condition.RUNNING
    ]
    name = safe_id(app.id)
    if not app.service_ports:
        hosts = [_host(instance, view.agents) for instance in running]
        yield _line(name, " ", hosts)
        return
    for index, service_port in enumerate(app.service_ports):
        addresses = [_address(view, app, instance, index, networks) for instance in running]
        yield _line(name, str(service_port), [address for address in addresses if address])


def _line(name: str, port: str, addresses: Iterable[str]) -> str:
    return f"{name}\t{port}\t" + "".join(f"{address}\t" for address in sorted(addresses)) + "\n"


def _host(instance: Instance, agents: dict[str, Agent]) -> str:
    agent = agents.get(instance.agent_id)
    return "" if agent is None else agent.hostname


def _address(view: State, app: App, instance: Instance, index: int, networks: Sequence[str]) -> str:
    """Where the instance serves its ``index``-th port; empty if nowhere."""
    mappings = app.port_mappings
    if mappings and mappings[index].host_port is None:
        return _container_address(app, instance, mappings[index], networks)
    position = index
    if mappings:
        position = sum(mapping.host_port is not None for mapping in mappings[:index])
    if position >= len(instance.ports):
        return ""
    return f"{_host(instance, view.agents)}:{instance.ports[position]}"


def _container_address(
    app: App, instance: Instance, mapping: PortMapping, networks: Sequence[str]
) -> str:
    joined = mapping.network_names or tuple(network.name or "" for network in app.networks)
    wanted = "*" in networks or any(name in networks for name in joined)
    if not wanted or not instance.addresses or not mapping.container_port:
        return ""
    return f"{instance.addresses[0]}:{mapping.container_port}"
