"""Stayers as an operator runs them: each at its own address, brought back whenever it ends.

What each of their processes ended with is kept: most of it must have been our doing.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from api.client import Client, ClientError
from localmesos.apache.ports import free_port
from tests.integration.product import STAYER
from tests.zookeeper.process import Process
from tests.zookeeper.server import loopback_address

_LOOK_SECONDS = 0.05
_RESTART_SECONDS = 0.5
_ASK_SECONDS = 1.0


class StayerProcess:
    """One ``stayer serve`` at an address that is its own for all its lives."""

    def __init__(self, folder: Path, arguments: Sequence[str]) -> None:
        host = loopback_address()
        self.address = f"{host}:{free_port(host)}"
        self.url = f"http://{self.address}"
        self.ready_file = folder / "ready.json"
        self.exit_codes: list[int] = []  # of its processes before the last
        command = [STAYER, "serve", *arguments, "--http", self.address]
        command += ["--ready-file", str(self.ready_file)]
        self.process = Process(command, folder / "stayer.log", _environment())

    def start(self) -> None:
        """Start it, or start it again, and wait for nothing."""
        if self.process.was_started:
            code = self.process.exit_code
            assert code is not None, "it runs already"
            self.exit_codes.append(code)
        self.ready_file.unlink(missing_ok=True)  # a killed process could not
        self.process.start()

    @property
    def is_ready(self) -> bool:
        """Whether it leads and Mesos has accepted it, or follows somebody who leads."""
        return self.process.is_running and self.ready_file.exists()

    @property
    def leads(self) -> bool:
        """Whether it says so itself."""
        return self.process.is_running and self.leader() == self.address

    def leader(self) -> str:
        """The address that it tells as the leader's; empty if it tells none."""
        client = Client((self.url,), timeout_seconds=_ASK_SECONDS)
        try:
            answer = client.get("/v2/leader")
        except ClientError:
            return ""
        finally:
            client.close()
        return str(answer.get("leader", "")) if isinstance(answer, dict) else ""


class Stayers:
    """Some Stayers on one state, all but the held ones brought back when they end."""

    def __init__(self, members: Sequence[StayerProcess]) -> None:
        self.members = tuple(members)
        self._held = [threading.Lock() for _ in members]
        self._stopping = threading.Event()
        self._supervisor = threading.Thread(target=self._supervise, name="supervisor")

    def start(self) -> None:
        """Start all, and look after them from now on."""
        for member in self.members:
            member.start()
        self._supervisor.start()

    def held(self, index: int) -> threading.Lock:
        """While this is held, the Stayer is another's to end and to start."""
        return self._held[index]

    def leader(self, default: int) -> int:
        """The index of whoever leads, as one of them tells; ``default`` if none does."""
        indexes = {member.address: index for index, member in enumerate(self.members)}
        for member in self.members:
            index = indexes.get(member.leader())
            if index is not None:
                return index
        return default

    def unasked_ends(self) -> list[int]:
        """The exit codes of the processes that were not killed."""
        codes = [code for member in self.members for code in member.exit_codes]
        return [code for code in codes if code != -signal.SIGKILL]

    def close(self) -> None:
        """Kill them all; harmless when repeated."""
        self._stopping.set()
        if self._supervisor.ident is not None:
            self._supervisor.join()
        for member in self.members:
            member.process.kill()

    def _supervise(self) -> None:
        ended_at: dict[int, float] = {}
        while not self._stopping.wait(_LOOK_SECONDS):
            for index, member in enumerate(self.members):
                if not self._held[index].acquire(blocking=False):
                    continue
                try:
                    self._look_after(index, member, ended_at)
                finally:
                    self._held[index].release()

    def _look_after(self, index: int, member: StayerProcess, ended_at: dict[int, float]) -> None:
        if member.process.is_running:
            ended_at.pop(index, None)
        elif index not in ended_at:
            ended_at[index] = time.monotonic()
        elif time.monotonic() - ended_at[index] > _RESTART_SECONDS:
            ended_at.pop(index)
            member.start()


def stayers(folder: Path, count: int, arguments: Callable[[int], Sequence[str]]) -> Stayers:
    """So many, not started; ``arguments`` are those of ``serve`` for each index."""
    return Stayers(
        [StayerProcess(folder / f"stayer-{index}", arguments(index)) for index in range(count)]
    )


def _environment() -> Mapping[str, str]:
    """Ours, without settings of Stayer."""
    prefixes = ("STAYER_", "MARATHON_")
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
