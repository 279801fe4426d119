"""What is wrong with a request body, as values: each fault has a path into the body and a text.

Marathon's clients show these to people and some match on them, so both follow its wording; list
indexes are written ``(0)`` glued to the field, the body itself is ``/``.
"""

from collections.abc import Iterable
from typing import NamedTuple

INVALID_JSON = "Invalid JSON"
NOT_VALID = "Object is not valid"


class Fault(NamedTuple):
    """``error`` is a structural key (``error.path.missing``) or a sentence."""

    path: str
    error: str


class Invalid(NamedTuple):
    """A refused body: ``message`` is INVALID_JSON (its structure) or NOT_VALID (its meaning)."""

    message: str
    faults: tuple[Fault, ...]


def below(prefix: str, faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """The faults of a part, as faults of the whole that holds it at ``prefix``."""
    if not prefix:
        return tuple(faults)
    return tuple(
        Fault(prefix if path == "/" else f"{prefix}{path}", error) for path, error in faults
    )


def by_path(faults: Iterable[tuple[str, str]]) -> list[dict[str, object]]:
    """Marathon's ``details``: one entry per path, errors without repetition, in order."""
    grouped: dict[str, dict[str, None]] = {}
    for path, error in faults:
        grouped.setdefault(path, {})[error] = None
    return [{"path": path, "errors": list(errors)} for path, errors in grouped.items()]
