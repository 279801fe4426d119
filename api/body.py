"""Reading JSON that nobody vouches for: bytes to plain Python values, within limits.

JSON as such is more liberal than any two programs agree on (repeated keys, NaN, numbers and
nesting without end, half surrogates), so whatever could be read in two ways is refused here.
"""

import json
import math
from collections.abc import Iterator
from typing import Any

MAX_DEPTH = 32
MAX_STRING_CHARS = 262_144
MAX_ITEMS = 10_000
MAX_INTEGER_DIGITS = 18
_SHOWN_CHARS = 60


class BodyError(Exception):
    """The body is not JSON that we accept; the text says what is wrong and where."""


class BodyMissingError(BodyError):
    """There is no body where one is needed."""


def decode(body: bytes) -> Any:
    """The JSON value of a body: dict, list, str, int, float, bool or None. BodyError."""
    if not body.strip():
        raise BodyMissingError("The request has no body.")
    try:
        value = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_constant,
        )
    except (RecursionError, UnicodeDecodeError, ValueError) as error:
        raise BodyError(_explain(error)) from error
    _check_limits(value)
    return value


def _explain(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return f"The JSON is nested more than {MAX_DEPTH} deep."
    if isinstance(error, UnicodeDecodeError):
        return f"Byte {error.start} is not valid UTF-8."
    return str(error)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise BodyError(f"The key '{_shown(key)}' is repeated in one object.")
        seen.add(key)
    raise AssertionError("fewer members than pairs, yet no key twice")


def _integer(text: str) -> int:
    if len(text.lstrip("-")) > MAX_INTEGER_DIGITS:
        raise BodyError(f"The number {_shown(text)} has more than {MAX_INTEGER_DIGITS} digits.")
    return int(text)


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise BodyError(f"The number {_shown(text)} is too large.")
    return value


def _constant(text: str) -> None:
    raise BodyError(f"{text} is not a JSON value.")


def _check_limits(root: Any) -> None:
    """Walk without recursion, level by level; the count of values is bounded by the body's size."""
    level = [root]
    for _ in range(MAX_DEPTH):
        level = [child for value in level for child in _children(value)]
    for value in level:
        if isinstance(value, list | dict):
            raise BodyError(f"The JSON is nested more than {MAX_DEPTH} deep.")
        if isinstance(value, str):
            _check_text(value)


def _children(value: Any) -> Iterator[Any]:
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, list | dict):
        if len(value) > MAX_ITEMS:
            raise BodyError(f"An array or object has more than {MAX_ITEMS} items.")
        if isinstance(value, list):
            yield from value
        else:
            for key in value:
                _check_text(key)
            yield from value.values()


def _check_text(text: str) -> None:
    if len(text) > MAX_STRING_CHARS:
        raise BodyError(f"A text has more than {MAX_STRING_CHARS} characters.")
    if "\0" in text:
        raise BodyError("A text contains the character NUL, which no process can be given.")
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise BodyError("A text contains half of a surrogate pair.") from error


def _shown(text: str) -> str:
    """A piece of the body for a message; a half surrogate, which no answer can have, as ``?``."""
    text = text[: _SHOWN_CHARS + 1].encode("utf-8", "replace").decode()
    return text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 1] + "…"
