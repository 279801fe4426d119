"""The product as a user has it: `stayer` processes, talked to over HTTP and signals only.

What Mesos itself says is asked from its operator API, never from Stayer, so that a test compares
what Stayer tells with what is true.
"""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from api.client import Client
from tests.polling import eventually

Json = dict[str, Any]
STAYER = str(Path(sys.executable).with_name("stayer"))
_HTTP_SECONDS = 10.0
_END_SECONDS = 30.0
_COMMAND_SECONDS = 60.0
_LIVE = {"TASK_STAGING", "TASK_STARTING", "TASK_RUNNING", "TASK_KILLING"}


class Stayer:
    """A `stayer serve` (or `local`) that can be ended in every way and started again on the same
    store; its output stays in one file."""

    def __init__(self, folder: Path, command: Sequence[str]) -> None:
        self._ready = folder / "ready.json"
        self._log = folder / "stayer.log"
        self._command = [STAYER, *command, "--http", "127.0.0.1:0"]
        self._command += ["--ready-file", str(self._ready)]
        self._process: subprocess.Popen[bytes] | None = None
        self._client: Client | None = None
        self._said_before = 0  # characters of output before the present process

    def start(self) -> "Stayer":
        """Start it and wait until it is subscribed and serves."""
        self.start_unready()

        def content() -> Json:
            if self.process.poll() is not None:
                raise RuntimeError(f"it ended:\n{self.output()}")
            return dict(json.loads(self._ready.read_text())) if self._ready.exists() else {}

        told = eventually(content, "the ready file of stayer")
        assert told["pid"] == self.process.pid
        self._connect(told["http"])
        return self

    def start_unready(self) -> None:
        """Start it and wait for nothing."""
        assert self._process is None or self._process.poll() is not None, "it runs already"
        self._ready.unlink(missing_ok=True)  # a killed process could not
        self._said_before = len(self.output())
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("STAYER_", "MARATHON_"))
        }
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                process_group=0,
            )

    def wait_for_api(self) -> None:
        """Wait until it serves, with Mesos or without."""
        found = eventually(
            lambda: re.findall(r"serves its API at (http://\S+)", self.said()), "the API"
        )
        self._connect(found[-1])

    def _connect(self, url: str) -> None:
        before, self._client = self._client, Client((url,))  # never none: others may be asking
        if before is not None:
            before.close()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process that was started last."""
        assert self._process is not None, "start it first"
        return self._process

    @property
    def client(self) -> Client:
        """Calls to the process that was started last."""
        assert self._client is not None, "start it first"
        return self._client

    @property
    def is_ready(self) -> bool:
        """Whether the ready file is there."""
        return self._ready.exists()

    @property
    def framework_id(self) -> str:
        """As the API tells it."""
        return str(self.client.info()["frameworkId"])

    def output(self) -> str:
        """All that its processes wrote."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def said(self) -> str:
        """What the process that was started last wrote."""
        return self.output()[self._said_before :]

    def end(self, number: int) -> int:
        """Send a signal and wait for the end; answers the exit code."""
        self.process.send_signal(number)
        return self.process.wait(_END_SECONDS)

    def crash(self) -> None:
        """Kill it with no chance to do anything about it."""
        assert self.end(signal.SIGKILL) == -signal.SIGKILL

    def command(self, *arguments: str) -> str:
        """What a command of `stayer` says about this scheduler; it must succeed."""
        (url,) = self.client.urls
        done = subprocess.run(
            [STAYER, *arguments, "--url", url],
            check=False,
            capture_output=True,
            text=True,
            timeout=_COMMAND_SECONDS,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def close(self) -> None:
        """Close connections, and kill the process if it still runs."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def kill_if_running(self) -> None:
        """For clean-up."""
        self.close()
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(_END_SECONDS)

    # What an app looks like through the API

    def app(self, app_id: str) -> Json:
        """The app with its tasks and last failure."""
        return self.client.get_app(app_id)

    def run(self, app_id: str, **fields: object) -> list[Json]:
        """Create an app and wait until all its instances run; its tasks."""
        definition = definition_of(app_id, **fields)
        self.client.create_app(definition)
        return self.await_running(app_id, definition["instances"])

    def running(self, app_id: str) -> list[Json]:
        """Its tasks that run."""
        return [each for each in self.app(app_id)["tasks"] if each["state"] == "TASK_RUNNING"]

    def await_running(
        self, app_id: str, count: int, fits: Callable[[list[Json]], bool] = lambda _tasks: True
    ) -> list[Json]:
        """Wait until exactly so many tasks exist, all run, no change is under way, and ``fits``
        holds of them."""

        def look() -> tuple[list[Json]]:
            app = self.app(app_id)
            tasks: list[Json] = app["tasks"]
            states = [(task["id"], task["state"], task["host"]) for task in tasks]
            assert len(tasks) == count, states
            assert {task["state"] for task in tasks} <= {"TASK_RUNNING"}, states
            assert not app["deployments"], app["deployments"]
            assert fits(tasks), states
            return (tasks,)

        return eventually(look, f"{count} running tasks of {app_id}")[0]


def definition_of(app_id: str, **fields: object) -> Json:
    """A small app: sleeps, wants little, dies at once when it is told to."""
    cheap: Json = {"instances": 1, "cpus": 0.01, "mem": 16, "cmd": "exec sleep 1000"}
    return {"id": app_id, **cheap, **fields}


@contextmanager
def serving(
    master_url: str, folder: Path, *arguments: str, started: bool = True
) -> Iterator[Stayer]:
    """A scheduler of its own on this Mesos; in the end it is removed from there, tasks and all."""
    folder.mkdir(parents=True, exist_ok=True)
    address = master_url.removeprefix("http://")
    store = f"sqlite:{folder / 'stayer.db'}"
    stayer = Stayer(folder, ["serve", "--master", address, "--store", store, *arguments])
    known: set[str] = set()
    try:
        if started:
            stayer.start()
            known.add(stayer.framework_id)
        yield stayer
    finally:
        print(stayer.output())  # noqa: T201 - shown by pytest when the test failed
        stayer.kill_if_running()
        for framework_id in known:
            remove_framework(master_url, framework_id)


# What Mesos says


def operator(master_url: str, call: Json) -> Json:
    """A call of the operator API of a master or an agent; {} where it answers nothing."""
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    request = urllib.request.Request(
        f"{master_url}/api/v1", json.dumps(call).encode(), headers=headers
    )
    with urllib.request.urlopen(request, timeout=_HTTP_SECONDS) as answer:
        text = answer.read()
    return dict(json.loads(text)) if text else {}


def remove_framework(master_url: str, framework_id: str) -> None:
    """End a framework that may have been removed already."""
    body = {"type": "TEARDOWN", "teardown": {"framework_id": {"value": framework_id}}}
    try:
        operator(master_url, body)
    except urllib.error.HTTPError as refused:
        refused.close()
        if refused.code != HTTPStatus.BAD_REQUEST:
            raise


@dataclass(frozen=True, slots=True)
class MesosTask:
    """A task that Mesos knows to be alive or can not reach."""

    id: str
    agent_id: str
    state: str


def mesos_tasks(master_url: str, framework_id: str) -> list[MesosTask]:
    """The tasks of a framework that the master takes for alive, sorted."""
    found = operator(master_url, {"type": "GET_TASKS"})["get_tasks"].get("tasks", [])
    tasks = [
        MesosTask(each["task_id"]["value"], each["agent_id"]["value"], each["state"])
        for each in found
        if each["framework_id"]["value"] == framework_id and each["state"] in _LIVE
    ]
    return sorted(tasks, key=lambda task: task.id)


def await_same_tasks(stayer: Stayer, master_url: str, app_id: str, count: int) -> list[Json]:
    """Wait until the app runs in so many tasks, and Mesos runs exactly these and no other."""
    framework_id = stayer.framework_id

    def look() -> list[Json]:
        tasks = stayer.running(app_id)
        told = sorted(task["id"] for task in tasks)
        real = mesos_tasks(master_url, framework_id)
        assert len(told) == count, told
        assert [task.id for task in real] == told, (real, told)
        assert {task.state for task in real} == {"TASK_RUNNING"}, real
        return tasks

    return eventually(look, f"{count} tasks of {app_id}, the same for Stayer and Mesos")


def agents_of(master_url: str) -> dict[str, str]:
    """The active agents' own URLs by id."""
    found = operator(master_url, {"type": "GET_AGENTS"})["get_agents"].get("agents", [])
    return {
        each["agent_info"]["id"]["value"]: "http://" + each["pid"].partition("@")[2]
        for each in found
        if each["active"]
    }


def sandbox_text(agent_url: str, task_id: str, name: str) -> str:
    """A file of a task's sandbox, as the agent shows it to operators; the task may have ended."""
    frameworks = _get(agent_url, "/state")
    executors = [
        executor
        for framework in frameworks["frameworks"] + frameworks["completed_frameworks"]
        for executor in framework["executors"] + framework["completed_executors"]
        if executor["id"] == task_id
    ]
    assert len(executors) == 1, f"{len(executors)} executors of {task_id}"
    path = f"{executors[0]['directory']}/{name}"
    return str(_get(agent_url, f"/files/read?{urlencode({'path': path, 'offset': 0})}")["data"])


def _get(url: str, path: str) -> Json:
    with urllib.request.urlopen(url + path, timeout=_HTTP_SECONDS) as answer:
        return dict(json.loads(answer.read()))


# What this machine runs


def pids_of(task_id: str) -> list[int]:
    """The processes of a task."""
    mark = f"MESOS_TASK_ID={task_id}".encode()
    return [pid for pid in all_pids() if mark in _file(pid, "environ").split(b"\0")]


def processes_of(folder: Path) -> list[int]:
    """The processes that belong to a folder: by their command, environment or working folder."""
    mark = bytes(folder)
    return [
        pid
        for pid in all_pids()
        if pid != os.getpid()
        and (mark in _file(pid, "cmdline") or mark in _file(pid, "environ") or mark in _cwd(pid))
    ]


def is_running(pid: int) -> bool:
    """Whether the process is there and has not ended (a zombie has)."""
    return _file(pid, "stat").rpartition(b")")[2].split()[:1] not in ([], [b"Z"], [b"X"])


def all_pids() -> list[int]:
    """Every process of this machine."""
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _file(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:  # it ended, or is somebody else's
        return b""


def _cwd(pid: int) -> bytes:
    try:
        return os.fsencode(Path(f"/proc/{pid}/cwd").readlink())
    except OSError:
        return b""
