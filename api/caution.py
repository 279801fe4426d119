"""What somebody asks for who wants to be careful: ``?strict=true`` and ``?dryRun=true``.

Both are looked at before the handler, in what it declared of itself: an unknown field of the body
is refused at its place, with the known name that is nearest; and a change that can not be tried is
refused rather than carried out.
"""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from flask import current_app, request
from marshmallow import Schema, fields

from api.context import flag, json_body
from api.errors import UnprocessableError, invalid
from api.faults import NOT_VALID, Fault, Invalid
from api.openapi.operation import DRY_RUN, Many, operation_of
from api.schemas.fields import Anything, ListOf, MapOf, Part, WordOr

_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_MAX_NAMED = 100
_SHOWN_CHARS = 60


def refuse_what_was_not_meant() -> None:
    """Called before each request. UnprocessableError; BodyError with ``strict``."""
    operation = operation_of(current_app.view_functions.get(request.endpoint or ""))
    if operation is None or request.method in _READING:
        return
    if flag("dryRun") and DRY_RUN not in operation.query:
        raise UnprocessableError("dryRun is not possible here; nothing was done")
    if operation.body is None or not flag("strict"):
        return
    if operation.bare and not request.get_data():
        return
    faults = tuple(unknown_fields(operation.body, json_body()))
    if faults:
        raise invalid(Invalid(NOT_VALID, faults[:_MAX_NAMED]))


def unknown_fields(schema: Schema | Many, body: Any) -> Iterator[Fault]:
    """A fault for each field that nobody knows. What is wrong otherwise is left to the reader."""
    if isinstance(schema, Many):
        for index, item in enumerate(body if isinstance(body, list) else ()):
            yield from _of_object(schema.of, item, f"/({index})")
    else:
        yield from _of_object(schema, body, "")


def _of_object(schema: Schema, value: Any, place: str) -> Iterator[Fault]:
    if not isinstance(value, dict):
        return
    for name, member in value.items():
        field = schema.fields.get(name)
        if field is None:
            yield Fault(f"{place}/{name[:_SHOWN_CHARS]}", _nobody_knows(name, schema))
        else:
            yield from _of_field(field, member, f"{place}/{name}")


def _of_field(field: fields.Field[Any], value: Any, place: str) -> Iterator[Fault]:
    match field:
        case Part():
            yield from _of_object(field.schema, value, place)
        case Anything() if field.read_as is not None:
            yield from _of_object(field.read_as(), value, place)
        case WordOr():
            yield from _of_field(field.other, value, place)
        case ListOf() if isinstance(value, list):
            for index, item in enumerate(value):
                yield from _of_field(field.item, item, f"{place}({index})")
        case MapOf() if isinstance(value, dict):
            for name, item in value.items():
                yield from _of_field(field.value, item, f"{place}/{name[:_SHOWN_CHARS]}")


def _nobody_knows(name: str, schema: Schema) -> str:
    known = {one.lower(): one for one in schema.fields}
    nearest = get_close_matches(name[:_SHOWN_CHARS].lower(), known, 1)
    hint = f"; did you mean '{known[nearest[0]]}'?" if nearest else ""
    return f"is not a known field{hint}"
