"""What a constraint sees of an agent: one text for each field.

Mesos attributes have four types; the language compares texts. The forms are Marathon's, so that
constraints written for it keep their meaning.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from math import isfinite

HOSTNAME = "hostname"
AT_HOSTNAME = "@hostname"
REGION = "@region"
ZONE = "@zone"
FAULT_DOMAIN_FIELDS = frozenset({REGION, ZONE})

_RESERVED = frozenset({HOSTNAME, AT_HOSTNAME, REGION, ZONE})
_THOUSANDTH = Decimal("0.001")
# Wide enough for every float written out: 309 digits before the point and 3 after it.
_ROUNDING = Context(prec=400, rounding=ROUND_HALF_EVEN)


@dataclass(frozen=True, slots=True)
class Text:
    """A TEXT attribute."""

    value: str


@dataclass(frozen=True, slots=True)
class Scalar:
    """A SCALAR attribute."""

    value: float


@dataclass(frozen=True, slots=True)
class Ranges:
    """A RANGES attribute: (begin, end) pairs, both ends included."""

    pairs: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Items:
    """A SET attribute."""

    members: tuple[str, ...]


AttributeValue = Text | Scalar | Ranges | Items


def agent_values(
    hostname: str,
    region: str | None,
    zone: str | None,
    attributes: Iterable[tuple[str, AttributeValue]],
) -> dict[str, str]:
    """Return the text of every field the agent has.

    The first attribute of a name wins, and none can pose as the hostname or the fault domain.
    """
    values = {HOSTNAME: hostname, AT_HOSTNAME: hostname}
    if region is not None:
        values[REGION] = region
    if zone is not None:
        values[ZONE] = zone
    for name, attribute in attributes:
        if name not in values and name not in _RESERVED:
            values[name] = attribute_text(attribute)
    return values


def attribute_text(attribute: AttributeValue) -> str:
    """Write an attribute as Marathon does: `text`, `1.5`, `[5-7,9-9]`, `{a,b}`."""
    match attribute:
        case Text(value):
            return value
        case Scalar(value):
            return scalar_text(value)
        case Ranges(pairs):
            return "[" + ",".join(f"{begin}-{end}" for begin, end in sorted(pairs)) + "]"
        case Items(members):
            return "{" + ",".join(sorted(members)) + "}"


def scalar_text(value: float) -> str:
    """Write a number with at most three decimals, ties to even: 1.0005 -> 1, 1.00051 -> 1.001.

    The shortest decimal that stands for the float is what gets rounded: it is what the operator
    wrote, while the float's exact value is often a hair off the tie.
    """
    if not isfinite(value):
        return repr(value)
    rounded = Decimal(repr(value)).quantize(_THOUSANDTH, context=_ROUNDING)
    text = f"{rounded:f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
