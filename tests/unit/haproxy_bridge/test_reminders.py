"""A failure that lasts is told when it begins, every ten minutes, and when it is over."""

from pathlib import Path

from haproxy_bridge.exits import Exit
from haproxy_bridge.run import reminders
from haproxy_bridge.run.reminders import Told, next_told

MINUTE = 60_000


def told_at(ends: list[Exit]) -> list[int]:
    """The minutes in which something is told, of runs each minute."""
    said, told = [], None
    for minute, end in enumerate(ends):
        due, told = next_told(told, end, minute * MINUTE)
        if due:
            said.append(minute)
    return said


def test_a_failure_is_told_at_its_begin_and_every_ten_minutes() -> None:
    assert told_at([Exit.UNREACHABLE] * 25) == [0, 10, 20]


def test_another_failure_is_told_at_once_and_so_is_the_end() -> None:
    ends = [Exit.UNREACHABLE, Exit.UNREACHABLE, Exit.HELD, Exit.HELD, Exit.OK, Exit.UNREACHABLE]
    assert told_at(ends) == [0, 2, 4, 5]


def test_what_serves_is_told_each_time_as_it_says_nothing_without_changes() -> None:
    assert told_at([Exit.OK, Exit.PARTIAL, Exit.PARTIAL]) == [0, 1, 2]


def test_a_clock_that_went_back_tells() -> None:
    due, after = next_told(Told(3, 900 * MINUTE, 900 * MINUTE), Exit.UNREACHABLE, MINUTE)
    assert due
    assert after == Told(3, 900 * MINUTE, MINUTE)


def test_what_is_remembered_can_be_damaged(tmp_path: Path) -> None:
    path = reminders.place(tmp_path / "state.json")
    assert reminders.load(path) is None
    reminders.save(path, Told(3, 1, 2))
    assert reminders.load(path) == Told(3, 1, 2)
    path.write_bytes(b"\xff{")
    assert reminders.load(path) is None
    reminders.save(path, None)
    assert not path.exists()
