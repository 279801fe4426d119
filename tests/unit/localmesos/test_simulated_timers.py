"""Timers and retries of the simulated Mesos on a clock that the test moves."""

from localmesos.simulated.timers import Retries, Timers


def test_timers_run_in_order_of_time_and_then_of_asking() -> None:
    timers, ran = Timers(), list[tuple[str, float]]()
    timers.at(3.0, lambda now: ran.append(("late", now)))
    timers.at(1.0, lambda now: ran.append(("first", now)))
    timers.at(1.0, lambda now: ran.append(("second", now)))
    assert timers.next_due() == 1.0
    timers.run(0.9)
    assert ran == []
    timers.run(2.0)
    assert ran == [("first", 2.0), ("second", 2.0)]
    assert timers.next_due() == 3.0


def test_a_timer_may_ask_for_the_next() -> None:
    timers, ran = Timers(), list[float]()

    def again(now: float) -> None:
        ran.append(now)
        if len(ran) < 3:
            timers.at(now, again)

    timers.at(1.0, again)
    timers.run(1.0)
    assert ran == [1.0, 1.0, 1.0]
    assert len(timers) == 0


def test_retries_wait_twice_as_long_each_time_up_to_the_most() -> None:
    retries: Retries[str] = Retries(10.0, 35.0)
    now, attempt, dues = 0.0, 0, []
    retries.add(now, "update")
    for _ in range(5):
        due = now
        while not (taken := list(retries.take(due))):
            due += 1.0
        ((attempt, item),) = taken
        dues.append(due - now)
        now = due
        retries.add(now, item, attempt)
    assert dues == [10.0, 20.0, 35.0, 35.0, 35.0]


def test_retries_are_looked_at_together() -> None:
    retries: Retries[int] = Retries(10.0, 600.0)
    assert retries.next_due() is None
    retries.add(0.0, 1)
    retries.add(0.01, 2)
    due = retries.next_due()
    assert due is not None
    assert 10.01 <= due < 10.2
    assert [item for _, item in retries.take(due)] == [1, 2]
    assert len(retries) == 0
