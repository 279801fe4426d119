"""An agent that is only its executor API: a loopback server the real executor program talks to.

It speaks the v1 executor API over real sockets, records every call, and does on request what
agents do: acknowledge, kill, vanish, come back on the same port, answer 503.
"""

import json
import os
import queue
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from localmesos.apache.launcher_folder import isolated_python

Json = dict[str, Any]

PATIENCE_SECONDS = 20.0
TERMINAL = {"TASK_FINISHED", "TASK_FAILED", "TASK_KILLED"}


class FakeAgent:
    """One agent. `statuses` are the TaskStatus messages received, in order, repeats included."""

    def __init__(self, *, capabilities: tuple[str, ...] = (), refusals: int = 0) -> None:
        self.capabilities = capabilities
        self.refusals = refusals
        self.acknowledges = True
        self.subscribes: queue.Queue[Json] = queue.Queue()
        self.statuses: queue.Queue[Json] = queue.Queue()
        self.headers: list[str] = []
        self.port = 0
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self._connections: set[socket.socket] = set()
        self._stream: socket.socket | None = None
        self.appear()

    def appear(self) -> None:
        """Listen, on the same port as before."""
        listener = socket.create_server(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def vanish(self) -> None:
        """Stop listening and cut all connections, as when the agent's process is killed."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self.cut()

    def cut(self) -> None:
        """Cut all connections and go on listening."""
        with self._lock:
            connections, self._connections, self._stream = self._connections, set(), None
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # the executor was first
            finally:
                connection.close()

    def send(self, event: Json) -> None:
        """Send an event to the subscribed executor."""
        record = json.dumps(event).encode()
        self.send_bytes(f"{len(record)}\n".encode() + record)

    def send_bytes(self, data: bytes) -> None:
        """Send bytes of the stream, in two chunks that split whatever is in them. OSError if it
        is cut."""
        middle = len(data) // 2
        with self._lock:
            if self._stream is None:
                raise ConnectionResetError("no executor is subscribed")
            for part in (data[:middle], data[middle:]):
                if part:
                    self._stream.sendall(f"{len(part):x}\r\n".encode() + part + b"\r\n")

    def launch(self, task: Json) -> None:
        """Give the executor its task."""
        self.send({"type": "LAUNCH", "launch": {"task": task}})

    def kill(self, task_id: str, grace_seconds: float | None = None) -> None:
        """Ask for the task's end."""
        kill: Json = {"task_id": {"value": task_id}}
        if grace_seconds is not None:
            kill["kill_policy"] = {"grace_period": {"nanoseconds": int(grace_seconds * 1e9)}}
        self.send({"type": "KILL", "kill": kill})

    def subscribed(self) -> Json:
        """The next SUBSCRIBE call."""
        return self.subscribes.get(timeout=PATIENCE_SECONDS)

    def status(self) -> Json:
        """The next status that arrived in an UPDATE call."""
        return self.statuses.get(timeout=PATIENCE_SECONDS)

    def states_until_the_end(self) -> list[str]:
        """The states of all statuses up to a terminal one."""
        states = [self.status()["state"]]
        while states[-1] not in TERMINAL:
            states.append(self.status()["state"])
        return states

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                self._connections.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection.makefile("rb") as reader:
                while (call := self._read_call(reader)) is not None:
                    self._answer(connection, call)
        except OSError:
            return

    def _read_call(self, reader: Any) -> Json | None:
        lines = []
        while (line := reader.readline().strip()) != b"":
            lines.append(line.decode())
        if not lines:
            return None
        self.headers = lines
        assert lines[0] == "POST /slave(1)/api/v1/executor HTTP/1.1"
        length = next(int(x.split(":")[1]) for x in lines if x.startswith("Content-Length:"))
        call: Json = json.loads(reader.read(length))
        return call

    def _answer(self, connection: socket.socket, call: Json) -> None:
        assert call["framework_id"] == {"value": "framework-1"}
        assert call["executor_id"] == {"value": "task-1"}
        if call["type"] == "SUBSCRIBE":
            self._subscribe(connection, call["subscribe"])
            return
        assert call["type"] == "UPDATE"
        status = call["update"]["status"]
        connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
        self.statuses.put(status)
        if self.acknowledges:
            self.acknowledge(status)

    def _subscribe(self, connection: socket.socket, subscribe: Json) -> None:
        if self.refusals:
            self.refusals -= 1
            connection.sendall(
                b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 10\r\n\r\nrecovering"
            )
            return
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        connection.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
        with self._lock:
            self._stream = connection
        framework = {"capabilities": [{"type": each} for each in self.capabilities]}
        agent_info = {"hostname": "agent1.local"}
        subscribed = {"framework_info": framework, "agent_info": agent_info, "executor_info": {}}
        self.send({"type": "SUBSCRIBED", "subscribed": subscribed})
        self.subscribes.put(subscribe)
        for update in subscribe["unacknowledged_updates"]:
            if self.acknowledges:
                self.acknowledge(update["status"])

    def acknowledge(self, status: Json) -> None:
        """Tell the executor that an update has been taken over."""
        acknowledged = {"task_id": status["task_id"], "uuid": status["uuid"]}
        self.send({"type": "ACKNOWLEDGED", "acknowledged": acknowledged})

    def environment(self, sandbox: Path) -> dict[str, str]:
        """What an agent puts into the environment of an executor."""
        return {
            "LIBPROCESS_IP": "127.0.0.1",
            "LIBPROCESS_PORT": "0",
            "MESOS_AGENT_ENDPOINT": f"127.0.0.1:{self.port}",
            "MESOS_CHECKPOINT": "1",
            "MESOS_DIRECTORY": str(sandbox),
            "MESOS_EXECUTOR_ID": "task-1",
            "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD": "5secs",
            "MESOS_FRAMEWORK_ID": "framework-1",
            "MESOS_RECOVERY_TIMEOUT": "15mins",
            "MESOS_SANDBOX": str(sandbox),
            "MESOS_SLAVE_ID": "S1",
            "MESOS_SLAVE_PID": f"slave(1)@127.0.0.1:{self.port}",
            "MESOS_SUBSCRIPTION_BACKOFF_MAX": "2secs",
        }


@contextmanager
def executor(
    agent: FakeAgent, sandbox: Path, **environment: str
) -> Iterator[subprocess.Popen[bytes]]:
    """The executor program, started as an agent starts it; everything of it ends with the block."""
    variables = agent.environment(sandbox) | environment
    with (sandbox / "stdout").open("wb") as out, (sandbox / "stderr").open("wb") as err:
        process = subprocess.Popen(
            isolated_python("localmesos.launcher.executor", "mesos-executor"),
            cwd=sandbox,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        kill_session(process)
        agent.vanish()


def kill_session(process: subprocess.Popen[bytes]) -> None:
    """Kill the process and everything in the session that it leads."""
    for pid in session_members(process.pid):
        try:
            os.kill(pid, 9)
        except ProcessLookupError:
            continue
    process.wait(PATIENCE_SECONDS)


def session_members(leader: int) -> list[int]:
    """The living processes of the session that `leader` leads (or led)."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == leader and fields[0] not in "ZX":
                found.append(int(folder.name))
    return found


def eventually(condition: Callable[[], object], what: str) -> None:
    """Wait until the condition holds; fails after the deadline."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"it never came true: {what}"
        pause.wait(0.01)


def is_alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def task(value: str = "true", **more: Any) -> Json:
    """A TaskInfo with a shell command."""
    return {
        "task_id": {"value": "task-1"},
        "name": "task",
        "agent_id": {"value": "S1"},
        "command": {"shell": True, "value": value},
        "resources": [{"name": "cpus", "allocation_info": {"role": "web"}}],
        **more,
    }
