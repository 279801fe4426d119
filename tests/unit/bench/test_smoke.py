"""Every measurement runs, at a hundredth of its size: prints its rows, and a JSON line for each.
Those that start ZooKeeper or haproxy run with the integration tests."""

from pathlib import Path

import pytest

from tests.bench._small import names, run_small


@pytest.mark.parametrize("name", names(servers=False))
def test_a_measurement_runs_small(name: str, tmp_path: Path) -> None:
    run_small(name, tmp_path)


def test_servers_are_started_by_the_integration_tests_only() -> None:
    assert {"driver", "goal3", "store"} <= set(names(servers=False))
    assert {"goal1", "goal4", "goal7", "goal10", "soak"} <= set(names(servers=True))
