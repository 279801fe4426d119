"""The daemon on a real haproxy: what an event leads to, and what is kept when the scheduler, its
stream or haproxy itself goes away. The scheduler is scripted; the tasks are real.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from api.client import Client
from haproxy_bridge.exits import Exit
from haproxy_bridge.run.bell import Note
from haproxy_bridge.run.daemon import Daemon, DaemonOptions
from haproxy_bridge.run.outcome import Outcome
from haproxy_bridge.run.pace import PaceOptions
from haproxy_bridge.run.supervisor import HaproxyOptions
from haproxy_bridge.runtime import master
from haproxy_bridge.runtime.socket import SocketError
from haproxy_bridge.source import Reader, SourceOptions
from tests.edge.certificates import certificate, shown
from tests.edge.fixtures import Edge
from tests.edge.streams import EventStream
from tests.polling import eventually
from tests.unit.cli.scripted_http import Answer, hang_up, scripted

SELDOM = PaceOptions(poll_seconds=3600, min_reload_seconds=0)
OFTEN = PaceOptions(poll_seconds=0.2, min_reload_seconds=0, max_pause_seconds=0.2)


def answer(edge: Edge, host: str) -> tuple[int, str, dict[str, str]]:
    try:
        return edge.haproxy.ask(host)
    except OSError as error:
        raise AssertionError(str(error)) from error


class Watching:
    """A daemon in a thread, and all that it told."""

    def __init__(self, edge: Edge, options: DaemonOptions) -> None:
        self.edge = edge
        self.stream = EventStream()
        edge.marathon.script["GET /v2/events"] = self.stream
        edge.marathon.script["GET /v3/events"] = self.stream
        self.outcomes: list[Outcome] = []
        self.said: list[str] = []
        reader = Reader(edge.client, SourceOptions())
        self.daemon = Daemon(
            edge.client, reader, edge.options, options, self.outcomes.append, self.said.append
        )
        self._thread = threading.Thread(target=self.daemon.run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.daemon.bell.ring(Note.STOP)
        self._thread.join(60)
        self.stream.cut()
        assert not self._thread.is_alive()

    def page(self, path: str) -> str:
        assert self.daemon.pages is not None
        url = f"http://127.0.0.1:{self.daemon.pages.port}{path}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            return str(answer.read().decode())

    def metric(self, name: str) -> float:
        lines = self.page("/metrics").splitlines()
        (found,) = [line for line in lines if line.startswith(f"stayer_bridge_{name} ")]
        return float(found.rpartition(" ")[2])

    def serves(self, *names: str, host: str = "a.example") -> None:
        """Wait until exactly these answer."""
        wanted = set(names)

        def look() -> bool:
            answers = [answer(self.edge, host) for _ in range(2 * len(wanted) + 2)]
            assert {body for status, body, _ in answers if status == 200} == wanted, self.outcomes
            return True

        eventually(look, f"{host} is not served by {names}")

    def listens(self) -> None:
        eventually(lambda: self.stream.connected, "nobody listens to events")
        turns = len(self.outcomes)
        self.stream.tell()
        eventually(lambda: len(self.outcomes) > turns, "an event leads to no turn")


@pytest.fixture
def watching() -> Iterator[Callable[..., Watching]]:
    """Starts a daemon: watching(edge, pace=...)."""
    with ExitStack() as stack:

        def start(edge: Edge, /, **options: Any) -> Watching:
            options = {"pace": SELDOM, "metrics_bind": ("127.0.0.1", 0), **options}
            made = Watching(edge, DaemonOptions(**options))
            made.start()
            stack.callback(made.stop)
            return made

        yield start


def reloads(edge: Edge) -> int:
    return master.processes(edge.haproxy.master_socket).reloads


Start = Callable[..., Watching]


def test_an_event_leads_to_other_members_without_a_reload(edge: Edge, watching: Start) -> None:
    one, two, three = (edge.task(name) for name in ("one", "two", "three"))
    edge.say(edge.app("a", [one], VHOST="a.example"))
    daemon = watching(edge)
    daemon.serves("one")
    daemon.listens()
    before = reloads(edge)
    edge.say(edge.app("a", [one, two, three], VHOST="a.example"))
    daemon.stream.tell()
    daemon.serves("one", "two", "three")
    edge.say(edge.app("a", [two], VHOST="a.example"))
    daemon.stream.tell()
    daemon.serves("two")
    assert reloads(edge) == before
    assert daemon.metric("event_to_live_seconds_count") >= 2
    assert daemon.metric("event_stream_up") == 1
    port = f":{two.port} ".encode()
    eventually(lambda: port in edge.haproxy.config.read_bytes(), "the file does not follow")


def test_events_that_change_nothing_are_no_reason_to_look(edge: Edge, watching: Start) -> None:
    edge.say(edge.app("a", [edge.task("one")], VHOST="a.example"))
    daemon = watching(edge)
    daemon.listens()
    asked = len(edge.marathon.requests)
    for _ in range(20):
        daemon.stream.tell("alarm_raised")
    daemon.listens()
    assert len(edge.marathon.requests) - asked < 10


def test_without_its_stream_it_looks_now_and_then(edge: Edge, watching: Start) -> None:
    one, two = edge.task("one"), edge.task("two")
    edge.say(edge.app("a", [one], VHOST="a.example"))
    daemon = watching(edge, pace=OFTEN)
    daemon.serves("one")
    daemon.listens()
    edge.marathon.script["GET /v2/events"] = hang_up
    daemon.stream.cut()
    edge.say(edge.app("a", [two], VHOST="a.example"))
    daemon.serves("two")
    eventually(lambda: daemon.metric("event_stream_up") == 0, "a cut stream counts as one")
    edge.marathon.script["GET /v2/events"] = daemon.stream
    daemon.listens()


def test_a_stream_that_falls_silent_is_given_up(edge: Edge, watching: Start) -> None:
    one, two = edge.task("one"), edge.task("two")
    edge.say(edge.app("a", [one], VHOST="a.example"))
    daemon = watching(edge, silence_seconds=0.5)
    daemon.serves("one")
    eventually(lambda: daemon.stream.opened >= 3, "a silent stream is listened to")
    edge.say(edge.app("a", [two], VHOST="a.example"))  # and nothing is told
    daemon.serves("two")


def _silent(handler: BaseHTTPRequestHandler) -> None:
    """Takes the request, and says nothing until the client gives it up."""
    handler.close_connection = True
    handler.rfile.read(1)


def test_one_that_takes_connections_and_never_answers_costs_no_news(
    edge: Edge, watching: Start
) -> None:
    one, two = edge.task("one"), edge.task("two")
    edge.say(edge.app("a", [one], VHOST="a.example"))
    silent = dict.fromkeys(("GET /v3/services", "GET /v2/apps", "GET /v2/events"), _silent)
    with scripted(silent) as dead, ExitStack() as stack:
        client = Client([dead.url, edge.marathon.url], timeout_seconds=0.5)
        edge.client = stack.enter_context(closing(client))
        daemon = watching(edge, pace=OFTEN)
        daemon.serves("one")
        edge.say(edge.app("a", [two], VHOST="a.example"))
        daemon.serves("two")
        assert dead.requests
        daemon.stop()


def test_a_stream_that_never_begins_is_no_stream(edge: Edge, watching: Start) -> None:
    one, two = edge.task("one"), edge.task("two")
    edge.say(edge.app("a", [one], VHOST="a.example"))
    edge.impatient(0.5)
    daemon = watching(edge, pace=OFTEN, silence_seconds=0.5)
    edge.marathon.script["GET /v2/events"] = _silent
    asked = edge.marathon.asked
    eventually(lambda: asked().count("GET /v2/events") >= 2, "it is not asked for again")
    edge.say(edge.app("a", [two], VHOST="a.example"))
    daemon.serves("two")
    edge.marathon.script["GET /v2/events"] = daemon.stream
    daemon.listens()


def test_a_haproxy_that_somebody_restarts_is_what_it_was(edge: Edge, watching: Start) -> None:
    one, two = edge.task("one"), edge.task("two")
    edge.say(edge.app("a", [one], VHOST="a.example"))
    daemon = watching(edge)
    daemon.serves("one")
    daemon.listens()
    edge.haproxy.stop(signal.SIGKILL)
    edge.say(edge.app("a", [one, two], VHOST="a.example"))
    daemon.stream.tell()
    eventually(lambda: daemon.outcomes[-1].exit is not Exit.OK, "nobody misses haproxy")
    edge.haproxy.start()
    daemon.daemon.bell.ring(Note.ALL)
    daemon.serves("one", "two")


def test_a_scheduler_that_is_ill_keeps_everything_and_is_told(edge: Edge, watching: Start) -> None:
    one, two = edge.task("one"), edge.task("two")
    edge.say(edge.app("a", [one], VHOST="a.example"))
    daemon = watching(edge, pace=OFTEN)
    daemon.serves("one")
    for answer in (Answer({"message": "no leader"}, 503), Answer(b"<html>"), Answer({"apps": []})):
        seen = len(daemon.outcomes)
        edge.marathon.script["GET /v2/apps"] = answer
        eventually(
            lambda at=seen: len(daemon.outcomes) > at + 2,  # type: ignore[misc]  # bound now
            "no further turns",
        )
        assert daemon.outcomes[-1].exit in {Exit.UNREACHABLE, Exit.HELD}
        assert edge.haproxy.ask("a.example")[1] == "one"
    eventually(lambda: daemon.metric("staleness_seconds") >= 0.3, "staleness does not grow")
    assert json.loads(daemon.page("/status"))["exit"] == "held"
    assert daemon.metric("held") == 1
    edge.say(edge.app("a", [two], VHOST="a.example"))
    daemon.serves("two")
    eventually(lambda: daemon.metric("failing") == 0, "it still counts as failing")


def test_what_never_succeeded_is_not_as_old_as_time(edge: Edge, watching: Start) -> None:
    edge.marathon.script["GET /v2/apps"] = Answer({"message": "no leader"}, 503)
    daemon = watching(edge, pace=OFTEN)
    eventually(lambda: daemon.outcomes, "it does not look")
    assert json.loads(daemon.page("/status"))["staleness"] is None
    edge.say(edge.app("a", [edge.task("one")], VHOST="a.example"))
    daemon.serves("one")
    eventually(lambda: json.loads(daemon.page("/status"))["staleness"] is not None, "a success")


def test_reloads_keep_their_distance_and_members_do_not_wait(edge: Edge, watching: Start) -> None:
    one, two = edge.task("one"), edge.task("two")
    edge.say(edge.app("a", [one], 0, VHOST="a.example"))
    daemon = watching(edge, pace=replace(SELDOM, min_reload_seconds=3600))
    daemon.serves("one")
    daemon.listens()
    before = reloads(edge)
    edge.say(
        edge.app("a", [one, two], 0, VHOST="a.example"),
        edge.app("b", [two], 1, VHOST="b.example"),
    )
    daemon.stream.tell()
    daemon.serves("one", "two")
    assert reloads(edge) == before
    assert edge.haproxy.ask("b.example")[0] == 503
    assert json.loads(daemon.page("/status"))["reloadPostponed"] is True


def test_a_postponed_reload_comes(edge: Edge, watching: Start) -> None:
    one = edge.task("one")
    edge.say(edge.app("a", [one], 0, VHOST="a.example"))
    daemon = watching(edge, pace=replace(SELDOM, min_reload_seconds=1))
    daemon.serves("one")
    daemon.listens()
    apps = [edge.app("a", [one], 0, VHOST="a.example")]
    for number in range(1, 9):
        apps.append(edge.app(f"b{number}", [one], number, VHOST=f"b{number}.example"))
        edge.say(*apps)
        turns = len(daemon.outcomes)
        daemon.stream.tell()
        eventually(lambda at=turns: len(daemon.outcomes) > at, "no turn")  # type: ignore[misc]  # bound now
    daemon.serves("one", host="b8.example")
    assert sum(outcome.postponed for outcome in daemon.outcomes) > 0


def test_the_file_is_what_runs_when_it_ends(edge: Edge, watching: Start) -> None:
    one, two = edge.task("one"), edge.task("two")
    edge.say(edge.app("a", [one], VHOST="a.example"))
    daemon = watching(edge)
    daemon.serves("one")
    daemon.listens()
    edge.say(edge.app("a", [two], VHOST="a.example"))
    daemon.stream.tell()
    eventually(lambda: any(outcome.added for outcome in daemon.outcomes), "no change")
    daemon.stop()
    edge.haproxy.stop()
    edge.haproxy.start()
    assert edge.haproxy.ask("a.example")[1] == "two"
    edge.now_ms = 10**13
    assert not edge.run().changed


def test_its_pages(edge: Edge, watching: Start) -> None:
    one = edge.task("one")
    edge.say(edge.app("a", [one], 0, VHOST="a.example", AUTH="realm:joe:$5$x$secret", MODE="http"))
    daemon = watching(edge, pace=replace(SELDOM, min_reload_seconds=0))
    eventually(lambda: daemon.outcomes, "no turn")
    name = f"a_{edge.first_port}"
    assert daemon.page("/_haproxy_getvhostmap") == f"a.example {name}\n"
    assert daemon.page("/_haproxy_getappmap") == f"/a {name}\n"
    shown = daemon.page("/_haproxy_getconfig")
    assert f"backend {name}" in shown
    assert "secret" not in shown
    assert daemon.page("/_haproxy_health_check") == "haproxy answers\n"
    workers = master.processes(edge.haproxy.master_socket)
    pids = map(int, daemon.page("/_haproxy_getpids").split())
    assert set(workers.workers) <= set(pids)
    turns = len(daemon.outcomes)
    daemon.page("/_mlb_signal/hup")
    eventually(lambda: len(daemon.outcomes) > turns, "the signal leads to no turn")
    assert daemon.metric("haproxy_up") == 1
    assert daemon.metric("reloads_total") == 1
    with pytest.raises(urllib.error.HTTPError, match="404"):
        daemon.page("/other")


def test_a_renewed_certificate_is_shown_when_it_is_told_to_look(
    make_edge: Callable[..., Edge], watching: Start, tmp_path: Path
) -> None:
    path = tmp_path / "a.pem"
    before = certificate(path, "a.example")
    edge = make_edge(render={"certificates": (str(path),)})
    edge.say(edge.app("a", [edge.task("one")], VHOST="a.example"))
    daemon = watching(edge)
    daemon.serves("one")
    assert shown(edge.haproxy.https, "a.example") == before
    edge.marathon.script["GET /v2/apps"] = Answer({"message": "no leader"}, 503)
    after = certificate(path, "a.example")
    daemon.page("/_mlb_signal/hup")
    eventually(lambda: shown(edge.haproxy.https, "a.example") == after, "it is not exchanged")
    (told,) = json.loads(daemon.page("/status"))["certificates"]
    assert (told["file"], told["problem"]) == (str(path), "")
    assert reloads(edge) == 1


def services_page(edge: Edge, tasks: dict[str, bool], **labels: str) -> Answer:
    """Stayer's answer for one app: its tasks, and whether each drains."""
    shown = [
        {
            "id": name,
            "host": "127.0.0.1",
            "endpoints": [{"host": "127.0.0.1", "port": edge.tasks[name].port}],
            "health": "up",
            "draining": drains,
        }
        for name, drains in tasks.items()
    ]
    service = {
        "id": "/a",
        "wanted": len(tasks),
        "labels": {f"HAPROXY_0_{name}": text for name, text in labels.items()}
        or {"HAPROXY_0_VHOST": "a.example"},
        "ports": [{"servicePort": edge.first_port}],
        "tasks": shown,
    }
    return Answer({"stateId": "s", "epoch": 3, "synced": True, "services": [service]})


def test_a_draining_task_gets_nothing_new_and_is_told_of_when_idle(
    edge: Edge, watching: Start
) -> None:
    one = edge.task("one")
    edge.task("two")
    script = edge.marathon.script
    script["GET /v3/services"] = services_page(edge, {"one": False})
    script["PUT /v3/edges/e"] = script["POST /v3/edges/e/ack"] = Answer({})
    daemon = watching(edge, edge="e")
    daemon.serves("one")
    daemon.listens()
    before = reloads(edge)
    with socket.create_connection(("127.0.0.1", edge.haproxy.http)) as client:
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: a.example\r\n\r\n")
        eventually(lambda: one.waiting, "the request does not come")
        script["GET /v3/services"] = services_page(edge, {"one": True, "two": False})
        daemon.stream.tell()
        daemon.serves("two")
        leases = [r for r in edge.marathon.requests if r.path == "/v3/edges/e"]
        assert leases[0].body["kind"] == "daemon"
        assert leases[0].body["epoch"] == 3
        assert "POST /v3/edges/e/ack" not in edge.marathon.asked()
        one.release.set()
        client.settimeout(30)
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
    eventually(lambda: "POST /v3/edges/e/ack" in edge.marathon.asked(), "nobody is told")
    (told,) = [r for r in edge.marathon.requests if r.path == "/v3/edges/e/ack"]
    assert told.body == {"tasks": ["one"]}
    assert reloads(edge) == before
    script["GET /v3/services"] = services_page(edge, {"two": False})
    daemon.stream.tell()
    eventually(lambda: daemon.metric("servers") == 1, "it is still there")
    assert daemon.stream.after[0] is None


ACK = "POST /v3/edges/e/ack"


def test_clients_with_its_cookie_leave_a_draining_task_too(edge: Edge, watching: Start) -> None:
    edge.task("one")
    edge.task("two")
    script = edge.marathon.script
    sticky = {"VHOST": "a.example", "STICKY": "true"}
    script["GET /v3/services"] = services_page(edge, {"one": False}, **sticky)
    script["PUT /v3/edges/e"] = script[ACK] = Answer({})
    daemon = watching(edge, edge="e")
    daemon.serves("one")
    daemon.listens()
    cookie = edge.haproxy.ask("a.example")[2]["set-cookie"].partition(";")[0]
    script["GET /v3/services"] = services_page(edge, {"one": True, "two": False}, **sticky)
    daemon.stream.tell()
    eventually(lambda: ACK in edge.marathon.asked(), "nobody is told")
    named = {"Cookie": cookie}
    assert {edge.haproxy.ask("a.example", headers=named)[1] for _ in range(4)} == {"two"}
    eventually(lambda: b" disabled" in edge.haproxy.config.read_bytes(), "the file does not follow")
    edge.haproxy.stop()
    edge.haproxy.start()  # the file is what ran
    assert {edge.haproxy.ask("a.example", headers=named)[1] for _ in range(4)} == {"two"}
    script["GET /v3/services"] = services_page(edge, {"one": False, "two": True}, **sticky)
    daemon.stream.tell()
    daemon.serves("one")


def test_a_connection_of_before_a_reload_is_one_of_the_tasks(edge: Edge, watching: Start) -> None:
    edge.task("one")
    edge.task("two")
    script = edge.marathon.script
    script["GET /v3/services"] = services_page(edge, {"one": False}, MODE="tcp")
    script["PUT /v3/edges/e"] = script[ACK] = Answer({})
    daemon = watching(edge, edge="e")
    daemon.listens()
    with socket.create_connection(("127.0.0.1", edge.first_port), 30) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
        more = {"MODE": "tcp", "MAXCONN": "100"}
        script["GET /v3/services"] = services_page(edge, {"one": True, "two": False}, **more)
        daemon.stream.tell()
        loaded = daemon.outcomes
        eventually(lambda: sum(one.reloaded for one in loaded) == 2, "it is not loaded")
        script["GET /v3/services"] = services_page(edge, {"one": True, "two": True}, **more)
        daemon.stream.tell()
        eventually(lambda: told(edge) == {"two"}, "nobody is told of the other one")
    eventually(lambda: "one" in told(edge), "nobody is told")


def told(edge: Edge) -> set[str]:
    """The tasks of which the scheduler knows that they get nothing more."""
    found = [one.body["tasks"] for one in edge.marathon.requests if one.path == "/v3/edges/e/ack"]
    return {task_id for tasks in found for task_id in tasks}


def test_a_cut_stream_is_read_on_from_its_last_event(edge: Edge, watching: Start) -> None:
    edge.task("one")
    edge.marathon.script["GET /v3/services"] = services_page(edge, {"one": False})
    daemon = watching(edge)
    daemon.listens()
    turns = len(daemon.outcomes)
    last = daemon.stream.tell()
    eventually(lambda: len(daemon.outcomes) > turns, "no turn")
    daemon.stream.cut()
    eventually(lambda: daemon.stream.opened == 2, "it does not listen again")
    assert daemon.stream.after == [None, last]


def own_haproxy(edge: Edge) -> DaemonOptions:
    edge.haproxy.stop()
    return DaemonOptions(
        pace=SELDOM,
        metrics_bind=("127.0.0.1", 0),
        haproxy=HaproxyOptions(
            program="haproxy",
            config=str(edge.haproxy.config),
            master_socket=str(edge.haproxy.master_socket),
            stop_seconds=10,
        ),
    )


@contextmanager
def with_own(edge: Edge) -> Iterator[Watching]:
    made = Watching(edge, own_haproxy(edge))
    made.start()
    try:
        yield made
    finally:
        made.stop()


def pid(edge: Edge) -> int | None:
    try:
        return master.processes(edge.haproxy.master_socket).pid
    except SocketError:
        return None


def test_its_own_haproxy_is_started_again_and_stopped_at_the_end(edge: Edge) -> None:
    one, two = edge.task("one"), edge.task("two")
    edge.say(edge.app("a", [one], VHOST="a.example"))
    with with_own(edge) as daemon:
        daemon.serves("one")
        first = eventually(lambda: pid(edge), "its master does not answer")
        assert first
        os.kill(first, signal.SIGKILL)
        eventually(lambda: pid(edge) not in {None, first}, "haproxy is not started again")
        daemon.serves("one")
        daemon.listens()
        edge.say(edge.app("a", [two], VHOST="a.example"))
        daemon.stream.tell()
        daemon.serves("two")
        assert daemon.metric("haproxy_restarts_total") >= 1
        assert any("ended with -9" in line for line in daemon.said)
    assert pid(edge) is None
    assert b"backend a_" in edge.haproxy.config.read_bytes()


def test_killed_without_a_scheduler_it_comes_back_as_it_was(edge: Edge) -> None:
    edge.say(edge.app("a", [edge.task("one")], VHOST="a.example"))
    with with_own(edge) as daemon:
        daemon.serves("one")
        edge.marathon.script["GET /v2/apps"] = Answer({"message": "no leader"}, 503)
        first = eventually(lambda: pid(edge), "its master does not answer")
        assert first
        os.kill(first, signal.SIGKILL)
        eventually(lambda: pid(edge) not in {None, first}, "haproxy is not started again")
        daemon.serves("one")
        second = pid(edge)
        (worker,) = master.processes(edge.haproxy.master_socket).workers
        os.kill(worker, signal.SIGKILL)
        eventually(lambda: pid(edge) not in {None, second}, "nor without its worker")
        daemon.serves("one")


def test_it_starts_with_what_was_last_good(edge: Edge) -> None:
    edge.say(edge.app("a", [edge.task("one")], VHOST="a.example"))
    edge.run()
    edge.say(edge.app("a", [edge.task("two")], VHOST="a.example", BALANCE="leastconn"))
    edge.run()
    edge.haproxy.config.write_text("nonsense\n")
    edge.marathon.script["GET /v2/apps"] = Answer({"message": "no leader"}, 503)
    with with_own(edge) as daemon:
        daemon.serves("one")  # the generation before the file that went bad
        assert "the one after it is not good" in daemon.said[0]


def test_one_that_can_not_start_does_so_with_what_comes_next(edge: Edge) -> None:
    one = edge.task("one")
    a = edge.app("a", [one], 0, VHOST="a.example")
    edge.say(a, edge.app("b", [one], 1, BIND_ADDR="127.0.0.1"))
    edge.run()
    edge.haproxy.stop()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", edge.first_port + 1))
        taken.listen()
        edge.say(a)
        with with_own(edge) as daemon:
            daemon.serves("one")
            assert any("haproxy ended with 1" in line for line in daemon.said)


def test_it_starts_with_health_alone_where_nothing_is_good(edge: Edge) -> None:
    edge.haproxy.config.unlink()
    edge.marathon.script["GET /v2/apps"] = Answer({"message": "no leader"}, 503)
    with with_own(edge) as daemon:
        eventually(lambda: daemon.outcomes, "no turn")
        assert daemon.outcomes[-1].exit is Exit.UNREACHABLE
        path = "/_haproxy_health_check"
        assert edge.haproxy.ask(path=path, port=edge.haproxy.stats)[0] == 200
        assert edge.haproxy.ask("a.example")[0] == 503


class Command:
    """`stayer haproxy watch --run` with these flags; ``pages`` is the port of its pages."""

    def __init__(self, edge: Edge, folder: Path, **flags: object) -> None:
        haproxy = edge.haproxy
        self.edge = edge
        self.pages = edge.first_port + 38
        given = {
            "--config": haproxy.config,
            "--state": folder / "state.json",
            "--master-socket": haproxy.master_socket,
            "--socket": haproxy.admin_socket,
            "--http-bind": f"127.0.0.1:{haproxy.http}",
            "--https-bind": "",
            "--stats-bind": f"127.0.0.1:{haproxy.stats}",
            "--appid-bind": "",
            "--metrics-bind": f"127.0.0.1:{self.pages}",
            "--log": "",
            "--poll-interval": "0.5",
            **{f"--{name.replace('_', '-')}": text for name, text in flags.items()},
        }
        words = [str(word) for pair in given.items() for word in pair]
        stayer = [sys.executable, "-c", "from cli.main import main; main()"]
        self.line = [*stayer, "haproxy", "watch", "--run", *words, edge.marathon.url]

    @contextmanager
    def running(self) -> Iterator[list[str]]:
        """For the length of the block; what it said is in the list then."""
        said: list[str] = []
        with subprocess.Popen(
            self.line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:

            def served() -> bool:
                assert process.poll() is None
                return answer(self.edge, "a.example")[1] == "one"

            try:
                eventually(served, "it does not serve")
                yield said
            finally:
                process.terminate()
                said.append(process.communicate(timeout=60)[0])
        assert process.returncode == 0, said

    def problems(self) -> list[str]:
        """Of the last turn."""
        _, status, _ = self.edge.haproxy.ask(path="/status", port=self.pages)
        return [one["trouble"] for one in json.loads(status)["problems"]]


def test_the_command_runs_until_it_is_told_to_stop(edge: Edge, tmp_path: Path) -> None:
    edge.say(edge.app("a", [edge.task("one")], VHOST="a.example"))
    edge.haproxy.stop()
    command = Command(edge, tmp_path)
    with command.running() as said:
        second = subprocess.run(command.line, capture_output=True, timeout=60, check=False)
        assert second.returncode == Exit.LOCKED
    assert "1 services, 1 servers" in said[0]
    assert pid(edge) is None


def test_files_that_change_are_read_again(edge: Edge, tmp_path: Path) -> None:
    edge.say(edge.app("a", [edge.task("one")], VHOST="a.example"))
    edge.haproxy.stop()
    policy, more, token = tmp_path / "policy", tmp_path / "more", tmp_path / "token"
    policy.write_text("{}")
    token.write_text("first")
    more.mkdir()
    command = Command(edge, tmp_path, policy=policy, include=more, token_file=token)

    def shown() -> set[str | None]:
        return {one.headers.get("Authorization") for one in edge.marathon.requests}

    with command.running():
        (more / "own.cfg").write_text("nonsense\n")
        eventually(lambda: command.problems() == ["file"], "what haproxy refuses is not told")
        assert answer(edge, "a.example")[1] == "one"
        (more / "own.cfg").unlink()
        eventually(lambda: command.problems() == [], "what is mended is told on")
        policy.write_text("{")
        eventually(lambda: command.problems() == ["file"], "a broken policy is not told")
        assert answer(edge, "a.example")[1] == "one"
        assert shown() == {"token=first"}
        token.write_text("second")
        policy.write_text('{"rules": [{"apps": "/a", "vhosts": ["b.example"]}]}')
        eventually(lambda: command.problems() == ["forbidden"], "the new policy is not followed")
        eventually(lambda: answer(edge, "a.example")[0] == 503, "what is forbidden is served")
        eventually(lambda: "token=second" in shown(), "the new token is not shown")
