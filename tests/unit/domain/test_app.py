"""What an app definition says of itself: its ports, and whether a change needs a restart."""

import pytest
from msgspec.structs import fields, replace

from framework.domain.app import (
    App,
    Container,
    HealthCheck,
    Network,
    NetworkMode,
    PortDefinition,
    PortMapping,
    same_configuration,
)

HOST = App(
    id="/web", port_definitions=(PortDefinition(10_000), PortDefinition(), PortDefinition(10_002))
)
BRIDGE = App(
    id="/web",
    networks=(Network(NetworkMode.BRIDGE),),
    port_definitions=(PortDefinition(9),),
    container=Container(
        port_mappings=(
            PortMapping(80, 0, 10_000),
            PortMapping(81, None, 10_001),
            PortMapping(82, 31_500, 0),
        )
    ),
)


@pytest.mark.parametrize(
    ("app", "host_ports", "service_ports"),
    [
        (App(id="/web"), (), ()),
        (HOST, (0, 0, 0), (10_000, 0, 10_002)),
        (replace(HOST, require_ports=True), (10_000, 0, 10_002), (10_000, 0, 10_002)),
        (BRIDGE, (0, 31_500), (10_000, 10_001, 0)),
        (replace(BRIDGE, container=None), (), ()),
    ],
)
def test_ports(app: App, host_ports: tuple[int, ...], service_ports: tuple[int, ...]) -> None:
    assert app.requested_host_ports == host_ports
    assert app.service_ports == service_ports


def test_port_mappings_mean_nothing_on_the_host_network() -> None:
    assert replace(BRIDGE, networks=(Network(),)).port_mappings == ()


STAMPS = {
    "version",
    "created_at",
    "config",
    "keep_old",
    "suspended_from",
    "last_scaling_at",
    "last_config_change_at",
    "instances",
    "residency",
    "executor_resources",
}
CHANGED: dict[str, object] = {
    "executor": "//other",
    "networks": (),
    "tty": True,
    "constraints": (("rack", "UNIQUE"),),
    "dependencies": ("/db",),
    "health_checks": (HealthCheck("TCP"),),
}


@pytest.mark.parametrize("name", [field.name for field in fields(App)])
def test_whether_a_change_needs_a_restart(name: str) -> None:
    value = getattr(HOST, name)
    other = CHANGED.get(name, ("changed", value))
    assert same_configuration(HOST, replace(HOST, **{name: other})) is (name in STAMPS)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("constraints", (("rack", "UNIQUE"), ("hostname", "MAX_PER", "2"))),
        ("dependencies", ("/db", "/cache")),
        ("health_checks", (HealthCheck("TCP"), HealthCheck("HTTP"))),
    ],
)
def test_the_order_of_what_has_none_needs_no_restart(name: str, values: tuple[object, ...]) -> None:
    turned = replace(HOST, **{name: values[::-1]})
    assert same_configuration(replace(HOST, **{name: values}), turned)
    assert not same_configuration(HOST, turned)


@pytest.mark.parametrize(
    ("protocol", "by_executor"),
    [
        ("HTTP", False),
        ("HTTPS", False),
        ("TCP", False),
        ("COMMAND", True),
        ("MESOS_HTTP", True),
        ("MESOS_HTTPS", True),
        ("MESOS_TCP", True),
    ],
)
def test_who_carries_out_a_check(protocol: str, by_executor: bool) -> None:
    assert HealthCheck(protocol).run_by_executor is by_executor
