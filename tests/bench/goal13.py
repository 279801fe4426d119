"""Goal 13, what an idle instance costs in memory: ``python -m tests.bench.goal13``.

100,000 instances run already, in ZooKeeper and in the simulated Mesos, and 1,000 in another run:
what the scheduler holds more for each instance more, once it has heard of all and has nothing to
do. The peer: a process that does no more than read the same records into a dictionary.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from framework.domain.mesos import Agent
from framework.domain.state import Change, Kind
from framework.store.codec import Codec
from tests.bench._cluster import (
    await_idle,
    await_leader,
    scheduler,
    simulated_mesos,
    zookeeper,
)
from tests.bench._preloaded import FIRST_PORT, hear_of_all, instances, preload
from tests.bench.report import Options, Result, measured, options
from tests.zookeeper.server import ZooKeeperServer

FEW, MANY = 1_000, 100_000
AGENTS = 1_000
RESOURCES = f"cpus:1000;mem:4000000;disk:1000000;ports:[{FIRST_PORT}-{FIRST_PORT + 1_000}]"
_READER = """
import os, sys
from framework.store.codec import Codec
codec, held = Codec(), {}
for line in open(sys.argv[1], "rb"):
    change = codec.decode(line.rstrip(b"\\n"))
    held[change.id] = change.record
print(open("/proc/self/status").read().partition("VmRSS:")[2].split()[0])
"""


def measure(folder: Path, wanted: Options) -> Iterator[Result]:
    """Both, and the difference."""
    few, many = wanted.scaled(FEW), wanted.scaled(MANY)
    agents = max(10, min(AGENTS, wanted.scaled(AGENTS)))
    with zookeeper(folder) as server:
        little, _, _ = _held(folder, server, few, agents, wanted.size)
        much, cpu, peak = _held(folder, server, many, agents, wanted.size)
    bare = [_bare(folder, agents, count) for count in (few, many)]
    value = (much - little) * 2**20 / (many - few)
    peer = (bare[1] - bare[0]) * 2**20 / (many - few)
    name = f"memory of an instance, of {many:,}"
    yield Result(name, max(value, 0.0), "B", cpu, max(peer, 0.0), peak_mib=peak, goal="13")


def _held(
    folder: Path, server: ZooKeeperServer, count: int, agents: int, size: float
) -> tuple[float, float, float]:
    """MiB, processor seconds, and MiB at most."""
    root = server.url(f"/with-{count}")
    with simulated_mesos(folder, agents, RESOURCES) as mesos:
        preload(mesos.url, root, count)
        with scheduler(folder, mesos.url, root) as process:
            await_leader(process)
            hear_of_all(process.url)
            await_idle(process, size)
            return process.memory_mib(), process.cpu_seconds(), process.peak_mib()


def _bare(folder: Path, agents: int, count: int) -> float:
    """MiB of a process that has only read them."""
    some = [Agent(f"agent-{number}", f"host-{number}") for number in range(agents)]
    encode = Codec().encode
    path = folder / f"records-{count}"
    with path.open("wb") as file:
        for one in instances(some, count):
            file.write(encode(Change(Kind.INSTANCE, one.id, one)) + b"\n")
    command = [sys.executable, "-c", _READER, str(path)]
    return int(subprocess.check_output(command, text=True)) / 1024


def main() -> None:
    """Measure on the disk of the temporary directory (TMPDIR)."""
    wanted = options(__doc__)
    measured(lambda folder: measure(folder, wanted), wanted)


if __name__ == "__main__":
    main()
