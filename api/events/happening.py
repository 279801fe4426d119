"""One event before it is rendered: most are never read by anybody."""

from collections.abc import Callable
from typing import Any, NamedTuple

Fields = dict[str, Any]


class Happening(NamedTuple):
    """``kind`` is Marathon's eventType; ``apps`` are the ids it is about (none: all).
    ``request_id``: of the call that caused it, if one did."""

    kind: str
    apps: tuple[str, ...]
    fields: Callable[[], Fields]
    request_id: str = ""
