"""What an edge tells the scheduler: its lease, and which draining tasks nobody uses any more."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from msgspec.structs import replace

from api.client import Client
from haproxy_bridge.rendered import Backend, Rendered, Server
from haproxy_bridge.run.drains import SETTLE_SECONDS, Sessions, draining, idle, rotated
from haproxy_bridge.run.registry import LOOK_SECONDS, Registry, Report
from tests.unit.cli.scripted_http import Answer, ScriptedServer, scripted
from tests.unit.haproxy_bridge.made import app, snapshot
from tests.unit.haproxy_bridge.stats_socket import StatsSocket, stats_socket

PUT, ACK = "PUT /v3/edges/e%201", "POST /v3/edges/e%201/ack"
BUSY = Report(
    version="v1", quarantined=("/x",), epoch=7, draining={"t1": (("a", "s1"), ("b", "s1"))}
)


@dataclass
class Clock:
    now: float = 100.0


@dataclass
class Edge:
    registry: Registry
    server: ScriptedServer
    haproxy: StatsSocket
    clock: Clock = field(default_factory=Clock)

    def settle(self) -> float:
        """Look, and look again once what is idle was so for long enough."""
        self.registry.step()
        self.clock.now += 2 * SETTLE_SECONDS
        return self.registry.step()

    def bodies(self, call: str) -> list[object]:
        found = [one for one in self.server.requests if f"{one.method} {one.path}" == call]
        return [one.body for one in found]


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[Edge]:
    clock, path = Clock(), tmp_path / "s"
    with (
        scripted({PUT: Answer({}), ACK: Answer({})}) as server,
        stats_socket(path) as haproxy,
        closing(Client([server.url], timeout_seconds=10)) as client,
    ):
        registry = Registry(
            client, "e 1", lambda: 1.5, Sessions(path), lease_seconds=30, clock=lambda: clock.now
        )
        yield Edge(registry, server, haproxy, clock)


def test_the_lease_is_renewed_in_time_and_when_something_changed(edge: Edge) -> None:
    edge.registry.tell(replace(BUSY, draining={}))
    assert edge.registry.step() == 10
    body = {
        "kind": "daemon",
        "leaseSeconds": 30,
        "version": "v1",
        "staleness": 1.5,
        "quarantined": ["/x"],
        "epoch": 7,
    }
    assert edge.bodies(PUT) == [body]
    edge.clock.now += 9.9
    edge.registry.step()
    assert len(edge.bodies(PUT)) == 1
    edge.clock.now += 0.1
    edge.registry.step()
    assert len(edge.bodies(PUT)) == 2
    edge.registry.tell(replace(BUSY, version="v2", draining={}))
    edge.registry.step()
    assert len(edge.bodies(PUT)) == 3


def test_a_draining_task_is_told_of_once_its_last_session_ended(edge: Edge) -> None:
    edge.haproxy.sessions = {("a", "s1"): 0, ("b", "s1"): 2}
    edge.registry.tell(BUSY)
    assert edge.registry.step() == LOOK_SECONDS
    assert edge.bodies(ACK) == []
    edge.haproxy.sessions["b", "s1"] = 0
    assert edge.registry.step() == SETTLE_SECONDS
    assert edge.bodies(ACK) == []
    edge.clock.now += 2 * SETTLE_SECONDS
    assert edge.registry.step() > LOOK_SECONDS
    assert edge.bodies(ACK) == [{"tasks": ["t1"]}]
    edge.settle()
    assert len(edge.bodies(ACK)) == 1
    edge.registry.tell(replace(BUSY, draining={}))
    edge.registry.step()
    edge.registry.tell(BUSY)  # it drains again: nobody's word of before counts
    edge.settle()
    assert len(edge.bodies(ACK)) == 2


def test_new_tasks_are_told_of_once_and_again_to_another_leader(edge: Edge) -> None:
    used = Report(version="v1", epoch=7, rotated=("n1", "n2"))
    edge.registry.tell(used)
    assert edge.registry.step() > LOOK_SECONDS
    edge.registry.step()
    assert edge.bodies(ACK) == [{"rotated": ["n1", "n2"]}]
    edge.registry.tell(replace(used, rotated=("n2", "n3")))
    edge.registry.step()
    assert edge.bodies(ACK)[1:] == [{"rotated": ["n3"]}]
    edge.registry.tell(replace(used, epoch=8))
    edge.registry.step()
    assert edge.bodies(ACK)[2:] == [{"rotated": ["n1", "n2"]}]


def test_what_waits_is_in_rotation_or_not_served_here_at_all() -> None:
    apps = [app(name) for name in ("/in", "/late", "/kept", "/lost", "/elsewhere")]
    waiting = [
        replace(one, tasks=tuple(replace(task, awaits_edges=True) for task in one.tasks[:1]))
        for one in apps
    ]
    first = {one.id: one.tasks[0].id for one in waiting}
    servers = (
        Server("s1", "10.0.0.1", 1, task_id=first["/in"], app_id="/in"),
        Server("s2", "10.0.0.1", 2, task_id="an-old-one", app_id="/late"),
        Server("s3", "10.0.0.1", 3, task_id=first["/late"], app_id="/late", draining=True),
        Server("s4", "no-address.invalid", 4, task_id=first["/lost"], app_id="/lost"),
    )
    made = Rendered(backends=(Backend("b", servers),))
    found = rotated(snapshot(*waiting), made, ["/kept"])
    assert set(found) == {first["/in"], first["/elsewhere"]}
    assert rotated(snapshot(*apps), made, []) == ()


def test_a_session_that_is_counted_a_moment_later_is_one(edge: Edge) -> None:
    edge.registry.tell(BUSY)
    edge.registry.step()
    edge.haproxy.sessions = {("a", "s1"): 1}
    edge.clock.now += 2 * SETTLE_SECONDS
    edge.registry.step()
    edge.haproxy.sessions = {}
    edge.registry.step()
    assert edge.bodies(ACK) == []
    edge.clock.now += 2 * SETTLE_SECONDS
    edge.registry.step()
    assert edge.bodies(ACK) == [{"tasks": ["t1"]}]


def test_one_out_of_rotation_is_told_of_without_asking_haproxy(edge: Edge) -> None:
    edge.registry.tell(replace(BUSY, draining={"t9": ()}))
    edge.registry.step()
    assert edge.bodies(ACK) == [{"tasks": ["t9"]}]
    assert edge.haproxy.asked == []


def test_sessions_that_can_not_be_counted_are_sessions(edge: Edge, tmp_path: Path) -> None:
    (tmp_path / "s").unlink()
    edge.registry.tell(replace(BUSY, draining={**BUSY.draining, "t9": ()}))
    edge.registry.step()
    assert edge.bodies(ACK) == [{"tasks": ["t9"]}]


@pytest.mark.parametrize("status", [404, 405])
def test_a_scheduler_without_the_page_is_left_alone(edge: Edge, status: int) -> None:
    edge.server.script[PUT] = Answer({"message": "no"}, status)
    edge.registry.tell(BUSY)
    pause = edge.registry.step()
    assert pause >= 60
    edge.clock.now += pause - 1
    edge.registry.step()
    assert len(edge.server.requests) == 1
    edge.server.script[PUT] = Answer({})
    edge.clock.now += 1
    edge.settle()
    assert edge.bodies(ACK) == [{"tasks": ["t1"]}]


def test_an_ill_scheduler_is_told_later(edge: Edge) -> None:
    edge.server.script[ACK] = Answer({"message": "no leader"}, 503)
    edge.registry.tell(BUSY)
    pause = edge.settle()
    assert 1 <= pause <= 10
    edge.server.script[ACK] = Answer({})
    edge.clock.now += pause
    edge.registry.step()
    assert edge.bodies(ACK) == [{"tasks": ["t1"]}] * 2


def test_an_edge_that_was_forgotten_registers_again(edge: Edge) -> None:
    edge.server.script[ACK] = [Answer({"message": "Edge 'e 1' does not exist"}, 404), Answer({})]
    edge.registry.tell(BUSY)
    pause = edge.settle()
    assert pause <= 1
    edge.clock.now += pause
    edge.registry.step()
    assert len(edge.bodies(PUT)) == 2
    assert edge.bodies(ACK) == [{"tasks": ["t1"]}] * 2


@pytest.mark.parametrize("later", [replace(BUSY, epoch=8), replace(BUSY, state_id="restored")])
def test_a_new_leader_is_told_again(edge: Edge, later: Report) -> None:
    edge.registry.tell(BUSY)
    edge.settle()
    edge.registry.tell(later)
    edge.settle()
    assert len(edge.bodies(ACK)) == 2


def test_one_that_leaves_is_waited_for_no_more(edge: Edge) -> None:
    edge.server.script["DELETE /v3/edges/e%201"] = [Answer({}), Answer({"message": "no"}, 404)]
    edge.registry.leave()
    edge.registry.leave()
    assert edge.server.asked() == ["DELETE /v3/edges/e%201"] * 2


def test_where_a_draining_task_is() -> None:
    one = app("/a", 10000, 3)
    leaving = tuple(replace(task, draining=task.id != "a.2") for task in one.tasks)
    answer = snapshot(replace(one, tasks=leaving))
    servers = tuple(Server(f"s{n}", "10.0.0.1", n, task_id=f"a.{n}") for n in (1, 2))
    rendered = Rendered(backends=(Backend("x", servers), Backend("y", servers[:1])))
    found = draining(answer, rendered)
    assert found == {"a.1": (("x", "s1"), ("y", "s1")), "a.3": ()}
    assert idle(found, {("x", "s1"): 0, ("y", "s1"): 1}) == ["a.3"]
    assert sorted(idle(found, {})) == ["a.1", "a.3"]
