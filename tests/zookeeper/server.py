"""One genuine ZooKeeper server (Debian's libzookeeper-java), small, quick to start and ours to
kill, stop and bring back on the same data.

Each listens on a loopback address of its own, so that no other process takes one of its ports
while it is dead.
"""

import base64
import hashlib
import random
import socket
import struct
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from localmesos.apache.ports import free_port
from tests.polling import eventually
from tests.zookeeper.certificates import Certificates, make_certificates
from tests.zookeeper.process import Process

_CLASSES = ":".join(
    f"/usr/share/java/{name}.jar"
    # ZooKeeper's own manifest names the rest, but not all that TLS needs.
    for name in ("zookeeper", "slf4j-simple", "netty-codec", "netty-resolver")
)
_MAIN = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
_ANSWER_SECONDS = 5.0
_ANSWER_BYTES = 65536
_CHANCE = random.SystemRandom()  # the seeded one is the same in every process of a test run
SUPER_USER = "super"


def loopback_address() -> str:
    """An address of this machine that hardly anybody else listens on."""
    parts = (127, _CHANCE.randrange(64, 127), _CHANCE.randrange(256), _CHANCE.randrange(1, 255))
    return ".".join(map(str, parts))


def free_ports(address: str, count: int, used: Collection[int] = ()) -> list[int]:
    """So many different ones, none of those that are used already."""
    ports: set[int] = set()
    while len(ports) < count:
        ports |= {free_port(address)} - set(used)
    return sorted(ports)


@dataclass(frozen=True, slots=True)
class Peer:
    """A server as the others of its ensemble know it."""

    number: int
    address: str
    quorum_port: int
    election_port: int

    def line(self) -> str:
        """Its line in the configuration of each."""
        ports = f"{self.quorum_port}:{self.election_port}"
        return f"server.{self.number}={self.address}:{ports}"


class ZooKeeperServer:
    """Construct, ``start``, use ``hosts``, ``close``; or ``with``. What was written survives
    ``kill`` and ``start``."""

    def __init__(
        self,
        folder: Path,
        *,
        address: str = "",
        tick_ms: int = 500,
        heap_mib: int = 64,
        settings: Mapping[str, str] | None = None,
        super_password: str = "",
        tls: bool = False,
        peers: Sequence[Peer] = (),
        number: int = 0,
    ) -> None:
        """``settings`` are lines of zoo.cfg by name (maxSessionTimeout, forceSync, ...).
        ``super_password`` lets the digest user ``super`` do everything. ``tls`` adds
        ``secure_hosts`` and ``certificates``. With ``peers`` it is the one of this number."""
        self.folder = folder
        self.address = address or loopback_address()
        used = {port for peer in peers for port in (peer.quorum_port, peer.election_port)}
        self.port, secure_port = free_ports(self.address, 2, used)
        self.secure_port = secure_port if tls else 0
        self.certificates: Certificates | None = None
        self._data = folder / "data"
        self._data.mkdir(parents=True, exist_ok=True)
        self._data.joinpath("myid").write_text(f"{number}\n")
        lines = {**self._lines(tick_ms), **(self._tls_lines() if tls else {}), **(settings or {})}
        text = [f"{name}={value}" for name, value in lines.items()]
        text += [peer.line() for peer in peers]
        folder.joinpath("zoo.cfg").write_text("\n".join(text) + "\n")
        self.process = Process(self._command(heap_mib, super_password), folder / "zookeeper.log")

    def _lines(self, tick_ms: int) -> dict[str, str]:
        return {
            "tickTime": str(tick_ms),
            "initLimit": "20",
            "syncLimit": "8",
            "dataDir": str(self._data),
            "clientPort": str(self.port),
            "clientPortAddress": self.address,
            "maxClientCnxns": "0",
            "admin.enableServer": "false",
            "4lw.commands.whitelist": "*",
            # A killed process loses nothing that the kernel has; only a machine's end would.
            "forceSync": "no",
            "preAllocSize": "1024",
        }

    def _tls_lines(self) -> dict[str, str]:
        self.certificates = make_certificates(self.folder / "tls", self.address)
        return {
            "secureClientPort": str(self.secure_port),
            "secureClientPortAddress": self.address,
            "serverCnxnFactory": "org.apache.zookeeper.server.NettyServerCnxnFactory",
            "ssl.keyStore.location": str(self.certificates.server),
            "ssl.trustStore.location": str(self.certificates.authority),
            "ssl.clientAuth": "none",
        }

    def _command(self, heap_mib: int, super_password: str) -> list[str]:
        command = ["java", f"-Xmx{heap_mib}m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        command += ["-Xshare:auto", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
        command += ["-Dorg.slf4j.simpleLogger.showDateTime=true"]
        if super_password:
            digest = hashlib.sha1(f"{SUPER_USER}:{super_password}".encode()).digest()
            value = f"{SUPER_USER}:{base64.b64encode(digest).decode()}"
            command += [f"-Dzookeeper.DigestAuthenticationProvider.superDigest={value}"]
        return [*command, "-cp", _CLASSES, _MAIN, str(self.folder / "zoo.cfg")]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    @property
    def hosts(self) -> str:
        """As in a zk:// URL: host:port."""
        return f"{self.address}:{self.port}"

    @property
    def secure_hosts(self) -> str:
        """The same for TLS; only with ``tls``."""
        assert self.secure_port, "made without tls"
        return f"{self.address}:{self.secure_port}"

    def url(self, path: str) -> str:
        """``zk://host:port/path``; the path begins with a slash."""
        return f"zk://{self.hosts}{path}"

    def start(self) -> None:
        """Start it, or start it again on the same data, and wait until it serves."""
        self.start_unready()
        try:
            self.wait_until_serving()
        except BaseException:
            self.close()
            raise

    def start_unready(self) -> None:
        """Start it and wait for nothing."""
        self.process.start()

    def wait_until_serving(self) -> None:
        """Wait until it takes requests; one of an ensemble needs a majority for that."""

        def look() -> bool:
            if not self.process.is_running:
                raise RuntimeError(f"ZooKeeper ended:\n{self.process.output()}")
            return bool(self.mode()) and self._listens_for_tls()

        eventually(look, f"ZooKeeper at {self.hosts}")

    def _listens_for_tls(self) -> bool:
        """Or need not; it begins to only after it serves at its other port."""
        if not self.secure_port:
            return True
        try:
            socket.create_connection((self.address, self.secure_port), _ANSWER_SECONDS).close()
        except OSError:
            return False
        return True

    def mode(self) -> str:
        """ "standalone", "leader" or "follower"; empty while it does not serve."""
        for line in self.ask("srvr").splitlines():
            name, _, value = line.partition(": ")
            if name == "Mode":
                return value
        return ""

    def ask(self, word: str) -> str:
        """The answer to one of its four-letter words; empty if there is none."""
        try:
            with socket.create_connection((self.address, self.port), _ANSWER_SECONDS) as channel:
                # Not one of the many closed connections that would keep the port from a restart.
                channel.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                channel.settimeout(_ANSWER_SECONDS)
                channel.sendall(word.encode())
                answer = b""
                while (piece := channel.recv(_ANSWER_BYTES)) and len(answer) < _ANSWER_BYTES:
                    answer += piece
        except OSError:  # it does not run, is paused, or ends just now
            return ""
        return answer.decode(errors="replace")

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        self.process.kill()

    def restart(self) -> None:
        """``kill`` and ``start``."""
        self.kill()
        self.start()

    def pause(self) -> None:
        """SIGSTOP: connections stay, nothing is answered."""
        self.process.pause()

    def resume(self) -> None:
        """SIGCONT."""
        self.process.resume()

    def close(self) -> None:
        """End it for good; harmless when repeated."""
        self.process.kill()
