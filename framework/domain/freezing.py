"""Freezes: apps of which nothing is launched and nothing killed by our own decision.

An operator freezes apps, or everything, while something is found out or moved; the scheduler
freezes an app by itself when its decisions crash on it again and again.
"""

from msgspec import Struct

EVERYTHING = "*"
"""The id of the freeze of all apps; an app's own has the app's id, which begins with a slash."""


class Freeze(Struct, frozen=True, gc=False, omit_defaults=True):
    """``app_id`` empty: of everything. ``crash``: the id of the crash that led to it (empty: a
    person asked for it)."""

    app_id: str
    reason: str
    since_ms: int
    crash: str = ""
