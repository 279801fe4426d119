"""Processes that a test starts, damages and brings back, and that never outlive the test run.

`setpriv` asks the kernel to kill the process when the thread that started it ends; so one thread
that lives as long as this process starts them all, whichever thread of a test asks for it.
"""

import signal
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_SPAWNER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="test-spawner")
_UNTIL_WE_END = ("setpriv", "--pdeathsig", "SIGKILL", "--")
_END_SECONDS = 30.0


class Process:
    """One command that may be started again after it ended; its output stays in one file."""

    def __init__(
        self, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        """Without ``environment`` it is our own."""
        self._command = (*_UNTIL_WE_END, *command)
        self._log = log
        self._environment = None if environment is None else dict(environment)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait for nothing."""
        assert not self.is_running, "it runs already"
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._process = _SPAWNER.submit(self._spawn).result()

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                process_group=0,  # Ctrl-C is for the test run, which then ends this one
            )

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended; also while it is paused."""
        return self._process is not None and self._process.poll() is None

    @property
    def was_started(self) -> bool:
        """Whether it was ever started."""
        return self._process is not None

    @property
    def pid(self) -> int:
        """Of the process that was started last."""
        assert self._process is not None, "start it first"
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """Of the process that was started last; None while it runs. -9: killed."""
        assert self._process is not None, "start it first"
        return self._process.poll()

    def send_signal(self, number: int) -> None:
        """Of no effect after its end."""
        assert self._process is not None, "start it first"
        self._process.send_signal(number)

    def pause(self) -> None:
        """Stop it where it is, as a machine does that hangs."""
        self.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after ``pause``."""
        self.send_signal(signal.SIGCONT)

    def wait(self, deadline_seconds: float = _END_SECONDS) -> int:
        """Its exit code, when it has ended; subprocess.TimeoutExpired."""
        assert self._process is not None, "start it first"
        return self._process.wait(deadline_seconds)

    def kill(self) -> None:
        """End it with no chance to do anything about it; harmless when it has ended."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(_END_SECONDS)

    def output(self) -> str:
        """All that its processes wrote."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""
