"""Conditional requests (RFC 9110, 13): ``ETag``, ``If-Match`` and ``If-None-Match``.

A tag has two parts, ``"edition-content"``. The edition names what a write to this URL would
overwrite (framework/core/editions.py) and is all that ``If-Match`` looks at, so that a task that
ended meanwhile keeps nobody from changing an app; the content is that of this very answer. Writes
are guarded where they are decided: the scheduler compares editions and changes in one step.
"""

import re
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, NamedTuple

from flask import Response, g, request

from api import errors
from api.definitions import absolute
from api.errors import PreconditionFailedError
from api.remembered import forget
from framework.core.editions import edition, holds
from framework.domain.events import ANY_EDITION, Command, OnlyIf, Written
from framework.domain.replies import Refused, Reply, Why
from framework.domain.state import State

TAG_HEADER = "ETag"
READING = frozenset({"GET", "HEAD"})
MAX_TAGS = 100
_CONTENT_BYTES = 8
_TAG = re.compile(r'[ \t]*(W/)?"([\x21\x23-\x7e\x80-\xff]*)"[ \t]*')
_TAGGED = frozenset({"application/json", "text/plain"})
_GZIPPED = "-gzip"  # the same content in another form has a tag of its own (RFC 9110, 8.8.3.3)

_APP = "/v2/apps/<path:app_id>"
_GROUP = "/v2/groups/<path:group_id>"
_DEPLOYMENT = "/v3/deployments/<deployment_id>"
_IN_GROUP = ("", "/apps", "/versions", "/versions/<version>")
WRITTEN_AT: Mapping[str, Written] = {
    **dict.fromkeys(("/v2/apps", "/v2/tasks", "/v2/tasks/delete"), Written.GROUP),
    **dict.fromkeys((f"/v2/groups{rest}" for rest in _IN_GROUP), Written.GROUP),
    **dict.fromkeys((f"{_GROUP}{rest}" for rest in _IN_GROUP), Written.GROUP),
    **dict.fromkeys((_APP, f"{_APP}/restart", f"{_APP}/versions"), Written.APP),
    **dict.fromkeys((f"{_APP}/tasks", f"{_APP}/tasks/<task_id>"), Written.APP),
    "/v2/queue/<path:app_id>/delay": Written.APP,
    "/v3/apps/<path:app_id>/suspend": Written.APP,
    "/v3/apps/<path:app_id>/resume": Written.APP,
    "/v2/deployments/<deployment_id>": Written.DEPLOYMENT,
    **dict.fromkeys(
        (f"{_DEPLOYMENT}{rest}" for rest in ("", "/pause", "/resume", "/share")), Written.DEPLOYMENT
    ),
    **dict.fromkeys(("/v3/freeze", "/v3/apps/<path:app_id>/freeze"), Written.FREEZES),
    **dict.fromkeys(("/v3/crashes", "/v3/crashes/<crash_id>"), Written.CRASHES),
    "/v3/orphans": Written.ORPHANS,
    "/v3/orphans/<task_id>": Written.ORPHANS,
    "/v3/orphans/<task_id>/adopt": Written.ORPHANS,
    "/v3/replacements": Written.PACE,
}
"""What has the editions that a write to a route is guarded by."""
UNTAGGED = frozenset({"/ping", "/metrics", "/metrics/prometheus"})


class Tags(NamedTuple):
    """Those of a header. ``everything``: it is ``*``; ``readable``: it is a list of tags at all.
    ``strong`` and ``weak`` are without quotes."""

    everything: bool = False
    strong: tuple[str, ...] = ()
    weak: tuple[str, ...] = ()
    readable: bool = True


def tags_of(header: str) -> Tags:
    """The tags that a header lists."""
    if header.strip(" \t") == "*":
        return Tags(everything=True)
    strong: list[str] = []
    weak: list[str] = []
    at = 0
    while at < len(header) and len(strong) + len(weak) <= MAX_TAGS:
        found = _TAG.match(header, at)
        after = found.end() if found else 0
        if found is None or header[after : after + 1] not in ("", ","):
            return Tags(readable=False)
        (weak if found[1] else strong).append(found[2])
        at = after + 1
    if not 0 < len(strong) + len(weak) <= MAX_TAGS:
        return Tags(readable=False)
    return Tags(False, tuple(strong), tuple(weak))


class Condition(NamedTuple):
    """What a write is guarded by; see OnlyIf."""

    written: Written
    key: str
    matches: tuple[str, ...] | None
    matches_none: tuple[str, ...] | None


def begin(view: State) -> None:
    """Called before each request, so before anything is read for its answer: note the edition of
    what is shown, or what a write is guarded by. PreconditionFailedError."""
    rule = request.url_rule
    if rule is None or rule.rule in UNTAGGED:
        return
    if request.method in READING:
        g.edition = _edition_shown(view)
    elif request.method != "OPTIONS" and _is_guarded():
        g.condition = _condition(_thing(rule.rule, request.view_args or {}))
        g.is_checked = False


def _edition_shown(view: State) -> str:
    """That of what this request reads, empty for what nobody writes."""
    assert request.url_rule is not None
    found = _thing(request.url_rule.rule, request.view_args or {})
    return "" if found is None else edition(view, *found)


def _is_guarded() -> bool:
    return "If-Match" in request.headers or "If-None-Match" in request.headers


def _thing(rule: str, arguments: Mapping[str, Any]) -> tuple[Written, str] | None:
    written = WRITTEN_AT.get(rule)
    if written is Written.APP:
        app_id = str(arguments["app_id"])
        if app_id == "*" or app_id.endswith("/*"):
            return Written.GROUP, absolute(app_id.removesuffix("*"))
        return written, absolute(app_id)
    if written is Written.GROUP:
        return written, absolute(str(arguments.get("group_id", "/")))
    if written is Written.DEPLOYMENT:
        return written, str(arguments["deployment_id"])
    return None if written is None else (written, "")


def _condition(found: tuple[Written, str] | None) -> Condition:
    """The one of this request. PreconditionFailedError if it could not be looked at: what was
    asked with a guard is never done without."""
    if found is None:
        raise PreconditionFailedError(_NO_TAGS)
    wanted, unwanted = _header("If-Match"), _header("If-None-Match")
    if not (wanted or _ANY).readable or not (unwanted or _ANY).readable:
        raise PreconditionFailedError(_UNREADABLE)
    if wanted is not None and not wanted.everything and not wanted.strong:
        raise PreconditionFailedError(_ONLY_WEAK)
    return Condition(
        *found,
        None if wanted is None else _editions(wanted, wanted.strong),
        None if unwanted is None else _editions(unwanted, unwanted.strong + unwanted.weak),
    )


_ANY = Tags(everything=True)


def _header(name: str) -> Tags | None:
    text = request.headers.get(name)
    return None if text is None else tags_of(text)


def _editions(tags: Tags, listed: tuple[str, ...]) -> tuple[str, ...]:
    """The editions in tags; one without a content part names an edition too."""
    return (ANY_EDITION,) if tags.everything else tuple(one.partition("-")[0] for one in listed)


def guarded(command: Command) -> Command:
    """The command, only to be carried out if the condition of this request holds."""
    condition: Condition | None = g.get("condition")
    if condition is None:
        return command
    g.is_checked = True
    return OnlyIf(command, *condition)


def check(reply: Reply) -> None:
    """Raise PreconditionFailedError if it was refused for the condition."""
    if isinstance(reply, Refused) and reply.why is Why.OTHER_EDITION:
        raise _failed(g.condition, reply.message)


def answered(response: Response, view: State, *, gzipped: bool) -> Response:
    """The answer, with a tag if it has one; 304 without a body if the client has it already.
    ``gzipped``: it will be compressed."""
    try:
        if request.method not in READING:
            _check_idle(response, view)
        elif _has_tag(response):
            _tag(response, view, gzipped=gzipped)
    except PreconditionFailedError as error:
        return errors.answer(error)
    return response


def _check_idle(response: Response, view: State) -> None:
    """A request that asked nothing of the scheduler, as there was nothing to do, is held to its
    condition too."""
    condition: Condition | None = g.get("condition")
    if condition is None or g.is_checked or not 200 <= response.status_code < 300:
        return
    present = edition(view, condition.written, condition.key)
    if not holds(present, condition.matches, condition.matches_none):
        raise _failed(condition, present)


def _has_tag(response: Response) -> bool:
    rule = request.url_rule
    tagged = rule is not None and rule.rule not in UNTAGGED and response.mimetype in _TAGGED
    return tagged and response.status_code == 200 and not response.is_streamed


def _tag(response: Response, view: State, *, gzipped: bool) -> None:
    present: str = g.get("edition", "")
    if present != _edition_shown(view):
        forget()  # this answer may be newer than its edition; the next one is not
    content = blake2b(response.get_data(), digest_size=_CONTENT_BYTES).hexdigest()
    tag = f"{present}-{content}" if present else content
    response.headers[TAG_HEADER] = f'"{tag}{_GZIPPED if gzipped else ""}"'
    wanted, unwanted = _header("If-Match"), _header("If-None-Match")
    if wanted is not None and not wanted.everything:
        editions = {one.partition("-")[0] for one in wanted.strong}
        if (present or content) not in editions:
            raise PreconditionFailedError(_CHANGED.format(what="this", tag=present or content))
    if unwanted is not None and (unwanted.everything or tag in _plain(unwanted)):
        response.status_code = 304
        response.set_data(b"")


def _plain(tags: Tags) -> set[str]:
    return {one.removesuffix(_GZIPPED) for one in tags.strong + tags.weak}


_NO_TAGS = (
    "Nothing was done: this has no tag, so If-Match and If-None-Match can not be looked at. Send "
    "the request without them."
)
_UNREADABLE = (
    "Nothing was done: If-Match and If-None-Match take * or tags in double quotes, as the header "
    "ETag has them, with commas between."
)
_ONLY_WEAK = (
    "Nothing was done: If-Match lists only weak tags (W/), which never match. Something between "
    "here and the client has weakened them; send them without the W/."
)
_CHANGED = (
    'If-Match does not hold: {what} has changed since it was read. Its tag begins with "{tag}" '
    "now. Read it again, make the change to what it is now, and send it with the new ETag."
)
_GONE = "If-Match does not hold: {what} does not exist. Send the request without it to create one."
_THERE = (
    'If-None-Match does not hold: {what} exists. Its tag begins with "{tag}". To change it send '
    "that ETag as If-Match, or the request without If-None-Match."
)
_NAMES = {
    Written.APP: "app '{}'",
    Written.GROUP: "group '{}'",
    Written.DEPLOYMENT: "deployment '{}'",
    Written.FREEZES: "what is frozen",
    Written.ORPHANS: "the list of orphans",
    Written.CRASHES: "the list of crashes",
    Written.PACE: "the pace of replacements",
}


def _failed(condition: Condition, present: str) -> PreconditionFailedError:
    """Says what is there now, and what to do."""
    what = _NAMES[condition.written].format(condition.key)
    refused_for = _CHANGED if present else _GONE
    text = _THERE if holds(present, condition.matches, None) else refused_for
    return PreconditionFailedError(f"Nothing was done. {text.format(what=what, tag=present)}")
