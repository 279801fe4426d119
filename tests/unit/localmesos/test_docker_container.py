"""Containers that go while they are looked at, at an engine that says what engines say."""

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from localmesos.launcher import docker_cli
from localmesos.launcher.container_run import Place
from localmesos.launcher.docker_container import Container

_IN_PROGRESS = 409, b'{"message":"removal of container web is already in progress"}'
_GONE = 404, b'{"message":"No such container: web"}'
_BROKEN = 500, b'{"message":"driver failed to remove root filesystem"}'


@contextmanager
def _engine(path: Path, answers: list[tuple[int, bytes]]) -> Iterator[None]:
    """It answers the removals of containers as listed, and has none to show."""

    class Handler(BaseHTTPRequestHandler):
        def address_string(self) -> str:
            return "unix"

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            pass

        def do_GET(self) -> None:
            version = 200, b'{"ApiVersion":"1.41"}'
            self._say(*(version if self.path.endswith("/version") else _GONE))

        def do_DELETE(self) -> None:
            self._say(*answers.pop(0))

        def _say(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with socketserver.ThreadingUnixStreamServer(str(path), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def _removed(folder: Path, answers: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """The answers that nobody asked for."""
    path = folder / "docker.sock"
    with _engine(path, answers):
        container = Container(Place("web", str(path), "/s", "/m", "/p", False))
        container._created = True
        container.remove()
    return answers


def test_who_removes_what_is_being_removed_waits_until_it_is_gone(tmp_path: Path) -> None:
    assert _removed(tmp_path, [_IN_PROGRESS, _IN_PROGRESS, _GONE]) == []


def test_what_the_engine_cannot_remove_is_left_to_it(tmp_path: Path) -> None:
    assert _removed(tmp_path, [_BROKEN, _GONE]) == [_GONE]


def test_an_agent_may_boot_while_a_listed_container_goes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "mesos-12345678-1234-1234-1234-123456789012"
    path = tmp_path / "docker.sock"
    with _engine(path, []):
        assert docker_cli.run(["-H", f"unix://{path}", "inspect", name]) == 0
    (shown,) = json.loads(capsys.readouterr().out)
    assert (shown["Id"], shown["State"]["Pid"]) == (name, 0)
