"""What a handler declares of itself: its query, its body, its answers. The rest is told by the
route (method and path) and by the handler's docstring, whose first sentence is the summary.

The declaration is also acted upon: see ``api.caution``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from marshmallow import Schema

_Handler = TypeVar("_Handler", bound=Callable[..., Any])

PLAIN_TEXT = "text/plain"
JSON = "application/json"


class Parameter(NamedTuple):
    """One of the query, or of the headers. ``schema`` is JSON Schema."""

    name: str
    description: str
    schema: Mapping[str, Any]
    place: str = "query"


def boolean(name: str, description: str, *, default: bool = False) -> Parameter:
    """A switch: ``true`` in any case switches it on, anything else off."""
    return Parameter(name, description, {"type": "boolean", "default": default})


def text(name: str, description: str, *words: str) -> Parameter:
    """A text, or one of a few words."""
    schema: dict[str, Any] = {"type": "string", "maxLength": 4_096}
    return Parameter(
        name, description, {"type": "string", "enum": list(words)} if words else schema
    )


def several(name: str, description: str, *words: str) -> Parameter:
    """May be given several times; ``words`` are the values that mean something."""
    items: dict[str, Any] = {"type": "string"}
    if words:
        items["examples"] = list(words)
    return Parameter(name, description, {"type": "array", "items": items, "maxItems": 32})


FORCE = boolean("force", "Also if a deployment holds an app of it, which is then cancelled.")
DRY_RUN = boolean(
    "dryRun", "Change nothing; answer what would be done and what may not fit, that in headers too."
)
STRICT = boolean(
    "strict", "Refuse fields that are not known, anywhere in the body, instead of dropping them."
)
APP_EMBEDS = several(
    "embed",
    "What to show of each app as well; the prefixes apps., app. and group.apps. are equal.",
    *("apps.tasks", "apps.counts", "apps.deployments", "apps.readiness", "apps.lastTaskFailure"),
    *("apps.failures", "apps.taskStats"),
)


MAX_LIMIT = 1_000
PAGING = (
    Parameter(
        "limit",
        "At most so many items; where the next page begins is in the header Link.",
        {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT},
    ),
    text("after", "Only items after this place, as the header Link has it."),
)
PAGING_HEADERS = ("Link", "X-Total-Count")
FIELDS = several(
    "fields",
    "Only these members of each item. Dots lead into objects and arrays, commas separate.",
)


class Many(NamedTuple):
    """A body that is an array."""

    of: Schema


@dataclass(frozen=True, slots=True)
class Operation:
    """``answers``: for each status the media types of its bodies; a name without a slash is a
    shape (``api.openapi.shapes``) in JSON. ``errors``: statuses beyond those that every route of
    its kind may answer. ``bare``: the body may be left out."""

    answers: Mapping[int, tuple[str, ...]]
    query: tuple[Parameter, ...] = ()
    body: Schema | Many | None = None
    bare: bool = False
    errors: tuple[int, ...] = ()


def describes(
    *answer: str,
    query: tuple[Parameter, ...] = (),
    body: Schema | Many | None = None,
    bare: bool = False,
    answers: Mapping[int, tuple[str, ...]] | None = None,
    errors: tuple[int, ...] = (),
) -> Callable[[_Handler], _Handler]:
    """Declares a handler. ``answer`` are the bodies of 200, ``answers`` those of other statuses."""
    told = {200: answer} if answer else {}
    if DRY_RUN in query:
        told[200] = (*answer, "DryRun")
    operation = Operation({**told, **(answers or {})}, query, body, bare, errors)

    def declared(handler: _Handler) -> _Handler:
        handler.__dict__["operation"] = operation
        return handler

    return declared


def operation_of(handler: Callable[..., Any] | None) -> Operation | None:
    """What a handler declared, if it did."""
    found = getattr(handler, "operation", None)
    return found if isinstance(found, Operation) else None
