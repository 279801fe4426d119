"""How lost instances are replaced, for ``/v3/replacements``."""

from typing import Any

from framework.domain.clock import iso
from framework.domain.state import State


def replacements_object(view: State) -> dict[str, Any]:
    """``pace`` is ``usual`` unless there is a storm or an operator's hold; the numbers are its."""
    storm = view.storm
    if storm is None:
        return {"pace": "usual", "waiting": 0}
    fields: dict[str, Any] = {
        "pace": str(storm.pace),
        "since": iso(storm.since_ms),
        "lost": storm.lost,
        "instances": storm.instances,
        "waiting": storm.waiting,
        "replaced": storm.replaced,
    }
    return {**fields, "reason": storm.reason} if storm.reason else fields
