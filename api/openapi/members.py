"""Which names the items of an answer have, read from its shape: what ``?fields=`` may choose."""

from collections.abc import Iterator
from functools import lru_cache
from http import HTTPStatus
from typing import NamedTuple

from api.openapi.from_fields import JsonSchema, reference
from api.openapi.operation import Operation
from api.openapi.shapes import SHAPES
from api.schemas import APP

_APP: JsonSchema = {"type": "object", "properties": {name: {} for name in APP.fields}}


class Members(NamedTuple):
    """``wrappers``: the members that wrap an item or the list of them (``apps``, ``app``).
    ``names``: those of an item; empty if nobody knows them before."""

    wrappers: frozenset[str]
    names: frozenset[str]


def members(operation: Operation) -> Members | None:
    """Of what this operation answers when all is well; None if that has no fields to choose."""
    return _members(operation.answers.get(HTTPStatus.OK, ()))


@lru_cache(maxsize=256)
def _members(answers: tuple[str, ...]) -> Members | None:
    wrappers: set[str] = set()
    names: set[str] = set()
    found = False
    for name in answers:
        if "/" in name:
            continue
        wrapper, item = _unwrapped(_resolved(reference(name)))
        if item.get("type", "object") == "object" or "allOf" in item:
            found = True
            wrappers |= {wrapper} - {""}
            names |= {*_names(item)}
    return Members(frozenset(wrappers), frozenset(names)) if found else None


def _unwrapped(schema: JsonSchema) -> tuple[str, JsonSchema]:
    """The only member that wraps the rest, if there is one; and the shape of an item."""
    if schema.get("type") == "array":
        return "", _resolved(schema["items"])
    properties = schema.get("properties", {})
    if len(properties) == 1:
        [(name, inside)] = properties.items()
        inside = _resolved(inside)
        if inside.get("type") == "array":
            return name, _resolved(inside["items"])
        if "properties" in inside or "allOf" in inside:
            return name, inside
    return "", schema


def _names(schema: JsonSchema) -> Iterator[str]:
    yield from schema.get("properties", {})
    for part in schema.get("allOf", ()):
        yield from _names(_resolved(part))


def _resolved(schema: JsonSchema) -> JsonSchema:
    """The schema itself where another one is named."""
    if "$ref" not in schema:
        return schema
    name = schema["$ref"].rpartition("/")[2]
    return _resolved(_APP if name == "App" else SHAPES[name])
