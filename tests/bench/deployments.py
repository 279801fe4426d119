"""Deployments of whole apps: ``python -m tests.bench.deployments``.

1, 4, 8 and 16 apps of 500 instances each (a smaller run has fewer) are created, restarted by a
rolling upgrade (0.5 / 0), scaled down to a fifth and up again, all apps at once; scheduler and
simulated Mesos are two processes. The value is the scheduler's processor time for each task that
is started or killed, with everything it does meanwhile (deciding, storing, calls, API). Its peer,
the floor: a bare loop that decodes as many offers and updates, encodes as many accepts, kills and
acknowledgements, and writes as many records, with nothing decided.
"""

import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.client import Client
from framework.domain.actions import Accept, Acknowledge, Kill, Launch, TaskResource
from framework.domain.app import App
from framework.domain.events import OffersReceived, TaskStatusReceived
from framework.domain.state import Change, Kind
from framework.mesos.calls import CallEncoder, FrameworkDescription
from framework.mesos.decoding import decode
from framework.mesos.options import MesosOptions
from framework.mesos.templates import TaskInfoBuilder
from framework.store.codec import Codec
from tests.bench._cluster import Started, scheduler, simulated_mesos
from tests.bench.report import Options, Result, options, report
from tests.bench.store import BATCH, bare_database, instances, put_bare
from tests.polling import eventually

APPS = (1, 4, 8, 16)
INSTANCES = 500
AGENTS = 200
RESOURCES = "cpus:8;mem:16384;disk:100000;ports:[31000-31999]"
_FULL_MATRIX = 0.1  # runs smaller than this are only to show that it works
_PATIENCE_SECONDS = 1_800.0
_FLOOR_TASKS = 2_000
_STATUSES_A_TASK = 2  # STARTING and RUNNING of a launch, KILLING and KILLED of a kill
_RECORDS_A_TASK = 3  # one when it is decided, and one for each status


@dataclass(frozen=True, slots=True)
class Floor:
    """Processor time, in seconds, that one launch and one kill take with nothing decided."""

    launch_seconds: float
    kill_seconds: float

    def seconds(self, launches: int, kills: int) -> float:
        return launches * self.launch_seconds + kills * self.kill_seconds


def definition(number: int, count: int) -> dict[str, Any]:
    """An app as it is posted."""
    return {
        "id": f"/bench/app{number}",
        "cmd": "sleep 100000",
        "cpus": 0.01,
        "mem": 16,
        "disk": 0,
        "instances": count,
        "portDefinitions": [{"port": 0, "name": "http"}],
        "upgradeStrategy": {"minimumHealthCapacity": 0.5, "maximumOverCapacity": 0},
    }


def measure(folder: Path, store_url: str, wanted: Options) -> Iterator[Result]:
    """Every number of apps against one scheduler with this store."""
    each, agents = wanted.scaled(INSTANCES), wanted.scaled(AGENTS)
    store = store_url.partition(":")[0]
    floor = bare_loop(folder, min(_FLOOR_TASKS, each * APPS[-1]), agents, durable=store == "sqlite")
    with (
        simulated_mesos(folder, agents, RESOURCES) as mesos,
        scheduler(folder, mesos.url, store_url) as process,
    ):
        client = Client([process.url], timeout_seconds=120)
        for apps in APPS if wanted.size >= _FULL_MATRIX else APPS[:1]:
            yield from _rows(client, process, floor, f"{apps} x {each}, {store}", (apps, each))
        client.close()


def _rows(
    client: Client, process: Started, floor: Floor, name: str, shape: tuple[int, int]
) -> Iterator[Result]:
    apps, each = shape
    few = max(1, each // 5)
    ids = [definition(number, each)["id"] for number in range(apps)]

    def on_all(change: Callable[[str], object]) -> Callable[[], None]:
        def act() -> None:
            for app_id in ids:
                change(app_id)

        return act

    def create() -> None:
        for number in range(apps):
            client.create_app(definition(number, each))

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
        least = floor.seconds(apps * launches, apps * kills) or 1e-9
        yield Result(
            f"{kind} {name}", cpu * 1e6 / tasks, "us/task", cpu, least * 1e6 / tasks,
            wall_seconds, tasks / wall_seconds,
        )  # fmt: skip
    on_all(client.delete_app)()
    _settle(client)


def _settle(client: Client) -> None:
    eventually(lambda: not client.list_deployments(), "all deployed", _PATIENCE_SECONDS)


def bare_loop(folder: Path, tasks: int, agents: int, *, durable: bool) -> Floor:
    """What so many launches on so many agents, and so many kills, take at the least."""
    offers = _offers(agents)
    statuses = [_status(number) for number in range(tasks)]
    accepts = _accepts(tasks, agents)
    acknowledges = [Acknowledge(f"task-{n}", f"agent-{n}", "4J9LSO5PQpG6") for n in range(tasks)]
    kills = [Kill(f"task-{number}", f"agent-{number}") for number in range(tasks)]
    records = [Change(Kind.INSTANCE, one.id, one) for one in instances(1, tasks, random.Random(1))]
    encoder = CallEncoder(
        FrameworkDescription(MesosOptions(), "user", "host"), "framework-1", TaskInfoBuilder()
    )
    codec = Codec()
    with closing(bare_database(folder / "floor.db")) as database:

        def common() -> None:
            for _ in range(_STATUSES_A_TASK):
                for status, acknowledge in zip(statuses, acknowledges, strict=True):
                    assert isinstance(decode(status).events[0], TaskStatusReceived)
                    encoder.encode(acknowledge)
            for first in range(0, tasks * _RECORDS_A_TASK if durable else 0, BATCH):
                some = [records[(first + number) % tasks] for number in range(BATCH)]
                put_bare(database, [(change.id, codec.encode(change)) for change in some])

        def launch() -> None:
            assert isinstance(decode(offers).events[0], OffersReceived)
            for accept in accepts:
                encoder.encode(accept)
            common()

        def kill() -> None:
            for one in kills:
                encoder.encode(one)
            common()

        return Floor(_cpu_seconds(launch) / tasks, _cpu_seconds(kill) / tasks)


def _cpu_seconds(work: Callable[[], None]) -> float:
    """The least of three times."""
    found = []
    for _ in range(3):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return min(found)


def _accepts(tasks: int, agents: int) -> list[Accept]:
    app = App(id="/bench/app", version="2026-01-01T00:00:00.000Z", cmd="sleep 100000")
    (offers,) = decode(_offers(1)).events
    assert isinstance(offers, OffersReceived)
    offer = offers.offers[0]
    millis = {"cpus": 10, "mem": 16_000}
    taken = tuple(TaskResource(r, millis[r.name]) for r in offer.resources if r.name in millis)
    launches = [
        Launch(f"task-{number}", "x", app, offer.agent, "*", (), (), taken)
        for number in range(tasks)
    ]
    return [
        Accept((f"offer-{first}",), tuple(launches[first::agents]), 120.0)
        for first in range(min(agents, tasks))
    ]


def _offers(agents: int) -> bytes:
    offers = [_offer(number) for number in range(agents)]
    return json.dumps({"type": "OFFERS", "offers": {"offers": offers}}).encode()


def _offer(number: int) -> dict[str, Any]:
    role = {"allocation_info": {"role": "*"}, "role": "*"}
    scalars = {"cpus": 8.0, "mem": 16_384.0, "disk": 100_000.0}
    resources: list[dict[str, Any]] = [
        {"name": name, "type": "SCALAR", "scalar": {"value": value}, **role}
        for name, value in scalars.items()
    ]
    ranges = {"range": [{"begin": 31_000, "end": 31_999}]}
    resources.append({"name": "ports", "type": "RANGES", "ranges": ranges, **role})
    return {
        "id": {"value": f"offer-{number}"},
        "framework_id": {"value": "framework-1"},
        "agent_id": {"value": f"agent-{number}"},
        "hostname": f"agent{number}.local",
        "allocation_info": {"role": "*"},
        "attributes": [{"name": "rack", "type": "TEXT", "text": {"value": f"r{number % 3}"}}],
        "resources": resources,
    }


def _status(number: int) -> bytes:
    status = {
        "task_id": {"value": f"task-{number}"},
        "state": "TASK_RUNNING",
        "agent_id": {"value": f"agent-{number}"},
        "source": "SOURCE_EXECUTOR",
        "timestamp": 1.7e9 + number,
        "uuid": "4J9LSO5PQpG6AAAAAAAAAw==",
    }
    return json.dumps({"type": "UPDATE", "update": {"status": status}}).encode()


def main() -> None:
    """Measure on the disk of the temporary directory (TMPDIR)."""
    wanted = options(__doc__)
    for scheme in ("memory:", "sqlite:"):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            store_url = scheme if scheme == "memory:" else f"{scheme}{folder / 'store.db'}"
            for result in measure(folder, store_url, wanted):
                report(result, wanted.json)


if __name__ == "__main__":
    main()
