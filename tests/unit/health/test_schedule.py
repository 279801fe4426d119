"""When targets are looked at: the first time, every time after, many of them, and no more."""

from collections import Counter

import pytest

from framework.domain.health import ProbeTarget
from framework.health.schedule import PROMPT_LOOKS_PER_SECOND, Entry, Schedule, phase
from tests.unit.health.targets import key, target

PHASE_OF_A = 0.262589561  # in every process, unlike hash()


def take_all(schedule: Schedule, now: float) -> list[Entry]:
    taken = []
    while (entry := schedule.take(now)) is not None:
        taken.append(entry)
    return taken


def every(seconds: float, number: int = 0, after: float = 0) -> ProbeTarget:
    return target(number=number, interval_seconds=seconds, first_after_seconds=after)


def test_first_look_is_not_before_its_time_and_prompt_then() -> None:
    schedule = Schedule()
    schedule.watch(every(60, after=5), now=100.0)
    assert schedule.take(104.999) is None
    assert schedule.next_due() == 105.0
    entry = schedule.take(105.0)
    assert entry is not None
    assert entry.target.key == key(0)
    assert schedule.take(1_000.0) is None, "an entry is with the prober until given back"


def test_looks_follow_at_the_interval_whatever_a_look_takes() -> None:
    schedule = Schedule()
    schedule.watch(every(10), now=0.0)
    for due, ended in ((0.0, 0.3), (10.0, 19.9), (20.0, 20.0)):
        assert schedule.take(due - 0.001) is None
        entry = schedule.take(due + 0.2)
        assert entry is not None
        assert entry.due == due
        assert schedule.again(entry, ended) == 0


@pytest.mark.parametrize(
    ("ended", "next_due", "skipped"),
    [(10.0, 10.0, 0), (10.1, 20.0, 1), (34.0, 40.0, 3), (40.0, 40.0, 3)],
)
def test_overrunning_look_goes_on_at_the_next_multiple(
    ended: float, next_due: float, skipped: int
) -> None:
    schedule = Schedule()
    schedule.watch(every(10), now=0.0)
    entry = schedule.take(0.0)
    assert entry is not None
    assert schedule.again(entry, ended) == skipped
    assert entry.due == next_due


def test_multiples_do_not_drift() -> None:
    schedule = Schedule()
    schedule.watch(every(0.1), now=0.0)
    for number in range(100_000):
        entry = schedule.take(number / 10 + 1e-6)
        assert entry is not None
        schedule.again(entry, number / 10 + 0.03)
    assert schedule.next_due() == pytest.approx(10_000, abs=1e-6)


def test_who_has_waited_longest_comes_first() -> None:
    schedule = Schedule()
    for number, after in enumerate((3, 1, 2)):
        schedule.watch(every(60, number, after=after), now=0.0)
    assert schedule.queued(1.5) == 1
    assert [entry.target.first_after_seconds for entry in take_all(schedule, 10.0)] == [1, 2, 3]
    assert schedule.queued(10.0) == 0


def test_crowd_is_spread_over_its_interval() -> None:
    schedule = Schedule()
    for number in range(10_000):
        schedule.watch(every(10, number, after=5), now=0.0)
    looks: Counter[int] = Counter()
    for step in range(2_000):
        now = step / 100
        for entry in take_all(schedule, now):
            looks[int(now)] += 1
            schedule.again(entry, now)
    assert sum(looks[second] for second in range(5)) == 0
    firsts = [looks[second] for second in range(5, 15)]
    assert sum(firsts) == pytest.approx(10_000, abs=50)
    assert max(firsts) <= 2 * PROMPT_LOOKS_PER_SECOND
    assert min(firsts) >= 800
    assert max(looks.values()) <= 2 * PROMPT_LOOKS_PER_SECOND


def test_few_are_looked_at_at_once_again_when_the_crowd_is_over() -> None:
    schedule = Schedule()
    for number in range(5_000):
        schedule.watch(every(600, number), now=0.0)
    schedule.watch(every(600, 5_000), now=2.0)
    assert schedule.entries[key(5_000)].due == 2.0


def test_short_interval_does_not_wait_behind_a_crowd() -> None:
    schedule = Schedule()
    for number in range(900):
        schedule.watch(every(600, number), now=0.0)
    schedule.watch(every(0.1, 900), now=0.0)
    assert schedule.entries[key(900)].due <= 0.1


def test_phase_is_always_the_same_and_even() -> None:
    tenths = Counter(int(phase(key(number)) * 10) for number in range(10_000))
    assert set(tenths) == set(range(10))
    assert min(tenths.values()) > 800
    assert phase("a") == pytest.approx(PHASE_OF_A)


def test_forgotten_is_not_looked_at_wherever_it_is() -> None:
    schedule = Schedule()
    for number in range(3):
        schedule.watch(every(10, number, after=number), now=0.0)
    with_the_prober = schedule.take(0.0)
    assert with_the_prober is not None
    assert schedule.queued(1.5) == 1
    forgotten = [schedule.forget(key(number)) for number in range(3)]
    assert forgotten[0] is with_the_prober
    assert all(entry is not None and entry.gone for entry in forgotten)
    assert schedule.again(with_the_prober, 2.0) == 0
    assert schedule.take(1_000.0) is None
    assert schedule.forget(key(0)) is None


def test_replacing_begins_anew() -> None:
    schedule = Schedule()
    assert schedule.watch(every(10), now=0.0) is None
    old = schedule.entries[key()]
    assert schedule.watch(every(20, after=3), now=5.0) is old
    assert old.gone
    entries = take_all(schedule, 1_000.0)
    assert [entry.gone for entry in entries] == [False]
    assert entries[0].due == pytest.approx(8.0, abs=0.01)


def test_watching_and_forgetting_in_turn_needs_no_more_room() -> None:
    schedule = Schedule()
    for number in range(20_000):
        schedule.watch(every(10, number % 10, after=1), now=0.0)
    assert len(schedule._to_come) < 2_100
    assert schedule.queued(1_000.0) <= 10
    assert len({entry.target.key for entry in take_all(schedule, 1_000.0)}) == 10


def test_forgetting_what_the_prober_has_leaves_nothing_to_sweep() -> None:
    schedule = Schedule()
    for number in range(1_500):
        schedule.watch(every(0.01, number), now=0.0)
    taken = take_all(schedule, 100.0)
    for entry in taken:
        schedule.forget(entry.target.key)
    assert len(taken) == 1_500
    assert schedule._gone == 0


def test_interval_of_nothing_is_no_endless_loop() -> None:
    schedule = Schedule()
    schedule.watch(every(0), now=0.0)
    entry = schedule.take(0.0)
    assert entry is not None
    schedule.again(entry, 0.0)
    assert entry.due > 0.0
