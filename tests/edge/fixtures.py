"""An edge node with a scripted Marathon, for tests of the bridge on a real haproxy."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import Any

import pytest

from api.client import Client
from haproxy_bridge.run.node import Node
from haproxy_bridge.run.options import NodeOptions
from haproxy_bridge.run.outcome import Outcome
from haproxy_bridge.source import Reader, SourceOptions
from haproxy_bridge.swap.load import LoadOptions
from tests.edge.haproxy import Haproxy, running
from tests.edge.tasks import TaskServer, serving
from tests.unit.cli.scripted_http import Answer, ScriptedServer, scripted

NO_PAGE = Answer({"message": "URI not found"}, 404)


@dataclass
class Edge:
    """``say`` is what Marathon answers from then on, ``run`` a run of the bridge. ``first_port``:
    some 40 ports from there on are the test's own, for service ports."""

    haproxy: Haproxy
    marathon: ScriptedServer
    first_port: int
    options: NodeOptions
    client: Client
    stack: ExitStack
    now_ms: int = 1_000_000
    tasks: dict[str, TaskServer] = field(default_factory=dict)

    def task(self, name: str, port: int = 0) -> TaskServer:
        """A task that answers with its name."""
        server = self.tasks[name] = self.stack.enter_context(serving(name, port))
        return server

    def app(
        self, name: str, tasks: list[TaskServer], number: int = 0, **labels: str
    ) -> dict[str, Any]:
        """An app in Marathon's words; its service port is ``first_port`` + ``number``."""
        return {
            "id": f"/{name}",
            "instances": len(tasks),
            "labels": {_label(key): text for key, text in labels.items()},
            "portDefinitions": [{"port": self.first_port + number}],
            "networks": [{"mode": "host"}],
            "tasks": [
                {
                    "id": one.name,
                    "host": "127.0.0.1",
                    "ports": [one.port],
                    "state": "TASK_RUNNING",
                    "startedAt": "2026-01-01T00:00:00.000Z",
                }
                for one in tasks
            ],
        }

    def say(self, *apps: dict[str, Any], version: str = "") -> None:
        """Marathon's apps from now on. ``version``: that all tasks run."""
        for one in (task for app in apps for task in app["tasks"] if version):
            one["version"] = version
        self.marathon.script["GET /v2/apps"] = Answer({"apps": list(apps)})

    def impatient(self, seconds: float) -> None:
        """From now on an answer that takes longer is none."""
        client = Client([self.marathon.url], timeout_seconds=seconds)
        self.client = self.stack.enter_context(closing(client))

    def run(self, **how: bool) -> Outcome:
        """One run, a minute after the last one."""
        self.now_ms += 60_000
        reader = Reader(self.client, SourceOptions())
        return Node(reader, self.options, lambda: self.now_ms).run(**how)


def _label(key: str) -> str:
    return f"HAPROXY_{key}" if key.startswith(("GROUP", "DEPLOYMENT")) else f"HAPROXY_0_{key}"


@pytest.fixture
def make_edge(task_ports: int) -> Iterator[Callable[..., Edge]]:
    """Starts an edge node: make_edge(guard=..., services=..., render={...})."""
    first = task_ports + 900
    with ExitStack() as stack:

        def make(render: dict[str, object] | None = None, **options: Any) -> Edge:
            haproxy = stack.enter_context(running(first))
            node = NodeOptions(
                config=str(haproxy.config),
                state=str(haproxy.folder / "state" / "state.json"),
                render=haproxy.options(**(render or {})),
                load=LoadOptions(
                    master_socket=str(haproxy.master_socket), probe_url=haproxy.probe_url
                ),
                **options,
            )
            marathon = stack.enter_context(scripted({"GET /v3/services": NO_PAGE}))
            client = stack.enter_context(closing(Client([marathon.url], timeout_seconds=10)))
            return Edge(haproxy, marathon, first + 10, node, client, stack)

        yield make


@pytest.fixture
def edge(make_edge: Callable[..., Edge]) -> Edge:
    """An edge node as it is by default."""
    return make_edge()
