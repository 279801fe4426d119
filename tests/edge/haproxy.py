"""A real haproxy under its master, in a folder of its own, as a node has it."""

import http.client
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from haproxy_bridge.render import RenderOptions
from haproxy_bridge.runtime import master
from haproxy_bridge.runtime.socket import SocketError
from tests.polling import eventually

_EMPTY = """global
  stats socket {folder}/admin.sock mode 600 level admin expose-fd listeners
defaults
  mode http
  timeout connect 1s
  timeout client 1s
  timeout server 1s
frontend nothing_yet
  bind {stats}
  monitor-uri /_haproxy_health_check
"""


@dataclass
class Haproxy:
    """``http``, ``https``, ``stats``, ``appid``: its ports."""

    folder: Path
    http: int
    https: int
    stats: int
    appid: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def config(self) -> Path:
        return self.folder / "haproxy.cfg"

    @property
    def master_socket(self) -> Path:
        return self.folder / "master.sock"

    @property
    def admin_socket(self) -> Path:
        return self.folder / "admin.sock"

    @property
    def probe_url(self) -> str:
        return f"http://127.0.0.1:{self.stats}/_haproxy_health_check"

    def options(self, **more: object) -> RenderOptions:
        """Where it serves."""
        return RenderOptions(
            http_bind=f"127.0.0.1:{self.http}",
            https_bind=f"127.0.0.1:{self.https}",
            stats_bind=f"127.0.0.1:{self.stats}",
            appid_bind=f"127.0.0.1:{self.appid}",
            socket=str(self.admin_socket),
            log="",
            **more,  # type: ignore[arg-type]  # as the class takes them
        )

    def start(self) -> None:
        """Begin with the configuration that is there."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                ["haproxy", "-W", "-S", str(self.master_socket), "-f", str(self.config)],
                stdin=subprocess.DEVNULL,
                stderr=log,
            )
        eventually(self._is_up, "haproxy does not start")

    def _is_up(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log()
        try:
            return bool(master.processes(self.master_socket).workers)
        except SocketError:
            return False

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it with all its workers."""
        if self.process is not None:
            workers = master.processes(self.master_socket).workers if self._answers() else ()
            self.process.send_signal(how)
            self.process.wait(30)
            for worker in workers:
                subprocess.run(["kill", "-9", str(worker)], check=False, capture_output=True)
            self.process = None

    def _answers(self) -> bool:
        try:
            master.processes(self.master_socket)
        except SocketError:
            return False
        return True

    def wait_alone(self) -> None:
        """Until no worker of before a reload serves any more, nor answers as it did then."""

        def is_alone() -> bool:
            try:
                return not master.processes(self.master_socket).old_workers
            except SocketError:
                return False

        eventually(is_alone, "a worker of before serves on")

    def log(self) -> str:
        """What it said so far."""
        return (self.folder / "log").read_text(errors="replace")

    def ask(
        self,
        host: str = "",
        path: str = "/",
        port: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, str, dict[str, str]]:
        """Status, body and headers of a GET; of the port for virtual hosts unless one is named."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.http, timeout=30)
        try:
            named = {"Host": host} if host else {}
            connection.request("GET", path, headers={**named, **(headers or {})})
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), dict(answer.getheaders())
        finally:
            connection.close()


@contextmanager
def running(first_port: int) -> Iterator[Haproxy]:
    """One that serves nothing yet but its health, on four ports from ``first_port`` on. Whatever
    the folder for temporary files: paths of sockets are short."""
    folder = Path(tempfile.mkdtemp(prefix="edge-", dir="/tmp"))
    haproxy = Haproxy(folder, *range(first_port, first_port + 4))
    text = _EMPTY.format(folder=folder, stats=f"127.0.0.1:{haproxy.stats}")
    haproxy.config.write_text(text)
    try:
        haproxy.start()
        yield haproxy
    finally:
        haproxy.stop()
        shutil.rmtree(folder)
