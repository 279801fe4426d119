"""What commands send: definitions read from files, and single fields given as key=value."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import click

from api.client import JsonObject

_MAX_DEFINITION_BYTES = 10 * 1024 * 1024

# Fields that are texts whatever they look like: cmd=true is the command `true`.
_TEXTS = frozenset({"cmd", "user", "executor", "role"})
_MAPS_OF_TEXTS = ("env.", "labels.")


def read_definition(file: BinaryIO) -> JsonObject:
    """One app definition from a file. click.UsageError says where the JSON is wrong."""
    definition = read_json(file, _MAX_DEFINITION_BYTES)
    if not isinstance(definition, dict):
        name = getattr(file, "name", "the input")
        raise click.UsageError(f"{name} must hold one app definition, a JSON object")
    return definition


def read_json(file: BinaryIO, max_bytes: int) -> object:
    """The decoded JSON of a file. click.UsageError says where it is wrong."""
    content = file.read(max_bytes + 1)
    name = getattr(file, "name", "the input")
    if len(content) > max_bytes:
        raise click.UsageError(f"{name} has more than {max_bytes} bytes")
    try:
        decoded: object = json.loads(content)
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{name} is not UTF-8 text") from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise click.UsageError(f"{name} is not JSON: {error.msg} at {place}") from error
    except RecursionError as error:
        raise click.UsageError(f"{name} is nested too deeply") from error
    return decoded


def read_change(words: Sequence[str], current: Callable[[], JsonObject]) -> JsonObject:
    """A partial definition: from one FILE (- is standard input), or from words KEY=VALUE.

    A value is JSON, or else a text. A key with dots, as in env.MODE=fast, changes one field of an
    object of which the rest is kept; for these ``current`` is asked for the definition as it is.
    click.UsageError says what can not be read.
    """
    if len(words) == 1 and "=" not in words[0]:
        if words[0] == "-":
            return read_definition(sys.stdin.buffer)
        with _opened(words[0]) as file:
            return read_definition(file)
    change: JsonObject = {}
    now: JsonObject | None = None
    for word in words:
        key, equals, text = word.partition("=")
        in_map = key.startswith(_MAPS_OF_TEXTS)
        path = key.split(".", 1 if in_map else -1)
        if not equals or not all(path):
            raise click.UsageError(f"{word!r} is not KEY=VALUE, as in instances=3 or env.MODE=fast")
        if len(path) > 1 and path[0] not in change:
            now = current() if now is None else now
            kept = now.get(path[0])
            change[path[0]] = dict(kept) if isinstance(kept, dict) else {}
        _set(change, path, text if in_map or key in _TEXTS else _value(text))
    return change


def _opened(name: str) -> BinaryIO:
    try:
        return Path(name).open("rb")
    except OSError as error:
        raise click.UsageError(
            f"{name} is neither KEY=VALUE nor a file that can be read: {error.strerror}"
        ) from error


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        return text


def _set(target: JsonObject, path: Sequence[str], value: Any) -> None:
    for name in path[:-1]:
        inner = target.get(name)
        target[name] = dict(inner) if isinstance(inner, dict) else {}
        target = target[name]
    target[path[-1]] = value
