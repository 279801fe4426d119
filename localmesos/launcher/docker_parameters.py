"""The parameters of a docker app: long options of `docker run` in the words of the Docker SDK.

Mesos hands each {key, value} to the command line as --key=value. Here a table says what each one
means to the engine; one that is not in it is refused by name, rather than dropped.
"""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

Json = dict[str, Any]

_BYTES_PER_UNIT = {"b": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_SIZE_TEXT = re.compile(r"(\d+(?:\.\d+)?)([bkmg])?i?b?")
_NANO = 10**9


class ContainerOptions(NamedTuple):
    """Keyword arguments of the SDK: of `create_container`, and of its `create_host_config`."""

    config: Json
    host: Json


class _Rule(NamedTuple):
    part: str  # of ContainerOptions
    name: str  # of the keyword argument
    add: Callable[[Any, str], Any]  # what was there and the value of the option: what is there now


def add_parameter(options: ContainerOptions, key: str, value: str) -> None:
    """Add one parameter; raises ValueError that names the parameter when it cannot be."""
    rule = _RULES.get(key)
    if rule is None:
        raise ValueError(f"the docker parameter {key!r} is not supported; these are: {_KNOWN}")
    part: Json = getattr(options, rule.part)
    try:
        part[rule.name] = rule.add(part.get(rule.name), value)
    except ValueError as problem:
        raise ValueError(f"the docker parameter {key}={value!r} is wrong: {problem}") from None


def bytes_of(text: str) -> int:
    """A size as docker writes it: 64m, 1.5g, 512kb, 1024; -1 is none. Raises ValueError."""
    if text == "-1":
        return -1
    match = _SIZE_TEXT.fullmatch(text.lower())
    if match is None:
        raise ValueError("a size is a number and b, k, m or g")
    return int(float(match[1]) * _BYTES_PER_UNIT[match[2] or "b"])


def _one(convert: Callable[[str], Any] = str) -> Callable[[Any, str], Any]:
    return lambda _before, value: convert(value)


def _each(convert: Callable[[str], Any] = str) -> Callable[[Any, str], Any]:
    return lambda before, value: [*(before or []), convert(value)]


def _pairs(separator: str) -> Callable[[Any, str], Any]:
    def add(before: dict[str, str] | None, text: str) -> dict[str, str]:
        name, _, value = text.partition(separator)
        if not name:
            raise ValueError("it has no name")
        return {**(before or {}), name: value}

    return add


def _flag(text: str) -> bool:
    if text.lower() not in ("true", "false", "1", "0", ""):
        raise ValueError("it is true or false")
    return text.lower() in ("true", "1", "")


def _ulimit(text: str) -> Json:
    name, _, limits = text.partition("=")
    soft, _, hard = limits.partition(":")
    return {"name": name, "soft": int(soft), "hard": int(hard or soft)}


def _log_driver(before: Json | None, text: str) -> Json:
    return {"config": {}, **(before or {}), "type": text}


def _log_option(before: Json | None, text: str) -> Json:
    name, _, value = text.partition("=")
    before = before or {"type": "json-file", "config": {}}
    return {**before, "config": {**before["config"], name: value}}


_TEXT, _WHOLE, _SIZE = _one(), _one(int), _one(bytes_of)
_CONFIG = {
    "domainname": ("domainname", _TEXT),
    "entrypoint": ("entrypoint", _one(lambda path: [path])),
    "env": ("environment", _pairs("=")),
    "hostname": ("hostname", _TEXT),
    "interactive": ("stdin_open", _one(_flag)),
    "label": ("labels", _pairs("=")),
    "mac-address": ("mac_address", _TEXT),
    "stop-signal": ("stop_signal", _TEXT),
    "tty": ("tty", _one(_flag)),
    "user": ("user", _TEXT),
    "workdir": ("working_dir", _TEXT),
}
_HOST = {
    "add-host": ("extra_hosts", _pairs(":")),
    "blkio-weight": ("blkio_weight", _WHOLE),
    "cap-add": ("cap_add", _each()),
    "cap-drop": ("cap_drop", _each()),
    "cgroup-parent": ("cgroup_parent", _TEXT),
    "cpu-period": ("cpu_period", _WHOLE),
    "cpu-quota": ("cpu_quota", _WHOLE),
    "cpu-shares": ("cpu_shares", _WHOLE),
    "cpus": ("nano_cpus", _one(lambda cpus: int(float(cpus) * _NANO))),
    "cpuset-cpus": ("cpuset_cpus", _TEXT),
    "cpuset-mems": ("cpuset_mems", _TEXT),
    "device": ("devices", _each()),
    "dns": ("dns", _each()),
    "dns-opt": ("dns_opt", _each()),
    "dns-option": ("dns_opt", _each()),
    "dns-search": ("dns_search", _each()),
    "group-add": ("group_add", _each()),
    "init": ("init", _one(_flag)),
    "ipc": ("ipc_mode", _TEXT),
    "log-driver": ("log_config", _log_driver),
    "log-opt": ("log_config", _log_option),
    "memory": ("mem_limit", _SIZE),
    "memory-reservation": ("mem_reservation", _SIZE),
    "memory-swap": ("memswap_limit", _SIZE),
    "memory-swappiness": ("mem_swappiness", _WHOLE),
    "net": ("network_mode", _TEXT),
    "network": ("network_mode", _TEXT),
    "oom-kill-disable": ("oom_kill_disable", _one(_flag)),
    "oom-score-adj": ("oom_score_adj", _WHOLE),
    "pid": ("pid_mode", _TEXT),
    "pids-limit": ("pids_limit", _WHOLE),
    "privileged": ("privileged", _one(_flag)),
    "read-only": ("read_only", _one(_flag)),
    "runtime": ("runtime", _TEXT),
    "security-opt": ("security_opt", _each()),
    "shm-size": ("shm_size", _SIZE),
    "sysctl": ("sysctls", _pairs("=")),
    "tmpfs": ("tmpfs", _pairs(":")),
    "ulimit": ("ulimits", _each(_ulimit)),
    "userns": ("userns_mode", _TEXT),
    "uts": ("uts_mode", _TEXT),
    "volume": ("binds", _each()),
    "volume-driver": ("volume_driver", _TEXT),
    "volumes-from": ("volumes_from", _each()),
}
_RULES = {key: _Rule("config", *rule) for key, rule in _CONFIG.items()} | {
    key: _Rule("host", *rule) for key, rule in _HOST.items()
}
_KNOWN = ", ".join(sorted(_RULES))
