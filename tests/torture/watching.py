"""Looks at what Mesos runs during a torture, from its operator API: nothing may be doubled, even
for a moment, and what nobody changed must be the same tasks all the time.
"""

import threading
import urllib.error
from collections import Counter
from collections.abc import Iterable

from framework.domain.ids import parse_task_id, safe_id
from tests.integration.product import MesosTask, mesos_tasks

_LOOK_SECONDS = 0.3
# The master is down, or ends just now.
_AWAY = (urllib.error.URLError, OSError, ValueError, KeyError)


class MesosWatch:
    """``start`` it, ``stop`` it, then ask for ``findings``. ``kept`` maps the ids of apps that
    nobody changes to their tasks."""

    def __init__(self, url: str, framework_id: str, kept: dict[str, set[str]]) -> None:
        self.looks = 0
        self.findings: set[str] = set()
        self._url = url
        self._framework_id = framework_id
        self._kept = kept
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="mesos-watch")

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more; harmless when repeated."""
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(_LOOK_SECONDS):
            try:
                tasks = mesos_tasks(self._url, self._framework_id)
            except _AWAY:
                continue
            self.looks += 1
            self.findings.update(doubled(tasks))
            for app_id, kept in self._kept.items():
                self.findings.update(strangers(tasks, app_id, kept))


def doubled(tasks: Iterable[MesosTask]) -> set[str]:
    """The instances that have more than one task alive. The instances here wait for ever for an
    agent that is away, so none may."""
    counts = Counter(_instance(task) for task in tasks)
    return {f"{instance} runs {n} times" for instance, n in counts.items() if n > 1}


def strangers(tasks: Iterable[MesosTask], app_id: str, kept: set[str]) -> set[str]:
    """Tasks of an app that are none of those it always had."""
    mine = (task for task in tasks if _instance(task).startswith(f"{safe_id(app_id)}.instance-"))
    return {f"{app_id} has the new task {task.id}" for task in mine if task.id not in kept}


def _instance(task: MesosTask) -> str:
    parsed = parse_task_id(task.id)
    assert parsed is not None, f"{task.id} is no task id of ours"
    return parsed[0]
