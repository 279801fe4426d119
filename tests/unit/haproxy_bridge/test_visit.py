"""What a single run tells the scheduler of its edge."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from msgspec.structs import replace

from api.client import Client
from haproxy_bridge.render import RenderOptions
from haproxy_bridge.rendered import Backend, Piece, Problem, Rendered, Server, Trouble
from haproxy_bridge.run import visit
from haproxy_bridge.run.node import Node
from haproxy_bridge.run.options import NodeOptions
from haproxy_bridge.run.state_file import State
from haproxy_bridge.source import Reader, SourceOptions
from tests.unit.cli.scripted_http import Answer, ScriptedServer, scripted
from tests.unit.haproxy_bridge.made import app, snapshot
from tests.unit.haproxy_bridge.stats_socket import StatsSocket, stats_socket

PUT, ACK = "PUT /v3/edges/e1", "POST /v3/edges/e1/ack"


@dataclass
class Visit:
    server: ScriptedServer
    haproxy: StatsSocket
    client: Client
    node: Node

    def tell(self, every_seconds: float = 60) -> None:
        visit.tell(self.client, "e1", self.node, every_seconds, lambda: 12_500)

    def bodies(self, call: str) -> list[dict[str, object]]:
        found = [one for one in self.server.requests if f"{one.method} {one.path}" == call]
        return [one.body for one in found]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Visit]:
    """After a good run: of three tasks two drain, of which one still has sessions."""
    path = tmp_path / "s"
    options = NodeOptions(config=str(tmp_path / "h.cfg"), render=RenderOptions(socket=str(path)))
    three = app("/a", 10000, 3)
    leaving = tuple(replace(task, draining=task.id != "a.2") for task in three.tasks)
    servers = tuple(Server(f"s{n}", "10.0.0.1", n, task_id=f"a.{n}") for n in (1, 2, 3))
    with (
        scripted({PUT: Answer({}), ACK: Answer({})}) as server,
        stats_socket(path) as haproxy,
        closing(Client([server.url], timeout_seconds=10)) as client,
    ):
        haproxy.sessions = {("x", "s1"): 0, ("x", "s3"): 2}
        node = Node(Reader(client, SourceOptions()), options)
        answer = replace(snapshot(replace(three, tasks=leaving)), state_id="s", epoch=4)
        node.answers = {"main": answer}
        node.rendered = Rendered((Piece(b"config", 1),), backends=(Backend("x", servers),))
        node.state = State(
            last_success_ms=10_000, problems=(Problem(Trouble.REFUSED, "/bad", "why"),)
        )
        yield Visit(server, haproxy, client, node)


def test_it_registers_for_more_than_two_of_its_runs(made: Visit) -> None:
    made.tell(every_seconds=60)
    made.tell(every_seconds=86_400)
    first, second = made.bodies(PUT)
    assert first == {
        "kind": "cron",
        "leaseSeconds": 150,
        "version": first["version"],
        "staleness": 2.5,
        "quarantined": ["/bad"],
        "epoch": 4,
    }
    assert second["leaseSeconds"] == 3_600


def test_it_tells_of_tasks_that_nobody_uses_any_more(made: Visit) -> None:
    made.tell()
    assert made.bodies(ACK) == [{"tasks": ["a.1"]}]
    made.haproxy.sessions["x", "s1"] = 1
    made.tell()
    assert len(made.bodies(ACK)) == 1


def test_a_run_that_kept_everything_tells_of_no_task(made: Visit) -> None:
    made.tell()
    made.node.rendered = None
    Path(made.node.options.config).write_bytes(b"config")
    made.tell()
    first, second = made.bodies(PUT)
    assert second == {**first, "epoch": 0}
    assert len(made.bodies(ACK)) == 1


@pytest.mark.parametrize("status", [403, 404, 503])
def test_a_scheduler_that_does_not_want_to_know_is_no_trouble(made: Visit, status: int) -> None:
    made.server.script[PUT] = Answer({"message": "no"}, status)
    made.tell()
    assert made.bodies(ACK) == []
