"""A simulated Mesos and a scheduler, each a process of its own, for measurements of the whole.

Both end with the block that started them. The scheduler's processor time is the kernel's count of
all its threads, so that of the one who measures, and of Mesos, is not in it.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.polling import eventually

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_STOP_SECONDS = 30.0


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


@contextmanager
def simulated_mesos(folder: Path, agents: int, resources: str) -> Iterator[Started]:
    """A simulated master whose tasks start at once, with so many agents."""
    ready = folder / "mesos.json"
    module = [sys.executable, "-m", "localmesos.simulated"]
    flags = ["--agents", str(agents), "--resources", resources, "--port", "0"]
    with _process([*module, *flags, "--ready-file", str(ready)], folder / "mesos.log"):
        content = _content(ready)
        yield Started(content["mesos"], int(content["pid"]))


@contextmanager
def constant_server(folder: Path) -> Iterator[Started]:
    """A server that listens as the scheduler does and sends constant bytes (``_constant``)."""
    ready = folder / "constant.json"
    command = [sys.executable, "-m", "tests.bench._constant", "--ready-file", str(ready)]
    with _process(command, folder / "constant.log"):
        content = _content(ready)
        yield Started(content["http"], int(content["pid"]))


@contextmanager
def scheduler(folder: Path, master_url: str, store_url: str) -> Iterator[Started]:
    """A scheduler that Mesos has accepted, with default settings. ``store_url`` is that of
    ``--store``, or of ``--zk``."""
    ready = folder / "scheduler.json"
    where = "--zk" if store_url.startswith("zk:") else "--store"
    command = [str(Path(sys.executable).with_name("stayer")), "serve", where, store_url]
    flags = ["--master", master_url, "--http", "127.0.0.1:0", "--logging_level", "warning"]
    with _process([*command, *flags, "--ready-file", str(ready)], folder / "scheduler.log"):
        content = _content(ready)
        yield Started(content["http"], int(content["pid"]))


@contextmanager
def _process(command: list[str], log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
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


def _content(ready: Path) -> dict[str, str]:
    eventually(ready.exists, f"{ready.name} is written")
    content: dict[str, str] = json.loads(ready.read_text(encoding="utf-8"))
    return content
