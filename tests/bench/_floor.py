"""The bare loop: what any scheduler has to do for so many tasks, with nothing decided.

``python -m tests.bench._floor``, a process of its own so that its processor time and memory are
its own. It subscribes to a simulated Mesos, decodes its offers and updates with the product's own
typed decoding, encodes ACCEPTs, KILLs and acknowledgements as the product does and sends them, and
writes as many records of the same bytes where the product writes them (ZooKeeper, SQLite, or
nowhere), before it sends what follows from them. What the product got of offers beyond those that
the loop itself got is decoded again at the end. No state is kept and nothing is looked up.
"""

import argparse
import json
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from uuid import uuid4

from kazoo.client import KazooClient

from framework.domain.actions import Accept, Acknowledge, Kill, Launch, TaskResource
from framework.domain.app import App, PortDefinition
from framework.domain.events import OffersReceived, TaskStatusReceived
from framework.domain.ids import instance_id, task_id
from framework.domain.instance import Condition, Instance
from framework.domain.mesos import Offer
from framework.domain.state import Change, Kind
from framework.mesos.calls import CallEncoder, FrameworkDescription, subscribe_call
from framework.mesos.decoding import decode
from framework.mesos.options import MesosOptions
from framework.mesos.templates import TaskInfoBuilder
from framework.store.codec import Codec
from tests.bench._framework import Connections
from tests.bench.report import own_peak_mib
from tests.bench.store import bare_database, put_bare

_VERSION = "2026-01-01T00:00:00.000Z"
_OFFERS_AT_ONCE = 25
_KILLS_AT_ONCE = 500
_SEGMENT_BYTES = 512 * 1024
_PATIENCE_SECONDS = 1_800.0
_MILLIS = {"cpus": 10, "mem": 16_000}
_FIRST_PORT = 31_000
_ENDED = frozenset({"TASK_KILLED"})
Write = Callable[[list[Change]], None]


@dataclass(frozen=True, slots=True)
class Floor:
    """Processor time of so many launches and as many kills, and what else the loop took."""

    tasks: int
    launch_seconds: float
    kill_seconds: float
    launch_wall_seconds: float
    kill_wall_seconds: float
    peak_mib: float

    def seconds(self, launches: int, kills: int) -> float:
        """Processor time of so many, above 0."""
        total = launches * self.launch_seconds + kills * self.kill_seconds
        return max(total / self.tasks, 1e-9)

    def wall_seconds(self, launches: int, kills: int) -> float:
        """The same by the clock."""
        total = launches * self.launch_wall_seconds + kills * self.kill_wall_seconds
        return max(total / self.tasks, 1e-9)


@dataclass(frozen=True, slots=True)
class Work:
    """What a bare loop is to do: ``agents`` are those of the simulated Mesos, ``offers`` how many
    the product got, ``kill`` whether each task is killed in the end."""

    mesos_url: str
    store_url: str
    tasks: int
    agents: int
    apps: int = 1
    offers: int = 0
    kill: bool = False


def bare_loop(work: Work) -> Floor:
    """Do it, in a process of its own."""
    command = [sys.executable, "-m", "tests.bench._floor", json.dumps(asdict(work))]
    done = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, timeout=_PATIENCE_SECONDS
    )
    return Floor(**json.loads(done.stdout))


class _Loop:
    """One run of it."""

    def __init__(self, work: Work, write: Write) -> None:
        description = FrameworkDescription(MesosOptions(), "root", "localhost")
        self._work = work
        self._write = write
        self._connections = Connections(work.mesos_url)
        framework_id = self._connections.subscribe(subscribe_call(description, "", ("*",), ()))
        self._encoder = CallEncoder(description, framework_id, TaskInfoBuilder())
        self._apps = [_app(number) for number in range(work.apps)]
        self._each = -(-work.tasks // work.agents)
        self._offers: deque[Offer] = deque()
        self._offers_record = b""
        self._offers_seen = 0
        self._launched = self.running = self.ended = 0
        self.tasks: list[tuple[str, str]] = []

    def launch(self) -> None:
        """Until all run and as many offers were decoded as the product got."""
        while self.running < self._work.tasks:
            changes, calls = self._heard(wait=not self._offers)
            for _ in range(min(_OFFERS_AT_ONCE, len(self._offers))):
                self._take(self._offers.popleft(), changes, calls)
            self._carry_out(changes, calls)
        while self._offers_record and self._offers_seen < self._work.offers:
            self._count_offers(self._offers_record)

    def kill(self) -> None:
        """Until all have ended."""
        left = iter(self.tasks)
        while self.ended < self._work.tasks:
            kills = [Kill(*one) for one in islice(left, _KILLS_AT_ONCE)]
            changes, calls = self._heard(wait=not kills)
            changes += [_change(kill.task_id, kill.agent_id) for kill in kills]
            calls += map(self._encoder.encode, kills)
            self._carry_out(changes, calls)

    def close(self) -> None:
        self._connections.close()

    def _carry_out(self, changes: list[Change], calls: list[bytes]) -> None:
        if changes:
            self._write(changes)
        if calls:
            self._connections.call(calls)

    def _heard(self, *, wait: bool) -> tuple[list[Change], list[bytes]]:
        """What is to be written and said for what has come."""
        changes: list[Change] = []
        calls: list[bytes] = []
        for record in self._connections.records(wait=wait):
            for event in decode(record).events:
                if isinstance(event, OffersReceived):
                    self._offers += event.offers
                    self._offers_seen += len(event.offers)
                    self._offers_record = max(self._offers_record, record, key=len)
                elif isinstance(event, TaskStatusReceived):
                    status = event.status
                    self.running += status.state == "TASK_RUNNING"
                    self.ended += status.state in _ENDED
                    changes.append(_change(status.task_id, status.agent_id))
                    told = Acknowledge(status.task_id, status.agent_id, status.uuid)
                    calls.append(self._encoder.encode(told))
        return changes, calls

    def _take(self, offer: Offer, changes: list[Change], calls: list[bytes]) -> None:
        count = min(self._each, self._work.tasks - self._launched)
        launches = [self._launch(offer, number) for number in range(count)]
        self._launched += count
        if self._work.kill:
            self.tasks += [(one.task_id, offer.agent.id) for one in launches]
        changes += [_change(one.task_id, offer.agent.id) for one in launches]
        calls.append(self._encoder.encode(Accept((offer.id,), tuple(launches), 120.0)))

    def _launch(self, offer: Offer, number: int) -> Launch:
        app = self._apps[(self._launched + number) % len(self._apps)]
        port = _FIRST_PORT + number
        taken = tuple(
            TaskResource(one, ranges=((port, port),))
            if one.name == "ports"
            else TaskResource(one, _MILLIS[one.name])
            for one in offer.resources
            if one.name == "ports" or one.name in _MILLIS
        )
        instance = instance_id(app.id, str(uuid4()))
        id_ = task_id(instance, 1)
        return Launch(id_, instance, app, offer.agent, "*", (port,), (port,), taken)

    def _count_offers(self, record: bytes) -> None:
        for event in decode(record).events:
            assert isinstance(event, OffersReceived)
            self._offers_seen += len(event.offers)


def _app(number: int) -> App:
    return App(
        id=f"/bench/app{number}",
        version=_VERSION,
        cmd="sleep 100000",
        cpus_millis=_MILLIS["cpus"],
        mem_millis=_MILLIS["mem"],
        port_definitions=(PortDefinition(10_000 + number, name="http"),),
    )


def _change(task: str, agent_id: str) -> Change:
    """A record of as many bytes as that of a running instance."""
    id_ = task.rpartition("._app.")[0]
    instance = Instance(
        id=id_,
        app_id="/bench/app",
        version=_VERSION,
        config=_VERSION,
        agent_id=agent_id,
        condition=Condition.RUNNING,
        since_ms=1_700_000_000_000,
        staged_at_ms=1_700_000_000_000,
        started_at_ms=1_700_000_000_000,
        ports=(_FIRST_PORT,),
        addresses=("127.0.0.1",),
    )
    return Change(Kind.INSTANCE, id_, instance)


@contextmanager
def _writing(url: str) -> Iterator[Write]:
    """What makes changes durable in a store."""
    encode = Codec().encode
    scheme, _, place = url.partition(":")
    if scheme == "memory":
        yield lambda changes: None
    elif scheme == "sqlite":
        database = bare_database(Path(place))
        yield lambda changes: put_bare(database, [(one.id, encode(one)) for one in changes])
        database.close()
    else:
        hosts, _, root = url.removeprefix("zk://").partition("/")
        client = KazooClient(hosts, timeout=30.0)
        client.start()
        client.ensure_path(f"/{root}/log")
        numbers = iter(range(sys.maxsize))
        yield lambda changes: _append(client, f"/{root}", numbers, list(map(encode, changes)))
        client.stop()
        client.close()


def _append(client: KazooClient, root: str, numbers: Iterator[int], lines: list[bytes]) -> None:
    """Segments, each under a check as that of the epoch, one after the other."""
    first = size = 0
    for place, line in enumerate([*lines, b""]):
        if place == len(lines) or size + len(line) > _SEGMENT_BYTES:
            transaction = client.transaction()
            transaction.check(root, version=0)
            transaction.create(f"{root}/log/{next(numbers):010}", b"\n".join(lines[first:place]))
            made = transaction.commit()
            assert not isinstance(made[-1], Exception), made
            first, size = place, 0
        size += len(line)


def _run(work: Work) -> Floor:
    with _writing(work.store_url) as write:
        loop = _Loop(work, write)
        marks = [(time.process_time(), time.perf_counter())]
        for act in (loop.launch, loop.kill if work.kill else None):
            if act is not None:
                act()
            marks.append((time.process_time(), time.perf_counter()))
        loop.close()
    begun, launched, killed = marks
    return Floor(
        work.tasks,
        launched[0] - begun[0],
        killed[0] - launched[0],
        launched[1] - begun[1],
        killed[1] - launched[1],
        own_peak_mib(),
    )


def main() -> None:
    """Print what it took as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", help="a Work as JSON")
    work = Work(**json.loads(parser.parse_args().work))
    sys.stdout.write(json.dumps(asdict(_run(work))))


if __name__ == "__main__":
    main()
