"""Whole answers, sent again as they are while nothing changed that they show.

A handler whose answer follows from the published view alone says which revision of it it read;
until that is another one, the same question gets the same bytes, without a look at the records.
The question is all that a client sent but for what nobody looks at; so a tag it knows, what it
accepts and the page it comes from are part of it.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from flask import request

from framework.domain.state import Kind, State
from framework.interfaces import Scheduler

if TYPE_CHECKING:
    from _typeshed import OptExcInfo
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LIMIT_BYTES = 64 * 1024 * 1024
_SEEN = "stayer.seen"
_MAX_QUESTION = 4_000  # characters
_OVERHEAD_BYTES = 8_000  # of an answer's question and headers
_MOST_OF_LIMIT = 4
# What says who asks, or for the way between two hosts, and changes nothing in an answer.
_ASIDE = frozenset(
    {
        "HTTP_AUTHORIZATION",
        "HTTP_CONNECTION",
        "HTTP_KEEP_ALIVE",
        "HTTP_USER_AGENT",
        "HTTP_X_FORWARDED_FOR",
        "HTTP_X_REQUEST_ID",
    }
)
_UNSEEN = frozenset(
    {
        Kind.DELAY,
        Kind.LAUNCH_STATS,
        Kind.ORPHAN,
        Kind.TOMBSTONE,
        Kind.TREE_CHANGE,
        Kind.WAIT,
    }
)

Headers = list[tuple[str, str]]


class _Answer(NamedTuple):
    seen: "Seen"
    status: str
    headers: Headers
    body: bytes

    @property
    def size(self) -> int:
        return len(self.body) + _OVERHEAD_BYTES


class Seen(NamedTuple):
    """``kinds`` of records that were looked at, at which ``revision``, and what stands
    ``beside`` them in headers."""

    kinds: tuple[Kind, ...]
    revision: int
    beside: object

    @classmethod
    def now(cls, scheduler: Scheduler, without: frozenset[Kind] = frozenset()) -> "Seen":
        """Everything that an app may show, but for some kinds."""
        kinds = tuple(kind for kind in Kind if kind not in _UNSEEN and kind not in without)
        return cls(kinds, _latest(scheduler.view, kinds), _beside(scheduler))

    def holds(self, scheduler: Scheduler) -> bool:
        """Whether nothing of it changed since."""
        latest = _latest(scheduler.view, self.kinds)
        return self.revision == latest and self.beside == _beside(scheduler)


def _latest(view: State, kinds: tuple[Kind, ...]) -> int:
    revisions = view.kind_revisions
    return max([revisions.get(kind, 0) for kind in kinds])


def _beside(scheduler: Scheduler) -> object:
    """What headers of every answer tell beside the view."""
    info = scheduler.info()
    settings: Any = info.get("settings") or {}
    return info.get("leader"), settings.get("safe_mode")


def remember(seen: Seen) -> None:
    """The answer to this request follows from what was seen, which was taken before anything was
    read."""
    request.environ[_SEEN] = seen


def forget() -> None:
    """The answer to this request is not to be kept after all."""
    request.environ.pop(_SEEN, None)


class Remembered:
    """A WSGI application whose remembered answers are sent again."""

    def __init__(
        self, application: "WSGIApplication", scheduler: Scheduler, limit_bytes: int = LIMIT_BYTES
    ) -> None:
        self._application = application
        self._scheduler = scheduler
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._answers: dict[object, _Answer] = {}
        self.size_bytes = 0

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        question = _question(environ)
        if question is None:
            return self._application(environ, start_response)
        found = self._answers.get(question)
        if found is not None and found.seen.holds(self._scheduler):
            start_response(found.status, [*found.headers])
            return [found.body]
        return self._ask(question, environ, start_response)

    def _ask(
        self, question: object, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        begun: list[tuple[str, Headers]] = []

        def started(
            status: str, headers: Headers, exc_info: "OptExcInfo | None" = None, /
        ) -> Callable[[bytes], object]:
            begun.append((status, [*headers]))
            return start_response(status, headers, exc_info)

        body = self._application(environ, started)
        seen = environ.get(_SEEN)
        if not isinstance(seen, Seen) or len(begun) != 1 or begun[0][0][:3] not in ("200", "304"):
            return body
        pieces = [*_drained(body)]
        status, headers = begun[0]
        self._keep(question, _Answer(seen, status, headers, b"".join(pieces)))
        return pieces

    def _keep(self, question: object, answer: _Answer) -> None:
        with self._lock:
            old = self._answers.pop(question, None)
            if old is not None:
                self.size_bytes -= old.size
            if answer.size > self._limit_bytes // _MOST_OF_LIMIT:
                return
            self._answers[question] = answer
            self.size_bytes += answer.size
            while self.size_bytes > self._limit_bytes:
                self.size_bytes -= self._answers.pop(next(iter(self._answers))).size


def _drained(body: Iterable[bytes]) -> Iterator[bytes]:
    try:
        yield from body
    finally:
        close = getattr(body, "close", None)
        if close is not None:
            close()


def _question(environ: "WSGIEnvironment") -> object | None:
    """All of a request that an answer may depend on; None if its answer is not to be kept."""
    if environ["REQUEST_METHOD"] != "GET":
        return None
    said = [
        (name, value)
        for name, value in environ.items()
        if name[:5] == "HTTP_" and name not in _ASIDE
    ]
    # A router's prefix stands in the links of an answer.
    path = environ.get("SCRIPT_NAME", ""), environ["PATH_INFO"]
    query = environ.get("QUERY_STRING", "")
    if sum(map(len, path)) + len(query) + sum([len(value) for _, value in said]) > _MAX_QUESTION:
        return None
    said.sort()
    return path, query, environ["wsgi.url_scheme"], tuple(said)
