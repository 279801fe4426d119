"""The journal: the last events that were decided, kept in memory, written out at a crash.

With the seed and the moment of each step a crash can be looked at as it happened. Values that
may be secret (environments, arguments, commands, options of volumes, addresses to fetch from,
answers of probes) are left out of what is written.
"""

import json
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import msgspec

from framework.domain.events import Asked, Command, Event, OffersReceived, OnlyIf

_EVENTS_KEPT = 20_000
_REDACTED = frozenset(
    {
        *("env", "args", "cmd", "labels", "parameters", "options"),
        *("command", "shell", "argv", "uri", "body"),
    }
)


class Journal:
    """A bounded memory of steps: the latest, with some thousands of events and offers in all."""

    def __init__(self) -> None:
        self._steps: deque[tuple[int, int, bool, Sequence[Event]]] = deque()
        self._kept = 0

    def write(
        self, now_ms: int, seed: int, events: Sequence[Event], *, behind: bool = False
    ) -> None:
        """Remember what a step is about to decide."""
        self._steps.append((now_ms, seed, behind, events))
        self._kept += _weight(events)
        while self._kept > _EVENTS_KEPT and len(self._steps) > 1:
            self._kept -= _weight(self._steps.popleft()[-1])

    def dump(self, path: Path) -> None:
        """Write what is remembered, a JSON line a step, oldest first; readable by the owner."""
        path.touch(mode=0o600)
        with path.open("w", encoding="utf-8") as file:
            for now_ms, seed, behind, events in list(self._steps):
                shown = [{type(event).__name__: _shown(event)} for event in events]
                line = {"nowMs": now_ms, "seed": seed, "behind": behind, "events": shown}
                file.write(json.dumps(line, separators=(",", ":")) + "\n")


def _weight(events: Sequence[Event]) -> int:
    return sum(len(one.offers) if isinstance(one, OffersReceived) else 1 for one in events)


def _shown(event: Event) -> object:
    if isinstance(event, Asked):
        return {"token": event.token, **_command(event.command)}
    return _redacted(msgspec.to_builtins(event))


def _command(command: Command) -> dict[str, object]:
    shown = _redacted(msgspec.to_builtins(command))
    if isinstance(command, OnlyIf) and isinstance(shown, dict):
        shown |= {"command": _command(command.command)}
    return {type(command).__name__: shown}


def _redacted(value: object) -> object:
    if isinstance(value, dict):
        return {
            key: "redacted" if key in _REDACTED else _redacted(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [_redacted(inner) for inner in value]
    return value
