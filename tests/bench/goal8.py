"""Goal 8, replacing lost tasks: ``python -m tests.bench.goal8``.

100,000 instances run on 1,000 agents, state in a ZooKeeper that syncs. First one task is lost at a
time, some time apart, while nothing else happens: from telling Mesos so until Mesos has got the
ACCEPT with its replacement: with offers at hand (``--offers_at_hand``), and by another scheduler
without, which asks for offers within it. The peer: two writes of a bare client one after the other,
since what was lost and what is launched are both durable before the ACCEPT leaves. Then a fifth of
the agents is lost at once, 20,000 tasks, until Mesos has launched as many others; the peer: the
bare loop of ``_floor`` that launches as many. The protection against storms would replace five a
second: it is set to let a loss of all pass.
"""

import json
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from kazoo.client import KazooClient

from api.client import Client
from tests.bench._cluster import Started, await_leader, scheduler, simulated_mesos, zookeeper
from tests.bench._floor import Floor, Work, bare_loop
from tests.bench._load import ask as ask_on
from tests.bench._load import ask_all, connect, request
from tests.bench._preloaded import FIRST_PORT, ask, hear_of_all, preload
from tests.bench.report import Options, Result, measured, options
from tests.polling import eventually
from tests.zookeeper.server import ZooKeeperServer

INSTANCES = 100_000
AGENTS = 1_000
LOST_SHARE = 5  # one agent of so many
ONE_BY_ONE = 150
RESOURCES = f"cpus:1000;mem:4000000;disk:1000000;ports:[{FIRST_PORT}-{FIRST_PORT + 1_000}]"
_RECORD = b"x" * 400
_PATIENCE_SECONDS = 600.0
_PAUSE_SECONDS = 0.15  # offers are asked for again every 100 ms at most


def measure(folder: Path, wanted: Options) -> Iterator[Result]:
    """One at a time, then many at once."""
    count, agents = wanted.scaled(INSTANCES), max(10, wanted.scaled(AGENTS))
    with zookeeper(folder) as server:
        root = server.url("/stayer")
        with simulated_mesos(folder, agents, RESOURCES) as mesos:
            tasks = preload(mesos.url, root, count)
            singles = min(len(tasks) // 4, max(5, round(ONE_BY_ONE * min(1.0, wanted.size))))
            at_hand = min(agents, 2 * singles)  # half of them used, it is not yet filled anew
            calm = ("--storm_share", "100")
            held = ("--offers_at_hand", str(at_hand))
            with scheduler(folder, mesos.url, root, *calm, *held) as process:
                await_leader(process)
                hear_of_all(process.url)
                _await_hand(process, singles)
                last = tasks[-singles:]
                yield _singly(server, process, mesos, last, "an offer at hand", "8 one")
            with scheduler(folder, mesos.url, root, *calm) as process:
                await_leader(process)
                hear_of_all(process.url)
                yield _singly(server, process, mesos, tasks[:singles], "none at hand", None)
                seconds, cpu, lost = _at_once(process, mesos, agents // LOST_SHARE)
                peak = process.peak_mib()
                _await_all(process, count + 1)
        floor = _floor(folder, server.url("/floor"), lost, agents)
    rate = lost / seconds
    name = f"{lost:,} of {count:,} tasks lost, until all are replaced"
    peer = lost / floor.wall_seconds(lost, 0)
    yield Result(name, rate, "tasks/s", cpu, peer, seconds, rate, peak, "8 many")
    least = floor.seconds(lost, 0)
    yield Result(f"{name}, cpu", 1e6 * cpu / lost, "us/task", cpu, 1e6 * least / lost)


def _await_hand(process: Started, count: int) -> None:
    """At least so many offers are at hand."""

    def at_hand() -> bool:
        text = urllib.request.urlopen(f"{process.url}/metrics/prometheus").read().decode()
        (line,) = (one for one in text.splitlines() if one.startswith("stayer_offers_at_hand "))
        return float(line.split()[1]) >= count

    eventually(at_hand, "offers at hand")


def _singly(
    server: ZooKeeperServer,
    process: Started,
    mesos: Started,
    tasks: list[str],
    what: str,
    goal: str | None,
) -> Result:
    """Each when the one before was replaced and runs."""
    times, pause = [], threading.Event()
    cpu, began = process.cpu_seconds(), time.perf_counter()
    with closing(connect(mesos.url)) as connection:
        for task in tasks:
            times.append(_replaced(mesos.url, connection, task))
            pause.wait(_PAUSE_SECONDS)
    seconds = time.perf_counter() - began
    cpu = process.cpu_seconds() - cpu
    return Result(
        f"a task lost until its replacement is accepted, {what}, p99 of {len(tasks)}",
        1e3 * _p99(times), "ms", cpu, 1e3 * _p99(_written(server, len(tasks))), seconds,
        len(tasks) / seconds, process.peak_mib(), goal,
    )  # fmt: skip


def _replaced(url: str, connection: socket.socket, task: str) -> float:
    """Seconds until Mesos has one launch more; then it waits until all is acknowledged."""
    look = request(url, "GET", "/simulated/stats")
    before = json.loads(ask_on(connection, look).body)
    body = json.dumps({"task_id": task, "state": "TASK_LOST"}).encode()
    began = time.perf_counter()
    assert ask_on(connection, request(url, "POST", "/simulated/end_task", (), body)).status == 200
    while True:
        stats = json.loads(ask_on(connection, look).body)
        if stats["launched"] > before["launched"]:
            break
        assert time.perf_counter() - began < _PATIENCE_SECONDS, "not replaced"
    took = time.perf_counter() - began
    # Its end, its start, and that it runs.
    eventually(
        lambda: (
            json.loads(ask_on(connection, look).body)["acknowledged"] >= before["acknowledged"] + 3
        ),
        "all acknowledged",
    )
    return took


def _p99(times: list[float]) -> float:
    return sorted(times)[min(len(times) - 1, int(0.99 * len(times)))]


def _written(server: ZooKeeperServer, count: int) -> list[float]:
    """Seconds of two writes, so many times."""
    client = KazooClient(server.hosts, timeout=30.0)
    client.start()
    client.ensure_path("/bare")
    times = []
    for _ in range(count):
        began = time.perf_counter()
        for _ in range(2):
            client.create("/bare/", _RECORD, sequence=True)
        times.append(time.perf_counter() - began)
    client.stop()
    client.close()
    return times


def _at_once(process: Started, mesos: Started, agents: int) -> tuple[float, float, int]:
    """Wall and processor seconds for the tasks of so many agents, and how many those were."""
    ids = [one["id"] for one in ask(f"{mesos.url}/state")["slaves"]][-agents:]
    before = ask(f"{mesos.url}/simulated/stats")
    requests = [
        request(mesos.url, "POST", "/simulated/lose_agent", (), json.dumps({"agent": one}).encode())
        for one in ids
    ]
    cpu, began = process.cpu_seconds(), time.perf_counter()
    load = ask_all(mesos.url, iter(requests), 1)
    assert set(load.statuses) == {200}, load.statuses

    def replaced() -> int:
        stats = ask(f"{mesos.url}/simulated/stats")
        return int(stats["launched"] - before["launched"]) if stats["tasks"] >= tasks else 0

    tasks = before["tasks"]
    lost = eventually(replaced, "all replaced", _PATIENCE_SECONDS)
    seconds = time.perf_counter() - began
    return seconds, process.cpu_seconds() - cpu, lost


def _await_all(process: Started, count: int) -> None:
    """The scheduler, too, knows that all run."""
    with closing(Client([process.url], timeout_seconds=120)) as client:

        def all_run() -> bool:
            apps = client.list_apps(query={"embed": ["apps.counts"]})
            return sum(int(app["tasksRunning"]) for app in apps) == count

        eventually(all_run, "all run")


def _floor(folder: Path, store_url: str, tasks: int, agents: int) -> Floor:
    with simulated_mesos(folder / "bare", agents, RESOURCES) as mesos:
        return bare_loop(Work(mesos.url, store_url, tasks, agents))


def main() -> None:
    """Measure on the disk of the temporary directory (TMPDIR)."""
    wanted = options(__doc__)
    measured(lambda folder: measure(folder, wanted), wanted)


if __name__ == "__main__":
    main()
