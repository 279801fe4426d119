"""Several Stayers on one state in ZooKeeper: what their users see when one of them ends."""

import signal
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from api.client import UnavailableError
from localmesos.apache.engine import ApacheEngine
from tests.integration.product import (
    Stayer,
    await_same_tasks,
    definition_of,
    mesos_tasks,
    remove_framework,
)
from tests.polling import eventually
from tests.zookeeper.ensemble import Ensemble

pytestmark = pytest.mark.mesos
_SESSION_MS = "2000"


@contextmanager
def group(mesos_url: str, zk_url: str, folder: Path, count: int) -> Iterator[list[Stayer]]:
    """So many Stayers on one state; the first leads. In the end their framework is removed."""
    stayers: list[Stayer] = []
    for number in range(count):
        own = folder / f"stayer-{number}"
        own.mkdir(parents=True)
        arguments = ["serve", "--master", mesos_url.removeprefix("http://"), "--zk", zk_url]
        stayers.append(Stayer(own, [*arguments, "--zk_session_timeout", _SESSION_MS]))
    known: set[str] = set()
    try:
        for stayer in stayers:
            stayer.start()
            known.add(stayer.framework_id)
        yield stayers
    finally:
        for stayer in stayers:
            print(stayer.output())  # noqa: T201 - shown by pytest when the test failed
            stayer.kill_if_running()
        for framework_id in known:
            remove_framework(mesos_url, framework_id)


def address(stayer: Stayer) -> str:
    return stayer.client.urls[0].removeprefix("http://")


def leader_told_by(stayer: Stayer) -> str:
    """Empty while it is passing calls on to one that is gone."""
    try:
        return str(stayer.client.info()["leader"])
    except UnavailableError:
        return ""


def leading(stayers: list[Stayer]) -> list[Stayer]:
    return [one for one in stayers if leader_told_by(one) == address(one)]


def gauges(stayer: Stayer) -> dict[str, float]:
    """What it says of itself."""
    told = stayer.client.metrics()["gauges"]
    return {name: one["value"] for name, one in told.items()}


def ids(stayer: Stayer, app_id: str) -> set[str]:
    return {task["id"] for task in stayer.running(app_id)}


def test_the_leader_is_killed_and_the_next_one_goes_on(
    apache: ApacheEngine, zk_url: str, tmp_path: Path
) -> None:
    with group(apache.url, zk_url, tmp_path, 3) as (first, second, third):
        assert leader_told_by(second) == leader_told_by(first) == address(first)
        before = {task["id"] for task in third.run("/kept", instances=4)}
        framework_id = first.framework_id
        leads, *follow = [gauges(one) for one in (first, second, third)]
        assert leads["marathon.instances.running.gauge"] == 4
        assert "stayer_following_behind_seconds" not in leads
        assert all(one["stayer_following_behind_seconds"] < 60 for one in follow)
        assert [one["stayer_leader"] for one in (leads, *follow)] == [1, 0, 0]

        first.crash()
        survivors = [second, third]
        leader = eventually(lambda: leading(survivors), "another leader")[0]
        other = next(one for one in survivors if one is not leader)
        assert leader.framework_id == other.framework_id == framework_id
        assert (gauges(leader)["stayer_leader"], gauges(other)["stayer_leader"]) == (1, 0)
        assert ids(other, "/kept") == before
        assert {task["id"] for task in await_same_tasks(other, apache.url, "/kept", 4)} == before
        other.client.scale_app("/kept", 5)
        assert before < {task["id"] for task in other.await_running("/kept", 5)}

        first.start()
        assert leader_told_by(first) == address(leader), "who comes back stands by"


def test_asked_to_give_up_it_finishes_and_another_one_leads(
    apache: ApacheEngine, zk_url: str, tmp_path: Path
) -> None:
    with group(apache.url, zk_url, tmp_path, 2) as (first, second):
        before = {task["id"] for task in first.run("/kept", instances=2)}
        request = urllib.request.Request(f"{second.client.urls[0]}/v2/leader", method="DELETE")
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert answer.read() == b'{"message":"Leadership abdicated"}'
            assert address(second) in answer.headers["X-Marathon-Via"]
        assert first.process.wait(30) == 105
        eventually(lambda: leader_told_by(second) == address(second), "the next leader")
        assert {task["id"] for task in await_same_tasks(second, apache.url, "/kept", 2)} == before

        first.start()
        assert second.end(signal.SIGTERM) == 0
        eventually(lambda: leader_told_by(first) == address(first), "the lead comes back")
        assert ids(first, "/kept") == before


def test_a_leader_that_slept_too_long_does_nothing_more_and_ends(
    apache: ApacheEngine, zk_url: str, tmp_path: Path
) -> None:
    with group(apache.url, zk_url, tmp_path, 2) as (first, second):
        framework_id = first.framework_id
        second.run("/kept", instances=2)
        first.process.send_signal(signal.SIGSTOP)
        eventually(lambda: leader_told_by(second) == address(second), "the next leader")
        second.client.create_app(definition_of("/new", instances=2))
        second.await_running("/new", 2)
        first.process.send_signal(signal.SIGCONT)
        assert first.process.wait(30) == 103
        assert leader_told_by(second) == address(second), "it is not displaced"
        second.client.scale_app("/new", 3)
        second.await_running("/new", 3)
        told = ids(second, "/kept") | ids(second, "/new")
        assert {task.id for task in mesos_tasks(apache.url, framework_id)} == told
        assert len(told) == 5


def test_a_short_loss_of_zookeeper_changes_nothing(
    apache: ApacheEngine, ensemble: Ensemble, tmp_path: Path
) -> None:
    with group(apache.url, ensemble.url("/stayer"), tmp_path, 1) as (stayer,):
        stayer.run("/kept", instances=2)
        for proxy in ensemble.proxies:
            proxy.cut()
        for proxy in ensemble.proxies:
            proxy.heal()
        stayer.client.scale_app("/kept", 3)
        stayer.await_running("/kept", 3)
        ensemble.servers[ensemble.leader()].kill()
        stayer.client.scale_app("/kept", 4)
        stayer.await_running("/kept", 4)
        assert stayer.process.poll() is None
