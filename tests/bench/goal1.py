"""Goal 1, many instances from nothing: ``python -m tests.bench.goal1``.

100 apps of 1,000 instances, a third of them with constraints (UNIQUE host, GROUP_BY zone, LIKE
rack), are posted one by one, at most 100 under way, on 5,000 agents in 100 racks and five zones,
until all run and are durable in a ZooKeeper that syncs; ``--size 10`` makes a million of 1,000
apps. Scheduler, simulated Mesos, ZooKeeper and the one who posts are processes of their own. The
peer: the bare loop of ``_floor``, by wall clock, then by processor time; it gets as many offers.
"""

import json
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from api.client import Client
from tests.bench._apps import definition
from tests.bench._cluster import Started, await_leader, scheduler, simulated_mesos, zookeeper
from tests.bench._floor import Floor, Work, bare_loop
from tests.bench._load import ask_all, request
from tests.bench._preloaded import ask
from tests.bench.goal4 import AT_ONCE, Deployed
from tests.bench.report import Options, Result, measured, options

INSTANCES = 100_000
EACH = 1_000
MOST_AGENTS = 5_000
RESOURCES = "cpus:64;mem:262144;disk:1000000;ports:[31000-31999]"
ATTRIBUTES = "rack:r{i % 100};zone:z{i % 5}"
CONSTRAINTS: tuple[list[list[str]], ...] = (
    [],
    [["hostname", "UNIQUE"]],
    [],
    [["zone", "GROUP_BY", "5"]],
    [],
    [["rack", "LIKE", "r[0-4].*"]],
)
_HEAP_MIB = 2_048


def _posted(number: int, each: int) -> bytes:
    constraints = CONSTRAINTS[number % len(CONSTRAINTS)]
    return json.dumps(definition(f"/bench/app{number}", each, constraints=constraints)).encode()


def measure(folder: Path, wanted: Options) -> Iterator[Result]:
    """From nothing until all run, and the bare loop on a cluster of its own."""
    total = wanted.scaled(INSTANCES)
    agents = min(MOST_AGENTS, max(20, total // 2))
    each = min(EACH, agents // 2)
    apps = max(1, total // each)
    with zookeeper(folder, _HEAP_MIB) as server:
        flags = ("--attributes", ATTRIBUTES)
        with simulated_mesos(folder, agents, RESOURCES, *flags) as mesos:
            with scheduler(folder, mesos.url, server.url("/stayer")) as process:
                await_leader(process)
                seconds, cpu, late = _post(process, apps, each)
                peak = process.peak_mib()
                with closing(Client([process.url], timeout_seconds=120)) as client:
                    count = sum(int(app["tasksRunning"]) for app in client.list_apps())
                assert count == apps * each, f"{count} run"
            stats = ask(f"{mesos.url}/simulated/stats")
            assert stats["launched"] == apps * each, stats
        offers = int(stats["offers"])
        floor = _floor(folder, server.url("/floor"), (apps, each, agents), offers)
    tasks = apps * each
    name = f"{apps} apps x {each} on {agents} agents"
    yield Result(
        name, tasks / seconds, "tasks/s", cpu, tasks / floor.wall_seconds(tasks, 0), seconds,
        tasks / seconds, peak, "1",
    )  # fmt: skip
    least = floor.seconds(tasks, 0)
    per_task = 1e6 / tasks
    yield Result(f"{name}, cpu", cpu * per_task, "us/task", cpu, least * per_task, peak_mib=peak)
    yield Result(f"{name}, offers that came", offers, "offers", cpu, float(agents))
    yield Result("of these POSTs, durable only after more than 10 s", late, "POSTs", cpu)
    yield Result(f"{name}, cpu / bare loop's", cpu / least, "x", cpu, goal="1 floor")


def _post(process: Started, apps: int, each: int) -> tuple[float, float, int]:
    """Wall and processor seconds; and how many posts were told that it takes longer."""
    bodies = (_posted(number, each) for number in range(apps))
    with Deployed(process.url) as deployed:
        cpu, began = process.cpu_seconds(), time.perf_counter()
        requests = (request(process.url, "POST", "/v2/apps", (), body) for body in bodies)
        load = ask_all(process.url, deployed.paced(requests), min(AT_ONCE, apps))
        assert set(load.statuses) <= {201, 503}, load.statuses
        deployed.until(apps)
        seconds = time.perf_counter() - began
        return seconds, process.cpu_seconds() - cpu, load.statuses[503]


def _floor(folder: Path, store_url: str, shape: tuple[int, int, int], offers: int) -> Floor:
    apps, each, agents = shape
    with simulated_mesos(folder / "bare", agents, RESOURCES, "--attributes", ATTRIBUTES) as mesos:
        return bare_loop(Work(mesos.url, store_url, apps * each, agents, apps, offers))


def main() -> None:
    """Measure on the disk of the temporary directory (TMPDIR)."""
    wanted = options(__doc__)
    measured(lambda folder: measure(folder, wanted), wanted)


if __name__ == "__main__":
    main()
