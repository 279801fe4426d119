"""Goal 6, reading 1,000 apps: ``python -m tests.bench.goal6``.

1,000 apps with an instance each run; scheduler, simulated Mesos and the one who asks are three
processes. How many lists of all apps a second are answered: whole, whole and compressed, whole
while an app changes between two of them, and unchanged by their ETag. Then one app is asked for
again and again while 20,000 instances of others start: how long the slowest of a hundred takes.
The peer of each: the same listener, sending as many constant bytes.
"""

import gzip
import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from api.client import Client
from tests.bench._cluster import Started, constant_server, scheduler, simulated_mesos
from tests.bench._load import Answer, Load, ask, ask_all, connect, repeated, request
from tests.bench.report import Options, Result, measured, options
from tests.polling import eventually

APPS = 1_000
STARTED_APPS, STARTED_EACH = 20, 1_000
AGENTS = 1_000
RESOURCES = "cpus:16;mem:65536;disk:100000;ports:[31000-31999]"
CONNECTIONS = 4
SECONDS = 5.0
_PAUSE_SECONDS = 0.005
_LIST = "/v2/apps"
_PATIENCE_SECONDS = 600.0


def definition(number: int) -> dict[str, Any]:
    """An app whose JSON is of a usual size (0.7 kB)."""
    return {
        "id": f"/bench/team{number % 20}/app{number}",
        "cmd": "exec ./bin/server --port $PORT0 --workers 4 --log-level info",
        "cpus": 0.01,
        "mem": 16,
        "instances": 1,
        "env": {"STAGE": "production", "LOG_FORMAT": "json"},
        "labels": {"owner": f"team{number % 20}", "tier": "web"},
        "portDefinitions": [{"port": 0, "name": "http"}],
    }


def measure(folder: Path, wanted: Options) -> Iterator[Result]:
    """All of them against one scheduler with its state in memory."""
    apps, agents = wanted.scaled(APPS), wanted.scaled(AGENTS)
    seconds = max(0.2, SECONDS * min(1.0, wanted.size))
    with (
        simulated_mesos(folder, agents, RESOURCES) as mesos,
        scheduler(folder, mesos.url, "memory:") as process,
        constant_server(folder) as constant,
        closing(Client([process.url], timeout_seconds=120)) as client,
    ):
        client.put_apps([definition(number) for number in range(apps)])
        _settle(client)
        yield from _lists(process, constant, apps, seconds)
        yield _changing(process, constant, apps, seconds)
        yield _one_app(client, process, constant, wanted)


def _lists(process: Started, constant: Started, apps: int, seconds: float) -> Iterator[Result]:
    whole = _listed(process, apps)
    # Who asks is three times as slow the first time, whomever it asks.
    _constant(constant, seconds / 10, len(whole.body))
    yield _row("6 list", f"GET {apps} apps", process, constant, seconds, whole)
    packed = _listed(process, apps, "Accept-Encoding: gzip")
    name = f"GET {apps} apps, gzip"
    yield _row(None, name, process, constant, seconds, packed, "Accept-Encoding: gzip")
    if whole.tag is not None:
        known = f"If-None-Match: {whole.tag}"
        name = f"GET {apps} apps, unchanged"
        yield _row("6 unchanged", name, process, constant, seconds, whole, known)


def _listed(process: Started, apps: int, *headers: str) -> Answer:
    """The list, with a look at whether it is one."""
    with closing(connect(process.url)) as connection:
        answer = ask(connection, request(process.url, "GET", _LIST, headers))
    assert answer.status == 200, answer.head
    packed = b"content-encoding: gzip" in answer.head.lower()
    assert packed is bool(headers), answer.head
    listed = json.loads(gzip.decompress(answer.body) if packed else answer.body)["apps"]
    assert len(listed) == apps
    return answer


def _row(
    goal: str | None,
    name: str,
    process: Started,
    constant: Started,
    seconds: float,
    like: Answer,
    *headers: str,
) -> Result:
    """So many a second of what was answered ``like`` this before."""
    unchanged = any(one.startswith("If-None-Match") for one in headers)
    cpu = process.cpu_seconds()
    load = _hammer(process.url, request(process.url, "GET", _LIST, headers), seconds)
    cpu = process.cpu_seconds() - cpu
    assert set(load.statuses) == {304 if unchanged else 200}, load.statuses
    peer = _constant(constant, seconds, len(like.body), unchanged=unchanged)
    return Result(
        name, load.per_second, "requests/s", cpu, peer.per_second, load.seconds, load.per_second,
        process.peak_mib(), goal,
    )  # fmt: skip


def _hammer(url: str, sent: bytes, seconds: float) -> Load:
    return ask_all(url, repeated(sent, seconds), CONNECTIONS)


def _constant(constant: Started, seconds: float, size: int, *, unchanged: bool = False) -> Load:
    headers = ('If-None-Match: "constant"',) if unchanged else ()
    sent = request(constant.url, "GET", f"/?bytes={size}", headers)
    return _hammer(constant.url, sent, seconds)


def _changing(process: Started, constant: Started, apps: int, seconds: float) -> Result:
    """Every second request changes an app; only the lists are counted."""
    whole = _listed(process, apps)
    get = request(process.url, "GET", _LIST)

    def requests() -> Iterator[bytes]:
        until, number = time.perf_counter() + seconds, 0
        while number == 0 or time.perf_counter() < until:
            yield _relabelled(process.url, number % apps, number)
            yield get
            number += 1

    cpu = process.cpu_seconds()
    load = ask_all(process.url, requests(), CONNECTIONS)
    cpu = process.cpu_seconds() - cpu
    assert set(load.statuses) == {200}, load.statuses
    lists = load.statuses.total() // 2
    peer = _constant(constant, seconds, len(whole.body))
    rate = lists / load.seconds
    return Result(
        f"GET {apps} apps, one changed before each", rate, "requests/s", cpu, peer.per_second,
        load.seconds, rate, process.peak_mib(),
    )  # fmt: skip


def _relabelled(url: str, number: int, label: int) -> bytes:
    app = definition(number)
    body = {"labels": {**app["labels"], "change": str(label)}}
    return request(url, "PUT", f"/v2/apps{app['id']}?force=true", (), json.dumps(body).encode())


def _one_app(client: Client, process: Started, constant: Started, wanted: Options) -> Result:
    """How long one app takes while others start."""
    count, each = wanted.scaled(STARTED_APPS), wanted.scaled(STARTED_EACH)
    target = f"{_LIST}{definition(0)['id']}"
    started = [
        {**definition(0), "id": f"/started/app{number}", "instances": each}
        for number in range(count)
    ]
    _settle(client)
    cpu, began = process.cpu_seconds(), time.perf_counter()
    with _asking(process.url, target) as taken:
        client.put_apps(started)
        _settle(client)
    wall_seconds = time.perf_counter() - began
    cpu = process.cpu_seconds() - cpu
    with closing(connect(process.url)) as connection:
        size = len(ask(connection, request(process.url, "GET", target)).body)
    with _asking(constant.url, f"/?bytes={size}") as bare:
        threading.Event().wait(min(wall_seconds, SECONDS))
    return Result(
        f"GET one app while {count} x {each} start, p99", _p99_ms(taken), "ms", cpu, _p99_ms(bare),
        wall_seconds, len(taken) / wall_seconds, process.peak_mib(), "6 one",
    )  # fmt: skip


def _p99_ms(taken: list[float]) -> float:
    return 1000 * sorted(taken)[min(len(taken) - 1, int(0.99 * len(taken)))]


@contextmanager
def _asking(url: str, target: str) -> Iterator[list[float]]:
    """Ask again and again with a short pause, and note how long each took, in seconds."""
    taken: list[float] = []
    stop = threading.Event()
    sent = request(url, "GET", target)

    def run() -> None:
        with closing(connect(url)) as connection:
            while not taken or not stop.wait(_PAUSE_SECONDS):
                began = time.perf_counter()
                assert ask(connection, sent).status == 200
                taken.append(time.perf_counter() - began)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield taken
    finally:
        stop.set()
        thread.join()


def _settle(client: Client) -> None:
    eventually(lambda: not client.list_deployments(), "all deployed", _PATIENCE_SECONDS)


def main() -> None:
    """Measure on the disk of the temporary directory (TMPDIR)."""
    wanted = options(__doc__)
    measured(lambda folder: measure(folder, wanted), wanted)


if __name__ == "__main__":
    main()
