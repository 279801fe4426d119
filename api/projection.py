"""``?fields=``: only the named fields of each item, for clients that need few of many.

A path leads by dots into objects, and through arrays into each of their items. Where the shape of
the answer is known a name that it does not have is refused, with the nearest one: a misspelt field
would else just be missing.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

import msgspec
from flask import current_app, g, request

from api.errors import UnprocessableError
from api.openapi.members import Members, members
from api.openapi.operation import operation_of

MAX_PATHS = 100
MAX_PATH_CHARS = 256
_SHOWN_CHARS = 60

Fields = dict[str, "Fields"]
"""The chosen names, each with those chosen below it; none below: all that is there."""


class FieldsError(ValueError):
    """What is wrong with the named fields."""


def fields_of(paths: Iterable[str]) -> Fields:
    """The tree of these paths. FieldsError for too many or too long ones, and for empty names."""
    wanted = {tuple(path.split(".")) for path in paths}
    if len(wanted) > MAX_PATHS:
        raise FieldsError(f"more than {MAX_PATHS} fields are named")
    tree: Fields = {}
    for path in wanted:
        told = ".".join(path)
        if len(told) > MAX_PATH_CHARS:
            raise FieldsError(f"a field's path is longer than {MAX_PATH_CHARS} characters")
        if not all(path):
            raise FieldsError(f"'{told[:_SHOWN_CHARS]}' is not a path of names with dots between")
        if not any(path[:end] in wanted for end in range(1, len(path))):
            _plant(tree, path)
    return tree


def _plant(tree: Fields, path: tuple[str, ...]) -> None:
    for name in path:
        tree = tree.setdefault(name, {})


def project(value: Any, fields: Fields) -> Any:
    """The chosen fields of an object, or of each object of an array. A field that holds neither is
    left out where something below it was asked for, and so is such an item of an array."""
    if isinstance(value, msgspec.Raw):
        value = msgspec.json.decode(value)
    if isinstance(value, list):
        return [project(item, fields) for item in value if isinstance(item, _HOLDERS)]
    if not isinstance(value, dict):
        return value
    chosen = {}
    for name, member in value.items():
        below = _below(fields, name)
        if below is None:
            continue
        if not below:
            chosen[name] = member
        elif isinstance(member, _HOLDERS):
            chosen[name] = project(member, below)
    return chosen


_HOLDERS = (dict, list, msgspec.Raw)


def _below(fields: Fields, name: str) -> Fields | None:
    """What is chosen below a name, None if the name is not chosen. Names of labels have dots
    themselves: each part of such a name is one of the path."""
    found: Fields | None = fields
    for part in name.split("."):
        found = None if found is None else found.get(part)
        if found == {}:
            return found
    return found


def choose_fields() -> None:
    """Called before each request: read ``fields``. UnprocessableError."""
    texts = request.args.getlist("fields")
    paths = [path for text in texts for path in text.split(",") if path]
    if not paths or request.method not in ("GET", "HEAD"):
        return
    operation = operation_of(current_app.view_functions.get(request.endpoint or ""))
    found = None if operation is None else members(operation)
    if found is None:
        return
    try:
        fields = fields_of(paths)
    except FieldsError as error:
        raise UnprocessableError(f"fields: {error}") from error
    _refuse_unknown(fields, found)
    g.fields, g.wrappers = fields, found.wrappers


def _refuse_unknown(fields: Fields, found: Members) -> None:
    """If some names are known then all are."""
    for name in fields if found.names else ():
        if name not in found.names:
            known = {one.lower(): one for one in found.names}
            nearest = get_close_matches(name[:_SHOWN_CHARS].lower(), sorted(known), 1)
            hint = f"; did you mean '{known[nearest[0]]}'?" if nearest else ""
            raise UnprocessableError(
                f"fields: '{name[:_SHOWN_CHARS]}' is not a known field of this{hint}"
            )


def chosen_fields() -> Fields:
    """The fields that the request names; empty for all."""
    fields: Fields = g.get("fields", {})
    return fields


def projected(body: Any) -> Any:
    """The body of an answer (a value, or its JSON) as the request wants it: what wraps a list or
    a single item stays."""
    fields = chosen_fields()
    if not fields:
        return body
    if isinstance(body, bytes):
        body = msgspec.json.decode(body)
    if isinstance(body, dict) and len(body) == 1:
        [(name, inside)] = body.items()
        if name in g.wrappers:
            return {name: project(inside, fields)}
    return project(body, fields)
