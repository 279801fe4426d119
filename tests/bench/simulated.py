"""What a task costs the simulated Mesos itself: ``python -m tests.bench.simulated``.

So that it is not what limits a measurement of the scheduler. A client on bare sockets, in this
process, takes every offer, launches what fits and acknowledges every update; the figure is the
simulated Mesos' own processor time for a task: launch, two updates, two acknowledgements. The peer
is the same with a tenth of the agents and tasks: nothing may grow with what is there.
"""

import tempfile
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tests.bench._cluster import simulated_mesos
from tests.bench._framework import Connections
from tests.bench.report import Options, Result, options, report

AGENTS = 50_000
TASKS_AN_AGENT = 20
_RESOURCES = "cpus:32;mem:65536;disk:100000;ports:[31000-31999]"
_AT_ONCE = 20
_PATIENCE_SECONDS = 600.0
_TASK = (
    '{"name":"web.dev","task_id":{"value":"%s"},"agent_id":{"value":"%s"},"resources":['
    '{"name":"cpus","type":"SCALAR","scalar":{"value":0.1},"allocation_info":{"role":"*"}},'
    '{"name":"mem","type":"SCALAR","scalar":{"value":32.0},"allocation_info":{"role":"*"}},'
    '{"name":"ports","type":"RANGES","ranges":{"range":[{"begin":%d,"end":%d}]},'
    '"allocation_info":{"role":"*"}}],'
    '"command":{"value":"exec serve","shell":true,"environment":{"variables":['
    + ",".join(f'{{"name":"MARATHON_APP_VARIABLE_{n}","value":"a value"}}' for n in range(16))
    + ']}},"labels":{"labels":[{"key":"HAPROXY_GROUP","value":"external"},'
    '{"key":"HAPROXY_0_VHOST","value":"a.example"}]},'
    '"discovery":{"visibility":"FRAMEWORK","name":"web.dev","ports":{"ports":[{"number":%d,'
    '"name":"http","protocol":"tcp"}]}}}'
)


class _Id(msgspec.Struct):
    value: str


class _Offer(msgspec.Struct):
    id: _Id
    agent_id: _Id


class _Offers(msgspec.Struct):
    offers: list[_Offer]


class _Status(msgspec.Struct):
    task_id: _Id
    agent_id: _Id
    uuid: str
    state: str


class _Update(msgspec.Struct):
    status: _Status


class _Event(msgspec.Struct):
    type: str
    offers: _Offers | None = None
    update: _Update | None = None


_decode = msgspec.json.Decoder(_Event).decode


class _Client:
    """A framework that launches so many tasks on each agent that it is offered."""

    def __init__(self, url: str, tasks_an_agent: int) -> None:
        self._connections = Connections(url)
        self._tasks_an_agent = tasks_an_agent
        self._framework = ""
        self.running = 0

    def subscribe(self) -> None:
        info = {
            "user": "root",
            "name": "bench",
            "roles": ["*"],
            "capabilities": [{"type": "MULTI_ROLE"}, {"type": "PARTITION_AWARE"}],
        }
        call = {"type": "SUBSCRIBE", "subscribe": {"framework_info": info}}
        self._framework = self._connections.subscribe(msgspec.json.encode(call))

    def run(self, tasks: int) -> None:
        """Until so many run."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        offers: deque[_Offer] = deque()
        while self.running < tasks:
            assert time.monotonic() < deadline, f"{self.running} of {tasks} run"
            answers: list[bytes] = []
            for event in map(_decode, self._connections.records(wait=not offers)):
                if event.update is not None:
                    answers.append(self._acknowledge(event.update.status))
                elif event.offers is not None:
                    offers += event.offers.offers
            # Few at a time: who does not read meanwhile is disconnected.
            answers += [self._accept(offers.popleft()) for _ in range(min(_AT_ONCE, len(offers)))]
            self._connections.call(answers)

    def _acknowledge(self, status: _Status) -> bytes:
        self.running += status.state == "TASK_RUNNING"
        body = (
            f'{{"type":"ACKNOWLEDGE","framework_id":{{"value":"{self._framework}"}},"acknowledge":'
            f'{{"agent_id":{{"value":"{status.agent_id.value}"}},"task_id":{{"value":'
            f'"{status.task_id.value}"}},"uuid":"{status.uuid}"}}}}'
        )
        return body.encode()

    def _accept(self, offer: _Offer) -> bytes:
        agent_id = offer.agent_id.value
        infos = []
        for number in range(self._tasks_an_agent):
            port = 31_000 + number
            task_id = f"dev_web.instance-00000000-0000-4000-8000.{agent_id[-8:]}.{number}"
            infos.append(_TASK % (task_id, agent_id, port, port, port))
        body = (
            f'{{"type":"ACCEPT","framework_id":{{"value":"{self._framework}"}},"accept":'
            f'{{"offer_ids":[{{"value":"{offer.id.value}"}}],"operations":[{{"type":"LAUNCH",'
            f'"launch":{{"task_infos":[{",".join(infos)}]}}}}],"filters":{{"refuse_seconds":1000}}}}}}'
        )
        return body.encode()

    def close(self) -> None:
        self._connections.close()


def _run(agents: int) -> tuple[int, float, float, float]:
    """(tasks, own processor time, wall time, bytes a task) with so many agents."""
    with (
        tempfile.TemporaryDirectory() as name,
        simulated_mesos(Path(name), agents, _RESOURCES) as mesos,
    ):
        client = _Client(mesos.url, TASKS_AN_AGENT)
        before = mesos.memory_mib()
        began, cpu = time.perf_counter(), mesos.cpu_seconds()
        client.subscribe()
        tasks = agents * TASKS_AN_AGENT
        client.run(tasks)
        wall, cpu = time.perf_counter() - began, mesos.cpu_seconds() - cpu
        a_task = (mesos.memory_mib() - before) * 2**20 / tasks
        client.close()
    return tasks, cpu, wall, a_task


def measure(wanted: Options) -> Iterator[Result]:
    """Processor time and memory of a task, with few and with many."""
    agents = wanted.scaled(AGENTS)
    tasks, cpu, wall, memory = _run(max(1, agents // 10))
    few = cpu / tasks * 1e6
    name = f"{tasks:,} tasks on {max(1, agents // 10):,} agents"
    yield Result(name, few, "us/task", cpu, None, wall, tasks / wall)
    few_memory = memory
    tasks, cpu, wall, memory = _run(agents)
    name = f"{tasks:,} tasks on {agents:,} agents"
    yield Result(name, cpu / tasks * 1e6, "us/task", cpu, few, wall, tasks / wall)
    yield Result(f"memory of {tasks:,} tasks", memory, "B/task", cpu, few_memory)


def main() -> None:
    """Measure and print."""
    wanted = options(__doc__)
    for result in measure(wanted):
        report(result, wanted)


if __name__ == "__main__":
    main()
