"""The Mesos master found in a genuine ZooKeeper: it comes, moves, is nonsense, and ZooKeeper dies.

Moves between masters are tried on the simulated Mesos, which can have several; its masters, and
the genuine one, are announced by the test.
"""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from framework.domain.events import Disconnected, Subscribed
from framework.mesos.backoff import Backoff
from framework.mesos.driver import HttpDriver
from framework.mesos.options import MesosOptions
from localmesos.apache.engine import ApacheEngine
from localmesos.cluster import agent_specs
from localmesos.simulated import SimulatedEngine, faults
from tests.integration.masters import Masters, master_info
from tests.integration.product import Stayer, mesos_tasks, operator, serving
from tests.polling import eventually
from tests.unit.mesos.event_log import EventLog
from tests.zookeeper.fixtures import StartZooKeeper
from tests.zookeeper.server import ZooKeeperServer

Connect = Callable[..., tuple[HttpDriver, EventLog]]


@pytest.fixture
def masters(zookeeper: ZooKeeperServer, zk_root: str) -> Masters:
    """Nobody is announced yet, and the path does not exist."""
    return Masters(zookeeper, zk_root + "/mesos")


@pytest.fixture
def two() -> Iterator[SimulatedEngine]:
    """Two masters of one Mesos; the first leads."""
    with SimulatedEngine(agent_specs(3), masters=2) as engine:
        yield engine


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Start a driver on a master URL. It comes back by itself at once or after a minute, so a
    test sees whether the detection woke it."""
    drivers: list[HttpDriver] = []

    def start(
        url: str, framework_id: str = "", backoff: Backoff | None = None
    ) -> tuple[HttpDriver, EventLog]:
        options = MesosOptions(master=url, failover_timeout=3600)
        driver = HttpDriver(options, backoff=backoff or Backoff(60.0, 60.0))
        drivers.append(driver)
        log = EventLog()
        driver.start(log.submit, framework_id, ("*",))
        return driver, log

    yield start
    for driver in drivers:
        driver.stop()


def test_the_driver_waits_for_a_master_and_then_connects_at_once(
    masters: Masters,
    two: SimulatedEngine,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    _, log = connect(masters.url)
    eventually(lambda: f"no leading master is known ({masters.url})" in caplog.text, "it waits")
    assert log.drain() == []
    masters.announce(two.masters[0])
    assert log.wait_for(Subscribed).master == two.masters[0]


def test_another_leader_is_followed_at_once_though_the_old_one_is_only_silent(
    masters: Masters, two: SimulatedEngine, connect: Connect
) -> None:
    first, second = two.masters
    name = masters.announce(first)
    _, log = connect(masters.url)
    framework_id = log.wait_for(Subscribed).framework_id
    masters.announce(second)

    two.do(faults.MoveLeadership(1, cut=False))
    masters.withdraw(name)
    assert log.wait_for(Disconnected).why == f"{second} leads now"
    again = log.wait_for(Subscribed)
    assert (again.framework_id, again.master) == (framework_id, second)


def test_a_master_that_says_nonsense_is_passed_over_with_one_warning(
    masters: Masters, two: SimulatedEngine, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """The next one redirects to whoever leads."""
    caplog.set_level(logging.WARNING)
    masters.write(b'{"port": "nonsense"')
    masters.write(b'{"hostname": "h", "port": 5050, "more": "' + b"x" * 100_000 + b'"}')
    masters.announce(two.masters[1])
    _, log = connect(masters.url)
    assert log.wait_for(Subscribed).master == two.masters[0]
    masters.announce(two.masters[0])
    warnings = [each for each in caplog.messages if "is no Mesos master" in each]
    assert len(warnings) == 2


def test_while_zookeeper_is_dead_the_leader_last_known_is_connected_to(
    start_zookeeper: StartZooKeeper, two: SimulatedEngine, connect: Connect
) -> None:
    zookeeper = start_zookeeper()
    masters = Masters(zookeeper, "/mesos")
    first, second = two.masters
    name = masters.announce(first)
    _, log = connect(masters.url, backoff=Backoff(0.01, 0.1))
    log.wait_for(Subscribed)

    zookeeper.kill()
    two.do(faults.DropStreams())
    log.wait_for(Disconnected)
    assert log.wait_for(Subscribed).master == first
    two.do(faults.MoveLeadership(1))
    assert log.wait_for(Subscribed).master == second, "the last one known says where it is"

    zookeeper.start()
    masters.announce(first)
    two.do(faults.MoveLeadership(0, cut=False))
    masters.withdraw(name)
    assert log.wait_for(Disconnected).why == f"{first} leads now"
    assert log.wait_for(Subscribed).master == first


def test_zookeeper_may_come_after_us(
    start_zookeeper: StartZooKeeper, two: SimulatedEngine, connect: Connect
) -> None:
    zookeeper = start_zookeeper()
    masters = Masters(zookeeper, "/mesos")
    masters.announce(two.masters[0])
    zookeeper.kill()
    _, log = connect(masters.url)
    zookeeper.start()
    assert log.wait_for(Subscribed).master == two.masters[0]


def test_masters_can_be_kept_from_those_without_credentials(
    zookeeper: ZooKeeperServer,
    zk_root: str,
    two: SimulatedEngine,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    masters = Masters(zookeeper, zk_root, "me:pa55word")
    masters.announce(two.masters[0])
    _, stranger = connect(zookeeper.url(zk_root))
    eventually(lambda: "does not say who leads: NoAuthError" in caplog.text, "the refusal")
    _, log = connect(masters.url)
    assert log.wait_for(Subscribed).master == two.masters[0]
    assert stranger.drain() == []
    ours = [each for each in caplog.records if not each.name.startswith("kazoo")]
    assert ours
    assert not any("pa55word" in each.getMessage() for each in ours), "the test's own client may"


def test_stopping_does_not_wait_for_zookeeper(
    start_zookeeper: StartZooKeeper, connect: Connect
) -> None:
    zookeeper = start_zookeeper()
    driver, log = connect(Masters(zookeeper, "/mesos").url)
    zookeeper.pause()
    driver.stop()
    zookeeper.resume()
    assert log.drain() == []


# The whole product


def _ids(tasks: list[dict[str, Any]]) -> set[str]:
    return {str(task["id"]) for task in tasks}


@contextmanager
def _serving(masters: Masters, folder: Path) -> Iterator[Stayer]:
    store = f"sqlite:{folder / 'stayer.db'}"
    stayer = Stayer(folder, ["serve", "--master", masters.url, "--store", store])
    try:
        yield stayer.start()
    finally:
        print(stayer.output())  # noqa: T201 - shown by pytest when the test failed
        stayer.kill_if_running()


def test_the_product_keeps_its_tasks_from_leader_to_leader(
    masters: Masters, two: SimulatedEngine, tmp_path: Path
) -> None:
    names = [masters.announce(address) for address in two.masters]
    with _serving(masters, tmp_path) as stayer:
        framework_id = stayer.framework_id
        before = _ids(stayer.run("/kept", instances=6))
        for to in (1, 0, 1):
            two.do(faults.MoveLeadership(to, cut=to == 1, down_seconds=0.2, return_seconds=0.5))
            masters.withdraw(names[1 - to])
            names[1 - to] = masters.announce(two.masters[1 - to])
            url = f"http://{two.masters[to]}"

            _await_framework(url, framework_id, before)
            # What it launches now comes after what it has learnt of its tasks.
            count = len(before) + 1
            stayer.client.scale_app("/kept", count, force=True)
            after = _ids(stayer.await_running("/kept", count))
            assert before < after
            assert {task.id for task in mesos_tasks(url, framework_id)} == after
            before = after
        assert stayer.framework_id == framework_id


def _await_framework(url: str, framework_id: str, tasks: set[str]) -> None:
    """Wait until this master has the framework subscribed and knows exactly these tasks."""

    def look() -> bool:
        answer = operator(url, {"type": "GET_FRAMEWORKS"})["get_frameworks"]
        connected = [
            each["framework_info"]["id"]["value"]
            for each in answer.get("frameworks", [])
            if each["connected"]
        ]
        known = {task.id for task in mesos_tasks(url, framework_id)}
        return connected == [framework_id] and known == tasks

    eventually(look, f"{url} with the framework and its tasks")


@pytest.mark.mesos
def test_a_genuine_mesos_is_found_and_zookeepers_death_costs_no_task(
    apache: ApacheEngine, start_zookeeper: StartZooKeeper, tmp_path: Path
) -> None:
    zookeeper = start_zookeeper()
    masters = Masters(zookeeper, "/mesos")
    info = operator(apache.url, {"type": "GET_MASTER"})["get_master"]["master_info"]
    assert {"id", "address", "port"} <= info.keys() <= {*_fields(), "domain", "start_time"}
    masters.announce(apache.url.removeprefix("http://"))
    with serving(apache.url, tmp_path, "--master", masters.url) as stayer:
        framework_id = stayer.framework_id
        before = _ids(stayer.run("/found", instances=3))
        zookeeper.kill()
        after = _ids(stayer.run("/launched-meanwhile"))
        assert _ids(stayer.running("/found")) == before
        stayer.crash()

        stayer.start_unready()  # it does not know where the master is
        stayer.wait_for_api()
        eventually(lambda: "no leading master is known" in stayer.said(), "it waits")
        zookeeper.start()
        eventually(lambda: stayer.is_ready, "the subscription")
        assert stayer.framework_id == framework_id
        stayer.client.scale_app("/found", 4)
        grown = _ids(stayer.await_running("/found", 4))
        assert before < grown
        running = {task.id for task in mesos_tasks(apache.url, framework_id)}
        assert running == grown | after, "and none is doubled"


def _fields() -> set[str]:
    return set(json.loads(master_info("127.0.0.1:5050")))
