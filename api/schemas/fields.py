"""Field types that are as strict as Marathon's: no text for a number, no 1 for true.

Each refuses with Marathon's structural key. Upper bounds without a source in Marathon keep a
definition small enough to store and to hand to a process.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from marshmallow import Schema, ValidationError, fields

from api.schemas.structure import Structure

TEXT_MAX_CHARS = 65_536
MAP_MAX_ENTRIES = 1_024
INT32_MAX = 2**31 - 1
NUMBER_MAX = 1e9


class StrictField(fields.Field[Any]):
    """A field that is absent when null, unless it is required."""

    default_error_messages = {"required": "error.path.missing", "null": "error.path.missing"}

    def __init__(self, *, required: bool = False) -> None:
        super().__init__(required=required, allow_none=not required)

    def parse(self, value: Any) -> Any:
        """The value as it is kept; ValidationError with a structural key."""
        raise NotImplementedError

    def _deserialize(
        self,
        value: Any,
        attr: str | None,  # noqa: ARG002  marshmallow's signature
        data: Mapping[str, Any] | None,  # noqa: ARG002  marshmallow's signature
        **kwargs: Any,  # noqa: ARG002  marshmallow's signature
    ) -> Any:
        return self.parse(value)


class Anything(StrictField):
    """Taken as it is: for what is refused by meaning, whatever it looks like, or is read by itself
    later, with the schema that ``read_as`` gives."""

    def __init__(self, *, read_as: Callable[[], Schema] | None = None) -> None:
        super().__init__()
        self.read_as = read_as

    def parse(self, value: Any) -> Any:
        return value


class Text(StrictField):
    """A text of ``shortest`` to ``longest`` characters, all of which ``pattern`` matches."""

    def __init__(
        self,
        *,
        required: bool = False,
        shortest: int = 0,
        longest: int = TEXT_MAX_CHARS,
        pattern: str | None = None,
    ) -> None:
        super().__init__(required=required)
        self.shortest = shortest
        self.longest = longest
        self.pattern = None if pattern is None else re.compile(pattern)

    def parse(self, value: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError("error.expected.jsstring")
        if len(value) < self.shortest:
            raise ValidationError("error.minLength")
        if len(value) > self.longest:
            raise ValidationError("error.maxLength")
        if self.pattern is not None and self.pattern.fullmatch(value) is None:
            raise ValidationError("error.pattern")
        return value


class Flag(StrictField):
    def parse(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise ValidationError("error.expected.jsboolean")
        return value


class Number(StrictField):
    """A number; ``whole`` ones are 32-bit integers (1.0 counts as 1)."""

    def __init__(
        self,
        *,
        required: bool = False,
        least: float | None = None,
        most: float = NUMBER_MAX,
        whole: bool = False,
    ) -> None:
        super().__init__(required=required)
        self.least = least
        self.most = most
        self.whole = whole

    def parse(self, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValidationError("error.expected.jsnumber")
        if self.whole:
            if value != int(value) or abs(value) > INT32_MAX:
                raise ValidationError("error.expected.int")
            value = int(value)
        if self.least is not None and value < self.least:
            raise ValidationError("error.min")
        if value > self.most:
            raise ValidationError("error.max")
        number: float = value
        return number


def whole(*, required: bool = False, least: int | None = None, most: int = INT32_MAX) -> Number:
    """A 32-bit integer."""
    return Number(required=required, least=least, most=most, whole=True)


class Choice(StrictField):
    """One of a few words, in any case; read as the canonical one. ``also`` maps further words."""

    def __init__(
        self, *words: str, also: Mapping[str, str] | None = None, required: bool = False
    ) -> None:
        super().__init__(required=required)
        self.canonical = {word.upper(): word for word in words}
        self.canonical.update({word.upper(): target for word, target in (also or {}).items()})

    def parse(self, value: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError("error.expected.jsstring")
        canonical = self.canonical.get(value.upper())
        if canonical is None:
            raise ValidationError("error.unknown.enum.literal")
        return canonical


class ListOf(StrictField):
    """An array of at most ``longest`` items; ``unique`` drops later repetitions, as Marathon."""

    def __init__(
        self,
        item: fields.Field[Any],
        *,
        required: bool = False,
        longest: int = 1_024,
        unique: bool = False,
    ) -> None:
        super().__init__(required=required)
        self.item = item
        self.longest = longest
        self.unique = unique

    def parse(self, value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise ValidationError("error.expected.jsarray")
        if len(value) > self.longest:
            raise ValidationError("error.maxLength")
        items, errors = [], {}
        for index, raw in enumerate(value):
            try:
                item = self.item.deserialize(_required(raw))
            except ValidationError as error:
                errors[index] = error.messages
            else:
                if not self.unique or item not in items:
                    items.append(item)
        if errors:
            raise ValidationError(errors)
        return items


class MapOf(StrictField):
    """An object used as a map from names to values of one type."""

    def __init__(self, value: fields.Field[Any]) -> None:
        super().__init__()
        self.value = value

    def parse(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValidationError("error.expected.jsobject")
        if len(value) > MAP_MAX_ENTRIES:
            raise ValidationError("error.maxLength")
        entries, errors = {}, {}
        for name, raw in value.items():
            try:
                entries[name] = self.value.deserialize(_required(raw))
            except ValidationError as error:
                errors[name] = error.messages
        if errors:
            raise ValidationError(errors)
        return entries


class Part(StrictField):
    """An object with a schema of its own."""

    def __init__(self, schema: type[Structure], *, required: bool = False) -> None:
        super().__init__(required=required)
        self.schema = schema()

    def parse(self, value: Any) -> dict[str, Any]:
        loaded: dict[str, Any] = self.schema.load(value)
        return loaded


class WordOr(StrictField):
    """Either one fixed word, or what ``other`` reads."""

    def __init__(self, word: str, other: fields.Field[Any]) -> None:
        super().__init__()
        self.word = word
        self.other = other

    def parse(self, value: Any) -> Any:
        if isinstance(value, str) and value.lower() == self.word:
            return self.word
        return self.other.deserialize(value)


class EnvironmentValue(StrictField):
    """A text, or a reference ``{"secret": name}``."""

    def parse(self, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("secret"), str):
            return {"secret": value["secret"]}
        return Text().deserialize(value)


def _required(value: Any) -> Any:
    """An item of a list or map: null is no value there, and fails whatever its type."""
    if value is None:
        raise ValidationError("error.path.missing")
    return value


def structure(schema_name: str, /, **members: fields.Field[Any]) -> type[Structure]:
    """A schema from fields by their JSON names."""
    made = Structure.from_dict(dict(members), name=schema_name)
    assert issubclass(made, Structure)
    return made
