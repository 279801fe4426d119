"""An ensemble of ZooKeeper servers on this machine, each behind a proxy of its own.

Clients know the proxies' addresses only. A fault can so strike a server, or the connections to
it, and the rest of the ensemble goes on.
"""

from contextlib import ExitStack
from pathlib import Path
from typing import Self

from tests.polling import eventually
from tests.zookeeper.proxy import Proxy
from tests.zookeeper.server import Peer, ZooKeeperServer, free_ports, loopback_address


class Ensemble:
    """Construct, ``start``, use ``hosts``, ``close``; or ``with``. ``servers`` and ``proxies``
    have the same order."""

    def __init__(
        self, folder: Path, *, count: int = 3, tick_ms: int = 500, heap_mib: int = 48
    ) -> None:
        addresses = [loopback_address() for _ in range(count)]
        peers = [
            Peer(number, address, *free_ports(address, 2))
            for number, address in enumerate(addresses, start=1)
        ]
        self.servers = [
            ZooKeeperServer(
                folder / f"zookeeper-{peer.number}",
                tick_ms=tick_ms,
                heap_mib=heap_mib,
                peers=peers,
                address=peer.address,
                number=peer.number,
            )
            for peer in peers
        ]
        self.proxies = [Proxy(server.address, server.port) for server in self.servers]
        self._running = ExitStack()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    @property
    def hosts(self) -> str:
        """All proxies, as in a zk:// URL: host:port,host:port."""
        return ",".join(proxy.hosts for proxy in self.proxies)

    def url(self, path: str) -> str:
        """``zk://host:port,host:port/path``; the path begins with a slash."""
        return f"zk://{self.hosts}{path}"

    def start(self) -> None:
        """Start all and wait until all serve."""
        try:
            for proxy in self.proxies:
                self._running.enter_context(proxy)
            for server in self.servers:
                self._running.callback(server.close)
                server.start_unready()
            self.wait_until_serving()
        except BaseException:
            self.close()
            raise

    def wait_until_serving(self) -> None:
        """Wait for every server that runs."""
        for server in self.servers:
            if server.process.is_running:
                server.wait_until_serving()

    def leader(self) -> int:
        """The index of the ensemble's leader, as soon as there is one."""

        def look() -> list[int]:
            modes = [server.mode() for server in self.servers]
            return [index for index, mode in enumerate(modes) if mode == "leader"]

        return eventually(look, "a leader of the ensemble")[0]

    def close(self) -> None:
        """End everything; harmless when repeated."""
        self._running.close()
