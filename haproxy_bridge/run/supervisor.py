"""haproxy under the daemon's own care: started, restarted when it dies, stopped gracefully.

It runs in master-worker mode, and is ready once its master answers on its socket: a signal before
that would kill it. A haproxy that a daemon before left running is taken over as it is, for two on
the same ports would share them.
"""

import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from haproxy_bridge.runtime import master
from haproxy_bridge.runtime.master import ReloadError
from haproxy_bridge.runtime.socket import SocketError
from haproxy_bridge.swap import load
from haproxy_bridge.swap.load import LoadOptions

FIRST_PAUSE_SECONDS = 0.1
MAX_PAUSE_SECONDS = 10.0
STEADY_SECONDS = 10.0
_READY_SECONDS = 30.0
_LOOK_SECONDS = 0.02
_KILL_SECONDS = 5.0


class HaproxyOptions(Struct, frozen=True, kw_only=True):
    """``stop_seconds``: how long its last connections may take when it is stopped."""

    program: str
    config: str
    master_socket: str
    stop_seconds: float = 30.0


class Supervisor:
    """``up``: haproxy answers. ``changed`` is called whenever it came up anew. ``said`` gets a
    line for people when it dies or can not be started."""

    def __init__(
        self,
        options: HaproxyOptions,
        changed: Callable[[], None],
        said: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.restarts = 0
        self._options = options
        self._master = Path(options.master_socket)
        self._changed = changed
        self._said = said
        self._up = threading.Event()
        self._stopping = threading.Event()
        self._again = threading.Event()
        self._tried = threading.Event()
        self._died = 0
        self._pid: int | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, name="haproxy", daemon=True)

    @property
    def up(self) -> bool:
        """Whether its master answers."""
        return self._up.is_set()

    @property
    def pid(self) -> int | None:
        """Its master's process."""
        return self._pid

    def start(self) -> None:
        """Take over one that runs, or start one, and keep it running."""
        self._thread.start()

    def wait_first(self, timeout_seconds: float) -> bool:
        """Wait until it came up, or could not, the first time; whether it is up."""
        self._tried.wait(timeout_seconds)
        return self.up

    def load(self, options: LoadOptions) -> None:
        """Have it load its configuration: a reload, or a start if it does not run. ReloadError."""
        if self.up:
            load.load(replace(options, master_socket=self._options.master_socket))
            return
        died = self._died
        self._again.set()
        deadline = time.monotonic() + options.timeout_seconds
        while not self._up.wait(_LOOK_SECONDS):
            if self._died > died + 1:  # the first may have been that of before
                raise ReloadError("haproxy does not start with this configuration")
            if time.monotonic() >= deadline:
                raise ReloadError(f"haproxy did not start within {options.timeout_seconds:g} s")
        load.load(LoadOptions(probe_url=options.probe_url, probe_seconds=options.probe_seconds))

    def stop(self) -> None:
        """Let it finish its connections, for a while; then end it."""
        self._stopping.set()
        self._again.set()
        for how, seconds in (
            (signal.SIGUSR1, self._options.stop_seconds),
            (signal.SIGTERM, _KILL_SECONDS),
            (signal.SIGKILL, _KILL_SECONDS),
        ):
            if self.up and self._pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(self._pid, how)
            elif self._child is not None and self._child.poll() is None:
                self._child.kill()  # not ready yet: it would not understand a signal
            self._thread.join(seconds)
            if not self._thread.is_alive():
                return

    def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._stopping.is_set():
            began = time.monotonic()
            why = self._once()
            self._up.clear()
            self._pid = None
            if self._stopping.is_set():
                return
            self._died += 1
            self._tried.set()
            self._said(why)
            steady = time.monotonic() - began > STEADY_SECONDS
            pause = FIRST_PAUSE_SECONDS if steady else min(MAX_PAUSE_SECONDS, pause * 2)
            self._again.wait(pause)
            self._again.clear()
            self.restarts += 1

    def _once(self) -> str:
        """One life of it; how it ended."""
        pid = self._running_already()
        if pid is not None:
            self._serve(pid)
            _wait_for(pid)
            return "haproxy, which ran already, ended"
        try:
            child = self._child = self._started()
        except OSError as error:
            return f"{self._options.program} can not be started: {error.strerror or error}"
        deadline = time.monotonic() + _READY_SECONDS
        while child.poll() is None and not self._is_ready(child.pid):
            if time.monotonic() > deadline:
                child.kill()
                child.wait()
                return f"haproxy was not ready within {_READY_SECONDS:g} s"
            time.sleep(_LOOK_SECONDS)
        if child.poll() is None:
            self._serve(child.pid)
        return f"haproxy ended with {child.wait()}"

    def _serve(self, pid: int) -> None:
        self._pid = pid
        self._up.set()
        self._tried.set()
        self._changed()

    def _started(self) -> subprocess.Popen[bytes]:
        options = self._options
        self._master.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        listen = f"{options.master_socket},mode,600"
        return subprocess.Popen(  # noqa: S603 - the operator names the program
            [options.program, "-W", "-S", listen, "-f", options.config],
            stdin=subprocess.DEVNULL,
            process_group=0,  # Ctrl-C is for us, and we stop it gracefully
        )

    def _is_ready(self, pid: int) -> bool:
        try:
            now = master.processes(self._master, timeout_seconds=1.0)
        except SocketError:
            return False
        return now.pid == pid and bool(now.workers)

    def _running_already(self) -> int | None:
        try:
            return master.processes(self._master, timeout_seconds=1.0).pid
        except SocketError:
            return None


def _wait_for(pid: int) -> None:
    """Until a process that is not our child has ended."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        poll.poll()
    finally:
        os.close(handle)
