"""A docker task in the words of the Docker SDK, by the rules of Mesos' own docker executor.

Nothing here talks to the engine. Marathon's docker parameters come last, so they override what
the definition's own fields say, as they do on Mesos' command line.
"""

import math
import posixpath
import pwd
from collections.abc import Mapping
from typing import Any, NamedTuple

from localmesos.launcher.container_run import Place
from localmesos.launcher.docker_parameters import ContainerOptions, add_parameter

Json = dict[str, Any]

_LEAST_MEMORY_BYTES = 32 * 1024 * 1024  # both as in Mesos
_LEAST_CPU_SHARES = 2
_SHARES_PER_CPU = 1024
_PERIOD_MICROSECONDS = 100_000
_NETWORKS = {"HOST": "host", "BRIDGE": "bridge", "NONE": "none"}


class ContainerSpec(NamedTuple):
    """What the engine is asked for."""

    image: str
    force_pull: bool
    options: ContainerOptions


def container_spec(task: Json, place: Place, environment: Mapping[str, str]) -> ContainerSpec:
    """The container of a TaskInfo. Raises ValueError or KeyError that names what is wrong."""
    container = task["container"]
    docker = container["docker"]
    host: Json = {
        "network_mode": _network(container, docker),
        "privileged": bool(docker.get("privileged", False)),
        "binds": [f"{place.sandbox}:{place.mapped}", *_binds(container, place)],
        **_limits(task, limit_cpus=place.limit_cpus),
    }
    config: Json = {
        "name": place.name,
        **_command(task["command"]),
        "environment": {
            **environment,
            "MESOS_SANDBOX": place.mapped,
            "MESOS_CONTAINER_NAME": place.name,
        },
    }
    options = ContainerOptions(config, host)
    _add_ports(options, docker.get("port_mappings", []))
    if "hostname" in container:
        config["hostname"] = container["hostname"]
    if "tty_info" in container:
        config["tty"] = True
    for parameter in docker.get("parameters", []):
        add_parameter(options, parameter["key"], parameter["value"])
    _part_volumes(options)
    return ContainerSpec(docker["image"], bool(docker.get("force_pull_image", False)), options)


def _command(command: Json) -> Json:
    """A shell line replaces the image's entry point, arguments are given to it."""
    told: Json = {}
    if command.get("shell", True):
        if "value" not in command:
            raise ValueError("a shell command without a value")
        told = {"entrypoint": ["/bin/sh"], "command": ["-c", command["value"]]}
    else:
        value = [command["value"]] if "value" in command else []
        told = {"command": [*value, *command.get("arguments", [])]}
    if command.get("user"):
        told["user"] = _user(command["user"])
    return told


def _user(name: str) -> str:
    """This machine's user, who also owns the sandbox; the image need not know the name."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise ValueError(f"this machine has no user {name!r}") from None
    return f"{entry.pw_uid}:{entry.pw_gid}"


def _network(container: Json, docker: Json) -> str:
    kind = docker.get("network", "HOST")
    if kind in _NETWORKS:
        return _NETWORKS[kind]
    names = [each.get("name") for each in container.get("network_infos", [])]
    if kind != "USER" or len(names) != 1 or not names[0]:
        raise ValueError(f"a docker container joins one named network, not {names}")
    return str(names[0])


def _add_ports(options: ContainerOptions, mappings: list[Json]) -> None:
    if not mappings:
        return
    if options.host["network_mode"] in ("host", "none"):
        raise ValueError("port mappings are only supported for bridge and user-defined networks")
    bindings: dict[str, list[int]] = {}
    for each in mappings:
        inside = f"{each['container_port']}/{each.get('protocol', 'tcp')}"
        bindings.setdefault(inside, []).append(int(each["host_port"]))
    options.host["port_bindings"] = bindings
    options.config["ports"] = [tuple(inside.split("/")) for inside in bindings]


def _binds(container: Json, place: Place) -> list[str]:
    return [_bind(volume, place) for volume in container.get("volumes", [])]


def _bind(volume: Json, place: Place) -> str:
    """Relative paths lie in the sandbox; a volume without a source is the engine's own."""
    inside = posixpath.join(place.mapped, volume["container_path"])
    mode = "ro" if volume.get("mode", "RW") == "RO" else "rw"
    source = volume.get("source", {})
    if "docker_volume" in source:
        return f"{source['docker_volume']['name']}:{inside}:{mode}"
    if source and "host_path" not in source:
        raise ValueError(f"a volume of type {source.get('type')} is not supported")
    path = volume.get("host_path") or source.get("host_path", {}).get("path", "")
    if not path:
        return inside
    return f"{posixpath.join(place.sandbox, path)}:{inside}:{mode}"


def _part_volumes(options: ContainerOptions) -> None:
    """The engine wants volumes without a source elsewhere."""
    binds = options.host["binds"]
    options.host["binds"] = [bind for bind in binds if ":" in bind]
    if bare := [bind for bind in binds if ":" not in bind]:
        options.config["volumes"] = bare


def _limits(task: Json, *, limit_cpus: bool) -> Json:
    """Shares and limits by Mesos' rules: a limit of its own tells it from the request."""
    cpus, mem_mib = _scalar(task, "cpus"), _scalar(task, "mem")
    limits = {name: float(each["value"]) for name, each in task.get("limits", {}).items()}
    told: Json = {}
    if cpus:
        told["cpu_shares"] = max(_LEAST_CPU_SHARES, int(cpus * _SHARES_PER_CPU))
    cpu_limit = limits.get("cpus", cpus if limit_cpus else math.inf)
    if cpu_limit and math.isfinite(cpu_limit):
        told["cpu_period"] = _PERIOD_MICROSECONDS
        told["cpu_quota"] = max(1000, int(cpu_limit * _PERIOD_MICROSECONDS))
    mem_limit_mib = limits.get("mem", mem_mib)
    if mem_limit_mib and math.isfinite(mem_limit_mib):
        told["mem_limit"] = _memory_bytes(mem_limit_mib)
    if mem_mib and mem_limit_mib != mem_mib:
        told["mem_reservation"] = _memory_bytes(mem_mib)
    return told


def _memory_bytes(mem_mib: float) -> int:
    return max(_LEAST_MEMORY_BYTES, int(mem_mib * 1024 * 1024))


def _scalar(task: Json, name: str) -> float:
    found = [each for each in task.get("resources", []) if each["name"] == name]
    return sum(float(each["scalar"]["value"]) for each in found)
