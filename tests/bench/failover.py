"""From the death of a leader to its successor's first write: ``python -m tests.bench.failover``.

Two Stayers on one ZooKeeper and a simulated Mesos find 100, 1,000 and 10,000 running instances
(``--preload`` says how many, a smaller run has fewer) in the store and in Mesos, where they were
put directly. Once the one that leads has heard of all of them, it is killed with SIGKILL. First
ZooKeeper waits until the session ends, which is a setting and not ours: that row stands apart.
Then, counted from the moment at which the dead leader's znode is gone: the first write that the
successor acknowledges, and the first new task that runs. The peer of both: a bare client, told of
the same moment, that bumps an epoch and makes one write under it.
"""

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from kazoo.client import KazooClient

from api.client import Client, ClientError
from tests.bench._cluster import Started, simulated_mesos
from tests.bench._preloaded import FIRST_PORT, PROBE, ask, preload
from tests.bench.report import Result, chosen, parser, report
from tests.polling import eventually
from tests.torture.stayers import StayerProcess
from tests.zookeeper.server import ZooKeeperServer

INSTANCES = (100, 1_000, 10_000)
AGENTS = 20
PORTS = 1_000
MOST_INSTANCES = AGENTS * (PORTS - 1)
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
def pair(folder: Path, zookeeper: ZooKeeperServer, mesos: Started) -> Iterator[list[StayerProcess]]:
    """A leader and a standby that knows it, in this order."""
    arguments = ["--master", mesos.url.removeprefix("http://"), "--zk", zookeeper.url(_ROOT)]
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


def hear_of_all(url: str) -> None:
    """Wait until the leader has heard of all tasks: before it is told of one that it launches
    itself, Mesos has answered what it asked when it came."""
    eventually(lambda: _writes(url, 1), "a write", _PATIENCE_SECONDS)
    eventually(lambda: _runs(url, 1), "a task", _PATIENCE_SECONDS)


def running(url: str) -> int:
    """How many instances of all apps run, as a Stayer tells."""
    client = Client((url,))
    try:
        apps = client.list_apps(query={"embed": ["apps.counts"]})
    finally:
        client.close()
    return sum(int(app["tasksRunning"]) for app in apps)


def fail_over(zookeeper: ZooKeeperServer, members: list[StayerProcess]) -> Moments:
    """Kill the leader and see the successor come."""
    leader, successor = members
    process = Started(successor.url, successor.process.pid)
    cpu_seconds = process.cpu_seconds()
    with Bystander(zookeeper.hosts) as bystander:
        leader.process.kill()
        killed = time.monotonic()
        written = _first(lambda: _writes(successor.url, 2))
        launched = _first(lambda: _runs(successor.url, 2))
        return Moments(
            killed,
            bystander.released,
            bystander.bare,
            written,
            launched,
            process.cpu_seconds() - cpu_seconds,
        )


def _writes(url: str, instances: int) -> bool:
    """Whether it acknowledges a write, which asks for a task too."""
    client = Client((url,), timeout_seconds=_ASK_SECONDS)
    try:
        client.scale_app(PROBE, instances, force=True)
    except ClientError:
        return False
    else:
        return True
    finally:
        client.close()


def _runs(url: str, instances: int) -> bool:
    client = Client((url,), timeout_seconds=_ASK_SECONDS)
    try:
        return bool(client.get_app(PROBE)["tasksRunning"] == instances)
    except ClientError:
        return False
    finally:
        client.close()


def _first(look: Callable[[], bool]) -> float:
    """The moment at which it is so for the first time."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    pause = threading.Event()
    while not look():
        assert time.monotonic() < deadline, "no successor"
        pause.wait(_PAUSE_SECONDS)
    return time.monotonic()


def measure(folder: Path, instances: int) -> Iterator[Result]:
    """One failover with so many instances."""
    with (
        simulated_mesos(folder, AGENTS, RESOURCES) as mesos,
        ZooKeeperServer(folder / "zookeeper", heap_mib=512) as zookeeper,
    ):
        preload(mesos.url, zookeeper.url(_ROOT), instances)
        with pair(folder, zookeeper, mesos) as members:
            hear_of_all(members[0].url)
            seen = fail_over(zookeeper, members)
            assert running(members[1].url) == instances + 2, "the successor knows too few"
        stats = ask(f"{mesos.url}/simulated/stats")
        assert (stats["launched"], stats["ended"]) == (2, 0), "it did more than was asked"
        assert stats["tasks"] == instances + 2, "tasks were lost"
    peer = 1000 * (seen.bare - seen.released)
    name = f"failover, {instances} instances"

    def row(what: str, seconds: float, peer: float | None) -> Result:
        return Result(f"{name}: {what}", 1000 * max(seconds, 0.0), "ms", seen.cpu_seconds, peer)

    yield row("session ends", seen.released - seen.killed, float(SESSION_MS))
    yield row("first write after", seen.written - seen.released, peer)
    yield row("first task after", seen.launched - seen.released, peer)


def main() -> None:
    """Every number of instances."""
    made = parser(__doc__)
    what = f"how many instances (may be given more than once; default: {INSTANCES})"
    made.add_argument("--preload", type=int, action="append", metavar="N", help=what)
    wanted, arguments = chosen(made)
    counts = [wanted.scaled(full) for full in arguments.preload or INSTANCES]
    if max(counts) > MOST_INSTANCES:
        made.error(f"at most {MOST_INSTANCES} instances have room")
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            for result in measure(Path(folder), count):
                report(result, wanted.json)


if __name__ == "__main__":
    main()
