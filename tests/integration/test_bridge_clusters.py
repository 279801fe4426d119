"""Several clusters behind one real haproxy: who serves, and what stays when one of them, or its
scheduler, goes away. The schedulers are scripted; the tasks are real.
"""

import json
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler

from api.client import Client
from haproxy_bridge.exits import Exit
from haproxy_bridge.run.bell import Note
from haproxy_bridge.run.daemon import Daemon, DaemonOptions
from haproxy_bridge.run.node import Node
from haproxy_bridge.run.outcome import Outcome
from haproxy_bridge.run.pace import PaceOptions
from haproxy_bridge.source import Reader, Source, SourceOptions
from tests.edge.fixtures import NO_PAGE, Edge
from tests.edge.streams import EventStream
from tests.polling import eventually
from tests.unit.cli.scripted_http import Answer, hang_up, scripted


def test_another_cluster_serves_while_the_first_one_can_not(
    make_edge: Callable[..., Edge],
) -> None:
    edge = make_edge(render={"all_backups": True})
    west = edge.stack.enter_context(scripted({"GET /v3/services": NO_PAGE}))
    client = edge.stack.enter_context(closing(Client([west.url], timeout_seconds=10)))
    here, there, more, alone = (edge.task(name) for name in ("here", "there", "more", "alone"))
    b = edge.app("b", [alone], 1, VHOST="b.example")
    edge.say(edge.app("a", [here], VHOST="a.example"))
    west.script["GET /v2/apps"] = _apps(edge.app("a", [there, more]), b)

    def run() -> Outcome:
        edge.now_ms += 60_000
        others = [("west", Reader(client, SourceOptions()))]
        reader = Reader(edge.client, SourceOptions())
        return Node(reader, edge.options, lambda: edge.now_ms, others).run()

    def answer(host: str) -> set[str]:
        return {edge.haproxy.ask(host)[1] for _ in range(8)}

    assert run().exit is Exit.OK
    assert (answer("a.example"), answer("b.example")) == ({"here"}, {"alone"})
    edge.marathon.script["GET /v3/services"] = edge.marathon.script["GET /v2/apps"] = hang_up
    outcome = run()
    assert (outcome.exit, outcome.changed) == (Exit.CLUSTER, False)
    assert set(outcome.kept) == {"main"}
    # haproxy sees by itself that the servers of the first cluster are gone.
    here.shutdown()
    here.server_close()
    eventually(lambda: answer("a.example") == {"there", "more"}, "no backup serves")
    # What the other one changes is served meanwhile, without a reload.
    west.script["GET /v2/apps"] = _apps(edge.app("a", [more]), b)
    outcome = run()
    assert (outcome.exit, outcome.removed, outcome.reloaded) == (Exit.CLUSTER, 1, False)
    assert answer("a.example") == {"more"}
    # The first one is back, with a task elsewhere, and the other one lost all without a reason.
    again = edge.task("again")
    edge.marathon.script["GET /v3/services"] = NO_PAGE
    edge.say(edge.app("a", [again], VHOST="a.example"))
    west.script["GET /v2/apps"] = _apps()
    outcome = run()
    assert (outcome.exit, set(outcome.kept)) == (Exit.CLUSTER, {"west"})
    assert not outcome.reloaded, outcome
    eventually(lambda: answer("a.example") == {"again"}, "the first cluster does not serve again")
    assert answer("b.example") == {"alone"}


def test_a_cluster_that_hangs_keeps_the_daemon_from_nothing(edge: Edge) -> None:
    edge.impatient(600)
    west = edge.stack.enter_context(scripted({"GET /v3/services": NO_PAGE}))
    stream = west.script["GET /v2/events"] = EventStream()
    client = edge.stack.enter_context(closing(Client([west.url], timeout_seconds=10)))
    here, there = edge.task("here"), edge.task("there")
    edge.say(edge.app("a", [here], VHOST="a.example"))
    west.script["GET /v2/apps"] = _apps()
    let_go = threading.Event()

    def hang(handler: BaseHTTPRequestHandler) -> None:
        let_go.wait(300)
        hang_up(handler)

    with _watching(edge, Source("west", Reader(client, SourceOptions()), client)) as daemon:
        eventually(lambda: _answers(edge, "a.example", "here"), "the first cluster is not served")
        eventually(lambda: stream.connected, "nobody listens to the other cluster")
        edge.marathon.script["GET /v2/apps"] = hang
        west.script["GET /v2/apps"] = _apps(edge.app("b", [there], 1, VHOST="b.example"))
        stream.tell()
        eventually(lambda: _answers(edge, "b.example", "there"), "a change is not served")
        assert _answers(edge, "a.example", "here")
        let_go.set()
        eventually(lambda: _kept(daemon) == ["main"], "its failure is not told")
        assert _answers(edge, "a.example", "here")
        stream.cut()


@contextmanager
def _watching(edge: Edge, other: Source) -> Iterator[Daemon]:
    options = DaemonOptions(
        pace=PaceOptions(poll_seconds=3600, min_reload_seconds=0), metrics_bind=("127.0.0.1", 0)
    )
    reader = Reader(edge.client, SourceOptions())
    ignore: Callable[[object], None] = lambda _: None  # noqa: E731 - it is said twice
    daemon = Daemon(edge.client, reader, edge.options, options, ignore, ignore, [other])
    thread = threading.Thread(target=daemon.run, daemon=True)
    thread.start()
    try:
        yield daemon
    finally:
        daemon.bell.ring(Note.STOP)
        thread.join(60)


def _answers(edge: Edge, host: str, body: str) -> bool:
    try:
        return edge.haproxy.ask(host)[:2] == (200, body)
    except OSError:
        return False


def _kept(daemon: Daemon) -> list[str]:
    """The clusters of which the last servers stay, as the daemon's page says."""
    assert daemon.pages is not None
    url = f"http://127.0.0.1:{daemon.pages.port}/status"
    with urllib.request.urlopen(url, timeout=30) as answer:
        return [one["name"] for one in json.load(answer)["clusters"] if one["kept"]]


def _apps(*apps: dict[str, object]) -> Answer:
    return Answer({"apps": list(apps)})
