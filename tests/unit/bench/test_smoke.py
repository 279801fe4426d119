"""Every measurement runs, at a hundredth of its size: prints its rows, and a JSON line for each.
Those that start ZooKeeper or haproxy run with the integration tests."""

from pathlib import Path

import pytest

from tests.bench._small import names, run_small


@pytest.mark.parametrize("name", names(servers=False))
def test_a_measurement_runs_small(name: str, tmp_path: Path) -> None:
    run_small(name, tmp_path)


def test_the_floor_is_there_for_each_measurement_that_exists() -> None:
    assert {"deployments", "driver", "store"} <= set(names(servers=False))
    assert "failover" in names(servers=True)
