"""What the measurements of the bridge share: a scheduler's page of many services, a task that
answers, and a haproxy of their own."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

Json = dict[str, Any]
TASKS = 10
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
_REQUEST_BYTES = 65_536


def task(app_id: str, number: int, address: str, port: int, checks: list[Json]) -> Json:
    """A healthy one, as /v3/services tells of it."""
    return {
        "id": f"{app_id.strip('/').replace('/', '_')}.instance-{number:08x}._app.1",
        "host": address,
        "endpoints": [{"host": address, "port": port}],
        "version": "2026-01-02T00:00:00.000Z",
        "startedAtMs": 1_767_312_001_000,
        "health": "up",
        "checks": checks,
    }


def service(
    number: int, service_port: int, tasks: list[Json], labels: dict[str, str] | None = None
) -> Json:
    """One app with one port and a virtual host."""
    return {
        "id": app_id(number),
        "wanted": len(tasks),
        "labels": {"HAPROXY_0_VHOST": f"app{number}.example", "owner": "bench", **(labels or {})},
        "ports": [{"servicePort": service_port, "name": "http", "protocol": "tcp"}],
        "tasks": tasks,
        "hasChecks": True,
        "version": "2026-01-02T00:00:00.000Z",
    }


def app_id(number: int) -> str:
    """Of the app with this number."""
    return f"/bench/team{number % 20}/app{number}"


def page(services: list[bytes], epoch: int = 1) -> bytes:
    """The whole answer, of services that are encoded already."""
    head = b'{"stateId":"bench","epoch":%d,"synced":true,"services":[' % epoch
    return head + b",".join(services) + b"]}"


def encoded(one: Json) -> bytes:
    """As it stands in a page."""
    return json.dumps(one, separators=(",", ":")).encode()


@contextmanager
def answering(address: str, count: int) -> Iterator[list[int]]:
    """So many tasks that answer every request alike, and their ports."""
    servers = [socket.create_server((address, 0), backlog=1024) for _ in range(count)]
    for server in servers:
        threading.Thread(target=_serve, args=(server,), daemon=True).start()
    try:
        yield [server.getsockname()[1] for server in servers]
    finally:
        for server in servers:
            server.shutdown(socket.SHUT_RDWR)
            server.close()


def _serve(server: socket.socket) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        threading.Thread(target=_answer, args=(connection,), daemon=True).start()


def _answer(connection: socket.socket) -> None:
    with connection:
        try:
            while connection.recv(_REQUEST_BYTES):
                connection.sendall(_ANSWER)
        except OSError:
            return
