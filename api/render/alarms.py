"""Alarms as JSON, and as lines for whoever looks at anything meanwhile."""

from collections.abc import Iterator
from typing import Any

from framework.domain.alarms import Alarm
from framework.domain.clock import iso
from framework.domain.state import State

_TOLD = 5
_CHARACTERS = 300


def alarm_object(alarm: Alarm) -> dict[str, Any]:
    """One alarm: its cause, since when it stands, and when it was last said to."""
    return {
        "key": alarm.key,
        "message": alarm.message,
        "since": iso(alarm.since_ms),
        "last": iso(alarm.last_ms),
    }


def alarm_warnings(view: State) -> Iterator[str]:
    """A line for each of the first few alarms, the oldest first."""
    alarms = sorted(view.alarms.values(), key=lambda one: (one.since_ms, one.key))
    for alarm in alarms[:_TOLD]:
        yield f"alarm: {alarm.message}"[:_CHARACTERS]
    if len(alarms) > _TOLD:
        yield f"and {len(alarms) - _TOLD} alarms more"
