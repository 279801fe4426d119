"""Goal 2, nothing grows with what runs already: ``python -m tests.bench.goal2``.

1,000, 10,000 and 100,000 instances (with ``--size 10`` a million too) run already on 1,000 agents,
put into ZooKeeper and the simulated Mesos directly. At each of these levels, the scheduler's
processor time for: a second in which nothing happens; an API write (a deployment of nothing); a
task that starts; one that is started or killed in a rolling restart; a status update; an offer
that comes while an app waits that fits nowhere. And its memory. The peer of starts and restarts is
the bare loop of ``_floor``, to which it does not matter what runs; of the others the level below.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.client import Client
from tests.bench._apps import HALF, definition
from tests.bench._cluster import (
    Started,
    await_idle,
    await_leader,
    scheduler,
    simulated_mesos,
    zookeeper,
)
from tests.bench._floor import Floor, Work, bare_loop
from tests.bench._load import ask_all, request
from tests.bench._preloaded import FIRST_PORT, ask, hear_of_all, preload
from tests.bench.goal4 import Deployed
from tests.bench.report import Options, Result, chosen, measured, parser
from tests.polling import eventually
from tests.zookeeper.server import ZooKeeperServer

LEVELS = (1_000, 10_000, 100_000, 1_000_000)
FULL = 100_000
AGENTS = 1_000
APPS, EACH = 10, 200
WRITES = 500
UPDATES = 2_000
CYCLES = 10
IDLE_SECONDS = 3.0
RESOURCES = f"cpus:1000;mem:4000000;disk:1000000;ports:[{FIRST_PORT}-{FIRST_PORT + 3_000}]"
_BASE = 10_000  # what the goal compares with
_HEAP_MIB = 4_096
_PATIENCE_SECONDS = 600.0
_UNMET = {"id": "/waiting", "cmd": "sleep 1", "cpus": 0.01, "mem": 16, "instances": 1,
          "constraints": [["hostname", "CLUSTER", "nowhere"]]}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Level:
    """A scheduler with so many instances ``at`` the start, whose tasks have these ids."""

    at: int
    process: Started
    mesos: Started
    client: Client
    tasks: list[str]
    agents: int
    wanted: Options

    def few(self, number: int) -> int:
        """In proportion to a size below 1, but some."""
        return max(4, round(number * min(1.0, self.wanted.size)))

    def offers(self) -> int:
        """That Mesos has made so far."""
        return int(ask(f"{self.mesos.url}/simulated/stats")["offers"])


def _app(number: int, each: int) -> dict[str, Any]:
    return definition(f"/new/app{number}", each, upgradeStrategy=HALF)


def levels(size: float) -> tuple[int, ...]:
    """Those that a run of this size has; a small one the first and the last only."""
    if size < 1:
        small = tuple(max(1, round(level * size)) for level in LEVELS[:3])
        return small if size >= 0.1 else small[::2]
    return tuple(level for level in LEVELS if level <= FULL * size)


def measure(folder: Path, wanted: Options, all_levels: tuple[int, ...]) -> Iterator[Result]:
    """Level by level, each with a cluster of its own on one ZooKeeper."""
    before: dict[str, float] = {}
    agents = max(10, min(AGENTS, wanted.scaled(AGENTS)))
    base, held = 0.0, (0, 0.0)
    with zookeeper(folder, _HEAP_MIB) as server:
        floor = _floor(folder, server.url("/floor"), agents, wanted)
        for at in all_levels:
            for result in _level(folder / str(at), server, at, agents, wanted):
                value = result.value
                if result.series == "start" and (not base or at <= _BASE):
                    base = value
                peer = _floor_of(floor, result.series) or before.get(result.name)
                before[result.name] = value
                last = at == all_levels[-1]
                yield _row(result, f"{result.name}, {at:,} running", peer)
                if result.series == "memory":
                    held = held if held[0] else (at, value)
                    if last and at > held[0]:
                        yield _memory(result, held)
                if result.series == "start" and last:
                    yield _row(result, f"a task with {at:,} running / with fewer", None, base)


def _row(like: Result, name: str, peer: float | None, base: float | None = None) -> Result:
    if base is None:
        return Result(
            name, like.value, like.unit, like.cpu_seconds, peer, like.wall_seconds,
            like.per_second, like.peak_mib, None, like.series, like.at,
        )  # fmt: skip
    return Result(name, like.value / base, "x", like.cpu_seconds, goal="2")


def _memory(last: Result, first: tuple[int, float]) -> Result:
    """Of each instance that runs more than at the first level."""
    at, held = last.at or 0, last.value
    value = (held - first[1]) * 2**20 / (at - first[0])
    return Result(f"memory of an instance, {at:,} running", value, "B", 0.0)


def _floor_of(floor: Floor, series: str | None) -> float | None:
    """Microseconds of a task."""
    if series == "start":
        return 1e6 * floor.seconds(1, 0)
    return 1e6 * floor.seconds(1, 1) / 2 if series == "restart" else None


def _floor(folder: Path, store_url: str, agents: int, wanted: Options) -> Floor:
    tasks = max(40, round(APPS * EACH * min(1.0, wanted.size)))
    with simulated_mesos(folder / "bare", agents, RESOURCES) as mesos:
        return bare_loop(Work(mesos.url, store_url, tasks, agents, APPS, kill=True))


def _level(
    folder: Path, server: ZooKeeperServer, at: int, agents: int, wanted: Options
) -> Iterator[Result]:
    root = server.url(f"/level-{at}")
    with simulated_mesos(folder, agents, RESOURCES) as mesos:
        tasks = preload(mesos.url, root, at)
        with (
            scheduler(folder, mesos.url, root) as process,
            closing(Client([process.url], timeout_seconds=120)) as client,
        ):
            await_leader(process)
            hear_of_all(process.url)
            level = Level(at, process, mesos, client, tasks, agents, wanted)
            await_idle(process, wanted.size)
            memory = process.memory_mib()
            yield _point(level, "memory", "memory", memory, "MiB", 0.0)
            yield _idle(level)
            for measured in (_written, _started, _restarted, _updated, _offered):
                yield measured(level)
                await_idle(process, wanted.size)
            assert ask(f"{mesos.url}/simulated/stats")["ended"] >= 0


def _point(level: Level, series: str, name: str, value: float, unit: str, cpu: float) -> Result:
    peak = level.process.peak_mib()
    return Result(name, value, unit, cpu, peak_mib=peak, series=series, at=level.at)


def _cpu(level: Level, act: Callable[[], None]) -> float:
    before = level.process.cpu_seconds()
    act()
    return level.process.cpu_seconds() - before


def _idle(level: Level) -> Result:
    seconds = max(0.2, IDLE_SECONDS * min(1.0, level.wanted.size))
    began = time.perf_counter()
    cpu = level.process.cpu_seconds()
    threading.Event().wait(seconds)
    cpu = level.process.cpu_seconds() - cpu
    took = time.perf_counter() - began
    return _point(level, "idle", "an idle second", 1e3 * cpu / took, "ms", cpu)


def _each(level: Level, series: str, name: str, count: int, act: Callable[[], None]) -> Result:
    cpu = _cpu(level, act)
    return _point(level, series, name, 1e6 * cpu / count, "us", cpu)


def _written(level: Level) -> Result:
    count = level.few(WRITES)
    bodies = [json.dumps(_app(n + APPS, 0)).encode() for n in range(count)]

    def act() -> None:
        url = level.process.url
        with Deployed(url) as deployed:
            sent = (request(url, "POST", "/v2/apps", (), body) for body in bodies)
            load = ask_all(url, deployed.paced(sent), 8)
            # Beyond the full size some may be told that they take longer than ten seconds.
            assert set(load.statuses) <= ({201} if level.at <= FULL else {201, 503}), load.statuses
            deployed.until(count)

    return _each(level, "write", "an API write", count, act)


def _settle(level: Level) -> None:
    eventually(lambda: not level.client.list_deployments(), "all deployed", _PATIENCE_SECONDS)


def _started(level: Level) -> Result:
    each = level.few(EACH)

    def act() -> None:
        for number in range(APPS):
            level.client.create_app(_app(number, each))
        _settle(level)

    return _each(level, "start", "a task started", APPS * each, act)


def _restarted(level: Level) -> Result:
    each = level.few(EACH)

    def act() -> None:
        for number in range(APPS):
            level.client.restart_app(f"/new/app{number}")
        _settle(level)

    return _each(level, "restart", "a task restarted", 2 * APPS * each, act)


def _updated(level: Level) -> Result:
    """Health of tasks that run already."""
    tasks = level.tasks[: level.few(UPDATES)]
    stats = f"{level.mesos.url}/simulated/stats"
    wanted = int(ask(stats)["acknowledged"]) + len(tasks)

    def sent() -> Iterator[bytes]:
        for task in tasks:
            body = json.dumps({"task_id": task, "healthy": True}).encode()
            yield request(level.mesos.url, "POST", "/simulated/set_health", (), body)

    def act() -> None:
        load = ask_all(level.mesos.url, sent(), 4)
        assert set(load.statuses) == {200}, load.statuses
        eventually(lambda: int(ask(stats)["acknowledged"]) >= wanted, "all acknowledged")

    return _each(level, "update", "a status update", len(tasks), act)


def _offered(level: Level) -> Result:
    """Each time that more of it is wanted, all agents are offered again."""
    level.client.create_app(_UNMET)
    before = level.offers()

    def act() -> None:
        for number in range(level.few(CYCLES)):
            already = level.offers()
            level.client.scale_app("/waiting", number + 2, force=True)
            eventually(lambda: level.offers() >= already + level.agents, "offers")  # noqa: B023 - called at once

    cpu = _cpu(level, act)
    offers = level.offers() - before
    return _point(level, "offer", "an offer", 1e6 * cpu / offers, "us", cpu)


def main() -> None:
    """Measure on the disk of the temporary directory (TMPDIR)."""
    made = parser(__doc__)
    what = "a level (may be given more than once; default: as the size says)"
    made.add_argument("--preload", type=int, action="append", metavar="N", help=what)
    wanted, arguments = chosen(made)
    all_levels = tuple(sorted(arguments.preload or levels(wanted.size)))
    measured(lambda folder: measure(folder, wanted, all_levels), wanted)


if __name__ == "__main__":
    main()
