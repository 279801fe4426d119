"""What the Docker Engine is asked for, from the TaskInfo of a docker task."""

import os
import pwd
from typing import Any

import pytest
from docker.api.client import APIClient

from localmesos.launcher.container_run import Place
from localmesos.launcher.docker_parameters import ContainerOptions, add_parameter, bytes_of
from localmesos.launcher.docker_spec import ContainerSpec, container_spec

Json = dict[str, Any]
PLACE = Place("mesos-1", "/docker.sock", "/sand", "/mnt/mesos/sandbox", "/programs", False)


def spec(
    command: Json | None = None, place: Place = PLACE, limits: Json | None = None, **docker: Any
) -> ContainerSpec:
    """The container of a task whose ContainerInfo has these docker fields; `info` adds others."""
    info = docker.pop("info", {})
    task = {
        "command": {"value": "true"} if command is None else command,
        "container": {"type": "DOCKER", "docker": {"image": "web:1", **docker}, **info},
        "resources": [
            {"name": "cpus", "scalar": {"value": 0.5}},
            {"name": "mem", "scalar": {"value": 64.0}},
        ],
        "limits": limits or {},
    }
    return container_spec(task, place, {"A": "b"})


def config(*arguments: Any, **docker: Any) -> Json:
    return spec(*arguments, **docker).options.config


def host(*arguments: Any, **docker: Any) -> Json:
    return spec(*arguments, **docker).options.host


def test_a_shell_line_replaces_the_entry_point() -> None:
    told = config({"shell": True, "value": "echo $A"})
    assert (told["entrypoint"], told["command"]) == (["/bin/sh"], ["-c", "echo $A"])
    assert told["name"] == "mesos-1"
    assert told["environment"] == {
        "A": "b",
        "MESOS_SANDBOX": "/mnt/mesos/sandbox",
        "MESOS_CONTAINER_NAME": "mesos-1",
    }


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ({"shell": False}, []),
        ({"shell": False, "arguments": ["-v", "x y"]}, ["-v", "x y"]),
        ({"shell": False, "value": "serve", "arguments": ["-v"]}, ["serve", "-v"]),
    ],
)
def test_arguments_leave_the_entry_point(command: Json, expected: list[str]) -> None:
    told = config(command)
    assert "entrypoint" not in told
    assert told["command"] == expected


def test_a_user_is_this_machines() -> None:
    user = pwd.getpwuid(os.getuid())
    expected = f"{user.pw_uid}:{user.pw_gid}"
    assert config({"value": "true", "user": user.pw_name})["user"] == expected
    assert "user" not in config()
    with pytest.raises(ValueError, match="no user 'no-such-user'"):
        spec({"value": "true", "user": "no-such-user"})


@pytest.mark.parametrize(
    ("network", "names", "expected"),
    [("HOST", [], "host"), ("BRIDGE", [], "bridge"), ("NONE", [], "none"), ("USER", ["n"], "n")],
)
def test_networks(network: str, names: list[str], expected: str) -> None:
    infos = {"network_infos": [{"name": name} for name in names]}
    assert host(network=network, info=infos)["network_mode"] == expected


def test_one_named_network_only() -> None:
    for names in ([], ["a", "b"]):
        infos = {"network_infos": [{"name": name} for name in names]}
        with pytest.raises(ValueError, match="one named network"):
            spec(network="USER", info=infos)


def test_port_mappings() -> None:
    mappings = [
        {"host_port": 31000, "container_port": 80, "protocol": "tcp"},
        {"host_port": 31001, "container_port": 80, "protocol": "tcp"},
        {"host_port": 31002, "container_port": 53, "protocol": "udp"},
    ]
    told = spec(network="BRIDGE", port_mappings=mappings).options
    assert told.host["port_bindings"] == {"80/tcp": [31000, 31001], "53/udp": [31002]}
    assert told.config["ports"] == [("80", "tcp"), ("53", "udp")]
    with pytest.raises(ValueError, match="only supported for bridge"):
        spec(network="HOST", port_mappings=mappings)


def test_volumes_and_the_sandbox() -> None:
    volumes = [
        {"container_path": "/data", "host_path": "/srv/data", "mode": "RO"},
        {"container_path": "cache", "host_path": "kept", "mode": "RW"},
        {"container_path": "/scratch", "mode": "RW"},
        {
            "container_path": "/db",
            "mode": "RW",
            "source": {"type": "DOCKER_VOLUME", "docker_volume": {"name": "vol"}},
        },
    ]
    told = spec(info={"volumes": volumes}).options
    assert told.host["binds"] == [
        "/sand:/mnt/mesos/sandbox",
        "/srv/data:/data:ro",
        "/sand/kept:/mnt/mesos/sandbox/cache:rw",
        "vol:/db:rw",
    ]
    assert told.config["volumes"] == ["/scratch"]


@pytest.mark.parametrize(
    ("limits", "limit_cpus", "expected"),
    [
        ({}, False, {"mem_limit": 64 << 20}),
        ({}, True, {"mem_limit": 64 << 20, "cpu_period": 100_000, "cpu_quota": 50_000}),
        (
            {"cpus": {"value": 2.0}, "mem": {"value": 128.0}},
            False,
            {
                "cpu_period": 100_000,
                "cpu_quota": 200_000,
                "mem_limit": 128 << 20,
                "mem_reservation": 64 << 20,
            },
        ),
        (
            {"cpus": {"value": "Infinity"}, "mem": {"value": "Infinity"}},
            True,
            {"mem_reservation": 64 << 20},
        ),
    ],
)
def test_limits(limits: Json, limit_cpus: bool, expected: Json) -> None:
    told = host(place=PLACE._replace(limit_cpus=limit_cpus), limits=limits)
    found = {name: told[name] for name in told if name.startswith(("cpu_", "mem_"))}
    assert found == {"cpu_shares": 512, **expected}


def test_other_fields_and_parameters_that_override_them() -> None:
    info = {"hostname": "web", "tty_info": {}}
    parameters = [
        {"key": "hostname", "value": "other"},
        {"key": "memory", "value": "1g"},
        {"key": "user", "value": "7"},
        {"key": "volume", "value": "/bare"},
        {"key": "volume", "value": "/a:/b"},
    ]
    told = spec(
        {"value": "true", "user": "root"}, parameters=parameters, privileged=True, info=info
    )
    assert (told.image, told.force_pull) == ("web:1", False)
    assert (told.options.config["hostname"], told.options.config["user"]) == ("other", "7")
    assert told.options.config["tty"] is True
    assert told.options.config["volumes"] == ["/bare"]
    assert told.options.host["binds"][1:] == ["/a:/b"]
    assert told.options.host["mem_limit"] == 1 << 30
    assert told.options.host["privileged"] is True
    assert spec(force_pull_image=True).force_pull


PARAMETERS = [
    ("add-host", ["db:10.0.0.1"], "ExtraHosts", ["db:10.0.0.1"]),
    ("cap-add", ["NET_ADMIN", "SYS_TIME"], "CapAdd", ["NET_ADMIN", "SYS_TIME"]),
    ("cap-drop", ["ALL"], "CapDrop", ["ALL"]),
    ("cpus", ["1.5"], "NanoCpus", 1_500_000_000),
    ("cpuset-cpus", ["0-1"], "CpusetCpus", "0-1"),
    ("device", ["/dev/null:/dev/x:r"], "Devices", None),
    ("dns", ["10.0.0.2"], "Dns", ["10.0.0.2"]),
    ("init", ["true"], "Init", True),
    ("ipc", ["host"], "IpcMode", "host"),
    ("log-driver", ["none"], "LogConfig", {"Type": "none", "Config": {}}),
    ("memory-swap", ["-1"], "MemorySwap", -1),
    ("net", ["none"], "NetworkMode", "none"),
    ("oom-kill-disable", ["true"], "OomKillDisable", True),
    ("pids-limit", ["99"], "PidsLimit", 99),
    ("read-only", ["true"], "ReadonlyRootfs", True),
    ("security-opt", ["no-new-privileges"], "SecurityOpt", ["no-new-privileges"]),
    ("shm-size", ["64m"], "ShmSize", 64 << 20),
    ("sysctl", ["net.core.somaxconn=1"], "Sysctls", {"net.core.somaxconn": "1"}),
    ("tmpfs", ["/run:rw,size=1m", "/x"], "Tmpfs", {"/run": "rw,size=1m", "/x": ""}),
    (
        "ulimit",
        ["nofile=10:20", "core=0"],
        "Ulimits",
        [
            {"Name": "nofile", "Soft": 10, "Hard": 20},
            {"Name": "core", "Soft": 0, "Hard": 0},
        ],
    ),
    ("userns", ["host"], "UsernsMode", "host"),
]


@pytest.mark.parametrize(("key", "values", "field", "expected"), PARAMETERS)
def test_a_parameter_reaches_the_engine(
    key: str, values: list[str], field: str, expected: object
) -> None:
    """As the SDK writes it for the engine's API."""
    options = ContainerOptions({}, {})
    for value in values:
        add_parameter(options, key, value)
    written = APIClient(version="1.41").create_host_config(**options.host)
    if expected is None:
        expected = [
            {"PathOnHost": "/dev/null", "PathInContainer": "/dev/x", "CgroupPermissions": "r"}
        ]
    assert written[field] == expected


def test_labels_variables_and_log_options_add_up() -> None:
    options = ContainerOptions({"environment": {"A": "b"}}, {})
    for key, value in (
        ("label", "one=1"),
        ("label", "two=a=b"),
        ("env", "C=d"),
        ("log-opt", "max-size=1m"),
        ("log-driver", "local"),
    ):
        add_parameter(options, key, value)
    assert options.config["labels"] == {"one": "1", "two": "a=b"}
    assert options.config["environment"] == {"A": "b", "C": "d"}
    assert options.host["log_config"] == {"type": "local", "config": {"max-size": "1m"}}


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("restart", "always", "'restart' is not supported"),
        ("name", "mine", "'name' is not supported"),
        ("cpus", "many", "cpus='many' is wrong"),
        ("shm-size", "1x", "a number and b, k, m or g"),
        ("ulimit", "nofile", "ulimit='nofile' is wrong"),
        ("read-only", "perhaps", "true or false"),
        ("label", "=x", "no name"),
    ],
)
def test_a_wrong_parameter_is_named(key: str, value: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        add_parameter(ContainerOptions({}, {}), key, value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1024", 1024), ("64m", 64 << 20), ("512KB", 512 << 10), ("1.5g", 3 << 29), ("10b", 10)],
)
def test_sizes(text: str, expected: int) -> None:
    assert bytes_of(text) == expected
