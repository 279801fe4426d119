"""Times as schedulers write them."""

from datetime import datetime


def milliseconds(time: str | None) -> int:
    """Of the epoch; 0 for none, or for what is no time."""
    try:
        return int(datetime.fromisoformat(time).timestamp() * 1000) if time else 0
    except (ValueError, OverflowError):
        return 0
