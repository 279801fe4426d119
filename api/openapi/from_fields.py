"""JSON Schema of the marshmallow schemas: what ``api.schemas`` accepts, said in another language.

A null counts as an absent field, so where a field may be absent it may be null. Unknown fields are
allowed: they are dropped, unless ``strict`` is asked for.
"""

from collections.abc import Callable
from functools import singledispatch
from typing import Any

from marshmallow import Schema, fields

from api.openapi.words import FIELDS, SCHEMAS
from api.schemas.fields import (
    INT32_MAX,
    MAP_MAX_ENTRIES,
    TEXT_MAX_CHARS,
    Anything,
    Choice,
    EnvironmentValue,
    Flag,
    ListOf,
    MapOf,
    Number,
    Part,
    Text,
    WordOr,
)

JsonSchema = dict[str, Any]
Mention = Callable[[Schema], JsonSchema]
"""A reference to a schema, which is to be described as well."""


def name_of(schema: Schema) -> str:
    """The name under which a schema stands in the document."""
    return type(schema).__name__


def reference(name: str) -> JsonSchema:
    """A reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


class Described:
    """Schemas by name, each with those that it mentions."""

    def __init__(self) -> None:
        self.schemas: dict[str, JsonSchema] = {}

    def mention(self, schema: Schema) -> JsonSchema:
        """A reference to this schema, which is described if it was not before."""
        name = name_of(schema)
        if name not in self.schemas:
            self.schemas[name] = {}  # so that one that mentions itself comes to an end
            self.schemas[name] = self._object(name, schema)
        return reference(name)

    def _object(self, name: str, schema: Schema) -> JsonSchema:
        described: JsonSchema = {"type": "object"}
        if name in SCHEMAS:
            described["description"] = SCHEMAS[name]
        described["properties"] = {
            field_name: {**self._field(field), **_words(name, field_name)}
            for field_name, field in schema.fields.items()
        }
        required = [one for one, field in schema.fields.items() if field.required]
        return {**described, "required": required} if required else described

    def _field(self, field: fields.Field[Any]) -> JsonSchema:
        described = json_schema(field, self.mention)
        return described if field.required else _or_null(described)


def _words(schema: str, field: str) -> JsonSchema:
    words = FIELDS.get(f"{schema}.{field}") or FIELDS.get(field)
    return {"description": words} if words else {}


def _or_null(schema: JsonSchema) -> JsonSchema:
    if not schema:
        return schema
    if isinstance(schema.get("type"), str) and "enum" not in schema:
        return {**schema, "type": [schema["type"], "null"]}
    return {"anyOf": [*schema.get("anyOf", [schema]), {"type": "null"}]}


@singledispatch
def json_schema(field: fields.Field[Any], mention: Mention) -> JsonSchema:
    """The values that a field takes, apart from null."""
    raise TypeError(f"no description of {type(field).__name__}, mentioned by {mention}")


@json_schema.register
def _(field: Anything, mention: Mention) -> JsonSchema:
    return {} if field.read_as is None else mention(field.read_as())


@json_schema.register
def _(field: Text, _mention: Mention) -> JsonSchema:
    described: JsonSchema = {"type": "string", "maxLength": field.longest}
    if field.shortest:
        described["minLength"] = field.shortest
    if field.pattern is not None:
        described["pattern"] = f"^(?:{field.pattern.pattern})$"
    return described


@json_schema.register
def _(_field: Flag, _mention: Mention) -> JsonSchema:
    return {"type": "boolean"}


@json_schema.register
def _(field: Number, _mention: Mention) -> JsonSchema:
    if field.whole:
        least = -INT32_MAX if field.least is None else int(field.least)
        return {"type": "integer", "minimum": least, "maximum": int(field.most)}
    described: JsonSchema = {"type": "number", "maximum": field.most}
    return described if field.least is None else {**described, "minimum": field.least}


@json_schema.register
def _(field: Choice, _mention: Mention) -> JsonSchema:
    return {"type": "string", "enum": sorted({*field.canonical.values()})}


@json_schema.register
def _(field: ListOf, mention: Mention) -> JsonSchema:
    items = json_schema(field.item, mention)
    return {"type": "array", "items": items, "maxItems": field.longest}


@json_schema.register
def _(field: MapOf, mention: Mention) -> JsonSchema:
    values = json_schema(field.value, mention)
    return {
        "type": "object",
        "additionalProperties": values,
        "maxProperties": MAP_MAX_ENTRIES,
    }


@json_schema.register
def _(field: Part, mention: Mention) -> JsonSchema:
    return mention(field.schema)


@json_schema.register
def _(field: WordOr, mention: Mention) -> JsonSchema:
    return {"anyOf": [{"type": "string", "enum": [field.word]}, json_schema(field.other, mention)]}


@json_schema.register
def _(_field: EnvironmentValue, _mention: Mention) -> JsonSchema:
    secret = {"type": "object", "properties": {"secret": {"type": "string"}}}
    plain = {"type": "string", "maxLength": TEXT_MAX_CHARS}
    return {"anyOf": [plain, {**secret, "required": ["secret"]}]}
