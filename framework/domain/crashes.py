"""Crashes: what the decisions were about when a step raised, counted across restarts.

What crashes them three times is set aside, so that one poisonous event is no endless crash.
"""

from msgspec import Struct


class Crash(Struct, frozen=True, gc=False, omit_defaults=True):
    """``subject`` names what was handled, by kind and identity: the same again is the same crash.
    ``error`` is the exception's type and place, never its text, which may hold secrets.
    ``crashes`` were counted from ``first_ms`` to ``last_ms``; ``set_aside_ms``: since when the
    subject is not handled any more (0: it still is)."""

    id: str
    kind: str
    subject: str
    crashes: int
    first_ms: int
    last_ms: int
    app_id: str = ""
    error: str = ""
    set_aside_ms: int = 0
