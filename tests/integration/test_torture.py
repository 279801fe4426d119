"""Everything is killed, stopped and cut off again and again, while clients write: no write that
was acknowledged is lost, no task is doubled, and none is killed that nobody wanted killed.

The length is STAYER_TORTURE_SECONDS (`make torture`); the seed of a run is told at its beginning
and repeats its faults by `make torture SEED=...`.
"""

import os
from pathlib import Path

import pytest

from tests.integration.conftest import ApacheCluster
from tests.torture.faults import Kind
from tests.torture.fixtures import MakeStayers
from tests.torture.run import Outcome, torture
from tests.zookeeper.ensemble import Ensemble

pytestmark = pytest.mark.mesos

_SECONDS = float(os.environ.get("STAYER_TORTURE_SECONDS", "90"))
_LONGER_SECONDS = 400  # to start, converge and look


def _assert_good(outcome: Outcome, least: dict[Kind, int]) -> None:
    assert not outcome.findings, "\n".join(outcome.findings)
    done = {kind: outcome.faults.get(kind, 0) for kind in least}
    assert all(done[kind] >= least[kind] for kind in least), done
    assert outcome.acknowledged >= _SECONDS, "hardly anything was written"
    assert outcome.looks >= _SECONDS / 2, "Mesos was hardly ever seen"


@pytest.mark.timeout(_SECONDS + _LONGER_SECONDS)
def test_three_stayers_on_three_zookeepers(
    apache_cluster: ApacheCluster,
    ensemble: Ensemble,
    make_stayers: MakeStayers,
    request: pytest.FixtureRequest,
) -> None:
    mesos = apache_cluster(2)
    address = mesos.url.removeprefix("http://")
    zk = ["--zk", ensemble.url("/stayer"), "--zk_session_timeout", "2000"]
    three = make_stayers(3, lambda _index: ["--master", address, *zk])
    seed = request.config.getoption("randomly_seed")
    outcome = torture(stayers=three, ensemble=ensemble, mesos=mesos, seed=seed, seconds=_SECONDS)
    share = _SECONDS / 90
    least = {Kind.KILL_STAYER: int(10 * share), Kind.KILL_ZOOKEEPER: int(5 * share)}
    _assert_good(outcome, {**least, Kind.KILL_MASTER: int(share), Kind.KILL_AGENT: int(share)})


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
    _assert_good(outcome, {Kind.KILL_STAYER: int(10 * _SECONDS / 90)})
