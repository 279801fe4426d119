"""The whole scheduler core in a simulated cluster, from many seeds: safety, then convergence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from framework.domain.disks import DiskType
from tests.simulation.run import Run
from tests.simulation.stage import Violation

_ROOT = Path(__file__).resolve().parents[2]
_SHOWN_LINES = 40


def _run(
    seeds: range,
    *,
    freezes: bool = False,
    storms: bool = False,
    edges: bool = False,
    teardown: bool = False,
    shares: bool = False,
    at_hand: bool = False,
) -> list[Run]:
    runs = [
        Run(
            seed,
            freezes=freezes,
            storms=storms,
            edges=edges,
            teardown=teardown,
            shares=shares,
            at_hand=at_hand,
        )
        for seed in seeds
    ]
    for seed, run in zip(seeds, runs, strict=True):
        try:
            run.go()
        except Exception as error:
            tail = "\n".join(list(run.stage.tail)[-_SHOWN_LINES:])
            kind = "" if isinstance(error, Violation) else f"{type(error).__name__}: "
            raise AssertionError(
                f"seed {seed}: {kind}{error}\n{tail}\n"
                f"again: pytest tests/simulation --simulation-seed {seed}\n"
                f"all of it: python -m tests.simulation.run {seed}"
            ) from error
    return runs


def test_safe_under_faults_and_right_after_them(seeds: range) -> None:
    _run(seeds)


@pytest.mark.parametrize("first", range(0, 60, 10))
def test_what_is_frozen_is_left_alone_and_catches_up(first: int) -> None:
    _run(range(first, first + 10), freezes=True)


@pytest.mark.parametrize("first", [0, 10, 20, 40, 50, 60])
def test_what_is_lost_in_storms_is_given_up_in_turn(first: int) -> None:
    runs = _run(range(first, first + 10), storms=True)
    assert sum(run.safety.in_turn.storms for run in runs) > 1
    assert sum(run.safety.in_turn.turns for run in runs) > 1


@pytest.mark.parametrize("first", range(0, 60, 10))
def test_planned_kills_wait_for_the_edges_that_follow(first: int) -> None:
    runs = _run(range(first, first + 10), edges=True)
    assert sum(run.safety.drained.in_time for run in runs) > 1
    assert sum(run.safety.drained.waited for run in runs) > 1
    assert sum(run.safety.drained.rotated for run in runs) > 1


@pytest.mark.parametrize("first", [40, 50])
def test_old_instances_stay_while_traffic_is_divided(first: int) -> None:
    runs = _run(range(first, first + 10), shares=True)
    assert sum(run.safety.divided.steps for run in runs) > 20


@pytest.mark.parametrize("first", [10, 60])
def test_offers_at_hand_are_few_and_used_first(first: int) -> None:
    runs = _run(range(first, first + 10), at_hand=True)
    assert sum(run.safety.used_at_hand for run in runs) > 3


@pytest.mark.parametrize("first", [0, 10])
def test_offers_at_hand_end_with_a_freeze(first: int) -> None:
    _run(range(first, first + 10), at_hand=True, freezes=True)


@pytest.mark.parametrize("first", [40, 50])
def test_apps_and_volumes_outlive_a_teardown(first: int) -> None:
    runs = _run(range(first, first + 10), teardown=True)
    assert sum(len(run.master.completed) for run in runs) >= len(runs) - 1
    used_again = [
        held
        for run in runs
        for held in run.store.durable.reservations.values()
        if held.framework_id in run.master.completed and held.incarnation > 1
    ]
    assert used_again


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_many_more_seeds(long_seeds: range) -> None:
    _run(long_seeds)


def test_a_run_tests_something() -> None:
    outcomes = [Run(seed).go() for seed in range(6)]
    assert sum(outcome.launches for outcome in outcomes) > 100
    assert sum(outcome.lives for outcome in outcomes) > len(outcomes)
    assert sum(outcome.commands for outcome in outcomes) > 50


def test_runs_with_disks_have_volumes_on_them_and_lose_some() -> None:
    runs = [Run(seed) for seed in (3, 7, 15, 71)]
    for run in runs:
        run.go()
    volumes = [
        volume
        for run in runs
        for held in run.store.durable.reservations.values()
        for volume in held.volumes
    ]
    assert {one.type for one in volumes} == {*DiskType}
    assert sum(run.faults.failed_volumes != set() for run in runs) > 1


def test_a_run_is_the_same_under_any_hash_seed() -> None:
    program = "from tests.simulation.run import Run\nfor s in (3, 14): print(Run(s).go())"
    outputs = [
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=_ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        for hash_seed in ("1", "4242")
    ]
    assert outputs[0] == outputs[1]
    assert outputs[0].count("digest=") == 2
