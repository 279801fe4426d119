"""Timestamps as Marathon writes them: ISO-8601, UTC, exactly three fractional digits and ``Z``.

Inside, a moment is an integer of milliseconds since 1970; text is made only at the borders and
for app versions, which are such texts and therefore compare correctly as strings.
"""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def iso(moment_ms: int) -> str:
    """The moment as Marathon prints it, e.g. ``2015-09-30T09:09:17.614Z``."""
    moment = _EPOCH + timedelta(milliseconds=moment_ms)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment_ms % 1000:03d}Z"


def parse_iso(text: str) -> int:
    """Milliseconds since 1970 of an ISO date-time with offset; ValueError if it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError(
            f"Invalid timestamp provided '{text}'. Expecting ISO-8601 datetime string."
        )
    return (moment - _EPOCH) // timedelta(milliseconds=1)
