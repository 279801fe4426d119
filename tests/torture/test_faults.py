"""The timetable of faults: the same from the same seed, and never fewer than was promised."""

from collections import Counter

import pytest

from tests.torture.faults import LEADER, PER_90_SECONDS, Kind, Parts, timetable


def test_one_seed_gives_one_timetable() -> None:
    assert timetable(7, 90, Parts()) == timetable(7, 90, Parts())
    assert timetable(7, 90, Parts()) != timetable(8, 90, Parts())


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("seconds", [90, 900])
def test_as_many_faults_as_promised(seed: int, seconds: int) -> None:
    faults = timetable(seed, seconds, Parts())
    counts = Counter(fault.kind for fault in faults)
    assert counts == {kind: n * seconds // 90 for kind, n in PER_90_SECONDS.items()}
    assert counts[Kind.KILL_STAYER] >= 10
    assert counts[Kind.KILL_ZOOKEEPER] >= 5
    assert counts[Kind.KILL_MASTER] + counts[Kind.KILL_AGENT] >= 2
    assert faults == sorted(faults, key=lambda fault: fault.at_seconds)
    assert all(0 < fault.at_seconds < seconds for fault in faults)


def test_every_part_is_struck() -> None:
    faults = timetable(1, 900, Parts(stayers=3, zookeepers=3, agents=2))
    targets = {kind: {f.target for f in faults if f.kind is kind} for kind in Kind}
    assert targets[Kind.KILL_STAYER] == targets[Kind.KILL_ZOOKEEPER] == {LEADER, 0, 1, 2}
    assert targets[Kind.KILL_AGENT] == {0, 1}
    assert targets[Kind.KILL_MASTER] == {0}


def test_what_is_not_there_is_not_struck() -> None:
    faults = timetable(1, 90, Parts(stayers=1, zookeepers=0, agents=1))
    kinds = {fault.kind for fault in faults}
    assert kinds == {Kind.KILL_STAYER, Kind.PAUSE_STAYER, Kind.KILL_MASTER, Kind.KILL_AGENT}
