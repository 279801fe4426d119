"""The environment given to tasks, row by row of Marathon's rules."""

from typing import Any

import msgspec
import pytest

from framework.domain.actions import Launch
from framework.domain.app import App, Container, Docker, PortDefinition, PortMapping
from framework.mesos.templates import TaskInfoBuilder
from tests.unit.mesos.launches import (
    BRIDGE,
    DC_NETWORK,
    TASK_ID,
    VERSION,
    a_launch,
    an_app,
    in_bridge,
    on_host,
)


def environment(launch: Launch, prefix: str = "") -> dict[str, str]:
    """What the task is given; each name once."""
    info: Any = TaskInfoBuilder(prefix).build(launch)
    variables = msgspec.json.decode(msgspec.json.encode(info))["command"]["environment"][
        "variables"
    ]
    names = [variable["name"] for variable in variables]
    assert len(names) == len(set(names))
    return {variable["name"]: variable["value"] for variable in variables}


def port_variables(launch: Launch, prefix: str = "") -> dict[str, str]:
    found = environment(launch, prefix)
    return {name: value for name, value in found.items() if name.startswith(prefix + "PORT")}


def test_an_app_without_ports_has_no_port_variables() -> None:
    assert environment(a_launch(an_app())) == {
        "HOST": "host1.example",
        "MESOS_TASK_ID": TASK_ID,
        "MARATHON_APP_ID": "/dev/web",
        "MARATHON_APP_VERSION": VERSION,
        "MARATHON_APP_RESOURCE_CPUS": "1.0",
        "MARATHON_APP_RESOURCE_MEM": "128.0",
        "MARATHON_APP_RESOURCE_DISK": "0.0",
        "MARATHON_APP_RESOURCE_GPUS": "0",
        "MARATHON_APP_ENFORCE_GROUP_ROLE": "FALSE",
        "MARATHON_APP_LABELS": "",
    }


def test_ports_on_the_host_network() -> None:
    app = on_host(PortDefinition(10_000, name="http"), PortDefinition(0, name="admin-ui"))
    assert port_variables(a_launch(app, (31_005, 31_006))) == {
        "PORT0": "31005",
        "PORT1": "31006",
        "PORT": "31005",
        "PORTS": "31005,31006",
        "PORT_10000": "31005",
        "PORT_31006": "31006",  # asked for 0: keyed by the number it got
        "PORT_HTTP": "31005",
        "PORT_ADMIN-UI": "31006",
        "PORT_ADMIN_UI": "31006",
    }


def test_ports_of_a_bridge() -> None:
    app = in_bridge(
        PortMapping(container_port=8080, host_port=0, name="http"),
        PortMapping(container_port=0, host_port=0),
    )
    assert port_variables(a_launch(app, (31_005, 31_006))) == {
        "PORT0": "31005",
        "PORT1": "31006",
        "PORT": "31005",
        "PORTS": "31005,31006",
        "PORT_8080": "31005",
        "PORT_31006": "31006",
        "PORT_HTTP": "31005",
    }


def mapped(*mappings: PortMapping) -> App:
    return an_app(networks=DC_NETWORK, container=Container("MESOS", port_mappings=mappings))


def test_fixed_container_ports_alone_are_in_neither_port_nor_ports() -> None:
    app = mapped(PortMapping(80), PortMapping(443))
    assert port_variables(a_launch(app, (), (80, 443))) == {
        "PORT0": "80",
        "PORT1": "443",
        "PORTS": "",
        "PORT_80": "80",
        "PORT_443": "443",
    }


def test_generated_ports_come_after_host_ports() -> None:
    app = mapped(PortMapping(0), PortMapping(80), PortMapping(443, host_port=0))
    assert port_variables(a_launch(app, (31_005,), (2_345, 80, 31_005))) == {
        "PORT0": "2345",
        "PORT1": "80",
        "PORT2": "31005",
        "PORT": "31005",
        "PORTS": "31005,2345",
        "PORT_2345": "2345",
        "PORT_80": "80",
        "PORT_443": "31005",
    }


def test_a_generated_port_alone_is_the_port() -> None:
    found = port_variables(a_launch(mapped(PortMapping(80), PortMapping(0)), (), (80, 2_345)))
    assert (found["PORT"], found["PORTS"]) == ("2345", "2345")


def test_the_prefix_is_for_host_and_ports_only() -> None:
    launch = a_launch(on_host(PortDefinition(0, name="http")), (31_005,))
    found = environment(launch, "MY_")
    assert found["MY_HOST"] == "host1.example"
    assert found["MESOS_TASK_ID"] == TASK_ID
    assert found["MARATHON_APP_ID"] == "/dev/web"
    assert port_variables(launch, "MY_") == {
        "MY_PORT0": "31005",
        "MY_PORT": "31005",
        "MY_PORTS": "31005",
        "MY_PORT_31005": "31005",
        "MY_PORT_HTTP": "31005",
    }
    assert not {"HOST", "PORT", "PORT0", "PORTS"} & set(found)


def test_the_apps_own_variables_win() -> None:
    own = {"PORT0": "mine", "HOST": "mine", "MARATHON_APP_ID": "mine", "MESOS_TASK_ID": "mine"}
    launch = a_launch(on_host(PortDefinition(0), env=own | {"OTHER": "x"}), (31_005,))
    found = environment(launch)
    assert {name: found[name] for name in own} == own
    assert found["OTHER"] == "x"
    assert found["PORT"] == "31005"


@pytest.mark.parametrize(
    ("container", "image"),
    [
        (Container("DOCKER", docker=Docker("nginx:1")), "nginx:1"),
        (Container("MESOS", docker=Docker("nginx:1")), None),
    ],
)
def test_the_image_is_told_by_the_docker_containerizer_only(
    container: Container, image: str | None
) -> None:
    found = environment(a_launch(an_app(container=container, networks=BRIDGE)))
    assert found.get("MARATHON_APP_DOCKER_IMAGE") == image


def test_resources_as_decimal_numbers() -> None:
    app = an_app(cpus_millis=500, mem_millis=64_500, disk_millis=1_000, gpus=2)
    found = environment(a_launch(app, enforce_role=True))
    assert found["MARATHON_APP_RESOURCE_CPUS"] == "0.5"
    assert found["MARATHON_APP_RESOURCE_MEM"] == "64.5"
    assert found["MARATHON_APP_RESOURCE_DISK"] == "1.0"
    assert found["MARATHON_APP_RESOURCE_GPUS"] == "2"
    assert found["MARATHON_APP_ENFORCE_GROUP_ROLE"] == "TRUE"


def test_labels_with_names_fit_for_a_shell() -> None:
    labels = {
        "HAPROXY_0_VHOST": "a.example",
        "my.label/--x": "y",
        "k" * 492: "longest name",
        "k" * 493: "name too long",
        "longest": "v" * 511,
        "too-long": "v" * 512,
    }
    found = environment(a_launch(an_app(labels=labels)))
    assert found["MARATHON_APP_LABEL_HAPROXY_0_VHOST"] == "a.example"
    assert found["MARATHON_APP_LABEL_MY_LABEL_X"] == "y"
    longest = "K" * 492
    assert found["MARATHON_APP_LABELS"] == f"HAPROXY_0_VHOST MY_LABEL_X {longest} LONGEST"
    assert found[f"MARATHON_APP_LABEL_{longest}"] == "longest name"
    assert "MARATHON_APP_LABEL_TOO_LONG" not in found
