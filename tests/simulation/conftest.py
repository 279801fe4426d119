"""Options of the simulation: which seeds to run, and how many.

pytest tests/simulation --simulation-seeds 2000     seeds 0 to 1999
pytest tests/simulation --simulation-seed 1234      that one only
"""

import os

import pytest

_SEEDS = 200
_SEEDS_LONG = 10_000
_IN_A_TEST = 10


def pytest_addoption(parser: pytest.Parser) -> None:
    """The two options; without them, CI's 200 seeds."""
    group = parser.getgroup("simulation")
    group.addoption("--simulation-seeds", type=int, default=_SEEDS, help="how many seeds to run")
    group.addoption("--simulation-seed", type=int, default=None, help="run this seed only")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Deal the seeds out in tests of ten, so that several processes can share them."""
    if "seeds" in metafunc.fixturenames:
        one = metafunc.config.getoption("--simulation-seed", None)
        count = metafunc.config.getoption("--simulation-seeds", _SEEDS)
        _deal(metafunc, range(one, one + 1) if one is not None else range(count))
    elif "long_seeds" in metafunc.fixturenames:
        # The long form looks elsewhere each time; STAYER_SEED repeats it.
        first = int(os.environ.get("STAYER_SEED", "1")) * _SEEDS_LONG + 1_000_000
        _deal(metafunc, range(first, first + _SEEDS_LONG), "long_seeds", 100)


def _deal(
    metafunc: pytest.Metafunc, seeds: range, name: str = "seeds", in_a_test: int = _IN_A_TEST
) -> None:
    parts = [seeds[start : start + in_a_test] for start in range(0, len(seeds), in_a_test)]
    metafunc.parametrize(name, parts, ids=[f"{part[0]}-{part[-1]}" for part in parts])
