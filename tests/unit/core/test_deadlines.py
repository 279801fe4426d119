"""What must be looked at again: each once, at the earliest moment asked for, in order of time."""

from framework.core.deadlines import Deadlines, Due


def popped(deadlines: Deadlines, now_ms: int) -> list[tuple[Due, str]]:
    return list(deadlines.pop_until(now_ms))


def test_nothing_is_set_at_first() -> None:
    deadlines = Deadlines()
    assert deadlines.next_ms() is None
    assert popped(deadlines, 10**15) == []


def test_comes_up_at_its_moment_and_once() -> None:
    deadlines = Deadlines()
    deadlines.set(100, Due.KILL_RETRY, "t1")
    assert deadlines.next_ms() == 100
    assert popped(deadlines, 99) == []
    assert popped(deadlines, 100) == [(Due.KILL_RETRY, "t1")]
    assert popped(deadlines, 200) == []
    assert deadlines.next_ms() is None


def test_in_order_of_time() -> None:
    deadlines = Deadlines()
    for at_ms, key in ((300, "c"), (100, "a"), (200, "b"), (400, "d")):
        deadlines.set(at_ms, Due.LAUNCH_CHECK, key)
    assert [key for _, key in popped(deadlines, 300)] == ["a", "b", "c"]
    assert deadlines.next_ms() == 400


def test_the_earliest_moment_asked_for_stands() -> None:
    deadlines = Deadlines()
    deadlines.set(100, Due.REVIVE, "*")
    deadlines.set(200, Due.REVIVE, "*")
    assert deadlines.next_ms() == 100
    deadlines.set(50, Due.REVIVE, "*")
    assert popped(deadlines, 50) == [(Due.REVIVE, "*")]
    assert popped(deadlines, 300) == []


def test_kinds_and_keys_are_apart() -> None:
    deadlines = Deadlines()
    deadlines.set(1, Due.REVIVE, "dev")
    deadlines.set(2, Due.REVIVE, "prod")
    deadlines.set(3, Due.DELAY_OVER, "dev")
    deadlines.clear(Due.REVIVE, "dev")
    assert popped(deadlines, 9) == [(Due.REVIVE, "prod"), (Due.DELAY_OVER, "dev")]


def test_cleared_and_set_later() -> None:
    deadlines = Deadlines()
    deadlines.set(100, Due.RECONCILE_ALL)
    deadlines.clear(Due.RECONCILE_ALL)
    assert deadlines.next_ms() is None
    deadlines.set(100, Due.RECONCILE_ALL)
    deadlines.clear(Due.RECONCILE_ALL)
    deadlines.set(200, Due.RECONCILE_ALL)
    assert deadlines.next_ms() == 200
    assert popped(deadlines, 150) == []
    assert popped(deadlines, 250) == [(Due.RECONCILE_ALL, "")]


def test_clearing_what_is_not_set_is_harmless() -> None:
    Deadlines().clear(Due.UNREACHABLE, "web#1")


def test_put_off_again_and_again_it_comes_up_once_and_leaves_nothing_behind() -> None:
    deadlines = Deadlines()
    deadlines.set(50, Due.KILL_RETRY, "t1")
    for at_ms in range(100, 10_000):
        deadlines.reset(at_ms, Due.EDGE, "e1")
        deadlines.reset(at_ms, Due.EDGE, "e1")
    assert len(deadlines) < 2_000
    assert popped(deadlines, 9_998) == [(Due.KILL_RETRY, "t1")]
    deadlines.reset(9_000, Due.EDGE, "e1")
    assert deadlines.next_ms() == 9_000
    assert popped(deadlines, 20_000) == [(Due.EDGE, "e1")]


def test_of_thousands_at_one_moment_those_that_were_cleared_leave_nothing_behind() -> None:
    deadlines = Deadlines()
    for number in range(3_000):
        deadlines.set(100, Due.LAUNCH_CHECK, f"t{number:04}")
    for number in range(1, 3_000):
        deadlines.clear(Due.LAUNCH_CHECK, f"t{number:04}")
    assert len(deadlines) < 10
    assert popped(deadlines, 100) == [(Due.LAUNCH_CHECK, "t0000")]
    assert (len(deadlines), deadlines.next_ms()) == (0, None)
