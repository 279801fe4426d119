"""Goal 10, from a change of tasks to a haproxy that serves it: ``python -m tests.bench.goal10``.

1,000 apps of ten tasks on one haproxy, under wrk. Again and again a task of one app is replaced:
the time from the scheduler's new answer being there until haproxy has the new server and not the
old one, read, judged, rendered, told and looked at as the daemon does it, with its thread that
writes files beside it. In between, a host moves from app to app. The peer: one reload of the very
same configuration, until a worker with it serves. Then what the load saw, and how often haproxy was
reloaded: never, but for the new front end at the end.
"""

import gc
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from random import SystemRandom

from api.client import Client
from haproxy_bridge.exits import Exit
from haproxy_bridge.run.options import NodeOptions
from haproxy_bridge.run.resident import Resident
from haproxy_bridge.run.turn import How
from haproxy_bridge.run.writer import Writer
from haproxy_bridge.runtime import apply, master
from haproxy_bridge.services import ServiceOptions
from haproxy_bridge.source import Kind, Reader, SourceOptions
from haproxy_bridge.swap import load
from haproxy_bridge.swap.load import LoadOptions
from tests.bench._edge import TASKS, Json, answering, encoded, page, service, task
from tests.bench.report import Options, Result, options, own_peak_mib, report
from tests.edge.haproxy import Haproxy, running
from tests.integration.bridge_load import wrk
from tests.unit.cli.scripted_http import Answer, ScriptedServer, scripted

APPS = 1_000
CHANGES = 2_000
MOVES = 10
RELOADS = 5
_PORTS = range(10_000, 15_990, 10)  # below those that the tests lock for themselves
_CHECKS = [{"kind": "tcp", "portIndex": 0, "intervalSeconds": 600}]


class Edge:
    """A node, its scheduler's page, and the tasks that all apps share."""

    def __init__(
        self,
        node: Resident,
        haproxy: Haproxy,
        scheduler: ScriptedServer,
        ports: list[int],
        apps: int,
        writer: Writer,
    ) -> None:
        self.node = node
        self._writer = writer
        self.haproxy = haproxy
        self._scheduler = scheduler
        self._ports = ports
        self._changes = dict.fromkeys(range(apps), 0)
        self._parts = [encoded(self._service(number, 0)) for number in range(apps)]

    def change(self, number: int, change: int) -> None:
        """Another task for one of an app's ten, from the scheduler's next answer on."""
        self._changes[number] = change
        self._parts[number] = encoded(self._service(number, change))

    def move(self, before: int, number: int) -> None:
        """A host that was this app's is the other one's."""
        hosts = {"HAPROXY_0_VHOST": f"app{number}.example,moves.example"}
        self._parts[before] = encoded(self._service(before, self._changes[before]))
        self._parts[number] = encoded(self._service(number, self._changes[number], hosts))

    def add(self) -> None:
        """One more app."""
        self._parts.append(encoded(self._service(len(self._parts), 0)))

    def _service(self, number: int, change: int, labels: dict[str, str] | None = None) -> Json:
        """Its tasks are the ``change``-th ten of all that could be: one leaves, one comes."""
        app = f"/bench/app{number}"
        made = [
            task(app, one, f"127.0.{one // 250}.{1 + one % 250}", self._ports[one % 2], _CHECKS)
            for one in range(change, change + TASKS)
        ]
        return service(
            number, 0, made, labels
        )  # by virtual host alone: its ports may be taken here

    def tell(self) -> None:
        """The scheduler answers with what is now."""
        self._scheduler.script["GET /v3/services"] = Answer(page(self._parts))

    def turn(self, *, everything: bool = False) -> bool:
        """One turn of the daemon; whether it reloaded."""
        outcome = self.node.turn(How(everything=everything))
        assert outcome.exit is Exit.OK, f"{outcome.why}\n{self.haproxy.log()[-2000:]}"
        assert outcome.changed, "nothing changed"
        self._writer.owe()
        return outcome.reloaded


def measure(wanted: Options) -> Iterator[Result]:
    """All of them on one haproxy."""
    apps, changes = wanted.scaled(APPS), max(5, wanted.scaled(CHANGES))
    with ExitStack() as stack:
        edge = _edge(stack, apps)
        edge.tell()
        edge.turn(everything=True)
        gc.collect()
        gc.freeze()
        reloads = _reloads(edge)
        cpu = time.process_time()
        with wrk(f"http://127.0.0.1:{edge.haproxy.http}/", host="app0.example") as load_seen:
            began = time.perf_counter()
            numbers = range(1, changes + 1)
            times = [_changed(edge, change % apps, change) for change in numbers]
            took = time.perf_counter() - began
            cpu = time.process_time() - cpu
            moving = time.process_time()
            moves = [_moved(edge, move % apps, (move + 1) % apps) for move in range(MOVES)]
            moving = time.process_time() - moving
        more = _reloads(edge) - reloads
        edge.node.write()
        reload_ms = 1000 * _reload(edge)
        p99 = 1000 * sorted(times)[min(len(times) - 1, int(0.99 * len(times)))]
        middle = 1000 * sorted(times)[len(times) // 2]
        name = f"a task of {apps} x {TASKS} replaced until it is served"
        yield Result(f"{name}, p99", p99, "ms", cpu, reload_ms, took, changes / took,
                     own_peak_mib(), "10")  # fmt: skip
        yield Result(f"{name}, median", middle, "ms", cpu, reload_ms, took, changes / took)
        failed = sum(load_seen.errors) + load_seen.bad_answers
        yield Result(
            f"requests that failed in {changes} changes", failed, "requests", cpu, None, took,
            load_seen.requests / took, goal="10 failed",
        )  # fmt: skip
        yield Result(f"reloads in {changes} changes", more, "reloads", cpu)
        moved = 1000 * sorted(moves)[len(moves) // 2]
        yield Result(f"a host moved between {apps} apps until it is served, median", moved, "ms",
                     moving, reload_ms)  # fmt: skip
        yield _new_front_end(edge, reload_ms)


def _changed(edge: Edge, number: int, change: int) -> float:
    """Seconds; haproxy was asked within them whether it is so."""
    edge.change(number, change)
    edge.tell()
    began = time.perf_counter()
    edge.turn()
    return time.perf_counter() - began


def _moved(edge: Edge, before: int, number: int) -> float:
    """Seconds, with haproxy's check of the new file."""
    edge.move(before, number)
    edge.tell()
    began = time.perf_counter()
    edge.turn()
    return time.perf_counter() - began


def _new_front_end(edge: Edge, reload_ms: float) -> Result:
    edge.add()
    edge.tell()
    cpu, began = time.process_time(), time.perf_counter()
    assert edge.turn(), "a new front end takes a reload"
    took = time.perf_counter() - began
    cpu = time.process_time() - cpu
    return Result("an app more until it is served", 1000 * took, "ms", cpu, reload_ms)


def _reload(edge: Edge) -> float:
    """Seconds that a bare reload takes, the quickest of some."""
    times = []
    for _ in range(RELOADS):
        began = time.perf_counter()
        load.load(LoadOptions(master_socket=str(edge.haproxy.master_socket)))
        apply.running(edge.haproxy.admin_socket, frozenset())
        times.append(time.perf_counter() - began)
    return min(times)


def _reloads(edge: Edge) -> int:
    return master.processes(edge.haproxy.master_socket).reloads


def _four_free_ports() -> int:
    """The first of them."""
    for first in SystemRandom().sample(_PORTS, len(_PORTS)):
        with ExitStack() as taken, suppress(OSError):
            for port in range(first, first + 4):
                taken.enter_context(socket.create_server(("127.0.0.1", port)))
            return first
    raise RuntimeError("no four free ports in a row")


def _edge(stack: ExitStack, apps: int) -> Edge:
    ports = [stack.enter_context(answering("0.0.0.0", 1))[0] for _ in range(2)]
    haproxy = stack.enter_context(running(_four_free_ports()))
    scheduler = stack.enter_context(scripted())
    client = stack.enter_context(closing(Client([scheduler.url], timeout_seconds=60)))
    node = NodeOptions(
        config=str(haproxy.config),
        state=str(haproxy.folder / "state" / "state.json"),
        services=ServiceOptions(reserved_ports=frozenset()),
        render=haproxy.options(),
        load=LoadOptions(master_socket=str(haproxy.master_socket), probe_url=haproxy.probe_url),
    )
    resident = Resident(Reader(client, SourceOptions(kind=Kind.STAYER)), node)
    stack.enter_context(resident.opened())
    writer = Writer(lambda memory: resident.write(memory=memory))
    writer.start()
    stack.callback(writer.stop)
    return Edge(resident, haproxy, scheduler, ports, apps, writer)


def main() -> None:
    """Measure."""
    wanted = options(__doc__)
    for result in measure(wanted):
        report(result, wanted)


if __name__ == "__main__":
    main()
