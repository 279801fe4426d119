"""Masters and agents as children that are ready to start: which arguments, settings and folders.

Each node has a folder of its own: its log beside the work folder of Mesos.
"""

import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from localmesos.apache.child import Child
from localmesos.apache.errors import EngineError
from localmesos.apache.flag_files import prepare_flag_files
from localmesos.apache.flags import (
    Address,
    agent_environment,
    cluster_environment,
    domain_json,
    master_environment,
)
from localmesos.apache.launcher_folder import write_launcher_folder
from localmesos.cluster import AgentSpec


def resolve(host: str) -> str:
    """The IPv4 address of a host that other nodes can reach. Raises EngineError."""
    try:
        address = socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_STREAM)[0][4][0]
    except OSError as error:
        raise EngineError(f"{host!r} is no IPv4 address or name of a host: {error}") from error
    if address == "0.0.0.0":
        raise EngineError("Mesos needs the address that the others reach it by, not 0.0.0.0")
    return str(address)


def master(
    library: Path,
    address: Address,
    folder: Path,
    *,
    flags: Mapping[str, str],
    domain: str | None = None,
) -> Child:
    """A master that keeps its registry below `folder`."""
    return Child(
        "mesos-master",
        ("master", str(library)),
        master_environment(address, _made(folder / "work"), flags, domain),
        folder / "master.log",
    )


def agent(
    library: Path,
    address: Address,
    folder: Path,
    spec: AgentSpec,
    *,
    master: Address,
    flags: Mapping[str, str],
) -> Child:
    """An agent that keeps its sandboxes and its identity below `folder`."""
    launcher = write_launcher_folder(folder / "launcher")
    return Child(
        "mesos-agent",
        ("agent", str(library), master.host, str(master.port)),
        agent_environment(address, _made(folder / "work"), launcher, spec, flags),
        folder / "agent.log",
    )


def cluster(
    library: Path,
    address: Address,
    folder: Path,
    specs: Sequence[AgentSpec],
    *,
    flags: Mapping[str, str],
) -> Child:
    """A master and all its agents in one process; agent i is slave(i+1) at the same address."""
    values = {
        "attributes": [spec.attributes for spec in specs],
        "resources": [spec.resources for spec in specs],
        # The master has these flags too, and reads them first.
        "hostname": [address.host, *(spec.hostname for spec in specs)],
    }
    domains = [domain for spec in specs if (domain := domain_json(spec)) is not None]
    if domains:
        values["domain"] = [domains[0], *domains]
    pipes = folder / "flags"
    return Child(
        "mesos-cluster",
        ("cluster", str(library), str(pipes)),
        cluster_environment(
            address,
            _made(folder / "work"),
            write_launcher_folder(folder / "launcher"),
            prepare_flag_files(pipes, values),
            len(specs),
            flags,
        ),
        folder / "cluster.log",
    )


def forget_identity(folder: Path) -> None:
    """Let the agent of `folder` register as a new one when it starts next."""
    (folder / "work" / "agents" / "0" / "work" / "meta" / "slaves" / "latest").unlink(
        missing_ok=True
    )


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()
