"""The words of the placement language: operators, a constraint, and how one is read.

A constraint comes from outside as two or three texts. It is read once, here, and everything wrong
with it is a `Problem`: Marathon's own words first, since its clients know them, then what would be
right. Regular expressions are compiled by whatever engine the caller passes in.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from string import ascii_letters, digits

MAX_FIELD_CHARS = 255
MAX_VALUE_CHARS = 1024

_INT32 = range(-(2**31), 2**31)
_IS_CHARACTERS = frozenset(ascii_letters + digits + "_/.-")
_SHOWN_CHARS = 80

CompilePattern = Callable[[str], Callable[[str], bool]]
"""Compiles a pattern to a predicate on the WHOLE text; raises `BadPattern`."""


class BadPattern(Exception):  # noqa: N818  it names the thing refused, as the API of the room does
    """The engine cannot or will not run this pattern; `reason` says why, in plain words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Operator(StrEnum):
    """What a constraint asks of an agent; the order is that of Marathon's messages."""

    UNIQUE = "UNIQUE"
    CLUSTER = "CLUSTER"
    GROUP_BY = "GROUP_BY"
    LIKE = "LIKE"
    MAX_PER = "MAX_PER"
    UNLIKE = "UNLIKE"
    IS = "IS"


@dataclass(frozen=True, slots=True)
class Constraint:
    """One condition on the agents of an app; `value` is the text as given, or None."""

    field: str
    operator: Operator
    value: str | None

    def raw(self) -> tuple[str, ...]:
        """Return the two or three texts of the app definition, the operator in capitals."""
        pair = (self.field, self.operator.value)
        return pair if self.value is None else (*pair, self.value)

    def __str__(self) -> str:
        return " ".join(shown(part) for part in self.raw())


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a raw constraint is refused: Marathon's text, then what would be right."""

    message: str


def parse(raw: Sequence[str], compile_pattern: CompilePattern) -> Constraint | Problem:
    """Read `[field, operator]` or `[field, operator, value]`; the operator in any case."""
    if not 2 <= len(raw) <= 3:
        return Problem("Each constraint must have either 2 or 3 fields")
    field, name = raw[0], raw[1]
    value = raw[2] if len(raw) == 3 else None
    if not field:
        return Problem("illegal constraint specification: the field is empty")
    if len(field) > MAX_FIELD_CHARS:
        return Problem(
            f"illegal constraint specification: the field has {len(field)} characters,"
            f" at most {MAX_FIELD_CHARS} are allowed"
        )
    operator = Operator.__members__.get(name.upper())
    if operator is None:
        return Problem(_unknown_operator(name))
    if value is not None and len(value) > MAX_VALUE_CHARS:
        return Problem(
            f"illegal constraint specification: the value has {len(value)} characters,"
            f" at most {MAX_VALUE_CHARS} are allowed"
        )
    fault = _VALUE_RULES[operator](value, compile_pattern)
    return Constraint(field, operator, value) if fault is None else Problem(fault)


def whole_number(text: str) -> int | None:
    """Read what Marathon (a Java `int`) reads as a whole number, else None."""
    unsigned = text[1:] if text[:1] in ("+", "-") else text
    if not (unsigned.isascii() and unsigned.isdigit()):
        return None
    number = int(text)
    return number if number in _INT32 else None


def shown(text: str) -> str:
    """Cut a text from outside to a length fit for a message."""
    return text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 1] + "…"


def _unknown_operator(name: str) -> str:
    names = [operator.value for operator in Operator]
    message = f"operator must be one of the following {', '.join(names[:-1])} or {names[-1]}"
    # The comparison is quadratic in the length, and the name is the client's: cut it first.
    candidate = name.strip().upper().replace(" ", "_")[:20]
    near = get_close_matches(candidate, names, n=1, cutoff=0.6)
    return f"{message} (did you mean {near[0]}?)" if near else message


def _unique_value(value: str | None, _compile: CompilePattern) -> str | None:
    return None if value is None else "UNIQUE does not accept a value"


def _any_value(_value: str | None, _compile: CompilePattern) -> str | None:
    return None


def _group_by_value(value: str | None, _compile: CompilePattern) -> str | None:
    if value is None or whole_number(value) is not None:
        return None
    return "GROUP BY must define an integer value or else no value at all"


def _max_per_value(value: str | None, _compile: CompilePattern) -> str | None:
    if value is not None and whole_number(value) is not None:
        return None
    return "MAX_PER requires an integer value"


def _pattern_value(value: str | None, compile_pattern: CompilePattern) -> str | None:
    if not value:
        return "LIKE and UNLIKE require a non-empty, regular expression value"
    try:
        compile_pattern(value)
    except BadPattern as refusal:
        return f"is not a valid regular expression: {refusal.reason}"
    return None


def _is_value(value: str | None, _compile: CompilePattern) -> str | None:
    if _IS_CHARACTERS.issuperset(value or ""):
        return None
    return (
        "IS only supports Mesos text and float values"
        " (see http://mesos.apache.org/documentation/latest/attributes-resources/)"
    )


_VALUE_RULES: dict[Operator, Callable[[str | None, CompilePattern], str | None]] = {
    Operator.UNIQUE: _unique_value,
    Operator.CLUSTER: _any_value,
    Operator.GROUP_BY: _group_by_value,
    Operator.LIKE: _pattern_value,
    Operator.MAX_PER: _max_per_value,
    Operator.UNLIKE: _pattern_value,
    Operator.IS: _is_value,
}
