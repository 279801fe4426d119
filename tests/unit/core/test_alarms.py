"""Alarms: raised once, however often it is said; told, kept, bounded, and cleared."""

from framework.core.alarms import KEPT, clear_alarm, raise_alarm
from framework.core.policy import Context
from framework.core.turn import Step, Turn
from framework.domain.alarms import Alarm
from framework.domain.notices import AlarmCleared, AlarmRaised
from framework.domain.state import Change, Kind
from tests.unit.core.session import START_MS, Session


class Turns:
    """Turns over one world, at moments of the test's choice."""

    def __init__(self) -> None:
        self.session = Session(connected=False)
        self.now_ms = START_MS

    def _turn(self) -> Turn:
        session = self.session
        context = Context(self.now_ms, lambda: "", lambda _: 0, session.policy)
        return Turn(session.world, context)

    def say(self, message: str, *, key: str = "storm", later_ms: int = 0) -> Step:
        self.now_ms += later_ms
        turn = self._turn()
        raise_alarm(turn, key, message)
        return turn.finish()

    def over(self, key: str = "storm") -> Step:
        turn = self._turn()
        clear_alarm(turn, key)
        return turn.finish()


def test_the_same_again_is_nothing_new() -> None:
    turns = Turns()
    alarm = Alarm("storm", "many are away", START_MS, START_MS)
    decided = turns.say("many are away")
    assert decided.changes == (Change(Kind.ALARM, "storm", alarm),)
    assert decided.notices == (AlarmRaised(alarm),)
    for later_ms in (0, 1, 59_998):
        decided = turns.say("many are away", later_ms=later_ms)
        assert (decided.changes, decided.notices) == ((), ())


def test_that_it_still_holds_is_written_now_and_then_and_told_nobody() -> None:
    turns = Turns()
    turns.say("many are away")
    decided = turns.say("many are away", later_ms=60_000)
    alarm = Alarm("storm", "many are away", START_MS, START_MS + 60_000)
    assert decided.changes == (Change(Kind.ALARM, "storm", alarm),)
    assert decided.notices == ()


def test_another_message_is_told() -> None:
    turns = Turns()
    turns.say("many are away")
    decided = turns.say("held", later_ms=5)
    assert decided.notices == (AlarmRaised(Alarm("storm", "held", START_MS, START_MS + 5)),)


def test_its_end() -> None:
    turns = Turns()
    assert turns.over().notices == (), "it did not stand"
    turns.say("many are away")
    decided = turns.over()
    assert decided.changes == (Change(Kind.ALARM, "storm", None),)
    assert decided.notices == (AlarmCleared(Alarm("storm", "many are away", START_MS, START_MS)),)
    assert turns.over().changes == ()


def test_only_so_many() -> None:
    turns = Turns()
    for number in range(KEPT):
        turns.say("x", key=f"k{number}", later_ms=1)
    turns.say("x", key="k0", later_ms=60_000)
    decided = turns.say("x", key="another")
    assert isinstance(decided.notices[0], AlarmCleared)
    assert decided.notices[0].alarm.key == "k1", "the one said longest ago"
    assert len(turns.session.state.alarms) == KEPT
    assert {"k0", "another"} <= set(turns.session.state.alarms)


def test_a_message_is_bounded() -> None:
    (change,) = Turns().say("x" * 5_000).changes
    assert isinstance(change.record, Alarm)
    assert len(change.record.message) == 1_000
