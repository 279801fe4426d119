"""A genuine Apache Mesos for the tests: one shared by a session, and ones to damage.

Tasks of all agents share this host's ports, and several test processes may run at once, so each
process holds a lock on a range of ports of its own.
"""

import fcntl
import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from localmesos.apache.engine import ApacheEngine
from localmesos.cluster import agent_specs
from tests.docker_engine.fixtures import docker, docker_apache
from tests.edge.fixtures import edge, make_edge
from tests.torture.fixtures import make_stayers
from tests.zookeeper.fixtures import ensemble, start_zookeeper, zk_root, zk_url, zookeeper

__all__ = [
    "docker",
    "docker_apache",
    "edge",
    "ensemble",
    "make_edge",
    "make_stayers",
    "start_zookeeper",
    "zk_root",
    "zk_url",
    "zookeeper",
]

_FIRST_PORT, _RANGES, _PORTS_PER_RANGE, _PORTS_PER_AGENT = 16_000, 15, 1_000, 100
_SHARED_AGENTS = 3

ApacheCluster = Callable[..., ApacheEngine]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """After the shuffle: tests that may take longest begin first, so that none is waited for when
    all others are done."""

    def may_take_seconds(item: pytest.Item) -> float:
        limit = item.get_closest_marker("timeout")
        return float(limit.args[0]) if limit else 0.0

    items.sort(key=may_take_seconds, reverse=True)


@pytest.fixture(scope="session")
def task_ports() -> Iterator[int]:
    """The first of 1000 ports that no other test process gives to its tasks."""
    for number in range(_RANGES):
        lock = Path(tempfile.gettempdir()) / f"localmesos-ports-{os.getuid()}-{number}.lock"
        with lock.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield _FIRST_PORT + number * _PORTS_PER_RANGE
            return
    pytest.fail(f"{_RANGES} test processes hold all the ports for tasks")


@pytest.fixture(scope="session")
def apache(tmp_path_factory: pytest.TempPathFactory, task_ports: int) -> Iterator[ApacheEngine]:
    """A started cluster of 3 agents that all tests of this process share: do not damage it."""
    engine = ApacheEngine(
        agent_specs(_SHARED_AGENTS, resources=_resources(task_ports)),
        state_dir=tmp_path_factory.mktemp("apache"),
        flags={"allocation_interval": "200ms"},
    )
    with engine:
        yield engine


@pytest.fixture
def apache_cluster(tmp_path: Path, task_ports: int) -> Iterator[ApacheCluster]:
    """Start a cluster of one's own: apache_cluster(3, flags={"agent_ping_timeout": "1secs"}).

    Up to 7 agents in one test have ports of their own. Other arguments are those of ApacheEngine;
    `specs` replaces the number of agents. The clusters end with the test.
    """
    first_ports = itertools.count(task_ports + _SHARED_AGENTS * _PORTS_PER_AGENT, _PORTS_PER_AGENT)
    numbers = itertools.count(1)
    with ExitStack() as running:

        def start(count: int = 3, **arguments: object) -> ApacheEngine:
            first = next(first_ports)
            for _ in range(count - 1):
                next(first_ports)
            arguments.setdefault("specs", agent_specs(count, resources=_resources(first)))
            arguments.setdefault("state_dir", tmp_path / f"cluster-{next(numbers)}")
            arguments["flags"] = {"allocation_interval": "200ms", **_flags(arguments.get("flags"))}
            engine = ApacheEngine(**arguments)  # type: ignore[arg-type]  # checked by Python here
            return running.enter_context(engine)

        yield start


def _flags(given: object) -> dict[str, str]:
    return dict(given) if isinstance(given, dict) else {}


def _resources(first_port: int) -> str:
    last_port = first_port + _PORTS_PER_AGENT - 1
    return (
        "cpus:4;mem:4096;disk:10000;"
        f"ports:[{{{first_port}+i*{_PORTS_PER_AGENT}}}-{{{last_port}+i*{_PORTS_PER_AGENT}}}]"
    )
