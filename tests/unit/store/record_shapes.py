"""The shape of every stored record as text: fields, types, defaults, names of enumerations.

``python -m tests.unit.store.record_shapes`` writes it to record_shapes.txt beside this file.
"""

import enum
import re
import types
import typing
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import NODEFAULT, Struct

from framework.domain.state import RECORD_TYPES
from framework.store.codec import SCHEMAS

FILE = Path(__file__).with_name("record_shapes.txt")


def current() -> str:
    """The shapes of the code at hand."""
    lines = [f"{kind} {schema}: {RECORD_TYPES[kind].__name__}" for kind, schema in SCHEMAS.items()]
    seen: set[type] = set()
    for kind in SCHEMAS:
        lines += _shapes(RECORD_TYPES[kind], seen)
    return "\n".join(lines) + "\n"


def _shapes(record: type, seen: set[type]) -> Iterator[str]:
    if record in seen:
        return
    seen.add(record)
    yield f"\n{record.__name__}"
    if issubclass(record, enum.Enum):
        yield "    " + " ".join(str(member.value) for member in record)
        return
    assert issubclass(record, Struct)
    nested: list[type] = []
    for field in msgspec.structs.fields(record):
        default = "" if field.required else f" = {_default(field)}"
        yield f"    {field.encode_name}: {_type_name(field.type)}{default}"
        nested += _classes(field.type)
    for one in nested:
        yield from _shapes(one, seen)


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.default is not NODEFAULT:
        return repr(field.default)
    assert field.default_factory is not NODEFAULT
    return repr(field.default_factory())


def _type_name(annotation: object) -> str:
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return annotation.__name__
    return re.sub(r"\b(framework|constraints)[\w.]*\.", "", str(annotation))


def _classes(annotation: object) -> Iterator[type]:
    """The records and enumerations that an annotation mentions."""
    for argument in typing.get_args(annotation):
        yield from _classes(argument)
    if (
        isinstance(annotation, type)
        and not isinstance(annotation, types.GenericAlias)
        and issubclass(annotation, Struct | enum.Enum)
    ):
        yield annotation


if __name__ == "__main__":
    FILE.write_text(current())
