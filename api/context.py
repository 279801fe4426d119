"""What every resource works with, and the request's and answer's common parts.

Resources read the published view or ask one command; they share nothing else.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from flask import Response, g, request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from api import conditional
from api.answers import best_of
from api.body import decode
from api.definitions import absolute
from api.errors import UnsupportedMediaTypeError, refusal
from api.events.caused import caused, changes_definitions
from api.events.hub import EventHub
from api.options import ApiOptions
from api.projection import projected
from api.render.deployment import dry_run, steps
from api.render.json import encode
from constraints import CompilePattern
from framework.domain.clock import iso
from framework.domain.events import Command
from framework.domain.replies import Done, Refused, Reply
from framework.domain.state import State
from framework.interfaces import Scheduler

DEPLOYMENT_HEADER = "Marathon-Deployment-Id"
WARNING_HEADER = "Stayer-Warning"
_WARNINGS_TOLD = 20


class Route(NamedTuple):
    """``rule`` in Flask's form; its variables are the handler's keyword arguments."""

    method: str
    rule: str
    handler: Callable[..., Response]


@dataclass(frozen=True, slots=True)
class Context:
    """``now_ms`` is the wall clock; ``compile_pattern`` the engine for LIKE constraints."""

    scheduler: Scheduler
    options: ApiOptions
    compile_pattern: CompilePattern
    now_ms: Callable[[], int]
    events: EventHub

    @property
    def view(self) -> State:
        """The published state; tables are to be copied before they are iterated."""
        return self.scheduler.view

    @property
    def settings(self) -> Mapping[str, object]:
        """The process's settings by Marathon's names."""
        settings = self.scheduler.info().get("settings")
        return settings if isinstance(settings, Mapping) else {}

    def enforces(self, group: str) -> bool:
        """Whether this top-level group (its name) is to be the role of its apps."""
        record = self.view.groups.get(f"/{group}")
        return record is not None and record.enforce_role is True

    def reply_to(self, command: Command) -> Reply:
        """Ask, and wait until it is durable. CommandTimeoutError, OverloadedError,
        PreconditionFailedError."""
        asked = conditional.guarded(command)
        reply = self.scheduler.ask(asked, self.options.command_timeout_seconds)
        conditional.check(reply)
        if changes_definitions(command):
            self._tell(command, reply)
        return reply

    def _tell(self, command: Command, reply: Reply) -> None:
        why = str(refusal(reply, self.settings)) if isinstance(reply, Refused) else ""
        version = iso(self.now_ms())
        for happening in caused(command, reply, subject=_subject(), version=version, why=why):
            self.events.tell_of_request(happening)

    def ask(self, command: Command) -> Done:
        """Ask; what was refused becomes the error of its kind."""
        reply = self.reply_to(command)
        if isinstance(reply, Refused):
            raise refusal(reply, self.settings)
        return reply


def name_subject(path: str) -> None:
    """Say which group the request is about where its body names it."""
    g.subject = path


def _subject() -> str:
    """The app or group that the request is about; the root for many at once."""
    arguments = request.view_args or {}
    named = arguments.get("app_id") or arguments.get("group_id") or "/"
    return str(g.get("subject") or absolute(named.removesuffix("*")))


def json_body() -> Any:
    """The request's body as plain values. BodyError, or the media type is not JSON."""
    if request.mimetype and not request.mimetype.endswith(("/json", "+json")):
        raise UnsupportedMediaTypeError("Unsupported Media Type")
    return decode(request.get_data())


def read_chunked_body() -> None:
    """Read a chunked body before anything is answered; RequestEntityTooLarge.

    The server does not skip what the application leaves unread of one, and would take the rest
    for the next request of the connection.
    """
    if "Transfer-Encoding" not in request.headers:
        return
    try:
        size = len(request.get_data())
    except ClientDisconnected as error:
        # So the server says that a chunk goes beyond the limit.
        raise RequestEntityTooLarge from error
    # The stream ends at the limit without a word, so what is as long as that was cut off.
    if request.max_content_length is not None and size >= request.max_content_length:
        raise RequestEntityTooLarge


def flag(name: str, *, default: bool = False) -> bool:
    """A boolean of the query: ``true`` in any case is true, anything else false."""
    value = request.args.get(name)
    return default if value is None else value.lower() == "true"


def values(name: str) -> list[str]:
    """A repeatable parameter of the query; commas separate values as well."""
    return [part for value in request.args.getlist(name) for part in value.split(",") if part]


def preferred(*kinds: str) -> str | None:
    """The media type that the client likes best; see ``best_of``."""
    return best_of(kinds, request.headers.get("Accept", ""))


def prefers_text() -> bool:
    """Whether the client asked for plain text rather than JSON."""
    return preferred("application/json", "text/plain") == "text/plain"


def json_answer(
    body: Any,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    *,
    as_it_is: bool = False,
) -> Response:
    """An answer of encoded bytes or of a value to encode; only the fields that the request names,
    unless the body is to go out as it is."""
    body = body if as_it_is else projected(body)
    data = body if isinstance(body, bytes) else encode(body)
    return Response(data, status=status, headers=headers, mimetype="application/json")


def deployment_answer(
    done: Done, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Marathon's DeploymentResult."""
    result = {"version": done.version, "deploymentId": done.deployment_id}
    response = json_answer(
        result, status, {**(headers or {}), DEPLOYMENT_HEADER: done.deployment_id}
    )
    return with_warnings(response, done)


def dry_run_answer(done: Done, *, as_marathon: bool = False) -> Response:
    """What a change would do; ``as_marathon`` for the dry runs that Marathon has too, whose old
    clients know no other member: what may not fit is told in headers only."""
    body = {"steps": steps(done.steps)} if as_marathon else dry_run(done)
    return with_warnings(json_answer(body), done)


def with_warnings(response: Response, done: Done) -> Response:
    """The answer with what may keep the change from ending, in headers: Marathon's strict
    clients break on fields that they do not know."""
    warn(response, done.warnings[:_WARNINGS_TOLD])
    return response


def warn(response: Response, texts: Iterable[str]) -> None:
    """Tell these in headers, one each, without what a header can not hold."""
    for text in texts:
        plain = "".join(one if one.isprintable() else "?" for one in text)
        response.headers.add(WARNING_HEADER, plain.encode("ascii", "replace").decode())


def location(collection: str, path: str) -> dict[str, str]:
    """The header that says where a created app or group is found."""
    return {"Location": f"{request.root_url.rstrip('/')}/v2/{collection}{path}"}
