"""Runs of the bridge that die, each before another effect on the world: a file made or renamed, a
program started, a word to haproxy.

python -m tests.edge.dying URL OPTIONS reads lines with two numbers each, the effect to die before
and the time, and answers each with how the run ended. A small process of one thread forks itself
for each run: forks of the tests' own process are slow, and what its other threads hold then is held
for ever in the copy.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from api.client import Client
from haproxy_bridge.run.node import Node
from haproxy_bridge.run.options import NodeOptions
from haproxy_bridge.source import Reader, SourceOptions
from tests.edge.fixtures import Edge

DIED = 99
_EFFECTS = {"os.mkdir", "os.remove", "os.rename", "socket.connect", "subprocess.Popen"}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Dying:
    """The process that forks, seen from the test."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def run(self, edge: Edge, effect: int) -> int:
        """A run that dies before its ``effect``-th effect, and DIED; or how it ended, if it has
        not so many."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        edge.now_ms += 60_000
        self._process.stdin.write(f"{effect} {edge.now_ms}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@contextmanager
def dying(edge: Edge) -> Iterator[Dying]:
    """Such a process, for the length of the block."""
    options = edge.haproxy.folder / "options.json"
    options.write_bytes(msgspec.json.encode(edge.options))
    command = [sys.executable, "-m", "tests.edge.dying", edge.marathon.url, str(options)]
    with subprocess.Popen(
        command,
        cwd=Path(__file__).resolve().parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Dying(process)
        finally:
            process.kill()


def _die_at(effect: int) -> None:
    left = effect

    def heard(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITES
        if event in _EFFECTS or writes:
            left -= 1
            if left < 0:
                os._exit(DIED)

    sys.addaudithook(heard)


def _run(url: str, options: NodeOptions, effect: int, now_ms: int) -> int:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            _die_at(effect)
            reader = Reader(Client([url], timeout_seconds=10), SourceOptions())
            code = int(Node(reader, options, lambda: now_ms).run().exit)
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def main(url: str, path: Path) -> None:
    """Until nobody asks for more."""
    options = msgspec.json.decode(path.read_bytes(), type=NodeOptions)
    for line in sys.stdin:
        effect, now_ms = map(int, line.split())
        sys.stdout.write(f"{_run(url, options, effect, now_ms)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
