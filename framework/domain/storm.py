"""A storm: so many instances were lost at once that the fault is hardly theirs.

While one lasts, what was lost is replaced no faster than so many a second, or not at all.
"""

from enum import StrEnum

from msgspec import Struct


class Pace(StrEnum):
    """How the lost are replaced while a storm lasts."""

    PACED = "paced"  # at the bounded rate
    HELD = "held"  # not at all, as an operator asked
    RELEASED = "released"  # as ever, as an operator asked


class Storm(Struct, frozen=True, gc=False, omit_defaults=True):
    """``instances`` there were when it began (0: an operator held replacements without one), and
    ``lost`` were lost by then and since; ``waiting`` of them may be replaced by their
    app's strategy and are not yet; ``replaced`` were let go so far. ``reason`` is the
    operator's."""

    since_ms: int
    lost: int = 0
    instances: int = 0
    pace: Pace = Pace.PACED
    reason: str = ""
    waiting: int = 0
    replaced: int = 0
