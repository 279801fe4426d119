"""Hosts and paths that move between backends of a real haproxy, which goes on as it runs."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from cli.haproxy.shown import changes
from haproxy_bridge.exits import Exit
from haproxy_bridge.run import state_file
from haproxy_bridge.run.resident import Resident
from haproxy_bridge.run.turn import How
from haproxy_bridge.runtime import exchange, master, socket
from haproxy_bridge.source import Reader, SourceOptions
from haproxy_bridge.swap import files
from tests.edge.fixtures import Edge
from tests.polling import eventually


class Client:
    """Asks without a pause for as long as it may; ``answers`` are status and text in turn."""

    def __init__(self, edge: Edge, host: str) -> None:
        self.answers: list[tuple[int, str]] = []
        self._edge = edge
        self._host = host
        self._may = True
        self._thread = threading.Thread(target=self._ask)

    def _ask(self) -> None:
        while self._may:
            self.answers.append(self._edge.haproxy.ask(self._host)[:2])

    def is_served_by(self, name: str) -> None:
        """Until it is; the last of its requests began after this was called."""
        first = len(self.answers)

        def served() -> bool:
            return (200, name) in self.answers[first + 1 :]

        eventually(served, f"{name} does not answer")

    @contextmanager
    def asking(self) -> Iterator[None]:
        """In the block."""
        self._thread.start()
        try:
            yield
        finally:
            self._may = False
            self._thread.join()


def is_whole(edge: Edge) -> bool:
    """The configuration, and each that is kept, has the maps that it names."""
    path = edge.haproxy.config
    kept = [path, *(files.generation(path, number) for number in range(1, files.GENERATIONS + 1))]
    texts = [one.read_text() for one in kept if one.exists()]
    names = {word for text in texts for word in files.MAPS.findall(text)}
    return all((path.parent / name).exists() for name in names)


def test_a_host_moves_without_a_reload_and_without_a_failed_request(edge: Edge) -> None:
    one, two, three = (edge.task(name) for name in ("one", "two", "three"))

    def say(host_of: str, **tasks: list) -> None:  # type: ignore[type-arg]  # of task servers
        hosts = {name: f"{name}.example" for name in "ab"}
        hosts[host_of] += ",moves.example"
        edge.say(
            *(edge.app(name, tasks[name], at, VHOST=hosts[name]) for at, name in enumerate("ab"))
        )

    say("a", a=[one], b=[two])
    assert edge.run().reloaded
    edge.haproxy.wait_alone()
    assert not edge.run().changed
    before = master.processes(edge.haproxy.master_socket)
    first = edge.haproxy.config.read_text()
    client = Client(edge, "moves.example")
    with client.asking():
        client.is_served_by("one")
        say("b", a=[one], b=[two])
        outcome = edge.run()
        assert (outcome.exit, outcome.reloaded, outcome.rerouted) == (Exit.OK, False, True), outcome
        assert changes(outcome).startswith("routes changed at run time: ")
        client.is_served_by("two")
        # To a backend that had nobody who stays, from one that has nobody any more.
        say("a", a=[three], b=[])
        outcome = edge.run()
        assert (outcome.reloaded, outcome.rerouted) == (False, True), outcome
        assert (outcome.added, outcome.removed) == (1, 2)
        client.is_served_by("three")
        say("b", a=[], b=[two])
        assert edge.run().rerouted
        client.is_served_by("two")
    assert {status for status, _ in client.answers} == {200}
    after = master.processes(edge.haproxy.master_socket)
    assert (after.reloads, after.workers) == (before.reloads, before.workers)
    assert first in files.generation(edge.haproxy.config, 3).read_text()
    assert is_whole(edge)
    assert not edge.run().changed
    edge.haproxy.stop()
    edge.haproxy.start()  # the file is what ran
    assert edge.haproxy.ask("moves.example")[:2] == (200, "two")
    assert not edge.run().changed
    say("a", a=[one], b=[two])
    assert edge.run().rerouted  # the new worker is known since the look before
    assert edge.haproxy.ask("moves.example")[:2] == (200, "one")
    assert edge.haproxy.ask("b.example")[:2] == (200, "two")
    state, _ = state_file.load(edge.haproxy.folder / "state" / "state.json")
    assert (state.route_changes, state.reloads) == (4, 1)


def test_in_doubt_it_is_reloaded(edge: Edge) -> None:
    one, two = edge.task("one"), edge.task("two")

    def moved(host_of: str) -> bool:
        hosts = {name: f"{name}.example" for name in "ab"}
        hosts[host_of] += ",moves.example"
        edge.say(edge.app("a", [one], VHOST=hosts["a"]), edge.app("b", [two], 1, VHOST=hosts["b"]))
        outcome = edge.run()
        edge.haproxy.wait_alone()
        assert outcome.exit is Exit.OK, outcome
        assert outcome.reloaded != outcome.rerouted, outcome
        expected = {"a": "one", "b": "two"}[host_of]
        assert edge.haproxy.ask("moves.example")[:2] == (200, expected)
        assert not edge.run().changed
        return outcome.reloaded

    def name() -> str:
        return exchange.seen(edge.haproxy.admin_socket).by_kind["exact"].name

    assert moved("a")
    assert not moved("b")
    # Somebody else puts a route in.
    socket.ask(edge.haproxy.admin_socket, f"add map {name()} x.example/ a_{edge.first_port}")
    assert moved("a")
    assert edge.haproxy.ask("x.example")[0] == 503
    # Somebody else replaces all of them, and nothing else changes.
    socket.ask(edge.haproxy.admin_socket, f"prepare map {name()}")
    socket.ask(edge.haproxy.admin_socket, f"commit map @1 {name()}")
    assert edge.haproxy.ask("moves.example")[0] == 503
    assert edge.run().reloaded
    edge.haproxy.wait_alone()
    assert edge.haproxy.ask("moves.example")[:2] == (200, "one")
    # Another worker than is known, and other routes at the same time.
    edge.haproxy.stop()
    edge.haproxy.start()
    assert moved("b")
    assert not moved("a")


def test_routes_change_while_a_reload_would_have_to_wait(edge: Edge) -> None:
    one, two = edge.task("one"), edge.task("two")
    reader = Reader(edge.client, SourceOptions())
    resident = Resident(reader, edge.options, lambda: edge.now_ms)

    def say(host_of: str, *more: str) -> None:
        hosts = {name: f"{name}.example" for name in ("a", "b", *more)}
        hosts[host_of] += ",moves.example"
        tasks = {"a": [one]}
        edge.say(
            *(
                edge.app(name, tasks.get(name, [two]), at, VHOST=host)
                for at, (name, host) in enumerate(hosts.items())
            )
        )

    with resident.opened():
        say("a")
        assert resident.turn(How()).reloaded
        edge.haproxy.wait_alone()
        assert not resident.turn(How()).changed
        say("b")
        waiting = How(may_reload=False, everything=False)
        outcome = resident.turn(waiting)
        assert (outcome.exit, outcome.rerouted, outcome.is_live) == (Exit.OK, True, True), outcome
        assert edge.haproxy.ask("moves.example")[:2] == (200, "two")
        say("a", "c")
        assert resident.turn(waiting).postponed
        assert edge.haproxy.ask("moves.example")[:2] == (200, "two")
        assert resident.turn(How(everything=False)).reloaded
        edge.haproxy.wait_alone()
        assert edge.haproxy.ask("moves.example")[:2] == (200, "one")
        assert not resident.turn(How()).changed
        say("b", "c")
        assert resident.turn(waiting).rerouted
        assert edge.haproxy.ask("moves.example")[:2] == (200, "two")
        assert not resident.turn(How()).changed
