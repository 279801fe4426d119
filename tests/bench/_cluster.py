"""A simulated Mesos and a scheduler, each a process of its own, for measurements of the whole.

Both end with the block that started them. The scheduler's processor time is the kernel's count of
all its threads, so that of the one who measures, and of Mesos, is not in it.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench._load import ask, connect, request
from tests.polling import eventually
from tests.zookeeper.server import ZooKeeperServer

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_STOP_SECONDS = 30.0
_LEADER_SECONDS = _IDLE_SECONDS = 600.0
_QUIET_SECONDS, _QUIET_SHARE = 0.5, 0.1
_LEAST_SIZE = 0.1  # of a run whose figures mean something


@dataclass(frozen=True, slots=True)
class Started:
    """``url`` is where the process serves."""

    url: str
    pid: int

    def cpu_seconds(self) -> float:
        """Processor time of the process so far, in user and system mode."""
        stat = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8")
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND

    def memory_mib(self) -> float:
        """What it holds now."""
        return self._status("VmRSS")

    def peak_mib(self) -> float:
        """The most that it held at a time."""
        return self._status("VmHWM")

    def threads(self) -> int:
        """How many it has."""
        return sum(1 for _ in Path(f"/proc/{self.pid}/task").iterdir())

    def open_files(self) -> int:
        """Its file descriptors."""
        return sum(1 for _ in Path(f"/proc/{self.pid}/fd").iterdir())

    def _status(self, name: str) -> float:
        """A size in MiB."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        (line,) = (line for line in status.splitlines() if line.startswith(f"{name}:"))
        return int(line.split()[1]) / 1024


@contextmanager
def simulated_mesos(folder: Path, agents: int, resources: str, *more: str) -> Iterator[Started]:
    """A simulated master whose tasks start at once, with so many agents; ``more`` flags of it."""
    folder.mkdir(exist_ok=True)
    ready = folder / "mesos.json"
    module = [sys.executable, "-m", "localmesos.simulated"]
    flags = ["--agents", str(agents), "--resources", resources, "--port", "0", *more]
    with _process([*module, *flags], ready, folder / "mesos.log"):
        content = _content(ready)
        yield Started(content["mesos"], int(content["pid"]))


@contextmanager
def zookeeper(folder: Path, heap_mib: int = 1_024) -> Iterator[ZooKeeperServer]:
    """A server that syncs what it is told to the disk of the folder before it answers."""
    settings = {"forceSync": "yes", "preAllocSize": "65536"}
    server = ZooKeeperServer(folder / "zookeeper", heap_mib=heap_mib, settings=settings)
    with server:
        yield server


@contextmanager
def constant_server(folder: Path) -> Iterator[Started]:
    """A server that listens as the scheduler does and sends constant bytes (``_constant``)."""
    ready = folder / "constant.json"
    command = [sys.executable, "-m", "tests.bench._constant"]
    with _process(command, ready, folder / "constant.log"):
        content = _content(ready)
        yield Started(content["http"], int(content["pid"]))


@contextmanager
def scheduler(folder: Path, master_url: str, store_url: str, *more: str) -> Iterator[Started]:
    """A scheduler that Mesos has accepted, with default settings but for ``more`` flags.
    ``store_url`` is that of ``--store``, or of ``--zk``."""
    ready = folder / "scheduler.json"
    where = "--zk" if store_url.startswith("zk:") else "--store"
    command = [str(Path(sys.executable).with_name("stayer")), "serve", where, store_url]
    flags = ["--master", master_url, "--http", "127.0.0.1:0", "--logging_level", "warning", *more]
    with _process([*command, *flags], ready, folder / "scheduler.log"):
        content = _content(ready)
        yield Started(content["http"], int(content["pid"]))


@contextmanager
def _process(command: list[str], ready: Path, log: Path) -> Iterator[None]:
    ready.unlink(missing_ok=True)  # of one before
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--ready-file", str(ready)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield
        assert process.poll() is None, f"{command[0]} ended: {log.read_text()[-2000:]}"
    except BaseException:
        sys.stderr.write(log.read_text()[-2000:])
        raise
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def await_leader(process: Started) -> None:
    """A process with ZooKeeper serves before it leads."""

    def leads() -> bool:
        with closing(connect(process.url)) as connection:
            return ask(connection, request(process.url, "GET", "/v2/apps")).status == 200

    eventually(leads, "a leader", _LEADER_SECONDS)


def await_idle(process: Started, size: float) -> None:
    """Until it has done what it does afterwards (a checkpoint, say)."""
    seconds = _QUIET_SECONDS if size >= _LEAST_SIZE else _QUIET_SECONDS / 10
    pause = threading.Event()

    def quiet() -> bool:
        cpu = process.cpu_seconds()
        pause.wait(seconds)
        return process.cpu_seconds() - cpu <= _QUIET_SHARE * seconds

    eventually(quiet, "nothing to do", _IDLE_SECONDS)


def _content(ready: Path) -> dict[str, str]:
    eventually(ready.exists, f"{ready.name} is written", _LEADER_SECONDS)
    content: dict[str, str] = json.loads(ready.read_text(encoding="utf-8"))
    return content
