"""The environment in which a master or an agent of a local cluster boots.

Mesos reads each of its flags from MESOS_<FLAG>. The choices here are those of a cluster on one
machine: no root needed, no cgroups or containers, executors that outlive their agent, a registry
that survives a restart of the master. Whoever knows better overrides any flag.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from localmesos.apache.child import clean_environment
from localmesos.cluster import AgentSpec

EXECUTOR_REREGISTRATION_TIMEOUT = "5secs"  # every recovery of an agent waits for all of it


@dataclass(frozen=True, slots=True)
class Address:
    """Where a node of Mesos listens: IPv4 address and port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def flag_variables(flags: Mapping[str, str]) -> dict[str, str]:
    """Mesos flags by their documented names (`agent_ping_timeout`) as environment variables.

    Raises ValueError for a name that no flag of Mesos can have.
    """
    variables = {}
    for name, value in flags.items():
        plain = name.removeprefix("--").replace("-", "_")
        if not plain.isidentifier() or not plain.isascii():
            raise ValueError(
                f"{name!r} is no name of a Mesos flag: write it as in agent_ping_timeout"
            )
        variables[f"MESOS_{plain.upper()}"] = value
    return variables


def master_environment(
    address: Address, work_dir: Path, flags: Mapping[str, str], domain: str | None = None
) -> dict[str, str]:
    """A master alone. `domain` is needed when the agents have fault domains (see `domain_json`)."""
    return {
        **_node_environment(address, work_dir),
        "MESOS_NUM_SLAVES": "0",
        "MESOS_HOSTNAME": address.host,
        "MESOS_REGISTRY": "replicated_log",
        **({} if domain is None else {"MESOS_DOMAIN": domain}),
        **flag_variables(flags),
    }


def agent_environment(
    address: Address, work_dir: Path, launcher_dir: Path, spec: AgentSpec, flags: Mapping[str, str]
) -> dict[str, str]:
    """One agent alone, for a master elsewhere."""
    domain = domain_json(spec)
    return {
        **_node_environment(address, work_dir),
        **_agent_defaults(work_dir, launcher_dir),
        "MESOS_NUM_SLAVES": "1",
        # The local master that comes with every agent stays unused; it must not claim the disk.
        "MESOS_REGISTRY": "in_memory",
        "MESOS_HOSTNAME": spec.hostname,
        "MESOS_ATTRIBUTES": spec.attributes,
        # Without the flag Mesos offers what it finds on the machine.
        **({"MESOS_RESOURCES": spec.resources} if spec.resources else {}),
        **({} if domain is None else {"MESOS_DOMAIN": domain}),
        **flag_variables({k: v for k, v in flags.items() if k != "registry"}),
    }


def cluster_environment(
    address: Address,
    work_dir: Path,
    launcher_dir: Path,
    per_agent: Mapping[str, str],
    count: int,
    flags: Mapping[str, str],
) -> dict[str, str]:
    """A master and `count` agents in one process; `per_agent` names the pipes of their flags."""
    return {
        **_node_environment(address, work_dir),
        **_agent_defaults(work_dir, launcher_dir),
        "MESOS_NUM_SLAVES": str(count),
        "MESOS_REGISTRY": "replicated_log",
        **flag_variables(per_agent),
        **flag_variables(flags),
    }


def domain_json(spec: AgentSpec) -> str | None:
    """The fault domain as Mesos' flag `domain` takes it; None when the agent has none."""
    if spec.region is None:
        return None
    region, zone = {"name": spec.region}, {"name": spec.zone}
    return json.dumps({"fault_domain": {"region": region, "zone": zone}})


def _node_environment(address: Address, work_dir: Path) -> dict[str, str]:
    return {
        **clean_environment(),
        "LIBPROCESS_IP": address.host,
        "LIBPROCESS_PORT": str(address.port),
        "MESOS_WORK_DIR": os.fspath(work_dir),
    }


def _agent_defaults(work_dir: Path, launcher_dir: Path) -> dict[str, str]:
    return {
        "MESOS_LAUNCHER": "posix",
        "MESOS_LAUNCHER_DIR": os.fspath(launcher_dir),
        "MESOS_ISOLATION": "posix/cpu,posix/mem",
        "MESOS_SWITCH_USER": "true" if os.geteuid() == 0 else "false",
        "MESOS_SYSTEMD_ENABLE_SUPPORT": "false",
        "MESOS_RECOVER": "reconnect",
        "MESOS_STRICT": "false",
        "MESOS_EXECUTOR_REREGISTRATION_TIMEOUT": EXECUTOR_REREGISTRATION_TIMEOUT,
        "MESOS_REGISTRATION_BACKOFF_FACTOR": "200ms",
        # Without effect unless the flag `containerizers` names docker (see `docker_engine`).
        "MESOS_DOCKER": os.fspath(launcher_dir / "mesos-docker"),
        # A container that this agent does not know may be another agent's of the same machine.
        "MESOS_DOCKER_KILL_ORPHANS": "false",
        "MESOS_DOCKER_REMOVE_DELAY": "1secs",
        # The defaults of these lie in /tmp and would be shared by all users of the machine.
        "MESOS_DOCKER_STORE_DIR": os.fspath(work_dir / "store" / "docker"),
        "MESOS_APPC_STORE_DIR": os.fspath(work_dir / "store" / "appc"),
    }
