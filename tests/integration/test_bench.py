"""The measurements that start ZooKeeper or haproxy run too, at a hundredth of their size."""

from pathlib import Path

import pytest

from tests.bench._small import names, run_small


@pytest.mark.parametrize("name", names(servers=True))
def test_a_measurement_runs_small(name: str, tmp_path: Path) -> None:
    run_small(name, tmp_path)
