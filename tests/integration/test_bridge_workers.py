"""Long connections and many reloads: old workers end when their time is over, and nothing waits."""

import socket
from collections.abc import Callable

from haproxy_bridge.exits import Exit
from haproxy_bridge.runtime import master
from haproxy_bridge.runtime.socket import SocketError
from tests.edge.fixtures import Edge
from tests.integration import bridge_load
from tests.polling import eventually


def _old_workers(edge: Edge) -> int:
    try:
        return len(master.processes(edge.haproxy.master_socket).old_workers)
    except SocketError as error:
        raise AssertionError(str(error)) from error


def test_200_reloads_with_open_connections_leave_no_workers(
    make_edge: Callable[..., Edge],
) -> None:
    edge = make_edge(render={"hard_stop_seconds": 1})
    a = edge.task("a")
    edge.say(edge.app("a", [a], 0, MODE="tcp"))
    assert edge.run().exit is Exit.OK
    connections = []
    try:
        for number in range(200):
            opened = socket.create_connection(("127.0.0.1", edge.first_port), 30)
            connections.append(opened)  # as a websocket: open, and silent
            edge.say(edge.app("a", [a], 0, MODE="tcp", TIMEOUT_SERVER=str(100 + number)))
            outcome = edge.run()
            assert (outcome.exit, outcome.reloaded) == (Exit.OK, True), outcome
        assert edge.haproxy.ask(port=edge.first_port)[:2] == (200, "a")
        eventually(lambda: _old_workers(edge) == 0, "the end of the old workers")
    finally:
        for one in connections:
            one.close()


def test_no_request_on_a_kept_connection_fails_while_haproxy_reloads_again_and_again(
    edge: Edge,
) -> None:
    tasks = [edge.task("a"), edge.task("b")]
    edge.say(edge.app("app", tasks, VHOST="app.example"))
    assert edge.run().exit is Exit.OK
    with bridge_load.wrk(f"http://127.0.0.1:{edge.haproxy.http}/", host="app.example") as load:
        for number in range(30):
            limit = str(100 + number)
            edge.say(edge.app("app", tasks, VHOST="app.example", TIMEOUT_SERVER=limit))
            outcome = edge.run()
            assert (outcome.exit, outcome.reloaded) == (Exit.OK, True), outcome
    load.check()
