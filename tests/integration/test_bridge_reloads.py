"""What takes no reload of a real haproxy, and what is as before when one is over."""

import os
import socket as sockets
import stat
from collections.abc import Callable, Iterator

import pytest
from msgspec.structs import replace

from haproxy_bridge.exits import Exit
from haproxy_bridge.rendered import Piece, Rendered
from haproxy_bridge.run.outcome import Outcome
from haproxy_bridge.runtime import apply, socket
from haproxy_bridge.runtime.socket import Account
from haproxy_bridge.runtime.state import Running
from haproxy_bridge.swap.check import check
from tests.edge.certificates import certificate
from tests.edge.fixtures import Edge
from tests.edge.tasks import TaskServer
from tests.polling import eventually

NOBODY = Account(65_534, 65_534)


def server(edge: Edge, backend: str, port: int) -> Running:
    found = apply.running(edge.haproxy.admin_socket)[backend]
    return next(one for one in found.values() if one.port == port)


@pytest.fixture
def silence() -> Iterator[sockets.socket]:
    """Takes connections and never answers: checks need long to find that out."""
    with sockets.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def test_a_new_worker_knows_who_does_not_answer(edge: Edge, silence: sockets.socket) -> None:
    one, two = edge.task("one"), edge.task("two")
    app, alone = edge.app("a", [one, two], VHOST="a.example"), edge.app("b", [one], 1)
    check = {"protocol": "HTTP", "path": "/", "intervalSeconds": 60, "timeoutSeconds": 60}
    nobody = silence.getsockname()[1]
    for said in (app, alone):
        said["healthChecks"] = [check]
        for task in said["tasks"]:
            task["healthCheckResults"] = [{"alive": True}]
        said["tasks"][-1]["ports"] = [nobody]
    edge.say(app, alone)
    assert edge.run().reloaded
    name, name_alone = f"a_{edge.first_port}", f"b_{edge.first_port + 1}"
    for backend in (name, name_alone):
        silent = server(edge, backend, nobody)
        socket.tell(edge.haproxy.admin_socket, [f"set server {backend}/{silent.name} health down"])
    edge.say(app, alone, edge.app("c", [one], 2))
    outcome = edge.run()
    assert (outcome.exit, outcome.reloaded, outcome.notes) == (Exit.OK, True, ())
    assert server(edge, name, nobody).failed
    assert server(edge, name, one.port).up
    assert server(edge, name_alone, nobody).up  # nobody else is there, and it may be well now


def test_who_reads_configurations_is_known(edge: Edge) -> None:
    for path in (edge.haproxy.master_socket, edge.haproxy.admin_socket):
        assert socket.listener(path) == (os.geteuid(), os.getegid())
    assert socket.listener(edge.haproxy.folder / "none.sock") is None


def test_what_its_reader_may_not_read_is_found(edge: Edge) -> None:
    folder = edge.haproxy.folder
    folder.chmod(0o755)
    certificate(folder / "closed.pem", "a.example")
    (folder / "closed.pem").chmod(0o600)
    (folder / "haproxy.cfg").chmod(0o640)
    text = "defaults\n  mode http\n  timeout client 1s\nfrontend f\n"
    bind = f"  bind 127.0.0.1:{edge.first_port} ssl crt {folder}/closed.pem\n"
    is_root = os.geteuid() == 0
    # What belongs to nobody's group is open to it, and the candidate to nobody else.
    for owner, readable in ((0, False), (NOBODY.gid, True)):
        if is_root:
            os.chown(folder / "haproxy.cfg", 0, owner)
        plain = Rendered(pieces=(Piece((text + "  bind 127.0.0.1:1\n").encode(), 5),))
        refusal = check("haproxy", folder, plain, NOBODY)
        assert (refusal is None) == (readable or not is_root)
    closed = Rendered(pieces=(Piece((text + bind).encode(), 5),))
    assert check("haproxy", folder, closed) is None
    refusal = check("haproxy", folder, closed, NOBODY)
    assert (refusal is None) == (not is_root)
    assert stat.S_IMODE((folder / "closed.pem").stat().st_mode) == 0o600
    assert not list(folder.glob(".stayer-candidate-*"))


def test_marathon_lbs_pages_are_where_its_statistics_are(make_edge: Callable[..., Edge]) -> None:
    edge = make_edge()
    pages = edge.task("pages")
    render = replace(edge.options.render, pages=f"127.0.0.1:{pages.port}")
    edge.options = replace(edge.options, render=render)
    edge.say(edge.app("a", [edge.task("one")], VHOST="a.example"))
    assert edge.run().exit is Exit.OK
    edge.haproxy.wait_alone()
    stats = edge.haproxy.stats
    for path in ("/_haproxy_getpids", "/_haproxy_getconfig", "/_mlb_signal/hup"):
        assert edge.haproxy.ask(path=path, port=stats)[:2] == (200, "pages")
    assert edge.haproxy.ask(path="/_haproxy_health_check", port=stats)[0] == 200
    assert "haproxy_process" in edge.haproxy.ask(path="/metrics", port=stats)[1]
    status, table, _ = edge.haproxy.ask(path="/haproxy?stats;csv", port=stats)
    assert (status, table[:9]) == (200, "# pxname,")
    assert f"a_{edge.first_port},BACKEND" in table


def limits(edge: Edge, backend: str) -> list[str]:
    """Of a front end and of the servers behind it."""
    answer = socket.ask(edge.haproxy.admin_socket, "show stat -1 5 -1")
    head, *rows = (line.split(",") for line in answer.strip().splitlines())
    return [row[head.index("slim")] for row in rows if row[0] == backend]


def test_other_limits_take_no_reload(edge: Edge) -> None:
    one, two = edge.task("one"), edge.task("two")
    name = f"a_{edge.first_port}"

    def run(tasks: list[TaskServer], maxconn: str = "", servers: str = "") -> Outcome:
        given = {"MAXCONN": maxconn, "MAXCONN_SERVER": servers}
        labels = {label: text for label, text in given.items() if text}
        edge.say(edge.app("a", tasks, 0, VHOST="a.example", **labels))
        return edge.run()

    assert run([one], "50", "5").reloaded
    edge.haproxy.wait_alone()
    outcome = run([one, two], "60", "6")
    assert (outcome.exit, outcome.reloaded, outcome.added) == (Exit.OK, False, 1)
    assert limits(edge, name) == ["60", "6", "6"]
    assert not run([one, two], "60", "6").changed
    edge.haproxy.stop()
    edge.haproxy.start()  # the file is what ran
    assert limits(edge, name) == ["60", "6", "6"]
    assert not run([one, two], "60", "6").changed
    assert run([one, two], "", "6").reloaded
    edge.haproxy.wait_alone()
    assert limits(edge, name)[0] != "60"
    assert run([one, two]).reloaded


def test_sessions_are_counted_where_a_front_end_has_the_same_name(edge: Edge) -> None:
    one, other = edge.task("one"), edge.task("other")
    edge.say(edge.app("a", [one], VHOST="a.example"), edge.app("b", [other], 1))
    assert edge.run().reloaded
    edge.haproxy.wait_alone()
    a, b = f"a_{edge.first_port}", f"b_{edge.first_port + 1}"
    with sockets.create_connection(("127.0.0.1", edge.first_port), 60) as client:
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: a.example\r\n\r\n")
        eventually(lambda: one.waiting, "the request does not come")
        expected = {
            (a, server(edge, a, one.port).name): 1,
            (b, server(edge, b, other.port).name): 0,
        }
        for asked in (None, [a, b]):
            assert apply.sessions(edge.haproxy.admin_socket, asked) == expected
        one.release.set()
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
