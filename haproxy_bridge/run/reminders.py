"""When a failure of a run under cron is to be told: cron mails whatever is said, each minute.

It is told when it begins or becomes another one, then every ten minutes, and when it is over. Exit
codes tell it each time. What was told lies in a small file beside the state; losing it only tells
something once more.
"""

from pathlib import Path

import msgspec
from msgspec import Struct

from haproxy_bridge.exits import Exit
from haproxy_bridge.swap import files

EVERY_MS = 10 * 60 * 1000
_SETTLED = frozenset({Exit.OK, Exit.CHANGED, Exit.PARTIAL})


class Told(Struct, frozen=True):
    """A failure that lasts: its exit code, since when, and when it was told last; milliseconds of
    the wall clock."""

    exit: int
    since_ms: int
    told_ms: int


def next_told(told: Told | None, exit_: Exit, now_ms: int) -> tuple[bool, Told | None]:
    """Whether this end of a run is to be told, and what is remembered of it. A clock that went
    back tells."""
    if exit_ in _SETTLED:
        return True, None
    if told is None or told.exit != exit_:
        return True, Told(int(exit_), now_ms if told is None else told.since_ms, now_ms)
    if 0 <= now_ms - told.told_ms < EVERY_MS:
        return False, told
    return True, Told(told.exit, told.since_ms, now_ms)


def place(state: Path) -> Path:
    """The file for a node with this state file."""
    return state.with_name(f"{state.stem}.told.json")


def load(path: Path) -> Told | None:
    """What is remembered, None for nothing or nothing readable. OSError."""
    content = files.read(path)
    try:
        return None if content is None else msgspec.json.decode(content, type=Told)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def save(path: Path, told: Told | None) -> None:
    """Remember it. OSError."""
    if told is None:
        path.unlink(missing_ok=True)
    else:
        files.write_atomically(path, msgspec.json.encode(told), 0o600)
