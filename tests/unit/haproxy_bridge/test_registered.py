"""The edge's side of the registry, against the scheduler's own."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from api.application import create_app
from api.client import Client
from api.options import ApiOptions
from api.server import ApiServer
from haproxy_bridge.run.drains import Sessions
from haproxy_bridge.run.registry import LEASE_SECONDS, Registry, Report, visited
from tests.contract.running import running_scheduler
from tests.unit.api.reading import compile_pattern


@pytest.fixture
def client() -> Iterator[Client]:
    """Of a running scheduler."""
    options = ApiOptions(http_port=0)
    with running_scheduler() as scheduler, ExitStack() as stack:
        server = ApiServer(create_app(scheduler, options, compile_pattern), options)
        server.start()
        stack.callback(server.stop)
        yield stack.enter_context(closing(Client([server.url], timeout_seconds=30)))


def test_the_scheduler_takes_leases_and_acknowledgements(client: Client, tmp_path: Path) -> None:
    registry = Registry(client, "edge-1", lambda: 2.5, Sessions(tmp_path / "none"))
    registry.tell(
        Report(version="v1", quarantined=("/a",), epoch=3, draining={"gone": (), "gone.2": ()})
    )
    assert registry.step() > 1  # neither was refused
    shown = client.get("/v3/edges/edge-1")
    assert isinstance(shown, dict)
    expected = {"kind": "daemon", "version": "v1", "leaseSeconds": LEASE_SECONDS, "staleness": 2.5}
    assert {name: shown[name] for name in expected} == expected
    assert shown["quarantined"] == ["/a"]


def test_the_scheduler_takes_visits(client: Client) -> None:
    visited(client, "cron-1", Report(version="v1"), 86_400, 4.0)
    shown = client.get("/v3/edges/cron-1")
    assert isinstance(shown, dict)
    assert (shown["kind"], shown["leaseSeconds"], shown["staleness"]) == ("cron", 3_600, 4.0)
