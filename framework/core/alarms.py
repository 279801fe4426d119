"""How an alarm is raised and cleared.

Both may be called as often as one likes: an alarm that stands already is written again only when
its message changes, or to say now and then that it still holds.
"""

from framework.core.turn import Turn
from framework.domain.alarms import Alarm
from framework.domain.notices import AlarmCleared, AlarmRaised
from framework.domain.state import Kind

KEPT = 100
"""Alarms that may stand at the same time; beyond that the one said longest ago goes."""

_SAID_AGAIN_MS = 60_000
_MESSAGE_CHARACTERS = 1_000


def raise_alarm(turn: Turn, key: str, message: str) -> None:
    """Let an alarm stand from now on. ``message``: one sentence, with what to do about it; told
    to listeners when the alarm is new or says something else than before."""
    message = message[:_MESSAGE_CHARACTERS]
    alarms = turn.world.state.alarms
    known = alarms.get(key)
    same = known is not None and known.message == message
    if known is not None and same and turn.now_ms - known.last_ms < _SAID_AGAIN_MS:
        return
    since_ms = turn.now_ms if known is None else known.since_ms
    alarm = Alarm(key, message, since_ms, turn.now_ms)
    if known is None and len(alarms) >= KEPT:
        clear_alarm(turn, min(alarms.values(), key=lambda one: (one.last_ms, one.key)).key)
    turn.put(Kind.ALARM, key, alarm)
    if not same:
        turn.notices.append(AlarmRaised(alarm))


def clear_alarm(turn: Turn, key: str) -> None:
    """Its cause is gone; nothing happens if it does not stand."""
    known = turn.world.state.alarms.get(key)
    if known is not None:
        turn.put(Kind.ALARM, key, None)
        turn.notices.append(AlarmCleared(known))
