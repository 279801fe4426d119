"""The simulated masters on sockets: requests to the state machine, its events to the streams.

All requests of one turn of the event loop are carried out before anything is written to the
streams, so a burst of calls becomes one write. One timer serves all that time makes due. All
masters share one state; those that do not lead answer with a redirect, as Mesos' do.
"""

import asyncio
import time
from collections.abc import Sequence
from functools import partial

import msgspec

from localmesos.cluster import AgentSpec
from localmesos.simulated import agents, events, faults, frameworks, master, operator_api, wire
from localmesos.simulated.http_protocol import LAST_CHUNK, Connection, Head, chunk, response
from localmesos.simulated.operator_wire import decode_operator_call
from localmesos.simulated.options import Options
from localmesos.simulated.state import Cluster, Stream

_JSON = "application/json"
_ACCEPTED = response(202)
_LED = ("/api/v1/scheduler", "/api/v1", "/state", "/state.json")
_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)


class Server:
    """The masters of one Mesos. Everything runs in the event loop in which `start` was called."""

    def __init__(self, options: Options, at_start: Sequence[faults.Fault] = ()) -> None:
        """`at_start` happens before it serves."""
        self.options = options
        self._at_start = at_start
        self.cluster: Cluster
        self._loop: asyncio.AbstractEventLoop
        self._servers: list[asyncio.Server] = []
        self._connections: set[Connection] = set()
        self._of_stream: dict[str, Connection] = {}
        self._stream_of: dict[Connection, Stream] = {}
        self._settling = False
        self._cpu_at_start = 0.0
        self._summary = ""
        self._timer: asyncio.TimerHandle | None = None

    async def start(
        self, specs: Sequence[AgentSpec], host: str, port: int, masters: int = 1
    ) -> tuple[tuple[str, int], ...]:
        """Bind, register the agents, serve; returns the masters' addresses, the leading one's
        first: the given port and those after it, or free ones for 0.

        Raises OSError when one is taken and ValueError for an agent that cannot be, or for what
        cannot happen at the start.
        """
        self._loop = asyncio.get_running_loop()
        try:
            addresses = [await self._bind(host, port, number) for number in range(masters)]
            now = self._loop.time()
            self.cluster = Cluster(self.options, addresses[0], time.time() - now)
            self.cluster.masters = tuple(addresses)
            for spec in specs:
                agents.add_agent(self.cluster, now, spec)
            for fault in self._at_start:
                faults.carry_out(self.cluster, now, fault)
        except (OSError, ValueError):
            for server in self._servers:
                server.close()
            raise
        self._cpu_at_start = time.thread_time()
        for server in self._servers:
            await server.start_serving()
        self.settle_soon()
        return self.cluster.masters

    async def _bind(self, host: str, port: int, number: int) -> tuple[str, int]:
        server = await self._loop.create_server(
            partial(self._connect, number),
            host,
            port + number if port else 0,
            start_serving=False,
            backlog=1024,
        )
        self._servers.append(server)
        return host, server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Break all connections off and free the ports."""
        self._summary = self._summed_up()
        for server in self._servers:
            server.close()
        if self._timer is not None:
            self._timer.cancel()
        for connection in list(self._connections):
            connection.abort()
        for server in self._servers:
            await server.wait_closed()

    def carry_out(self, fault: faults.Fault) -> faults.Result:
        """Make a fault happen. Raises ValueError."""
        result = faults.carry_out(self.cluster, self._loop.time(), fault)
        self.settle_soon()
        if isinstance(fault, faults.Stats):
            result |= self._costs()
        return result

    def _costs(self) -> faults.Result:
        """Processor time: of all, of this thread, and of that its own since it was ready."""
        thread = time.thread_time()
        return {
            "thread_cpu_seconds": thread,
            "process_cpu_seconds": time.process_time(),
            "own_cpu_seconds": thread - self._cpu_at_start,
        }

    def summary(self) -> str:
        """What was done and what that cost, in one line; empty before the end."""
        return self._summary

    def _summed_up(self) -> str:
        counters = self.cluster.counters
        seconds = time.thread_time() - self._cpu_at_start
        each = f", {seconds / counters.launched * 1e6:.1f} us a task" if counters.launched else ""
        return (
            f"simulated Mesos: {counters.launched} tasks launched, {counters.ended} ended, "
            f"{counters.updates} updates sent, {counters.calls} calls, "
            f"{seconds:.2f} s of processor time{each}"
        )

    def _metrics(self) -> dict[str, object]:
        """The page of Mesos' metrics: what it counts, and what it costs."""
        found = {**faults.stats(self.cluster), **self._costs()}
        return {f"simulated/{name}": n for name, n in found.items() if not isinstance(n, dict)}

    def settle_soon(self) -> None:
        """Write out at the end of this turn of the event loop."""
        if not self._settling:
            self._settling = True
            self._loop.call_soon(self._settle)

    def _settle(self) -> None:
        self._settling = False
        now = self._loop.time()
        master.run_due(self.cluster, now)
        for stream in self.cluster.take_touched():
            self._flush(stream)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = master.next_due(self.cluster)
        if due is not None:
            self._timer = self._loop.call_at(due, self._settle)

    def _flush(self, stream: Stream) -> None:
        records, stream.records = stream.records, []
        connection = self._of_stream.get(stream.id)
        if connection is None:
            return
        if stream.aborted or connection.waiting_bytes() > self.options.max_stream_bytes:
            connection.abort()
            return
        if records:
            connection.write(chunk(records))
        if stream.closed:
            connection.write(LAST_CHUNK)
            connection.close()

    def _connect(self, master_number: int) -> Connection:
        handle = partial(self._handle, master_number)
        connection = Connection(handle, self._lost, self.options.max_body_bytes)
        self._connections.add(connection)
        return connection

    def _lost(self, connection: Connection) -> None:
        self._connections.discard(connection)
        stream = self._stream_of.pop(connection, None)
        if stream is not None:
            del self._of_stream[stream.id]
            frameworks.disconnected(self.cluster, self._loop.time(), stream)
            self.settle_soon()

    def _handle(self, master_number: int, connection: Connection, head: Head, body: bytes) -> bytes:
        self.settle_soon()
        if len(self._connections) > self.options.max_connections:
            connection.close_after_answer()
            return response(503, b"too many connections", close=True)
        path = head.path.removeprefix("/master")
        if path in _LED and master_number != self.cluster.leading:
            return self._not_leading(head.path)
        if path == "/api/v1/scheduler":
            return self._scheduler(connection, head, body)
        if path == "/api/v1":
            return self._operator(head, body)
        if path.startswith("/simulated/"):
            return self._simulated(head, path.removeprefix("/simulated/"), body)
        if path in ("/state", "/state.json"):
            page = operator_api.state_page(self.cluster)
            return response(200, msgspec.json.encode(page), _JSON)
        if path == "/metrics/snapshot":
            return response(200, msgspec.json.encode(self._metrics()), _JSON)
        if path == "/version":
            return response(200, msgspec.json.encode({"version": events.VERSION}), _JSON)
        return response(200 if path == "/health" else 404)

    def _not_leading(self, path: str) -> bytes:
        if self.cluster.leading is None:
            return response(503, b"No leader elected")
        location = f"//{self.cluster.host}:{self.cluster.port}{path}"
        return response(307, headers=f"Location: {location}\r\n")

    def _scheduler(self, connection: Connection, head: Head, body: bytes) -> bytes:
        refusal = self._outage() or _head_error(head)
        if refusal is not None:
            return refusal
        try:
            call = wire.decode_call(body)
        except _UNREADABLE as error:
            return response(400, f"Failed to parse body into JSON: {error}".encode())
        error_text = master.call_error(call)
        if error_text is not None:
            return response(400, f"Failed to validate scheduler::Call: {error_text}".encode())
        if call.type == "SUBSCRIBE":
            return self._subscribe(connection, head, call, body)
        stream_id = head.headers.get("mesos-stream-id")
        answer = master.handle(self.cluster, self._loop.time(), call, body, stream_id)
        if answer is master.ACCEPTED:
            return _ACCEPTED
        return response(answer.status, answer.text.encode())

    def _outage(self) -> bytes | None:
        outage = self.cluster.faults.outage
        if outage is None:
            return None
        if outage.remaining is not None:
            outage.remaining -= 1
            if outage.remaining <= 0:
                self.cluster.faults.outage = None
        if outage.location is not None:
            return response(307, headers=f"Location: {outage.location}\r\n")
        return response(outage.status, b"Master has not finished recovery")

    def _subscribe(self, connection: Connection, head: Head, call: wire.Call, body: bytes) -> bytes:
        accepted = head.headers.get("accept", "*/*")
        if not any(kind in accepted for kind in (_JSON, "*/*", "application/*")):
            return response(
                406, b"Expecting 'Accept' to allow 'application/x-protobuf' or 'application/json'"
            )
        if "mesos-stream-id" in head.headers:
            return response(400, b"Subscribe calls should not include the 'Mesos-Stream-Id' header")
        stream = Stream(self.cluster.new_stream_id(), waiting_bytes=connection.waiting_bytes)
        connection.streaming = True
        self._of_stream[stream.id] = connection
        self._stream_of[connection] = stream
        master.subscribe(self.cluster, self._loop.time(), call, body, stream)
        return (
            f"HTTP/1.1 200 OK\r\nContent-Type: {_JSON}\r\nMesos-Stream-Id: {stream.id}\r\n"
            "Transfer-Encoding: chunked\r\n\r\n"
        ).encode()

    def _operator(self, head: Head, body: bytes) -> bytes:
        refusal = _head_error(head)
        if refusal is not None:
            return refusal
        try:
            call = decode_operator_call(body)
            answer = operator_api.answer(self.cluster, self._loop.time(), call)
        except KeyError as error:
            return response(404, f"Agent {error} not found".encode())
        except _UNREADABLE as error:
            return response(400, str(error).encode())
        if answer is None:
            return response(200)
        return response(200, msgspec.json.encode(answer), _JSON)

    def _simulated(self, head: Head, verb: str, body: bytes) -> bytes:
        # Asking for JSON keeps web pages of others from posting faults through a browser.
        refusal = _head_error(head) if (head.method, verb) != ("GET", "stats") else None
        if refusal is not None:
            return refusal
        try:
            result = self.carry_out(faults.fault_from(verb, body))
        except _UNREADABLE as error:
            return response(400, str(error).encode())
        return response(200, msgspec.json.encode(result), _JSON)


def _head_error(head: Head) -> bytes | None:
    """What is wrong with the head of an API call."""
    if head.method != "POST":
        text = f"Expecting one of {{ 'POST' }}, but received '{head.method}'"
        return response(405, text.encode(), headers="Allow: POST\r\n")
    content_type = head.headers.get("content-type")
    if content_type is None:
        return response(400, b"Expecting 'Content-Type' to be present")
    if content_type.partition(";")[0].strip() != _JSON:
        return response(
            415, b"Expecting 'Content-Type' of application/json or application/x-protobuf"
        )
    return None
