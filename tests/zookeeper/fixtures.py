"""ZooKeeper for tests: one server that all tests of a process share, and ones to damage.

A conftest imports what its tests need.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.zookeeper.ensemble import Ensemble
from tests.zookeeper.server import ZooKeeperServer

StartZooKeeper = Callable[..., ZooKeeperServer]
_paths = itertools.count(1)


@pytest.fixture(scope="session")
def zookeeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZooKeeperServer]:
    """A server that runs and that all tests of this process share: do not damage it, and write
    only below ``zk_root``."""
    with ZooKeeperServer(tmp_path_factory.mktemp("zookeeper")) as server:
        yield server


@pytest.fixture
def zk_root() -> str:
    """A path that no other test of this process uses, and that does not exist yet."""
    return f"/test-{next(_paths)}"


@pytest.fixture
def zk_url(zookeeper: ZooKeeperServer, zk_root: str) -> str:
    """``zk_root`` on the shared server, as for --zk."""
    return zookeeper.url(zk_root)


@pytest.fixture
def start_zookeeper(tmp_path: Path) -> Iterator[StartZooKeeper]:
    """Start a server of one's own, with the arguments of ZooKeeperServer; it ends with the
    test."""
    numbers = itertools.count(1)
    with ExitStack() as running:

        def start(**arguments: object) -> ZooKeeperServer:
            folder = tmp_path / f"zookeeper-{next(numbers)}"
            server = ZooKeeperServer(folder, **arguments)  # type: ignore[arg-type]  # by Python
            return running.enter_context(server)

        yield start


@pytest.fixture
def ensemble(tmp_path: Path) -> Iterator[Ensemble]:
    """Three servers behind proxies, all running; they end with the test."""
    with Ensemble(tmp_path / "ensemble") as three:
        yield three
