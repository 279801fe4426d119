"""The document: every route that is served, with what its handler declares and says of itself."""

import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import Any, NamedTuple

from flask import Flask
from marshmallow import Schema

from api.answers import EPOCH_HEADER
from api.body import MAX_DEPTH, MAX_INTEGER_DIGITS, MAX_ITEMS, MAX_STRING_CHARS
from api.conditional import TAG_HEADER, UNTAGGED, WRITTEN_AT
from api.context import DEPLOYMENT_HEADER, WARNING_HEADER
from api.openapi.from_fields import Described, JsonSchema, reference
from api.openapi.members import members
from api.openapi.operation import (
    DRY_RUN,
    FIELDS,
    JSON,
    PAGING,
    PAGING_HEADERS,
    STRICT,
    Many,
    Operation,
    Parameter,
    operation_of,
)
from api.openapi.shapes import SHAPES
from api.request_id import HEADER as REQUEST_ID
from api.request_id import MAX_CHARACTERS
from api.schemas import APP

READING = frozenset({"GET"})
_VARIABLE = re.compile(r"<(?:(?P<kind>\w+):)?(?P<name>\w+)>")
_ABOUT = f"""\
Everything that is served. `/v2` is Marathon's API, with nothing in its answers that was not asked
for; `/v3` is Stayer's own.

Each GET answers HEAD as well, and each path OPTIONS. Ids of apps and groups contain slashes, which
are written as they are: `/v2/apps/dev/shop/web`.

Bodies are JSON in UTF-8 without repeated keys, at most {MAX_DEPTH} deep, with at most {MAX_ITEMS}
items in an array or object, {MAX_STRING_CHARS} characters in a text and {MAX_INTEGER_DIGITS} digits
in a whole number. A field that is null counts as absent. Words of an enumeration are taken in any
case.

Answers to GET carry an `ETag`. Sent back as `If-None-Match` it spares the body (304) while nothing
changed; sent as `If-Match` with a change it has the change refused (412) if somebody else changed
the same definition since it was read, whatever its tasks did meanwhile. `If-None-Match: *` has a
PUT create and never change.

With `fields` an answer lacks the members that were not named, required ones too.
"""
_VARIABLES = {
    "name": "An edge's own name for itself, such as its host name.",
    "group": "The name that several apps serve, as in their label HAPROXY_DEPLOYMENT_GROUP.",
    "app_id": "Id of an app, without the first slash; it may contain others.",
    "group_id": "Path of a group, without the first slash; it may contain others.",
    "pod_id": "Id of a pod.",
    "task_id": "Id of a task.",
    "deployment_id": "Id of a deployment.",
    "version": "A version: a timestamp such as 2026-01-31T12:00:00.000Z.",
    "crash_id": "Id of a crash.",
    "volume_id": "Id of a persistent volume, or of an instance with a reservation only.",
    "agent": "Id or hostname of an agent.",
    "plugin_id": "Name of a plugin.",
    "rest": "Whatever the plugin makes of it.",
}


_HEADERS = {
    "Location": {"description": "Where it is found from now on."},
    "Retry-After": {"description": "Seconds after which another try makes sense."},
    TAG_HEADER: {"description": "Which state this is, for If-None-Match and If-Match."},
    DEPLOYMENT_HEADER: {"description": "Id of the deployment that carries the change out."},
    "Link": {"description": "Of a page that is not the last: where the next one is."},
    "X-Total-Count": {"description": "Of a page: how many items there are in all."},
    WARNING_HEADER: {"description": "What may keep the change from ending; once for each reason."},
}
_TAG_LIST = {"type": "string", "maxLength": 4_096}
_KNOWN = Parameter(
    "If-None-Match",
    "Tags of answers that the client has: if one is that of the present answer it is not sent.",
    _TAG_LIST,
    "header",
)
_GUARDS = (
    Parameter(
        "If-Match",
        "The ETag of what was read: nothing is done if it was changed since. * for whatever is "
        "there.",
        _TAG_LIST,
        "header",
    ),
    Parameter(
        "If-None-Match",
        "With * nothing is done if it is there already; with tags, if it has one of them.",
        _TAG_LIST,
        "header",
    ),
)
_REQUEST_ID = {
    "description": "The id of the request, also in the log: the one that it gave in a header of "
    f"this name, if that has at most {MAX_CHARACTERS} letters, digits and ._:+/=@-; else a new "
    "one.",
    "schema": {"type": "string", "maxLength": MAX_CHARACTERS},
}


_LEADER_EPOCH = {
    "description": "Id of the state, number of its leader, which grows with each, and whether that "
    "has heard from Mesos of all tasks. Whoever sees a smaller number of the same state than "
    "before hears a leader that is none any more.",
    "schema": {"type": "string", "pattern": r"^[0-9A-Za-z-]+ [0-9]+; synced=(true|false)$"},
}


class Served(NamedTuple):
    """A route as Flask serves it."""

    method: str
    rule: str
    handler: Callable[..., Any]


def served(app: Flask) -> Iterator[Served]:
    """Every route, but for HEAD and OPTIONS, which all have."""
    for rule in app.url_map.iter_rules():
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            yield Served(method, rule.rule, app.view_functions[rule.endpoint])


def document(routes: Iterable[Served], version: str, root: str = "") -> dict[str, Any]:
    """The OpenAPI document of these routes, served below the path ``root``."""
    described = Described()
    described.mention(APP)  # which shapes of answers mention too
    paths: dict[str, dict[str, Any]] = {}
    tags: dict[str, str] = {}
    for route in sorted(routes, key=lambda one: (one.rule, one.method)):
        tags.setdefault(_tag(route.handler), _about_resource(route.handler))
        path = _VARIABLE.sub(r"{\g<name>}", route.rule)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, described)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Stayer",
            "version": version,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": root or "/"}],
        "tags": [{"name": name, "description": text} for name, text in sorted(tags.items())],
        "security": [{}, {"password": []}, {"token": []}],
        "paths": paths,
        "components": {
            "schemas": {**SHAPES, **described.schemas},
            "headers": {"RequestId": _REQUEST_ID, "LeaderEpoch": _LEADER_EPOCH},
            "securitySchemes": {
                "password": {"type": "http", "scheme": "basic"},
                "token": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _tag(handler: Callable[..., Any]) -> str:
    return handler.__qualname__.partition(".")[0]


def _about_resource(handler: Callable[..., Any]) -> str:
    return _plain(sys.modules[handler.__module__].__doc__ or "")


def _operation(route: Served, described: Described) -> dict[str, Any]:
    declared = operation_of(route.handler)
    if declared is None:
        raise LookupError(f"{route.handler.__qualname__} does not say what it takes and answers")
    summary, more = _said(route.handler)
    fields: dict[str, Any] = {
        "operationId": _slug(route),
        "tags": [_tag(route.handler)],
        "summary": summary,
    }
    if more:
        fields["description"] = more
    parameters = [*_variables(route.rule), *map(_parameter, _query(route, declared))]
    if parameters:
        fields["parameters"] = parameters
    if declared.body is not None:
        content = {JSON: {"schema": _body(declared.body, described)}}
        fields["requestBody"] = {"required": not declared.bare, "content": content}
    fields["responses"] = {
        str(status): _answer(status, declared)
        for status in sorted({*declared.answers, *_errors(route, declared)})
    }
    if _is_tagged(route, declared):
        fields["responses"]["200"]["headers"][TAG_HEADER] = _header(TAG_HEADER)
        headers = _SAID_ALWAYS | {TAG_HEADER: _header(TAG_HEADER)}
        known = HTTPStatus.NOT_MODIFIED
        fields["responses"][str(known.value)] = {"description": known.phrase, "headers": headers}
    return fields


def _said(handler: Callable[..., Any]) -> tuple[str, str]:
    """The first sentence of a docstring, and the others."""
    first, _, rest = _plain(inspect.getdoc(handler) or "").partition(". ")
    return first.removesuffix("."), rest


def _plain(docstring: str) -> str:
    return " ".join(docstring.split()).replace("``", "`")


def _slug(route: Served) -> str:
    return "_".join([route.method.lower(), *re.findall(r"\w+", _VARIABLE.sub(r"\2", route.rule))])


def _variables(rule: str) -> Iterator[JsonSchema]:
    for found in _VARIABLE.finditer(rule):
        name = found["name"]
        described = {"description": _VARIABLES[name], "schema": {"type": "string", "minLength": 1}}
        yield {"name": name, "in": "path", "required": True, **described}


def _query(route: Served, declared: Operation) -> Iterable[Parameter]:
    yield from declared.query
    if declared.body is not None:
        yield STRICT
    if _has_fields(route, declared):
        yield FIELDS
    if _is_tagged(route, declared):
        yield _KNOWN
    elif route.method not in READING and route.rule in WRITTEN_AT:
        yield from _GUARDS


def _is_tagged(route: Served, declared: Operation) -> bool:
    """Whether the answer is JSON, and for more than this moment."""
    shown = any("/" not in body for body in declared.answers.get(200, ()))
    return route.method in READING and shown and route.rule not in UNTAGGED


def _has_fields(route: Served, declared: Operation) -> bool:
    return route.method in READING and members(declared) is not None


def _is_paged(declared: Operation) -> bool:
    return all(one in declared.query for one in PAGING)


def _parameter(one: Parameter) -> JsonSchema:
    described = {"description": one.description, "schema": dict(one.schema)}
    return {"name": one.name, "in": one.place, "required": False, **described}


def _body(body: Schema | Many, described: Described) -> JsonSchema:
    if isinstance(body, Many):
        return {"type": "array", "items": described.mention(body.of)}
    return described.mention(body)


def _errors(route: Served, declared: Operation) -> set[int]:
    """The statuses of errors: those of every route of its kind, and its own."""
    errors = {401, 503, *declared.errors}
    if route.method not in READING:
        errors |= {403, 412, 422}  # asked by a page of another site; dryRun where there is none
    elif _is_tagged(route, declared):
        errors.add(412)
    if declared.body is not None:
        errors |= {400, 413, 415, 422}
    if _has_fields(route, declared) or _is_paged(declared):
        errors.add(422)
    if "<" in route.rule:
        errors.add(404)
    return errors


def _answer(status: int, declared: Operation) -> JsonSchema:
    bodies = declared.answers.get(status, ("Error",))
    described: JsonSchema = {"description": HTTPStatus(status).phrase}
    described["headers"] = _SAID_ALWAYS | {
        name: _header(name) for name in _headers(status, declared)
    }
    content: dict[str, JsonSchema] = {one: {} for one in bodies if "/" in one}
    shapes = [reference(one) for one in bodies if "/" not in one]
    if shapes:
        schema = shapes[0] if len(shapes) == 1 else {"anyOf": shapes}
        content = {JSON: {"schema": schema}, **content}
    return {**described, "content": content} if content else described


_SAID_ALWAYS = {
    REQUEST_ID: {"$ref": "#/components/headers/RequestId"},
    EPOCH_HEADER: {"$ref": "#/components/headers/LeaderEpoch"},
}


def _header(name: str) -> JsonSchema:
    return {"schema": {"type": "string"}, **_HEADERS[name]}


def _headers(status: int, declared: Operation) -> Iterator[str]:
    """The headers that say more than the body does, or the same."""
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        yield "Retry-After"
    if status not in declared.answers:
        return
    if status == HTTPStatus.CREATED:
        yield "Location"
    if status == HTTPStatus.CREATED or "DeploymentResult" in declared.answers[status]:
        yield DEPLOYMENT_HEADER
    if DRY_RUN in declared.query:
        yield WARNING_HEADER
    if _is_paged(declared):
        yield from PAGING_HEADERS
