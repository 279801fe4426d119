"""Half an hour under steady change: ``python -m tests.bench.soak --minutes 30``.

100 apps of 1,000 instances (``--size`` scales them) on 1,000 agents, state in a ZooKeeper that
syncs. Each minute one in a hundred tasks fails, and apps are restarted by rolling deployments, one
after the other all the time. A line each ten seconds, or so; in the end, when nothing fails any
more, all must run and no deployment be left. The verdict: in the last third of the time the
scheduler's memory may be at most a twentieth (and 16 MiB) above what it was in the middle third,
threads and file descriptors at most a few. The result is memory at the end, its peer that of the
middle. It wants a quarter of an hour at least: when a task that was launched should have started is
remembered for five minutes, and until then memory rises with every launch.
"""

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.client import Client, ClientError
from tests.bench._apps import definition
from tests.bench._cluster import Started, await_leader, scheduler, simulated_mesos, zookeeper
from tests.bench._preloaded import ask
from tests.bench.report import Options, Result, chosen, measured, parser
from tests.polling import eventually

APPS, EACH = 100, 1_000
AGENTS = 1_000
MINUTES = 30.0
FAILURES_PER_MINUTE = 0.01
RESOURCES = "cpus:64;mem:262144;disk:1000000;ports:[31000-31999]"
_LINES = 180  # at most; a short run has them closer
_LINE_SECONDS = 10.0
_MORE_MIB, _MORE_SHARE = 16.0, 0.05
_MORE_OTHERS = 4
_PATIENCE_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Sample:
    """What the scheduler's process held at a time."""

    seconds: float
    memory_mib: float
    threads: int
    files: int


def growth(samples: list[Sample]) -> list[str]:
    """What grew, from the middle third of the samples to the last."""
    third = len(samples) // 3
    middle, last = samples[third : 2 * third], samples[2 * third :]
    found = []
    if third:
        before = max(one.memory_mib for one in middle)
        after = max(one.memory_mib for one in last)
        if after > before * (1 + _MORE_SHARE) + _MORE_MIB:
            found.append(f"memory from {before:.0f} to {after:.0f} MiB")
        for name in ("threads", "files"):
            before = max(getattr(one, name) for one in middle)
            after = max(getattr(one, name) for one in last)
            if after > before + _MORE_OTHERS:
                found.append(f"{name} from {before} to {after}")
    return found


class _Rolling:
    """Restarts one app after the other, the next when the one before is deployed."""

    def __init__(self, url: str, apps: int) -> None:
        self._url = url
        self._apps = apps
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.done = 0

    def __enter__(self) -> "_Rolling":
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with closing(Client([self._url], timeout_seconds=60)) as client:
            number = 0
            while not self._stop.is_set():
                try:
                    client.restart_app(f"/soak/app{number % self._apps}")
                    number += 1
                    while client.list_deployments() and not self._stop.wait(0.2):
                        pass
                    self.done = number
                except ClientError as error:
                    sys.stderr.write(f"restart of app{number % self._apps}: {error}\n")
                    self._stop.wait(1.0)


def _app(number: int, each: int) -> dict[str, Any]:
    """One that fails is launched again at once, else it would wait longer and longer."""
    strategy = {"minimumHealthCapacity": 0.8, "maximumOverCapacity": 0.2}
    return definition(f"/soak/app{number}", each, backoffSeconds=0, upgradeStrategy=strategy)


def measure(folder: Path, wanted: Options, minutes: float) -> Iterator[Result]:
    """Start all, let it go on for so long, and look whether all is well afterwards."""
    apps, agents = max(2, wanted.scaled(APPS)), max(20, wanted.scaled(AGENTS))
    each = EACH if wanted.size >= 1 / APPS else 20
    with (
        zookeeper(folder) as server,
        simulated_mesos(folder, agents, RESOURCES) as mesos,
        scheduler(folder, mesos.url, server.url("/stayer")) as process,
        closing(Client([process.url], timeout_seconds=60)) as client,
    ):
        await_leader(process)
        for number in range(apps):
            client.create_app(_app(number, each))
            _settle(client)
        _fail(mesos, FAILURES_PER_MINUTE)
        cpu, began = process.cpu_seconds(), time.perf_counter()
        with _Rolling(process.url, apps) as rolling:
            samples = _watched(process, mesos, rolling, minutes * 60)
        seconds, cpu = time.perf_counter() - began, process.cpu_seconds() - cpu
        _fail(mesos, 0.0)
        _settle(client)
        eventually(lambda: _running(client) == apps * each, "all run", _PATIENCE_SECONDS)
        stats = ask(f"{mesos.url}/simulated/stats")
        assert stats["tasks"] == apps * each, stats
        found = growth(samples)
        middle = samples[len(samples) // 2].memory_mib
        name = f"soak of {apps} x {each} for {minutes:g} minutes, {rolling.done} restarts"
        yield Result(
            name, samples[-1].memory_mib, "MiB", cpu, middle, seconds, stats["ended"] / seconds,
            process.peak_mib(),
        )  # fmt: skip
        _say(f"verdict: {'; '.join(found) or 'nothing grew'}, and all runs")
        assert not found, found


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _fail(mesos: Started, share: float) -> None:
    body = json.dumps({"failures_per_minute": share}).encode()
    ask(f"{mesos.url}/simulated/chances", body)


def _watched(process: Started, mesos: Started, rolling: _Rolling, seconds: float) -> list[Sample]:
    """Samples until the time is over, each also a line."""
    pause, began, samples = threading.Event(), time.perf_counter(), []
    each = max(min(_LINE_SECONDS, seconds / 12), seconds / _LINES)
    while (now := time.perf_counter() - began) < seconds:
        samples.append(Sample(now, process.memory_mib(), process.threads(), process.open_files()))
        one, stats = samples[-1], ask(f"{mesos.url}/simulated/stats")
        _say(
            f"{now:7.0f} s  {one.memory_mib:7.1f} MiB  {one.threads} threads  {one.files} files"
            f"  {stats['tasks']:,} tasks  {stats['ended']:,} ended  {rolling.done} restarts"
            f"  cpu {process.cpu_seconds():.0f} s"
        )
        pause.wait(each)
    return samples


def _settle(client: Client) -> None:
    eventually(lambda: not client.list_deployments(), "all deployed", _PATIENCE_SECONDS)


def _running(client: Client) -> int:
    apps = client.list_apps(query={"embed": ["apps.counts"]})
    return sum(int(app["tasksRunning"]) for app in apps)


def main() -> None:
    """Measure on the disk of the temporary directory (TMPDIR)."""
    made = parser(__doc__)
    made.add_argument("--minutes", type=float, default=MINUTES, help=f"default: {MINUTES:g}")
    wanted, arguments = chosen(made)
    measured(lambda folder: measure(folder, wanted, arguments.minutes), wanted)


if __name__ == "__main__":
    main()
