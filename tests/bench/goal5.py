"""Goal 5, deployments of whole apps: ``python -m tests.bench.goal5``.

1, 4, 8 and 16 apps of 500 instances each (a smaller run has fewer) are created, restarted by a
rolling upgrade (0.5 / 0), scaled down to a fifth and up again, all apps at once, with the state in
ZooKeeper; then 16 apps with the state in SQLite, and in memory. Scheduler and simulated Mesos are
two processes, tasks start and end at once. The value is the scheduler's processor time for each
task that is started or killed, with everything it does meanwhile (deciding, storing, calls, API).
Its peer: the bare loop of ``_floor`` with the same store, for as many tasks.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from api.client import Client
from tests.bench._apps import HALF, definition
from tests.bench._cluster import Started, await_leader, scheduler, simulated_mesos, zookeeper
from tests.bench._floor import Floor, Work, bare_loop
from tests.bench.report import Options, Result, measured, options
from tests.polling import eventually

APPS = (1, 4, 8, 16)
INSTANCES = 500
AGENTS = 200
RESOURCES = "cpus:8;mem:16384;disk:100000;ports:[31000-31999]"
STORES = ("zookeeper", "sqlite", "memory")
_LEAST = 50  # instances an app of a run that has 16 apps
_FULL_MATRIX = 0.1  # runs smaller than this are only to show that it works
_PATIENCE_SECONDS = 1_800.0
_FLOOR_TASKS = 4_000
_GOALS = {"create": "5 create", "restart": "5 restart"}


def _app(number: int, count: int) -> dict[str, Any]:
    return definition(f"/bench/app{number}", count, upgradeStrategy=HALF)


def measure(folder: Path, store: str, wanted: Options) -> Iterator[Result]:
    """Every number of apps against one scheduler with this store."""
    each, agents = wanted.scaled(INSTANCES), wanted.scaled(AGENTS)
    counts = APPS if store == STORES[0] else APPS[-1:]
    with _places(folder, store) as (store_url, floor_url):
        floor = _floor(folder, floor_url, min(_FLOOR_TASKS, each * APPS[-1]), agents)
        with (
            simulated_mesos(folder, agents, RESOURCES) as mesos,
            scheduler(folder, mesos.url, store_url) as process,
        ):
            await_leader(process)
            client = Client([process.url], timeout_seconds=120)
            for apps in counts if wanted.size >= _FULL_MATRIX else APPS[:1]:
                name = f"{apps} x {each}, {store}"
                yield from _rows(client, process, floor, name, (apps, each))
            client.close()


@contextmanager
def _places(folder: Path, store: str) -> Iterator[tuple[str, str]]:
    """The URLs of where the scheduler keeps its state, and where the bare loop writes."""
    if store == "zookeeper":
        with zookeeper(folder) as server:
            yield server.url("/stayer"), server.url("/floor")
    elif store == "sqlite":
        yield f"sqlite:{folder / 'store.db'}", f"sqlite:{folder / 'floor.db'}"
    else:
        yield "memory:", "memory:"


def _floor(folder: Path, store_url: str, tasks: int, agents: int) -> Floor:
    with simulated_mesos(folder / "bare", agents, RESOURCES) as mesos:
        return bare_loop(Work(mesos.url, store_url, tasks, agents, kill=True))


def _rows(
    client: Client, process: Started, floor: Floor, name: str, shape: tuple[int, int]
) -> Iterator[Result]:
    apps, each = shape
    few = max(1, each // 5)
    ids = [_app(number, each)["id"] for number in range(apps)]

    def on_all(change: Callable[[str], object]) -> Callable[[], None]:
        def act() -> None:
            for app_id in ids:
                change(app_id)

        return act

    def create() -> None:
        for number in range(apps):
            client.create_app(_app(number, each))

    kinds: tuple[tuple[str, Callable[[], None], int, int], ...] = (
        ("create", create, each, 0),
        ("restart", on_all(client.restart_app), each, each),
        ("scale down", on_all(lambda one: client.scale_app(one, few)), 0, each - few),
        ("scale up", on_all(lambda one: client.scale_app(one, each)), each - few, 0),
    )
    for kind, act, launches, kills in kinds:
        cpu, began = process.cpu_seconds(), time.perf_counter()
        act()
        _settle(client)
        wall_seconds = time.perf_counter() - began
        cpu = process.cpu_seconds() - cpu
        tasks = apps * (launches + kills) or 1
        work = (apps * launches, apps * kills)
        yield Result(
            f"{kind} {name}", cpu * 1e6 / tasks, "us/task", cpu,
            floor.seconds(*work) * 1e6 / tasks, wall_seconds, tasks / wall_seconds,
            process.peak_mib(),
        )  # fmt: skip
        if kind in _GOALS and apps in (APPS[0], APPS[-1]) and name.endswith(STORES[0]):
            yield Result(
                f"{kind} {name}, wall", wall_seconds, "s", cpu, floor.wall_seconds(*work),
                goal=_GOALS[kind] if apps == APPS[-1] or each < _LEAST else None,
            )  # fmt: skip
    on_all(client.delete_app)()
    _settle(client)


def _settle(client: Client) -> None:
    eventually(lambda: not client.list_deployments(), "all deployed", _PATIENCE_SECONDS)


def main() -> None:
    """Measure on the disk of the temporary directory (TMPDIR)."""
    wanted = options(__doc__)
    for store in STORES if wanted.size >= _FULL_MATRIX else STORES[:1]:
        measured(lambda folder, store=store: measure(folder, store, wanted), wanted)  # type: ignore[misc]  # its default binds it


if __name__ == "__main__":
    main()
