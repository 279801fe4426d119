"""When the daemon takes turns: events together, polls apart, pauses that grow, reloads rarely."""

from haproxy_bridge.run.pace import MAX_RELOAD_GAP_SECONDS, Due, Ended, Pace, PaceOptions

OPTIONS = PaceOptions(
    poll_seconds=30, coalesce_seconds=0.02, min_reload_seconds=2, max_pause_seconds=10
)


def pace(chance: float = 0.5) -> Pace:
    """One whose first turn, at 0, is over."""
    made = Pace(OPTIONS, 0.0, lambda: chance)
    assert made.due(0.0) is Due.ALL
    made.begun()
    made.ended(0.0, Ended(everything=True))
    return made


def test_events_that_come_together_lead_to_one_turn() -> None:
    made = pace()
    made.heard(1.0)
    made.heard(1.015)
    assert made.due(1.019) is Due.NOTHING
    assert round(made.wait_seconds(1.0), 6) == 0.02
    assert made.due(1.02) is Due.EVENT
    assert made.begun() == 1.0
    made.heard(1.03)  # while the turn goes on: for the next one
    made.ended(1.04, Ended())
    assert made.due(1.049) is Due.NOTHING
    assert made.due(1.06) is Due.EVENT


def test_without_events_all_is_looked_at_now_and_then() -> None:
    early, late = pace(chance=0.0), pace(chance=1.0)
    assert (early.wait_seconds(0.0), late.wait_seconds(0.0)) == (27.0, 33.0)
    made = pace()
    made.heard(20.0)
    made.begun()
    made.ended(21.0, Ended())  # a turn for an event looks at less
    assert made.due(29.9) is Due.NOTHING
    assert made.due(30.0) is Due.ALL


def test_a_scheduler_that_is_ill_is_asked_less_and_less() -> None:
    made, now, pauses = pace(chance=1.0), 0.0, []
    for _ in range(8):
        made.begun()
        made.ended(now, Ended(everything=True, failed=True))
        pauses.append(made.wait_seconds(now))
        now += pauses[-1]
        assert made.due(now) is Due.ALL
    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 10.0]
    made.ended(now, Ended(everything=True))
    assert made.wait_seconds(now) == 33.0


def test_events_of_an_ill_scheduler_wait_until_it_is_asked_again() -> None:
    made = pace(chance=1.0)
    for _ in range(4):
        made.ended(10.0, Ended(failed=True))
    made.heard(10.1)
    assert made.due(13.9) is Due.NOTHING
    assert made.due(14.0) is Due.ALL
    made.ask_for_all(11.0)
    assert made.due(11.0) is Due.ALL


def test_reloads_keep_their_distance() -> None:
    made = pace()
    assert made.may_reload(0.0)
    made.ended(5.0, Ended(reloaded=True))
    assert not made.may_reload(6.9)
    assert made.may_reload(7.0)
    assert made.due(7.0) is Due.NOTHING
    made.ended(6.0, Ended(postponed=True))
    assert made.due(6.9) is Due.NOTHING
    assert made.due(7.0) is Due.ALL
    made.ended(7.1, Ended(everything=True, reloaded=True))
    assert made.due(9.2) is Due.NOTHING


def test_reloads_that_fail_are_tried_again_ever_more_rarely() -> None:
    made, now, gaps = pace(), 0.0, []
    for _ in range(7):
        made.ended(now, Ended(everything=True, reload_failed=True))
        gaps.append(min(made.wait_seconds(now), 100))
        now += 1000
    assert gaps[:3] == [4.0, 8.0, 16.0]
    made.ended(now, Ended(reload_failed=True))
    assert not made.may_reload(now + MAX_RELOAD_GAP_SECONDS - 1)
    assert made.may_reload(now + MAX_RELOAD_GAP_SECONDS)
    made.ended(now, Ended(reloaded=True))
    assert made.may_reload(now + 2)
