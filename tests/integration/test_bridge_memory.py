"""What the bridge remembers is lost, damaged or of another release, while haproxy serves."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from haproxy_bridge.exits import Exit
from haproxy_bridge.guard import GuardOptions
from haproxy_bridge.snapshot import is_address
from tests.edge.fixtures import Edge


def _lose(state: Path) -> None:
    state.unlink()


def _damage(state: Path) -> None:
    state.write_bytes(state.read_bytes()[:-40])


def _age(state: Path) -> None:
    state.write_bytes(state.read_bytes().replace(b'"version":2', b'"version":1', 1))


def _serves(edge: Edge) -> None:
    assert {edge.haproxy.ask("a.example")[1] for _ in range(20)} == {"a1", "a2"}


@pytest.mark.parametrize("lost", [_lose, _damage, _age])
def test_what_serves_stays_where_memory_is_lost(edge: Edge, lost: Callable[[Path], None]) -> None:
    a1, a2, state = edge.task("a1"), edge.task("a2"), Path(edge.options.state)
    edge.say(edge.app("a", [a1, a2], VHOST="a.example"))
    assert edge.run().exit is Exit.OK
    live = edge.haproxy.config.read_bytes()
    lost(state)
    edge.say()
    for _ in range(2):
        outcome = edge.run()
        assert (outcome.exit, outcome.changed) == (Exit.HELD, False)
        assert outcome.why.startswith("2 of the 2 servers in the configuration that is there would")
        assert edge.haproxy.config.read_bytes() == live
    assert edge.run(dry_run=True).exit is Exit.OK, "it was said for long enough"
    _serves(edge)
    edge.say(edge.app("a", [a1, a2], VHOST="a.example"))
    assert edge.run().exit is Exit.OK
    edge.say()
    assert edge.run().exit is Exit.HELD, "it is remembered again"
    _serves(edge)


def test_an_answer_is_believed_in_the_end_and_at_once_if_an_operator_says_so(edge: Edge) -> None:
    a1, a2, state = edge.task("a1"), edge.task("a2"), Path(edge.options.state)
    for force in (False, True):
        edge.say(edge.app("a", [a1, a2], VHOST="a.example"))
        assert edge.run(force=True).exit is Exit.OK
        state.unlink()
        edge.say()
        exits = [edge.run(force=force).exit for _ in range(1 if force else 3)]
        assert exits == [*[Exit.HELD] * (0 if force else 2), Exit.OK]
        assert edge.haproxy.ask("a.example")[0] == 503


def test_health_that_nobody_knows_yet_stays_as_it_was(make_edge: Callable[..., Edge]) -> None:
    edge = make_edge(guard=GuardOptions(hold_runs=1000))
    a1, a2, a3, state = *map(edge.task, ("a1", "a2", "a3")), Path(edge.options.state)
    checked = edge.app("a", [a1, a2], VHOST="a.example")
    checked["healthChecks"] = [{"protocol": "HTTP", "path": "/", "portIndex": 0}]
    for one in checked["tasks"]:
        one["healthCheckResults"] = [{"alive": True, "lastSuccess": "2026-01-01T00:00:00.000Z"}]
    edge.say(checked)
    assert edge.run().exit is Exit.OK
    state.unlink()
    unsure = edge.app("a", [a1, a2, a3], VHOST="a.example")
    edge.say(checked | {"tasks": unsure["tasks"]})
    outcome = edge.run()
    assert (outcome.exit, outcome.servers) == (Exit.OK, 2)
    _serves(edge)


@pytest.mark.parametrize("mode", ["http", "tcp"])
def test_while_no_name_is_found_agents_are_where_they_were(
    edge: Edge, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """Each run is a new process to the resolver, as under cron."""
    directory = {"agent.example": "127.0.0.1"}
    real = socket.getaddrinfo

    def asked(host: str, *rest: Any, **more: Any) -> Any:
        if not is_address(host) and host not in directory:
            raise OSError("the directory is down")
        return real(directory.get(host, host), *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", asked)
    app = edge.app("a", [edge.task("a")], 0, MODE=mode)
    app["tasks"][0]["host"] = "agent.example"
    edge.say(app)
    assert edge.run().reloaded
    before = edge.haproxy.config.read_bytes()
    directory.clear()
    for _ in range(3):
        outcome = edge.run()
        assert (outcome.exit, outcome.changed, outcome.problems) == (Exit.OK, False, ())
        assert edge.haproxy.config.read_bytes() == before
        assert edge.haproxy.ask(port=edge.first_port)[:2] == (200, "a")
