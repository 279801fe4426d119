"""Processes that stand for election, for tests: within the test, and as processes of their own
that can be killed and halted. As a program, it stands for election and obeys standard input."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError

from framework.interfaces import Leadership, LeadershipLostError
from framework.leadership.member import Member
from framework.leadership.zookeeper import ZooKeeperLeadership
from framework.zookeeper.options import ZooKeeperOptions
from framework.zookeeper.session import Session
from tests.polling import eventually

LONG_MS = 10_000  # the longest that the tests' servers grant: ends in no test by itself
SHORT_MS = 2_000  # not worth waiting for, and enough for a busy machine
_UNTIL_WE_END = ("setpriv", "--pdeathsig", "SIGKILL", "--")


class Stander:
    """One member of an election in this process, and what it was told."""

    def __init__(
        self, url: str, name: str, *, session_ms: int = LONG_MS, stands: bool = True
    ) -> None:
        options = ZooKeeperOptions(zk=url, zk_session_timeout=session_ms)
        self.session = Session(options.url(), options)
        self.member = Member(f"{name}:80", release="1", schemas={"app": 1}, stands=stands)
        self.leadership = ZooKeeperLeadership(self.session, self.member)
        self.protocol: Leadership = self.leadership
        self.gained = threading.Event()
        self.times_gained = 0
        self.lost: list[Exception] = []

    def start(self) -> "Stander":
        self.session.start()
        self.protocol.start(self._gained, self.lost.append)
        return self

    def _gained(self) -> None:
        self.times_gained += 1
        self.gained.set()

    def serve(self) -> "Stander":
        """Wait until it is elected, and say that it serves."""
        eventually(self.gained.is_set, f"{self.member.address} to be elected")
        self.leadership.serving()
        return self

    @property
    def known_leader(self) -> str:
        leader = self.leadership.leader()
        return "" if leader is None else leader.address

    def expire(self) -> None:
        """End the session as the servers do with one that is silent for too long."""
        twin = KazooClient(
            ",".join(self.session.url.hosts), client_id=self.session.client.client_id
        )
        twin.start()
        twin.stop()
        twin.close()

    def close(self) -> None:
        self.protocol.stop()
        self.session.close()


class Standers:
    """Stands them up in order: each is a candidate, or has given notice, before the next."""

    def __init__(self, url: str, running: ExitStack) -> None:
        self._url = url
        self._running = running

    def __call__(
        self, name: str, *, url: str = "", session_ms: int = LONG_MS, stands: bool = True
    ) -> Stander:
        stander = Stander(url or self._url, name, session_ms=session_ms, stands=stands)
        self._running.callback(stander.close)
        stander.start()

        def is_registered() -> bool:
            return stander.member in stander.leadership.members() and (
                not stands or bool(candidates(stander, of=name))
            )

        eventually(is_registered, f"{name} to be registered")
        return stander


def candidates(stander: Stander, *, of: str) -> list[str]:
    """The znodes of one member in the election."""
    client, folder = stander.session.client, stander.session.path("election")
    found = []
    for path in (f"{folder}/{name}" for name in client.get_children(folder)):
        with suppress(NoNodeError):  # it went meanwhile
            if f'"{of}:80"'.encode() in client.get(path)[0]:
                found.append(path)
    return found


class StandingProcess:
    """A process that stands for election; ``ask`` it what ``_answer`` knows."""

    def __init__(self, url: str, name: str, session_ms: int) -> None:
        self._process = subprocess.Popen(
            [*_UNTIL_WE_END, sys.executable, "-m", __name__, url, name, str(session_ms)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def send_signal(self, number: int) -> None:
        self._process.send_signal(number)

    def tell(self, *words: str) -> None:
        """Ask several questions; the answers come later."""
        assert self._process.stdin is not None
        self._process.stdin.write("".join(f"{word}\n" for word in words))
        self._process.stdin.flush()

    def answer(self) -> str:
        """The next answer."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def ask(self, word: str) -> str:
        self.tell(word)
        return self.answer()

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


@contextmanager
def standing_process(url: str, name: str, session_ms: int) -> Iterator[StandingProcess]:
    """It ends with the block."""
    process = StandingProcess(url, name, session_ms)
    try:
        yield process
    finally:
        process.close()


def _answer(stander: Stander, word: str) -> str:
    if word == "serve":
        stander.serve()
        return "serving"
    if word == "leader":
        return stander.known_leader
    try:
        stander.leadership.confirm(float(word))
    except LeadershipLostError as error:
        return f"lost: {error}"
    return "confirmed"


def _main() -> None:
    url, name, session_ms = sys.argv[1:]
    stander = Stander(url, name, session_ms=int(session_ms)).start()
    for line in sys.stdin:
        sys.stdout.write(f"{_answer(stander, line.strip())}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _main()
