"""One child process that is a Mesos node, as its starter sees it: start, signal, wait, log.

The child lives in a process group of its own (Ctrl-C does not reach it). A starter that is killed
leaves no node behind: the kernel kills the children of a thread that ends (see `node`), so all of
them are started by one thread that lives as long as this process.
"""

import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from localmesos.apache.launcher_folder import isolated_python
from localmesos.apache.node import APPOINT

_SPAWNER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="mesos-spawner")
_TAIL_BYTES = 4096
_OLD_LOG_BYTES = 32 * 1024 * 1024


class Child:
    """A node process; `start` may be called again after it ended."""

    def __init__(
        self, name: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> None:
        self.name = name
        self.log = log
        self._arguments = tuple(arguments)
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the process; its output is appended to the log."""
        assert not self.is_running(), f"{self.name} is running already"
        self.close()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.bound_log()
        command = [*isolated_python("localmesos.apache.node", self.name), *self._arguments]
        self._process = _SPAWNER.submit(self._spawn, command).result()

    def _spawn(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as output:
            return subprocess.Popen(  # noqa: S603  # our own interpreter and module
                command,
                env=self._environment,
                cwd=self.log.parent,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                process_group=0,
            )

    @property
    def running_pid(self) -> int | None:
        """The process id; None unless it runs."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    @property
    def pid(self) -> int:
        """The process id; raises ProcessLookupError unless it runs."""
        pid = self.running_pid
        if pid is None:
            raise ProcessLookupError(f"{self.name} does not run")
        return pid

    def is_running(self) -> bool:
        return self.running_pid is not None

    def send_signal(self, number: int) -> None:
        """Raises ProcessLookupError unless it runs."""
        os.kill(self.pid, number)

    def wait(self, timeout_seconds: float) -> bool:
        """Wait for the end; False when it has not come in time."""
        if self._process is None:
            return True
        try:
            self._process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def end(self, number: int = signal.SIGTERM, grace_seconds: float = 5.0) -> None:
        """Signal it (also if it is stopped) and wait; SIGKILL when it takes too long."""
        if self._process is not None and self.is_running():
            self._process.send_signal(number)
            self._process.send_signal(signal.SIGCONT)
            if not self.wait(grace_seconds):
                self._process.kill()
                self._process.wait()
        self.close()

    def appoint(self) -> None:
        """Make an agent register with its master again; of no effect when it is gone."""
        with self._lock:
            if self._process is not None and self._process.stdin is not None:
                try:
                    self._process.stdin.write(APPOINT)
                    self._process.stdin.flush()
                except (BrokenPipeError, ValueError):
                    return

    def close(self) -> None:
        """Let go of a process that has ended."""
        with self._lock:
            if self._process is not None and self._process.stdin is not None:
                try:
                    self._process.stdin.close()
                except BrokenPipeError:
                    return

    def log_tail(self, size_bytes: int = _TAIL_BYTES) -> str:
        """The last lines of the log, for a message about a failure."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - size_bytes))
            return file.read().decode("utf-8", "replace")

    def bound_log(self) -> None:
        """Keep at most one old log and start afresh when the present one is large.

        The node writes in append mode, so cutting the file under it is safe.
        """
        if self.log.exists() and self.log.stat().st_size > _OLD_LOG_BYTES:
            tail = self.log_tail(_OLD_LOG_BYTES // 4)
            self.log.with_suffix(".old.log").write_text(tail)
            os.truncate(self.log, 0)


def clean_environment() -> dict[str, str]:
    """What nodes, executors and tasks see of the starter's environment.

    Agents pass their environment on to tasks, so only what is certainly no secret goes in.
    """
    kept = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    environment.update({k: v for k, v in os.environ.items() if k.startswith("LC_")})
    environment.setdefault("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    return environment
