"""Goal 7, from a leader's death to its successor's first write: ``python -m tests.bench.goal7``.

Two Stayers on one ZooKeeper and a simulated Mesos find 1,000 and 100,000 running instances
(``--preload`` says how many, a smaller run has fewer) in the store and in Mesos, where they were
put directly. Once the one that leads has heard of all of them, it is killed with SIGKILL. First
ZooKeeper waits until the session ends, which is a setting and not ours: that row stands apart.
Then, counted from the moment at which the dead leader's znode is gone: the first write that the
successor, a warm standby, acknowledges, and the first new task that runs. Then that one is killed
too, and only when its znode is gone another process starts: cold, its first write and task are
counted from the start of the process. The peer: a bare client, told of the same moment, that bumps
an epoch and makes one write under it.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from kazoo.client import KazooClient

from api.client import Client
from tests.bench._cluster import Started, simulated_mesos, zookeeper
from tests.bench._preloaded import FIRST_PORT, ask, hear_of_all, preload, runs, writes
from tests.bench.report import Result, chosen, measured, parser
from tests.polling import eventually
from tests.torture.stayers import StayerProcess
from tests.zookeeper.server import ZooKeeperServer

INSTANCES = (1_000, 100_000)
FULL = 100_000
MOST_AGENTS, INSTANCES_AN_AGENT = 1_000, 100
PORTS = 1_000
MOST_INSTANCES = MOST_AGENTS * (PORTS - 1)
_FULL_MATRIX = 0.1  # smaller runs have one number of instances
RESOURCES = f"cpus:1000;mem:1000000;disk:1000000;ports:[{FIRST_PORT}-{FIRST_PORT + PORTS - 1}]"
SESSION_MS = 2_000
_ROOT = "/stayer"
_PATIENCE_SECONDS = 600.0
_ASK_SECONDS = 5.0
_PAUSE_SECONDS = 0.002


@dataclass(frozen=True, slots=True)
class Moments:
    """Seconds of one clock."""

    killed: float
    released: float
    bare: float
    written: float
    launched: float
    cpu_seconds: float
    peak_mib: float


class Bystander:
    """Sees the leader's znode go, and does then the least that a successor could."""

    def __init__(self, hosts: str) -> None:
        self._client = KazooClient(hosts, timeout=30.0)
        self._gone = threading.Event()
        self._thread = threading.Thread(target=self._succeed)
        self.released = 0.0
        self.bare = 0.0

    def __enter__(self) -> "Bystander":
        self._client.start()
        self._client.ensure_path("/bare/log")
        first = min(
            self._client.get_children(f"{_ROOT}/election"), key=lambda name: name.split("-")[-1]
        )
        path = f"{_ROOT}/election/{first}"
        assert self._client.exists(path, watch=self._changed), "nobody leads"
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._gone.set()
        self._thread.join()
        self._client.stop()
        self._client.close()

    def _changed(self, _event: object) -> None:
        self.released = time.monotonic()
        self._gone.set()

    def _succeed(self) -> None:
        self._gone.wait()
        stat = self._client.set("/bare", b"epoch")
        transaction = self._client.transaction()
        transaction.check("/bare", version=stat.version)
        transaction.create("/bare/log/0", b"x" * 500)
        transaction.commit()
        self.bare = time.monotonic()


@contextmanager
def pair(folder: Path, server: ZooKeeperServer, mesos: Started) -> Iterator[list[StayerProcess]]:
    """A leader and a standby that knows it, in this order."""
    arguments = ["--master", mesos.url.removeprefix("http://"), "--zk", server.url(_ROOT)]
    arguments += ["--zk_session_timeout", str(SESSION_MS), "--logging_level", "warning"]
    members = [StayerProcess(folder / f"stayer-{n}", arguments) for n in range(2)]
    with ExitStack() as running:
        for member in members:
            running.callback(member.process.kill)
        members[0].start()
        eventually(lambda: members[0].leads, "a leader")
        members[1].start()
        eventually(lambda: members[1].leader() == members[0].address, "a standby")
        try:
            yield members
        except BaseException:
            for member in members:
                print(member.process.output()[-3000:])  # noqa: T201 - shown when it failed
            raise


def running(url: str) -> int:
    """How many instances of all apps run, as a Stayer tells."""
    client = Client((url,))
    try:
        apps = client.list_apps(query={"embed": ["apps.counts"]})
    finally:
        client.close()
    return sum(int(app["tasksRunning"]) for app in apps)


def fail_over(server: ZooKeeperServer, members: list[StayerProcess]) -> Moments:
    """Kill the leader and see the successor come, who may not have been started yet: then its
    start is the moment from which is counted."""
    leader, successor = members
    cold = not successor.process.is_running
    instances = 3 if cold else 2
    with Bystander(server.hosts) as bystander:
        process = None if cold else Started(successor.url, successor.process.pid)
        cpu_seconds = process.cpu_seconds() if process else 0.0
        leader.process.kill()
        killed = time.monotonic()
        begun = 0.0
        if cold:
            _first(lambda: bystander.bare > 0)
            begun = time.monotonic()
            successor.start()
            process = Started(successor.url, successor.process.pid)
        assert process is not None
        written = _first(lambda: writes(successor.url, instances))
        launched = _first(lambda: runs(successor.url, instances))
        return Moments(
            killed,
            begun or bystander.released,
            begun + bystander.bare - bystander.released if cold else bystander.bare,
            written,
            launched,
            process.cpu_seconds() - cpu_seconds,
            process.peak_mib(),
        )


def _first(look: Callable[[], bool]) -> float:
    """The moment at which it is so for the first time."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    pause = threading.Event()
    while not look():
        assert time.monotonic() < deadline, "no successor"
        pause.wait(_PAUSE_SECONDS)
    return time.monotonic()


def measure(folder: Path, instances: int) -> Iterator[Result]:
    """Both successors, with so many instances."""
    agents = max(20, min(MOST_AGENTS, instances // INSTANCES_AN_AGENT))
    with simulated_mesos(folder, agents, RESOURCES) as mesos, zookeeper(folder) as server:
        preload(mesos.url, server.url(_ROOT), instances)
        with pair(folder, server, mesos) as members:
            hear_of_all(members[0].url)
            warm = fail_over(server, members)
            assert running(members[1].url) == instances + 2, "the successor knows too few"
            cold = fail_over(server, members[::-1])
            eventually(lambda: running(members[0].url) == instances + 3, "it knows of all")
        stats = ask(f"{mesos.url}/simulated/stats")
        assert (stats["launched"], stats["ended"]) == (3, 0), "it did more than was asked"
        assert stats["tasks"] == instances + 3, "tasks were lost"
    goals = instances >= FULL
    yield _row(instances, "session ends", warm.released - warm.killed, 1e-3 * SESSION_MS, warm)
    for kind, seen in (("warm", warm), ("cold", cold)):
        bare = seen.bare - seen.released
        written, launched = seen.written - seen.released, seen.launched - seen.released
        goal = f"7 {kind}" if goals else None
        yield _row(instances, f"{kind}, first write", written, bare, seen, goal)
        yield _row(instances, f"{kind}, first task", launched, bare, seen)


def _row(
    instances: int, what: str, seconds: float, peer: float, seen: Moments, goal: str | None = None
) -> Result:
    return Result(
        f"failover, {instances:,} instances: {what}", 1000 * max(seconds, 0.0), "ms",
        seen.cpu_seconds, 1000 * peer, peak_mib=seen.peak_mib, goal=goal,
    )  # fmt: skip


def main() -> None:
    """Every number of instances."""
    made = parser(__doc__)
    what = f"how many instances (may be given more than once; default: {INSTANCES})"
    made.add_argument("--preload", type=int, action="append", metavar="N", help=what)
    wanted, arguments = chosen(made)
    usual = INSTANCES if wanted.size >= _FULL_MATRIX else INSTANCES[-1:]
    counts = [wanted.scaled(full) for full in arguments.preload or usual]
    if max(counts) > MOST_INSTANCES:
        made.error(f"at most {MOST_INSTANCES} instances have room")
    for count in counts:
        measured(lambda folder, count=count: measure(folder, count), wanted)  # type: ignore[misc]  # its default binds it


if __name__ == "__main__":
    main()
