"""Everything is killed, stopped and cut off again and again, while clients write: no write that
was acknowledged is lost, no task is doubled, and none is killed that nobody wanted killed.

The length is STAYER_TORTURE_SECONDS; the seed of a run is told at its beginning, and its faults
come again with `make torture SEED=...`. Two Stayers know the Mesos master by its address, one finds
it in ZooKeeper.
"""

import os
from pathlib import Path

import pytest
from kazoo.client import KazooClient

from tests.integration.conftest import ApacheCluster
from tests.integration.masters import master_info
from tests.torture.faults import Kind
from tests.torture.fixtures import MakeStayers
from tests.torture.run import Outcome, torture
from tests.zookeeper.ensemble import Ensemble

pytestmark = pytest.mark.mesos

_ASKED = os.environ.get("STAYER_TORTURE_SECONDS", "")
_SECONDS, _LONG_SECONDS = float(_ASKED or 90), float(_ASKED or 600)
_LONGER_SECONDS = 400  # to start, converge and look


def _announced(ensemble: Ensemble, address: str) -> str:
    """The URL under which a Mesos master at this address is found in ZooKeeper."""
    client = KazooClient(ensemble.servers[0].hosts)
    client.start()
    try:
        client.create("/mesos/json.info_", master_info(address), sequence=True, makepath=True)
    finally:
        client.stop()
        client.close()
    return ensemble.url("/mesos")


def _assert_good(outcome: Outcome, least: dict[Kind, int], seconds: float) -> None:
    assert not outcome.findings, "\n".join(outcome.findings)
    done = {kind: outcome.faults.get(kind, 0) for kind in least}
    assert all(done[kind] >= least[kind] for kind in least), done
    assert outcome.acknowledged >= seconds, "hardly anything was written"
    assert outcome.looks >= seconds / 2, "Mesos was hardly ever seen"


@pytest.mark.parametrize("seconds", [_SECONDS, pytest.param(_LONG_SECONDS, marks=pytest.mark.long)])
@pytest.mark.timeout(_LONG_SECONDS + _LONGER_SECONDS)
def test_three_stayers_on_three_zookeepers(
    apache_cluster: ApacheCluster,
    ensemble: Ensemble,
    make_stayers: MakeStayers,
    request: pytest.FixtureRequest,
    seconds: float,
) -> None:
    mesos = apache_cluster(2)
    address = mesos.url.removeprefix("http://")
    masters = [address, _announced(ensemble, address)]
    zk = ["--zk", ensemble.url("/stayer"), "--zk_session_timeout", "2000"]
    three = make_stayers(3, lambda index: ["--master", masters[index % 2], *zk])
    seed = request.config.getoption("randomly_seed")
    outcome = torture(stayers=three, ensemble=ensemble, mesos=mesos, seed=seed, seconds=seconds)
    share = int(seconds / 90)
    least = {Kind.KILL_STAYER: 10 * share, Kind.KILL_ZOOKEEPER: 5 * share}
    _assert_good(outcome, {**least, Kind.KILL_MASTER: share, Kind.KILL_AGENT: share}, seconds)


@pytest.mark.long
@pytest.mark.timeout(_SECONDS + _LONGER_SECONDS)
def test_one_stayer_on_sqlite(
    apache_cluster: ApacheCluster,
    make_stayers: MakeStayers,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    mesos = apache_cluster(2)
    store = f"sqlite:{tmp_path / 'stayer.db'}"
    arguments = ["--master", mesos.url.removeprefix("http://"), "--store", store]
    one = make_stayers(1, lambda _index: arguments)
    seed = request.config.getoption("randomly_seed")
    outcome = torture(stayers=one, ensemble=None, mesos=mesos, seed=seed, seconds=_SECONDS)
    _assert_good(outcome, {Kind.KILL_STAYER: 10 * int(_SECONDS / 90)}, _SECONDS)
