"""The clock that never goes back, and ids in the form of random uuids."""

import time
import uuid

import pytest

from framework.runtime.moments import fresh_ids, steady_clock


def test_ids_are_random_uuids_in_their_usual_form() -> None:
    fresh = fresh_ids()
    made = [fresh() for _ in range(2_000)]
    assert len(set(made)) == len(made)
    for text in made:
        parsed = uuid.UUID(text)
        assert str(parsed) == text
        assert parsed.version == 4
        assert parsed.variant == uuid.RFC_4122
    assert {text[19] for text in made} == set("89ab")


def test_two_sources_do_not_repeat_each_other() -> None:
    one, other = fresh_ids(), fresh_ids()
    assert not {one() for _ in range(300)} & {other() for _ in range(300)}


def test_the_clock_begins_as_the_wall_clock_and_is_not_moved_by_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before_ms = time.time_ns() // 1_000_000
    clock = steady_clock()
    first_ms = clock()
    assert before_ms - 1_000 <= first_ms <= time.time_ns() // 1_000_000 + 1_000
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert clock() >= first_ms


def test_the_clock_moves_as_the_monotonic_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_700_000_000_000_000_000)
    monkeypatch.setattr(time, "monotonic_ns", lambda: 5_000_000)
    clock = steady_clock()
    assert clock() == 1_700_000_000_000
    monkeypatch.setattr(time, "monotonic_ns", lambda: 5_000_000 + 2_500_000_000)
    assert clock() == 1_700_000_002_500
