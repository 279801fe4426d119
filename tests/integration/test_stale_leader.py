"""A leader that slept, or was cut off, while another took over: it changes nothing any more, in
the store or in Mesos, tells nobody what is no longer true, and ends.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from kazoo.client import KazooClient

from api.client import Client, ClientError
from framework.domain.exits import ExitCode
from localmesos.apache.engine import ApacheEngine
from tests.integration.conftest import ApacheCluster
from tests.integration.product import definition_of, mesos_tasks
from tests.polling import eventually
from tests.torture.clients import LABEL
from tests.torture.fixtures import MakeStayers
from tests.torture.stayers import StayerProcess
from tests.zookeeper.proxy import Proxy
from tests.zookeeper.server import ZooKeeperServer

pytestmark = [pytest.mark.mesos, pytest.mark.timeout(240)]

_APP = "/register"
_END_SECONDS = 30.0
_ASK_SECONDS = 20.0
_SUBSCRIBES = "Received subscription request"


@dataclass
class Pair:
    """A leader, and who will succeed it; ``network`` is between the leader and ZooKeeper."""

    leader: StayerProcess
    successor: StayerProcess
    network: Proxy
    mesos: ApacheEngine
    mesos_log: Path
    framework_id: str

    def subscriptions(self) -> int:
        """How often a framework has asked the master to be subscribed."""
        count = self.mesos_log.read_text(errors="replace").count(_SUBSCRIBES)
        assert count >= 2, "of the leader and of its successor"
        return count

    def tasks(self) -> set[str]:
        """The ids of all that Mesos runs."""
        return {task.id for task in mesos_tasks(self.mesos.url, self.framework_id)}


@contextmanager
def _client(member: StayerProcess) -> Iterator[Client]:
    client = Client((member.url,), timeout_seconds=_ASK_SECONDS)
    try:
        yield client
    finally:
        client.close()


@pytest.fixture
def pair(
    apache_cluster: ApacheCluster,
    zookeeper: ZooKeeperServer,
    zk_root: str,
    make_stayers: MakeStayers,
    tmp_path: Path,
) -> Iterator[Pair]:
    """Two Stayers, the first of which leads and runs two instances of an app."""
    mesos = apache_cluster(1, state_dir=tmp_path / "mesos")
    with Proxy(zookeeper.address, zookeeper.port) as network:
        urls = [f"zk://{network.hosts}{zk_root}", zookeeper.url(zk_root)]
        arguments = ["--master", mesos.url.removeprefix("http://")]
        arguments += ["--zk_session_timeout", "2000"]
        leader, successor = make_stayers(2, lambda n: [*arguments, "--zk", urls[n]]).members
        leader.start()
        eventually(lambda: leader.leads, "the first leader")
        successor.start()
        eventually(lambda: successor.leader() == leader.address, "a standby that knows it")
        with _client(leader) as client:
            client.create_app(definition_of(_APP, instances=2, labels={LABEL: "first"}))
            framework_id = str(client.info()["frameworkId"])
        _await_running(successor, 2)
        log = tmp_path / "mesos" / "master" / "master.log"
        yield Pair(leader, successor, network, mesos, log, framework_id)


def _await_running(member: StayerProcess, count: int) -> None:
    with _client(member) as client:

        def look() -> bool:
            try:
                app = client.get_app(_APP)
            except ClientError as error:
                raise AssertionError(error) from error
            states = [task["state"] for task in app["tasks"]]
            return states == ["TASK_RUNNING"] * count and not app["deployments"]

        eventually(look, f"{count} running tasks")


def _succeed(pair: Pair) -> None:
    """Wait until the other one leads, has Mesos and has carried out a change."""
    eventually(lambda: pair.successor.leads, "the successor")
    with _client(pair.successor) as client:
        client.update_app(_APP, {"labels": {LABEL: "second"}}, force=True)
    _await_running(pair.successor, 2)


class Question:
    """A request that waits for its answer in a thread of its own."""

    def __init__(self, member: StayerProcess, ask: Callable[[Client], object]) -> None:
        self._member = member
        self._ask = ask
        self._answer: object = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        with _client(self._member) as client:
            try:
                self._answer = self._ask(client)
            except ClientError as error:
                self._answer = error

    def answer(self) -> object:
        """What came, or the ClientError that came instead."""
        self._thread.join()
        return self._answer


def _stale_changes(leader: StayerProcess) -> list[Question]:
    """A new configuration and three more instances, asked of one who should not answer."""
    return [
        Question(
            leader,
            lambda client: client.update_app(_APP, {"labels": {LABEL: "stale"}}, force=True),
        ),
        Question(leader, lambda client: client.scale_app(_APP, 5, force=True)),
        Question(leader, lambda client: client.create_app(definition_of("/stale"))),
        Question(leader, lambda client: client.delete_app(_APP, force=True)),
    ]


def _assert_only_the_successor_counts(pair: Pair, tasks: set[str], subscriptions: int) -> None:
    with _client(pair.successor) as client:
        (app,) = client.list_apps()
        assert (app["id"], app["labels"][LABEL], app["instances"]) == (_APP, "second", 2)
        client.scale_app(_APP, 3, force=True)
    _await_running(pair.successor, 3)
    assert tasks < pair.tasks()
    assert len(pair.tasks()) == 3
    assert pair.subscriptions() == subscriptions, "somebody subscribed once more"
    assert pair.successor.process.is_running
    assert pair.successor.exit_codes == []


def test_a_leader_that_slept_through_its_succession(pair: Pair) -> None:
    with ExitStack() as awake:
        pair.leader.process.pause()
        awake.callback(pair.leader.process.resume)
        _succeed(pair)
        tasks, subscriptions = pair.tasks(), pair.subscriptions()
        reads = [Question(pair.leader, lambda client: client.get_app(_APP)) for _ in range(20)]
        changes = _stale_changes(pair.leader)
    assert pair.leader.process.wait(_END_SECONDS) == ExitCode.LEADERSHIP_LOST
    for change in changes:
        assert isinstance(change.answer(), ClientError), change.answer()
    for read in (each.answer() for each in reads):
        assert isinstance(read, ClientError) or read["labels"][LABEL] == "second", read  # type: ignore[index]  # an app
    _assert_only_the_successor_counts(pair, tasks, subscriptions)


def test_a_leader_that_is_cut_off_from_zookeeper_and_mesos(pair: Pair) -> None:
    """Nobody tells it that another leads: it has to know by itself that it may not know."""
    pair.network.half_open()
    pair.mesos.stop_master()
    eventually(lambda: pair.successor.leads, "the successor")
    with _client(pair.successor) as client:
        client.update_app(_APP, {"labels": {LABEL: "second"}}, force=True)
    with _client(pair.leader) as client, pytest.raises(ClientError):
        client.get_app(_APP)
    for change in _stale_changes(pair.leader):
        assert isinstance(change.answer(), ClientError), change.answer()
    pair.network.heal()
    assert pair.leader.process.wait(_END_SECONDS) == ExitCode.LEADERSHIP_LOST
    pair.mesos.start_master()
    _await_running(pair.successor, 2)
    _assert_only_the_successor_counts(pair, pair.tasks(), pair.subscriptions())


def test_a_leader_that_is_cut_off_from_zookeeper(pair: Pair) -> None:
    pair.network.half_open()
    _succeed(pair)
    tasks, subscriptions = pair.tasks(), pair.subscriptions()
    with _client(pair.leader) as client:
        began = time.monotonic()
        with pytest.raises(ClientError):
            client.get_app(_APP)
        assert time.monotonic() - began < _ASK_SECONDS, "it says that it does not lead"
    changes = _stale_changes(pair.leader)
    for change in changes:
        assert isinstance(change.answer(), ClientError), change.answer()
    pair.network.heal()
    assert pair.leader.process.wait(_END_SECONDS) == ExitCode.LEADERSHIP_LOST
    _assert_only_the_successor_counts(pair, tasks, subscriptions)


def test_a_leader_whose_epoch_is_over(pair: Pair, zookeeper: ZooKeeperServer, zk_root: str) -> None:
    """Its session and its place in the election are as they were: only the fence is left."""
    somebody = KazooClient(zookeeper.hosts)
    somebody.start()
    try:
        somebody.set(f"{zk_root}/epoch", b"{}")
        changes = _stale_changes(pair.leader)
    finally:
        somebody.stop()
        somebody.close()
    assert pair.leader.process.wait(_END_SECONDS) == ExitCode.LEADERSHIP_LOST
    for change in changes:
        assert isinstance(change.answer(), ClientError), change.answer()
    tasks = pair.tasks()
    _succeed(pair)
    assert not tasks & pair.tasks(), "the successor's configuration is a new one"
    with _client(pair.successor) as client:
        (app,) = client.list_apps()
    assert (app["id"], app["labels"][LABEL], app["instances"]) == (_APP, "second", 2)


def test_a_short_loss_of_zookeeper_ends_nothing(pair: Pair) -> None:
    pid = pair.leader.process.pid
    for fault in (Proxy.reset, Proxy.lose_answers):
        fault(pair.network)
        change = Question(
            pair.leader,
            lambda client: client.update_app(_APP, {"labels": {LABEL: "second"}}, force=True),
        )
        pair.network.heal()
        assert not isinstance(change.answer(), ClientError), change.answer()
        _await_running(pair.leader, 2)
    assert (pair.leader.process.pid, pair.leader.exit_codes) == (pid, [])
    assert pair.leader.leads
    assert pair.successor.leader() == pair.leader.address
