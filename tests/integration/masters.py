"""Masters in ZooKeeper as Mesos announces them there, each by the test's word."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from kazoo.client import KazooClient
from kazoo.security import make_digest_acl

from tests.zookeeper.server import ZooKeeperServer

_CONNECT_SECONDS = 30.0


class Masters:
    """The path of a zk:// URL: masters announce themselves there and go. With ``credentials``
    ("user:password") only who knows them can read it."""

    def __init__(self, server: ZooKeeperServer, path: str, credentials: str = "") -> None:
        self._server = server
        self._path = path
        self._credentials = credentials

    @property
    def url(self) -> str:
        """For --master, with the credentials if there are any."""
        secret = f"{self._credentials}@" if self._credentials else ""
        return f"zk://{secret}{self._server.hosts}{self._path}"

    def announce(self, address: str) -> str:
        """What a master at host:port writes; the name of its child."""
        return self.write(master_info(address))

    def write(self, data: bytes) -> str:
        """A child of the next sequence with this data; its name."""
        with self._client() as client:
            acl = None
            if self._credentials:
                acl = [make_digest_acl(*self._credentials.split(":"), all=True)]
            client.ensure_path(self._path, acl=acl)
            made: str = client.create(f"{self._path}/json.info_", data, acl=acl, sequence=True)
        return made.rpartition("/")[2]

    def withdraw(self, name: str) -> None:
        """As when a master's session ends."""
        with self._client() as client:
            client.delete(f"{self._path}/{name}")

    @contextmanager
    def _client(self) -> Iterator[KazooClient]:
        """A session for one change, so that no test depends on an old one."""
        auth = [("digest", self._credentials)] if self._credentials else None
        client = KazooClient(self._server.hosts, auth_data=auth)
        client.start(_CONNECT_SECONDS)
        try:
            yield client
        finally:
            client.stop()
            client.close()


def master_info(address: str) -> bytes:
    """MasterInfo as JSON, as Mesos 1.11 writes it."""
    ip, _, port = address.rpartition(":")
    info = {
        "address": {"hostname": "localhost", "ip": ip, "port": int(port)},
        "capabilities": [{"type": "AGENT_UPDATE"}, {"type": "AGENT_DRAINING"}],
        "hostname": "localhost",
        "id": f"master-{port}",
        "ip": int.from_bytes(bytes(map(int, ip.split("."))), "little"),
        "pid": f"master@{address}",
        "port": int(port),
        "version": "1.11.0",
    }
    return json.dumps(info).encode()
