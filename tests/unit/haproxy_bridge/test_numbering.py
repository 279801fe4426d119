"""Service ports for ports that tasks have on addresses of their own."""

from typing import Any

from msgspec.structs import replace

from haproxy_bridge.rendered import Trouble
from haproxy_bridge.services import Builder, ServiceOptions, build
from haproxy_bridge.services.model import Services
from haproxy_bridge.snapshot import App, Endpoint, Port
from haproxy_bridge.source import marathon
from tests.unit.haproxy_bridge.made import app, snapshot, task

OPTIONS = ServiceOptions(ports_per_task=(10050, 10059))


def own(app_id: str, ports: int = 1, **fields: Any) -> App:
    """An app with ports on the addresses of its tasks."""
    places = tuple(Endpoint("10.9.0.1", 80 + number) for number in range(ports))
    tasks = (task(app_id, endpoints=places),)
    return replace(app(app_id), ports=(Port(per_task=True),) * ports, tasks=tasks, **fields)


def numbers(built: Services) -> dict[tuple[str, int], int]:
    return {(one.app_id, one.index): one.port for one in built.services}


def test_each_gets_one_of_the_range_and_none_that_somebody_declares() -> None:
    taken = [app(f"/declared{port}", port) for port in range(10050, 10056)]
    found = numbers(build(snapshot(own("/a", 2), own("/b"), *taken), OPTIONS))
    mine = [found["/a", 0], found["/a", 1], found["/b", 0]]
    assert len(set(mine)) == 3
    assert set(mine) <= set(range(10056, 10060))
    assert len(found) == 9


def test_nobody_else_changes_the_number_of_an_older_app() -> None:
    options = ServiceOptions(ports_per_task=(10050, 10052))
    alone = numbers(build(snapshot(own("/m", created_at_ms=1)), options))
    for first in ("/a", "/b", "/c", "/d"):
        both = snapshot(own("/m", created_at_ms=1), own(first, created_at_ms=2))
        found = numbers(build(both, options))
        assert found["/m", 0] == alone["/m", 0]
        assert len(set(found.values())) == 2


def test_who_gets_none_is_told() -> None:
    options = ServiceOptions(ports_per_task=(10050, 10050))
    built = build(snapshot(own("/a"), own("/b")), options)
    assert numbers(built) == {("/a", 0): 10050}
    assert [(one.app_id, one.trouble) for one in built.problems] == [("/b", Trouble.CONFLICT)]
    assert numbers(build(snapshot(own("/a")), ServiceOptions())) == {}


def test_an_app_that_is_as_it_was_keeps_its_number_and_its_record() -> None:
    builder, kept = Builder(OPTIONS), own("/a")
    first = builder.build(snapshot(kept, own("/b")))
    second = builder.build(snapshot(kept, own("/c")))
    assert first.services[0].app_id == second.services[0].app_id == "/a"
    assert second.services[0] is first.services[0]


def test_ports_of_discovery_are_on_the_addresses_of_tasks() -> None:
    page = b"""{"apps": [{"id": "/a", "instances": 1, "ports": [],
        "ipAddress": {"discovery": {"ports": [{"number": 80, "name": "http"}]}},
        "tasks": [{"id": "t", "host": "h", "ports": [], "state": "TASK_RUNNING",
                   "startedAt": "2026-01-01T00:00:00.000Z",
                   "ipAddresses": [{"ipAddress": "10.9.0.7"}]}]}]}"""
    (read,) = marathon.snapshot(page, "", "", lambda *_: None).apps
    assert read.ports == (Port(name="http", per_task=True),)
    assert read.tasks[0].endpoints == (Endpoint("10.9.0.7", 80),)
