"""What a cluster must keep over a restart so that its agents are the same: ports and descriptions.

Executors know their agent by its port, and Mesos refuses an agent that comes back with other
attributes or resources. So both are written down in the state folder before anything boots.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from localmesos.apache.errors import EngineError
from localmesos.apache.ports import free_port
from localmesos.cluster import AgentSpec

_FILE = "cluster.json"


@dataclass(frozen=True, slots=True)
class Plan:
    """The ports of a cluster's nodes and its agents. One process has the master's port only."""

    host: str
    master_port: int
    agent_ports: tuple[int, ...]
    specs: tuple[AgentSpec, ...]

    def save(self, folder: Path) -> None:
        """Write it down, whole or not at all."""
        fresh = folder / f".{_FILE}.fresh"
        with fresh.open("w") as file:
            json.dump(asdict(self), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(folder / _FILE)

    def with_agent_port(self, index: int, port: int) -> "Plan":
        ports = (*self.agent_ports[:index], port, *self.agent_ports[index + 1 :])
        return replace(self, agent_ports=ports)


def make_plan(folder: Path, specs: Sequence[AgentSpec], host: str, *, one_process: bool) -> Plan:
    """The plan of an earlier run in `folder` if it fits, else a new one with free ports.

    Raises EngineError when an agent of the earlier run is described differently now.
    """
    earlier = _load(folder)
    if earlier is None:
        ports = () if one_process else tuple(free_port(host) for _ in specs)
        return Plan(host, free_port(host), ports, tuple(specs))
    if (not earlier.agent_ports) != one_process:
        was = "in a process of its own" if one_process else "in one process with the others"
        raise EngineError(f"each agent of {folder} ran {was}: do the same, or use a fresh folder")
    for number, (before, now) in enumerate(zip(earlier.specs, specs, strict=False)):
        if before != now:
            raise EngineError(
                f"agent {number} in {folder} is known to Mesos as {before} and cannot come back "
                f"as {now}: describe it as before, or use a fresh folder"
            )
    count = len(specs)
    ports = earlier.agent_ports[:count]
    if not one_process:
        ports += tuple(free_port(host) for _ in range(count - len(ports)))
    return Plan(host, earlier.master_port, ports, tuple(specs))


def _load(folder: Path) -> Plan | None:
    try:
        record = json.loads((folder / _FILE).read_text())
        return Plan(
            host=str(record["host"]),
            master_port=int(record["master_port"]),
            agent_ports=tuple(int(port) for port in record["agent_ports"]),
            specs=tuple(AgentSpec(**spec) for spec in record["specs"]),
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise EngineError(f"{folder / _FILE} cannot be read: {error!r}") from error
