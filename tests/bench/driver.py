"""What the Mesos driver costs: ``python -m tests.bench.driver``.

Calls pipelined by the driver stand against http.client one by one, to the same server, which
answers 202 to everything; an OFFERS event against plain ``json.loads``; and the ACCEPT of a
launch from its app's template against ``json.dumps`` of the finished objects.
"""

import http.client
import json
import multiprocessing
import socket
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from threading import Event
from typing import Any

import msgspec

from framework.domain.actions import Accept, Acknowledge, Launch, TaskResource
from framework.domain.app import App, PortDefinition
from framework.domain.events import Event as DomainEvent
from framework.domain.events import Subscribed
from framework.domain.mesos import Agent, OfferResource
from framework.mesos.call_connection import CallConnection
from framework.mesos.calls import CallEncoder, FrameworkDescription
from framework.mesos.decoding import decode
from framework.mesos.driver import HttpDriver
from framework.mesos.options import MesosOptions
from framework.mesos.templates import TaskInfoBuilder
from tests.bench.report import Options, Result, options, report
from tests.unit.mesos.fake_master import FakeMaster

CALLS = 20_000
CALLS_ONE_BY_ONE = 2_000
OFFERS = 1_000
LAUNCHES = 1_000
_ANSWER = (
    b"HTTP/1.1 202 Accepted\r\nDate: Sun, 22 Nov 2026 10:00:00 GMT\r\nContent-Length: 0\r\n\r\n"
)
_PATIENCE_SECONDS = 120.0


def measure(wanted: Options) -> Iterator[Result]:
    """Every figure; work in proportion to the wanted size."""
    with FakeMaster() as master:
        pipelined, cpu_seconds = _pipelined(master, wanted.scaled(CALLS))
    one_by_one = _one_by_one(wanted.scaled(CALLS_ONE_BY_ONE))
    yield Result("calls, peer: http.client", pipelined, "calls/s", cpu_seconds, one_by_one)
    offers = wanted.scaled(OFFERS)
    event = _offers_event(offers)
    name = f"{offers} offers to records, peer: json.loads"
    yield _compared(name, lambda: decode(event), lambda: json.loads(event), 1e3, "ms")
    encode, dump = _encoders(wanted.scaled(LAUNCHES))
    per_launch = 1e6 / wanted.scaled(LAUNCHES)
    yield _compared("one ACCEPT to bytes, peer: json.dumps", encode, dump, per_launch, "us")


def main() -> None:
    """Measure and print."""
    wanted = options(__doc__)
    for result in measure(wanted):
        report(result, wanted)


def _compared(
    name: str, work: Callable[[], object], peer: Callable[[], object], scale: float, unit: str
) -> Result:
    """Both timed in turn, the best of five each."""
    seconds, peer_seconds = [], []
    begin = time.process_time()
    for _ in range(5):
        seconds.append(_seconds(work))
        peer_seconds.append(_seconds(peer))
    cpu_seconds = time.process_time() - begin
    return Result(name, min(seconds) * scale, unit, cpu_seconds, min(peer_seconds) * scale)


def _serve_calls(listener: socket.socket, ready: Connection) -> None:
    """Answer 202 to each request; all requests have bodies of equal length."""
    ready.send(True)
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        buffer = b""
        while data := connection.recv(262_144):
            buffer += data
            count, buffer = _count_requests(buffer)
            connection.sendall(_ANSWER * count)


def _count_requests(buffer: bytes) -> tuple[int, bytes]:
    count = position = 0
    while (end := buffer.find(b"\r\n\r\n", position)) >= 0:
        head = buffer[position:end].lower()
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(buffer) < end + 4 + length:
            break
        position = end + 4 + length
        count += 1
    return count, buffer[position:]


class _Server:
    """The answering server in a process of its own."""

    def __enter__(self) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        context = multiprocessing.get_context("fork")
        here, there = context.Pipe()
        self._process = context.Process(target=_serve_calls, args=(listener, there), daemon=True)
        self._process.start()
        here.recv()
        port: int = listener.getsockname()[1]
        listener.close()
        return port

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join()


def _acknowledge(number: int) -> Acknowledge:
    return Acknowledge(f"app.instance-{number:08}._app.1", "agent-1", "4J9LSO5PQpG6AAAAAAAAAw==")


def _pipelined(master: FakeMaster, count: int) -> tuple[float, float]:
    """Acknowledgements per second through the whole driver, in steps of 100; and CPU seconds."""
    subscribed = Event()

    def submit(*events: DomainEvent) -> None:
        if any(isinstance(event, Subscribed) for event in events):
            subscribed.set()

    driver = HttpDriver(MesosOptions(master=master.address))
    with _Server() as port:
        connector_open = _redirected(port)
        driver.start(submit, "", ("*",))
        master.accept_subscription()
        assert subscribed.wait(_PATIENCE_SECONDS), "not subscribed"
        assert isinstance(
            driver._calls, CallConnection
        )  # the calls go to another server than the stream
        driver._calls._open_socket = connector_open
        actions = [_acknowledge(number) for number in range(count)]
        begin, cpu_begin = time.perf_counter(), time.process_time()
        for first in range(0, count, 100):
            driver.perform(actions[first : first + 100])
        pause = Event()
        while driver.counts.calls["ACKNOWLEDGE", "202"] < count:
            assert time.perf_counter() - begin < _PATIENCE_SECONDS, driver.counts
            pause.wait(0.001)
        seconds, cpu_seconds = time.perf_counter() - begin, time.process_time() - cpu_begin
        driver.stop()
    return count / seconds, cpu_seconds


def _redirected(port: int) -> Callable[[], socket.socket]:
    return lambda: socket.create_connection(("127.0.0.1", port))


def _one_by_one(count: int) -> float:
    framework = FrameworkDescription(MesosOptions(), "user", "host")
    encoder = CallEncoder(framework, "framework-1", TaskInfoBuilder())
    headers = {"Content-Type": "application/json", "Mesos-Stream-Id": "stream-1"}
    with _Server() as port:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        begin = time.perf_counter()
        for number in range(count):
            body = encoder.encode(_acknowledge(number))
            connection.request("POST", "/api/v1/scheduler", body, headers)
            response = connection.getresponse()
            response.read()
            assert response.status == 202, response.status
        seconds = time.perf_counter() - begin
        connection.close()
    return count / seconds


def _offers_event(count: int) -> bytes:
    offers = [_offer(number) for number in range(count)]
    return json.dumps({"type": "OFFERS", "offers": {"offers": offers}}).encode()


def _offer(number: int) -> dict[str, Any]:
    cluster = "6d4248cd-2832-4152-b5d0-defbf36f6759"
    allocation = {"allocation_info": {"role": "*"}, "role": "*"}
    scalars = {"cpus": 4.0, "mem": 4096.0, "disk": 10_000.0}
    resources: list[dict[str, Any]] = [
        {"name": name, "type": "SCALAR", "scalar": {"value": value}, **allocation}
        for name, value in scalars.items()
    ]
    ranges = {"range": [{"begin": 31_000, "end": 31_999}]}
    resources.append({"name": "ports", "type": "RANGES", "ranges": ranges, **allocation})
    address = {"hostname": f"agent{number}", "ip": "127.0.0.1", "port": 5051}
    return {
        "id": {"value": f"{cluster}-O{number}"},
        "framework_id": {"value": f"{cluster}-0000"},
        "agent_id": {"value": f"{cluster}-S{number}"},
        "hostname": f"agent{number}",
        "url": {"scheme": "http", "address": address, "path": f"/slave({number})"},
        "domain": {"fault_domain": {"region": {"name": "r"}, "zone": {"name": "z"}}},
        "allocation_info": {"role": "*"},
        "attributes": [
            {"name": "rack", "type": "TEXT", "text": {"value": "r1"}},
            {"name": "zone", "type": "TEXT", "text": {"value": "z1"}},
        ],
        "resources": resources,
    }


def _launch(number: int) -> Launch:
    app = App(
        id="/dev/web",
        version="2026-01-01T00:00:00.000Z",
        cmd="exec serve",
        env={"A": "b", "C": "d"},
        labels={"HAPROXY_GROUP": "external", "HAPROXY_0_VHOST": "a.example"},
        port_definitions=(PortDefinition(10_000, name="http"),),
    )
    port = 31_000 + number % 1000
    taken = (
        TaskResource(OfferResource("cpus", 4000), 100),
        TaskResource(OfferResource("mem", 4_096_000), 32_000),
        TaskResource(OfferResource("ports", ranges=((31_000, 31_999),)), ranges=((port, port),)),
    )
    task = f"dev_web.instance-{number:08}._app.1"
    return Launch(task, "x", app, Agent("a", "h"), "*", (port,), (port,), taken)


def _encoders(count: int) -> tuple[Callable[[], object], Callable[[], object]]:
    """The work of encoding so many ACCEPTs of one task; and of dumping them as finished objects."""
    framework = FrameworkDescription(MesosOptions(), "user", "host")
    encoder = CallEncoder(framework, "framework-1", TaskInfoBuilder())
    accepts = [Accept((f"o{number}",), (_launch(number),), 0.0) for number in range(count)]
    plain = msgspec.json.decode(encoder.encode(accepts[0]))

    def encode() -> None:
        for accept in accepts:
            encoder.encode(accept)

    def dump() -> None:
        for _ in accepts:
            json.dumps(plain).encode()

    return encode, dump


def _seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
