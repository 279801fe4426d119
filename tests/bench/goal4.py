"""Goal 4, creating 10,000 apps one by one: ``python -m tests.bench.goal4``.

10,000 apps of one instance are posted, each by itself, at most 100 of them under way (posted and
not yet deployed; more are refused by default), until all are deployed: with the state in memory,
then in ZooKeeper. Scheduler, simulated Mesos, ZooKeeper and the one who posts are
processes of their own. The value is apps a second from the first request until the last app is
deployed. The peer: the same listener takes as many bodies and answers each with constant bytes.
"""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from api.client import Client
from tests.bench._cluster import (
    await_leader,
    constant_server,
    scheduler,
    simulated_mesos,
    zookeeper,
)
from tests.bench._load import Load, ask_all, connect, request
from tests.bench.report import Options, Result, measured, options

APPS = 10_000
AT_ONCE = 100
AGENTS = 100
RESOURCES = "cpus:64;mem:262144;disk:1000000;ports:[31000-31999]"
_ANSWER_BYTES = 900  # what creating an app is answered with, about
_READ_BYTES = 256 * 1024
_DONE = b"event: deployment_success\r"
_PATIENCE_SECONDS = 1_800.0


def posts(url: str, count: int, target: str = "/v2/apps") -> Iterator[bytes]:
    """The requests."""
    for number in range(count):
        app = {
            "id": f"/bench/team{number % 20}/app{number}",
            "cmd": "exec ./bin/server --port $PORT0",
            "cpus": 0.01,
            "mem": 16,
            "instances": 1,
            "labels": {"owner": f"team{number % 20}"},
            "portDefinitions": [{"port": 0, "name": "http"}],
        }
        yield request(url, "POST", target, (), json.dumps(app).encode())


class Deployed:
    """Counts the deployments that ended well: a list of those under way would be a measurement
    of its own."""

    def __init__(self, url: str) -> None:
        self.count = 0
        self._more = threading.Condition()
        self._connection = connect(url)
        target = "/v2/events?event_type=deployment_success&plan-format=light"
        sent = request(url, "GET", target, ("Accept: text/event-stream",))
        self._connection.sendall(sent)
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        rest = b""
        while got := self._connection.recv(_READ_BYTES):
            with self._more:
                self.count += (rest + got).count(_DONE)
                self._more.notify_all()
            rest = (rest + got)[1 - len(_DONE) :]

    def until(self, count: int) -> None:
        """Wait for so many."""
        with self._more:
            enough = self._more.wait_for(lambda: self.count >= count, _PATIENCE_SECONDS)
        assert enough, f"only {self.count} of {count} deployed"

    def paced(self, requests: Iterator[bytes]) -> Iterator[bytes]:
        """The requests, not more than AT_ONCE ahead of what is deployed."""
        for number, sent in enumerate(requests):
            self.until(number - AT_ONCE + 1)
            yield sent

    def __enter__(self) -> "Deployed":
        self._connection.settimeout(_PATIENCE_SECONDS)
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._connection.shutdown(2)
        self._thread.join()
        self._connection.close()


def measure(folder: Path, store: str, wanted: Options) -> Iterator[Result]:
    """With the state in one of the stores."""
    apps = wanted.scaled(APPS)
    with (
        simulated_mesos(folder, AGENTS, RESOURCES) as mesos,
        _store_url(folder, store) as store_url,
        scheduler(folder, mesos.url, store_url) as process,
        closing(Client([process.url], timeout_seconds=120)) as client,
    ):
        await_leader(process)
        with Deployed(process.url) as deployed:
            cpu, began = process.cpu_seconds(), time.perf_counter()
            requests = deployed.paced(posts(process.url, apps))
            load = ask_all(process.url, requests, min(AT_ONCE, apps))
            assert set(load.statuses) == {201}, load.statuses
            deployed.until(apps)
            seconds = time.perf_counter() - began
            cpu, peak = process.cpu_seconds() - cpu, process.peak_mib()
        running = sum(int(app["tasksRunning"]) for app in client.list_apps())
        assert running == apps, running
    bare = _constant(folder, apps)
    yield Result(
        f"{apps} apps posted and deployed, {store}", apps / seconds, "apps/s", cpu,
        bare.per_second, seconds, apps / seconds, peak,
        goal="4" if store == "ZooKeeper" else None,
    )  # fmt: skip


def _constant(folder: Path, apps: int) -> Load:
    with constant_server(folder) as constant:
        target = f"/v2/apps?bytes={_ANSWER_BYTES}"
        return ask_all(constant.url, posts(constant.url, apps, target), min(AT_ONCE, apps))


@contextmanager
def _store_url(folder: Path, store: str) -> Iterator[str]:
    if store == "memory":
        yield "memory:"
        return
    with zookeeper(folder) as server:
        yield server.url("/stayer")


def main() -> None:
    """Measure on the disk of the temporary directory (TMPDIR)."""
    wanted = options(__doc__)
    for store in ("memory", "ZooKeeper"):
        measured(lambda folder, store=store: measure(folder, store, wanted), wanted)  # type: ignore[misc]  # its default binds it


if __name__ == "__main__":
    main()
