"""How a schema is read, and how marshmallow's nested errors become Marathon's flat paths."""

from collections.abc import Iterator
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, post_load
from marshmallow.exceptions import SCHEMA

from api.faults import INVALID_JSON, Fault, Invalid


class Structure(Schema):
    """Base of all schemas: unknown fields are dropped, and a null is an absent field.

    Schemas are made with ``from_dict``, because the names of fields are JSON's.
    """

    error_messages = {"type": "error.expected.jsobject"}

    class Meta:
        unknown = EXCLUDE

    @post_load
    def _without_nulls(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {name: value for name, value in data.items() if value is not None}


def read(schema: Schema, body: Any) -> dict[str, Any] | Invalid:
    """The known fields of a body as plain values, or what is wrong with its structure."""
    try:
        loaded: dict[str, Any] = schema.load(body)
    except ValidationError as error:
        return Invalid(INVALID_JSON, tuple(_flat("", error.messages)))
    return loaded


def _flat(path: str, messages: Any) -> Iterator[Fault]:
    if isinstance(messages, list):
        for message in messages:
            yield Fault(path or "/", str(message))
        return
    for key, below in messages.items():
        if key == SCHEMA:
            yield from _flat(path, below)
        elif isinstance(key, int):
            yield from _flat(f"{path or '/'}({key})", below)
        else:
            yield from _flat(f"{path}/{key}", below)
