"""Answers from before the application: what the front and the check of credentials say, and how
all of them read paths and the header Accept.

They look like the application's own: Marathon's error body, and the headers of every answer.
"""

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING

from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from api.render.json import encode
from framework.domain.state import State

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

COMMON_HEADERS = {
    "Cache-Control": "no-cache, no-store, must-revalidate",
    "Pragma": "no-cache",
    "Expires": "0",
    "X-Frame-Options": "DENY",
    "X-XSS-Protection": "1; mode=block",
    "X-Content-Type-Options": "nosniff",
}

EPOCH_HEADER = "X-Marathon-Leader-Epoch"

Headers = Sequence[tuple[str, str]]


def answer(
    environ: "WSGIEnvironment",
    start_response: "StartResponse",
    status: HTTPStatus,
    message: str,
    headers: Headers = (),
    reason: str = "",
) -> Iterable[bytes]:
    """An error body with ``message``, or none for an empty one; none either for HEAD. ``reason``
    stands beside the status instead of the usual phrase."""
    body = encode({"message": message}) if message else b""
    sent = [*COMMON_HEADERS.items(), *headers, ("Content-Length", str(len(body)))]
    if body:
        sent.append(("Content-Type", "application/json"))
    start_response(f"{status.value} {reason or status.phrase}", sent)
    return [] if environ.get("REQUEST_METHOD") == "HEAD" else [body]


def leader_epoch(view: State) -> str:
    """Of which state an answer is, which leader of it answers, and whether that has heard from
    Mesos of all tasks: ``STATE-ID EPOCH; synced=true``. Epochs of a state grow with each leader.
    Until it is synced, what does not run may only not be known to. Empty before there is one."""
    framework = view.framework
    if framework is None:
        return ""
    synced = "true" if view.connection.synced else "false"
    return f"{framework.state_id} {framework.epoch}; synced={synced}"


def plain_path(environ: "WSGIEnvironment") -> str:
    """The path without doubled and closing slashes: ``//v2/apps//web/`` is ``/v2/apps/web``.

    Clients glue an absolute id to a URL that ends in a slash (what-clients-need.md, 4), or quote
    its slashes, which the server leaves quoted (in capitals).
    """
    path = environ.get("PATH_INFO", "").replace("%2F", "/")
    return "/" + "/".join(part for part in path.split("/") if part)


def best_of(kinds: Sequence[str], accept: str) -> str | None:
    """The media type that a client with this header ``Accept`` likes best, the first of equal
    ones; None if none will do. Parameters (``text/plain; version=0.0.4``) make no difference."""
    accepted = MIMEAccept(
        [
            (kind.partition(";")[0].strip(), quality)
            for kind, quality in parse_accept_header(accept, MIMEAccept)
        ]
    )
    return accepted.best_match(kinds)
