"""TaskInfo as Marathon makes it: command, container, discovery, checks, resources."""

from typing import Any

import msgspec
import pytest

from framework.domain.actions import Launch, TaskResource
from framework.domain.app import (
    App,
    Check,
    Container,
    Docker,
    DockerParameter,
    ExecutorResources,
    Fetch,
    HealthCheck,
    HostVolume,
    Network,
    NetworkMode,
    PortDefinition,
    PortMapping,
    ResourceLimits,
)
from framework.domain.mesos import OfferResource
from framework.mesos.templates import TaskInfoBuilder
from tests.unit.mesos.launches import (
    BRIDGE,
    DC_NETWORK,
    TASK_ID,
    a_launch,
    an_app,
    in_bridge,
    on_host,
    scalar,
)


def task_info(launch: Launch) -> dict[str, Any]:
    """The TaskInfo as Mesos gets it."""
    encoded = msgspec.json.encode(TaskInfoBuilder().build(launch))
    decoded: dict[str, Any] = msgspec.json.decode(encoded)
    return decoded


def command(app: App) -> dict[str, Any]:
    found: dict[str, Any] = task_info(a_launch(app))["command"]
    del found["environment"]
    return found


def test_ids_and_names() -> None:
    info = task_info(a_launch(an_app(labels={"team": "a"})))
    assert info["name"] == "web.dev"
    assert info["task_id"] == {"value": TASK_ID}
    assert info["agent_id"] == {"value": "agent-1"}
    assert info["labels"] == {"labels": [{"key": "team", "value": "a"}]}
    assert not {"container", "health_check", "check", "kill_policy", "limits"} & set(info)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"cmd": "run it"}, {"shell": True, "value": "run it"}),
        (
            {"cmd": None, "args": ("prog", "-x")},
            {"shell": False, "value": "prog", "arguments": ["prog", "-x"]},
        ),
        (
            {"cmd": None, "args": ("-x",), "container": Container(docker=Docker("img"))},
            {"shell": False, "arguments": ["-x"]},
        ),
        (
            {"cmd": None, "args": ("p", "x"), "container": Container("MESOS")},
            {"shell": False, "value": "p", "arguments": ["p", "x"]},
        ),
        ({"cmd": None, "container": Container(docker=Docker("img"))}, {"shell": False}),
        ({"user": "web"}, {"shell": True, "value": "run", "user": "web"}),
    ],
)
def test_commands(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    assert command(an_app(**changes)) == expected


def test_fetched_files() -> None:
    fetch = (Fetch("http://x/a.tgz"), Fetch("http://x/b", False, True, True, "here"))
    assert command(an_app(fetch=fetch))["uris"] == [
        {"value": "http://x/a.tgz", "extract": True, "executable": False, "cache": False},
        {
            "value": "http://x/b",
            "extract": False,
            "executable": True,
            "cache": True,
            "output_file": "here",
        },
    ]


def test_kill_policy_and_limits() -> None:
    limits = ResourceLimits(cpus_millis=1_500, mem_millis=-1)
    info = task_info(a_launch(an_app(task_kill_grace_period_seconds=7, resource_limits=limits)))
    assert info["kill_policy"] == {"grace_period": {"nanoseconds": 7_000_000_000}}
    assert info["limits"] == {"cpus": {"value": 1.5}, "mem": {"value": "Infinity"}}


def port(number: int, protocol: str, name: str | None, **labels: str) -> dict[str, Any]:
    entry = {"number": number, "protocol": protocol}
    if name:
        entry["name"] = name
    pairs = [{"key": key.replace("_", "-"), "value": value} for key, value in labels.items()]
    return entry | {"labels": {"labels": pairs}}


@pytest.mark.parametrize(
    ("launch", "ports"),
    [
        (a_launch(an_app()), []),
        (
            a_launch(on_host(PortDefinition(1, "udp,tcp", "dns", {"a": "b"})), (31_000,)),
            [
                port(31_000, "udp", "dns", a="b", network_scope="host"),
                port(31_000, "tcp", "dns", a="b", network_scope="host"),
            ],
        ),
        (
            a_launch(in_bridge(PortMapping(80, 0, name="http")), (31_000,)),
            [port(31_000, "tcp", "http", network_scope="host")],
        ),
        (
            a_launch(
                an_app(
                    networks=(*DC_NETWORK, Network(NetworkMode.CONTAINER, "two")),
                    container=Container("MESOS", port_mappings=(PortMapping(80),)),
                ),
                (),
                (80,),
            ),
            [
                port(80, "tcp", None, network_scope="container", network_name="dc"),
                port(80, "tcp", None, network_scope="container", network_name="two"),
            ],
        ),
        (
            a_launch(in_bridge(PortMapping(80)), (), (80,)),
            [port(80, "tcp", None, network_scope="container")],
        ),
    ],
    ids=["none", "host", "bridge", "container", "bridge without host port"],
)
def test_discovery(launch: Launch, ports: list[dict[str, Any]]) -> None:
    assert task_info(launch)["discovery"] == {
        "visibility": "FRAMEWORK",
        "name": "web.dev",
        "ports": {"ports": ports},
    }


def container(app: App, host_ports: tuple[int, ...] = ()) -> Any:
    return task_info(a_launch(app, host_ports))["container"]


DOCKER = Docker("nginx:1", True, True, (DockerParameter("hostname", "a"),))


@pytest.mark.parametrize(
    ("networks", "name", "network_infos"),
    [
        ((Network(),), "HOST", None),
        (BRIDGE, "BRIDGE", None),
        (
            (Network(NetworkMode.CONTAINER, "dc", {"k": "v"}),),
            "USER",
            [
                {
                    "name": "dc",
                    "ip_addresses": [{"protocol": "IPv4"}],
                    "labels": {"labels": [{"key": "k", "value": "v"}]},
                }
            ],
        ),
    ],
)
def test_docker_containers(
    networks: tuple[Network, ...], name: str, network_infos: list[Any] | None
) -> None:
    mappings = (PortMapping(80, 0, protocol="tcp,udp"), PortMapping(0, 31_001), PortMapping(9))
    volumes = (HostVolume("/in", "/out", "RO"),)
    on_host_network = networks[0].mode is NetworkMode.HOST
    app = an_app(networks=networks, container=Container("DOCKER", DOCKER, volumes, mappings))
    launch = a_launch(
        app,
        () if on_host_network else (31_000, 31_001),
        () if on_host_network else (31_000, 31_001, 9),
    )
    info = task_info(launch)["container"]

    assert info["type"] == "DOCKER"
    assert info["volumes"] == [{"container_path": "/in", "host_path": "/out", "mode": "RO"}]
    assert info.get("network_infos") == network_infos
    docker = info["docker"]
    assert (docker["image"], docker["network"]) == ("nginx:1", name)
    assert docker["privileged"] is docker["force_pull_image"] is True
    assert docker["parameters"] == [
        {"key": "hostname", "value": "a"},
        {"key": "label", "value": f"MESOS_TASK_ID={TASK_ID}"},
    ]
    assert docker.get("port_mappings") == (
        None
        if on_host_network
        else [
            {"host_port": 31_000, "container_port": 80, "protocol": "tcp"},
            {"host_port": 31_000, "container_port": 80, "protocol": "udp"},
            {"host_port": 31_001, "container_port": 31_001, "protocol": "tcp"},
        ]
    )


def test_mesos_containers() -> None:
    app = an_app(
        networks=BRIDGE,
        container=Container("MESOS", Docker("nginx:1"), (), (PortMapping(80, 0),)),
    )
    assert container(app, (31_000,)) == {
        "type": "MESOS",
        "mesos": {"image": {"type": "DOCKER", "docker": {"name": "nginx:1"}, "cached": True}},
        "network_infos": [
            {
                "name": "mesos-bridge",
                "ip_addresses": [{"protocol": "IPv4"}],
                "port_mappings": [{"host_port": 31_000, "container_port": 80, "protocol": "tcp"}],
            }
        ],
    }


def test_a_mapping_belongs_to_the_networks_it_names() -> None:
    app = an_app(
        networks=(*DC_NETWORK, Network(NetworkMode.CONTAINER, "two")),
        container=Container("MESOS", port_mappings=(PortMapping(80, 0, network_names=("two",)),)),
    )
    dc, two = container(app, (31_000,))["network_infos"]
    assert (dc["name"], "port_mappings" in dc) == ("dc", False)
    assert (two["name"], two["port_mappings"][0]["host_port"]) == ("two", 31_000)


def test_a_terminal_needs_a_container() -> None:
    assert container(an_app(tty=True)) == {"type": "MESOS", "tty_info": {}}


TIMES = {
    "delay_seconds": 15.0,
    "interval_seconds": 60.0,
    "timeout_seconds": 20.0,
    "grace_period_seconds": 300.0,
    "consecutive_failures": 3,
}


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        (
            HealthCheck("MESOS_HTTP", path="/ok", port_index=1),
            {
                "type": "HTTP",
                "http": {"port": 31_001, "protocol": "IPv4", "scheme": "http", "path": "/ok"},
            },
        ),
        (
            HealthCheck("MESOS_HTTPS", ip_protocol="IPv6"),
            {
                "type": "HTTP",
                "http": {"port": 31_000, "protocol": "IPv6", "scheme": "https", "path": "/"},
            },
        ),
        (
            HealthCheck("MESOS_TCP", port=99),
            {"type": "TCP", "tcp": {"port": 99, "protocol": "IPv4"}},
        ),
        (
            HealthCheck("COMMAND", command="true"),
            {"type": "COMMAND", "command": {"shell": True, "value": "true"}},
        ),
        (
            HealthCheck("MESOS_TCP", max_consecutive_failures=0),
            {
                "type": "TCP",
                "tcp": {"port": 31_000, "protocol": "IPv4"},
                "consecutive_failures": 4_294_967_295,
            },
        ),
    ],
)
def test_health_checks_by_the_executor(check: HealthCheck, expected: dict[str, Any]) -> None:
    by_us = HealthCheck("HTTP")
    app = on_host(PortDefinition(), PortDefinition(), health_checks=(by_us, check))
    info = task_info(a_launch(app, (31_000, 31_001)))
    assert info["health_check"] == TIMES | expected


def test_our_own_health_checks_stay_with_us() -> None:
    checks = tuple(HealthCheck(protocol) for protocol in ("HTTP", "HTTPS", "TCP"))
    app = on_host(PortDefinition(), health_checks=checks)
    assert "health_check" not in task_info(a_launch(app, (31_000,)))


@pytest.mark.parametrize(("container_port", "expected"), [(80, 80), (0, 31_000)])
def test_a_check_looks_inside_the_containers_network(container_port: int, expected: int) -> None:
    mapping = PortMapping(container_port, 0)
    app = in_bridge(mapping, health_checks=(HealthCheck("MESOS_TCP", port_index=0),))
    assert task_info(a_launch(app, (31_000,)))["health_check"]["tcp"]["port"] == expected


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        (Check("http", path="/c"), {"type": "HTTP", "http": {"port": 31_000, "path": "/c"}}),
        (Check("tcp", port=7), {"type": "TCP", "tcp": {"port": 7}}),
        (
            Check("command", shell="true"),
            {"type": "COMMAND", "command": {"command": {"shell": True, "value": "true"}}},
        ),
        (
            Check("command", argv=("a", "b")),
            {
                "type": "COMMAND",
                "command": {"command": {"shell": False, "value": "a", "arguments": ["a", "b"]}},
            },
        ),
    ],
)
def test_informing_checks(check: Check, expected: dict[str, Any]) -> None:
    info = task_info(a_launch(on_host(PortDefinition(), check=check), (31_000,)))
    times = {"delay_seconds": 15.0, "interval_seconds": 60.0, "timeout_seconds": 20.0}
    assert info["check"] == times | expected


def test_resources_echo_allocation_and_reservations() -> None:
    stack = '[{"type":"STATIC","role":"web"}]'
    ports = TaskResource(OfferResource("ports", ranges=((1, 9),)), ranges=((3, 4), (6, 6)))
    reserved = scalar("mem", 64_500, role="web", reservations=stack)
    launch = a_launch(an_app(), resources=(scalar("cpus", 100), reserved, ports), role="web")
    allocation = {"allocation_info": {"role": "web"}}
    assert task_info(launch)["resources"] == [
        {"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.1}, **allocation},
        {
            "name": "mem",
            "type": "SCALAR",
            "scalar": {"value": 64.5},
            "reservations": [{"type": "STATIC", "role": "web"}],
            **allocation,
        },
        {
            "name": "ports",
            "type": "RANGES",
            "ranges": {"range": [{"begin": 3, "end": 4}, {"begin": 6, "end": 6}]},
            **allocation,
        },
    ]


def test_an_executors_share_comes_of_each_resource_and_never_of_a_volume() -> None:
    app = an_app(executor="/run", executor_resources=ExecutorResources(500, 32_000, 10_000))
    volume = scalar("disk", 64_000, disk='{"persistence":{"id":"d"}}', plain=False)
    launch = a_launch(
        app,
        resources=(volume, scalar("cpus", 300), scalar("cpus", 700), scalar("disk", 15_000)),
    )
    info = task_info(launch)

    def amounts(resources: list[dict[str, Any]]) -> list[tuple[str, float]]:
        return [(one["name"], one["scalar"]["value"]) for one in resources]

    assert amounts(info["resources"]) == [("disk", 64.0), ("cpus", 0.5), ("disk", 5.0)]
    assert amounts(info["executor"]["resources"]) == [("cpus", 0.3), ("cpus", 0.2), ("disk", 10.0)]


@pytest.mark.parametrize("millis", [1, 100, 300, 700, 1_100, 2_675, 123_456_789])
def test_thousandths_are_written_exactly(millis: int) -> None:
    launch = a_launch(an_app(), resources=(scalar("cpus", millis),))
    encoded = msgspec.json.encode(TaskInfoBuilder().build(launch)).decode()
    text = encoded.partition('"scalar":{"value":')[2].partition("}")[0]
    whole, _, fraction = text.partition(".")
    assert int(whole) * 1000 + int(fraction.ljust(3, "0")) == millis


@pytest.mark.parametrize(
    "launch",
    [
        a_launch(on_host(PortDefinition()), ()),
        a_launch(in_bridge(PortMapping(80, 0)), (), (80,)),
        a_launch(an_app(container=Container("DOCKER"))),
        a_launch(an_app(health_checks=(HealthCheck("MESOS_TCP", port_index=0),))),
        a_launch(an_app(check=Check("command"))),
    ],
    ids=["too few ports", "no host port", "no image", "no such port", "no command"],
)
def test_a_launch_that_contradicts_its_app_is_refused(launch: Launch) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        TaskInfoBuilder().build(launch)


def test_templates_differ_by_version_and_are_bounded() -> None:
    builder = TaskInfoBuilder(max_templates=2)

    def value(cmd: str, version: str) -> Any:
        info = builder.build(a_launch(an_app(cmd=cmd, version=version)))
        return msgspec.json.decode(msgspec.json.encode(info))["command"]["value"]

    assert [value("one", "1"), value("two", "2"), value("one", "1")] == ["one", "two", "one"]
    assert value("three", "3") == "three"
    assert value("other one", "1") == "other one"  # not yet stamped: the definition decides
    assert builder.templates == 2
