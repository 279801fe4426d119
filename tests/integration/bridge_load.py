"""What the tests of the bridge under load share: the daemon as a process with a haproxy of its own,
wrk as the generator from outside, and one of ours that knows of each failure."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any

from haproxy_bridge.runtime import apply, master
from haproxy_bridge.runtime.master import Processes
from haproxy_bridge.runtime.socket import SocketError
from haproxy_bridge.runtime.state import Running
from tests.integration.product import STAYER
from tests.polling import eventually

CONNECTIONS = 8
_ERRORS = re.compile(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)")
_OTHER = re.compile(r"Non-2xx or 3xx responses: (\d+)")
_REQUESTS = re.compile(r"(\d+) requests in")
_LONGEST_SECONDS = 900
_ANSWER_SECONDS = 20.0


@dataclass
class Watching:
    """A bridge that watches, and its haproxy. ``port``: four ports of it begin there."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def admin_socket(self) -> Path:
        return self.folder / "admin.sock"

    @property
    def master_socket(self) -> Path:
        return self.folder / "haproxy-master.sock"

    def output(self) -> str:
        """What it said so far."""
        return (self.folder / "log").read_text(errors="replace")

    def servers(self, backend: str) -> dict[str, Running]:
        """What haproxy has behind a name; none while it does not answer."""
        try:
            return apply.running(self.admin_socket).get(backend, {})
        except SocketError:
            return {}

    def await_serving(self, backend: str, wanted: int) -> dict[str, Running]:
        """Wait until exactly so many servers are up there."""

        def look() -> dict[str, Running]:
            found = self.servers(backend)
            up = {name: one for name, one in found.items() if one.up and not one.stopped}
            assert len(up) == wanted, f"{found}\n{self.output()[-2000:]}"
            return up

        return eventually(look, f"{wanted} servers of {backend}")

    def reloads(self) -> int:
        """How often haproxy loaded its configuration anew."""
        return self.processes().reloads

    def processes(self) -> Processes:
        """haproxy's; while it reloads, it does not answer."""

        def look() -> tuple[Processes]:
            try:
                return (master.processes(self.master_socket),)
            except SocketError as error:
                raise AssertionError(str(error)) from error

        return eventually(look, "haproxy's master")[0]


@contextmanager
def watching(urls: Sequence[str], first_port: int, *arguments: str) -> Iterator[Watching]:
    """`stayer haproxy watch --run` for the length of the block."""
    folder = Path(tempfile.mkdtemp(prefix="edge-"))  # short: it holds sockets
    command = [STAYER, "haproxy", "watch", *urls, "--run", "--log", "", "--https-bind", ""]
    command += ["--config", str(folder / "haproxy.cfg"), "--state", str(folder / "state.json")]
    command += ["--socket", str(folder / "admin.sock"), "--edge-name", f"edge-{first_port}"]
    names = ("--http-bind", "--appid-bind", "--stats-bind", "--metrics-bind")
    for number, name in enumerate(names):
        command += [name, f"127.0.0.1:{first_port + number}"]
    environment = {
        name: text for name, text in os.environ.items() if not name.startswith("STAYER_")
    }
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [*command, *arguments], stdout=log, stderr=subprocess.STDOUT, env=environment
        )
    found = Watching(folder, first_port, process)
    try:
        yield found
    finally:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
        process.kill()
        process.wait(30)
        print(found.output())  # noqa: T201 - shown by pytest when the test failed
        shutil.rmtree(folder)


@dataclass
class Load:
    """What wrk counted; to be read after the block."""

    requests: int = 0
    errors: tuple[int, ...] = ()
    bad_answers: int = 0
    said: str = ""

    def check(self, *, least: int = 50) -> None:
        """Not one request failed, and there were some."""
        assert (self.errors, self.bad_answers) == ((0, 0, 0, 0), 0), self.said
        assert self.requests >= least, self.said


@contextmanager
def wrk(url: str, connections: int = CONNECTIONS, host: str = "") -> Iterator[Load]:
    """GETs without pause for as long as the block lasts; ``host``: as a virtual host."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{_LONGEST_SECONDS}s"]
    command += ["--timeout", f"{_ANSWER_SECONDS:g}s"]
    command += ["-H", f"Host: {host}", url] if host else [url]
    load = Load()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield load
    finally:
        process.send_signal(signal.SIGINT)  # it ends, and tells
        try:
            load.said, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    requests, errors, other = (
        pattern.search(load.said) for pattern in (_REQUESTS, _ERRORS, _OTHER)
    )
    assert requests, load.said
    load.requests = int(requests[1])
    load.errors = tuple(map(int, errors.groups())) if errors else (0, 0, 0, 0)
    load.bad_answers = int(other[1]) if other else 0


@dataclass(frozen=True)
class Failure:
    """A request that failed: when it began and ended, by the steady clock, and what was told. Its
    path is its own, so that haproxy's log names the server that had it."""

    began: float
    ended: float
    method: str
    path: str
    what: str


@dataclass
class Generator:
    """Sends without pause, each thread on connections of its own, and notes each failure."""

    port: int
    methods: Sequence[str]
    answered: int = 0
    failures: list[Failure] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=count)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> "Generator":
        self._threads += [
            threading.Thread(target=self._run, args=(method,)) for method in self.methods
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, method: str) -> None:
        while not self._stop.is_set():
            path, began = f"/{method}-{next(self._numbers)}", time.monotonic()
            try:
                status = self._ask(method, path)
                what = "" if status == 200 else f"status {status}"
            except (OSError, http.client.HTTPException) as error:
                what = repr(error)
            self.answered += not what
            if what:
                self.failures.append(Failure(began, time.monotonic(), method, path, what))

    def _ask(self, method: str, path: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_ANSWER_SECONDS)
        try:
            connection.request(method, path, body=b"x" if method == "POST" else None)
            with connection.getresponse() as answer:
                answer.read()
                return answer.status
        finally:
            connection.close()


class AccessLog:
    """haproxy's log in JSON (``--log ADDRESS --json-log``), by the path of each request."""

    def __init__(self, received: socket.socket) -> None:
        self._received = received
        self._datagrams: list[bytes] = []
        self.address = f"127.0.0.1:{received.getsockname()[1]}"

    def read(self) -> None:
        """Take lines in until an empty one: parsed later, or some would be lost."""
        while datagram := self._received.recv(65_536):
            self._datagrams.append(datagram)

    def line(self, path: str) -> dict[str, Any]:
        """What haproxy wrote of a request; waits for it."""

        def look() -> dict[str, Any]:
            mark = path.removeprefix("/").encode() + b'"'  # slashes are escaped there
            found = [one for one in self._datagrams if mark in one]
            assert found, f"no line of {path} among {len(self._datagrams)}"
            said: dict[str, Any] = json.loads(found[-1].partition(b": ")[2])
            return said

        return eventually(look, f"a line of {path}")


@contextmanager
def access_log() -> Iterator[AccessLog]:
    """Takes haproxy's log for the length of the block."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as received:
        received.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        received.bind(("127.0.0.1", 0))
        log = AccessLog(received)
        reader = threading.Thread(target=log.read, daemon=True)
        reader.start()
        try:
            yield log
        finally:
            received.sendto(b"", received.getsockname())  # an empty one ends it
            reader.join()


def answers(port: int) -> bool:
    """Whether somebody says 200 there."""
    try:
        asked(port)
    except OSError:
        return False
    return True


def asked(port: int) -> str:
    """What somebody says there. OSError for anything but a 200."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as answer:
        return str(answer.read().decode())
