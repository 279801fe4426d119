"""What a load balancer would see of an app, all the time: which of its instances answer.

Two threads look without pause while a test goes on. One asks every running instance that the API
tells of through its health path, those first that it shows as healthy; so whatever replaced a
healthy one is asked after it, and is never missed. The other counts the tasks in Mesos itself.
"""

import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from api.client import ClientError
from tests.integration import http_task
from tests.integration.product import Json, Stayer, definition_of, mesos_tasks

PAUSE_SECONDS = 0.02
_MESOS_PAUSE_SECONDS = 0.05
_ASK_SECONDS = 2.0
_ANSWER_BYTES = 4096
_REQUEST = b"GET /health HTTP/1.1\r\nHost: instance\r\nConnection: close\r\n\r\n"
_SHOWN_SAMPLES = 100


@dataclass(frozen=True, slots=True)
class Sample:
    """One look: at which second, how many instances the API showed as healthy and how many
    answered."""

    at_seconds: float
    shown: int
    answered: int


class Poller:
    """Looks as long as its ``with`` block lasts."""

    def __init__(self, stayer: Stayer, master_url: str, app_id: str) -> None:
        self._stayer = stayer
        self._app_id = app_id
        self._master_url = master_url
        self._framework_id = stayer.framework_id
        self._tasks: list[Json] = stayer.app(app_id)["tasks"]
        self._stopping = threading.Event()
        self._failures: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._repeat, args=each)
            for each in ((self._ask_all, PAUSE_SECONDS), (self._count, _MESOS_PAUSE_SECONDS))
        ]
        self.samples: list[Sample] = []
        self.task_counts: list[int] = []
        self.running_counts: list[int] = []  # of these, those that run

    def __enter__(self) -> "Poller":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        if error is not None:
            print(self._story())  # noqa: T201 - shown by pytest when the test failed
        elif self._failures:
            raise self._failures[0]

    def check(self, *, fewest: int, most: int) -> None:
        """At no moment did fewer instances answer, or were shown as healthy, and at none had
        Mesos more tasks. To be called after the block."""
        assert len(self.samples) > 1
        assert len(self.task_counts) > 1
        assert min(sample.answered for sample in self.samples) >= fewest, self._story()
        assert min(sample.shown for sample in self.samples) >= fewest, self._story()
        assert max(self.task_counts) <= most, self._story()

    def _story(self) -> str:
        changes = [
            now
            for before, now in zip(self.samples, self.samples[1:], strict=False)
            if (before.shown, before.answered) != (now.shown, now.answered)
        ]
        return (
            f"{len(self.samples)} looks from {self.samples[:1]}, changes: "
            f"{changes[-_SHOWN_SAMPLES:]}; tasks in Mesos: {self.task_counts}"
        )

    def _repeat(self, look: Callable[[], None], pause_seconds: float) -> None:
        try:
            while not self._stopping.wait(pause_seconds):
                look()
        except BaseException as error:  # noqa: BLE001 - raised again where the block ends
            self._failures.append(error)

    def _ask_all(self) -> None:
        at_seconds = time.monotonic()
        with suppress(ClientError):  # it is away: all goes on as it was
            self._tasks = self._stayer.app(self._app_id)["tasks"]
        running = [task for task in self._tasks if task["state"] == "TASK_RUNNING"]
        shown = [task for task in running if is_healthy(task)]
        others = [task for task in running if not is_healthy(task)]
        answered = sum(answer_of(task)[0] == 200 for task in shown + others)
        self.samples.append(Sample(at_seconds, len(shown), answered))

    def _count(self) -> None:
        tasks = mesos_tasks(self._master_url, self._framework_id)
        self.task_counts.append(len(tasks))
        self.running_counts.append(sum(task.state == "TASK_RUNNING" for task in tasks))


def is_healthy(task: Json) -> bool:
    """Whether the API shows the task as healthy: by every check."""
    results = task.get("healthCheckResults", [])
    return bool(results) and all(each["alive"] for each in results)


def answer_of(task: Json) -> tuple[int, str]:
    """The status and body that an instance answers its health check with; 0: it does not answer.
    Agents' host names lead nowhere in the tests, and all agents share this host."""
    try:
        with socket.create_connection(("127.0.0.1", task["ports"][0]), _ASK_SECONDS) as asked:
            asked.sendall(_REQUEST)
            answer = b"".join(iter(lambda: asked.recv(_ANSWER_BYTES), b"")).decode()
    except OSError:
        return 0, ""
    return (int(answer.split()[1]), answer.splitlines()[-1]) if answer else (0, "")


def service(app_id: str, release: str = "1", /, **fields: object) -> Json:
    """An app of 6 instances that answer HTTP, looked at by the scheduler's own prober."""
    check: Json = {
        "protocol": "HTTP",
        "path": "/health",
        "portIndex": 0,
        "intervalSeconds": 1,
        "timeoutSeconds": 5,
        "gracePeriodSeconds": 60,
        "maxConsecutiveFailures": 3,
    }
    command = f'exec {sys.executable} -S -E {Path(http_task.__file__)} "$PORT0"'
    environment = {"RELEASE": release, "START_SECONDS": "0.2"}
    defaults: Json = {
        "instances": 6,
        "cmd": command,
        "env": environment,
        "healthChecks": [check],
        "portDefinitions": [{"port": 0, "name": "http"}],
        "backoffSeconds": 1,
        "backoffFactor": 1,
    }
    return definition_of(app_id, **{**defaults, **fields})
