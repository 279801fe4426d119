"""The access log: one line for each request, written by a thread of its own.

Whoever serves a request only queues a few texts. So a pipe that nobody reads or a full disk costs
lines, which are counted, and no request ever waits. Nothing of what a client sends can break a
line or forge one, and secrets in queries are left out.
"""

import logging
import os
import re
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol
from urllib.parse import unquote_plus

from api.render.json import encode
from framework.domain.clock import iso

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

LOGGER = "stayer.access"
Stream = Literal["", "opened", "closed"]

_log = logging.getLogger("stayer.api")
_QUEUE_LIMIT = 4_096
_GATHER_SECONDS = 0.05
_STOP_SECONDS = 2.0
_COMPLAIN_SECONDS = 60.0
_MAX_URI, _MAX_TEXT = 2_048, 256
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_SECRET = re.compile("token|passw|secret|credential|api.?key|auth|signature|session", re.IGNORECASE)
_CREDENTIALS = re.compile(r"//[^/?#]*@")
_FILE_MODE = 0o640


class Entry(NamedTuple):
    """What is told of a request, as it came; ``fields`` makes it fit to be read. Sizes in
    bytes. ``stream``: an event stream was opened or closed by it; ``cut``: the client did not get
    the whole body."""

    request_id: str
    status: int
    remote: str
    method: str
    uri: str
    at_seconds: float = 0.0
    user: str = ""
    agent: str = ""
    via: str = ""
    forwarded_for: str = ""
    forwarded_to: str = ""
    received: int = 0
    sent: int = 0
    seconds: float = 0.0
    stream: Stream = ""
    events: int = 0
    cut: bool = False

    def ended(self, *, seconds: float, events: int, sent: int) -> "Entry":
        """The same of a stream that is closed now."""
        return self._replace(seconds=seconds, events=events, sent=sent, at_seconds=time.time())


def entry_of(environ: "WSGIEnvironment", **known: Any) -> Entry:
    """An entry with what the request says about itself; ``known`` is the rest of its fields."""
    get = environ.get
    return Entry(
        remote=get("REMOTE_ADDR", ""),
        method=environ["REQUEST_METHOD"],
        uri=(get("REQUEST_URI") or get("PATH_INFO", ""))[:_MAX_URI],
        at_seconds=time.time(),
        user=get("REMOTE_USER", ""),
        agent=get("HTTP_USER_AGENT", "")[:_MAX_TEXT],
        via=get("HTTP_X_MARATHON_VIA", "")[:_MAX_TEXT],
        forwarded_for=get("HTTP_X_FORWARDED_FOR", "")[:_MAX_TEXT],
        **known,
    )


def fields(entry: Entry) -> dict[str, object]:
    """What a line says, by name; what does not apply is left out."""
    path, question, query = entry.uri[:_MAX_URI].partition("?")
    told: dict[str, object] = {
        "remote": entry.remote,
        "user": clean(entry.user),
        "method": clean(entry.method, 32),
        "path": clean(_CREDENTIALS.sub("//", path), _MAX_URI),
        "query": clean(redacted(query), _MAX_URI) if question else "",
        "status": entry.status,
        "bytes": entry.sent,
        "received_bytes": entry.received,
        "duration_ms": round(entry.seconds * 1000, 3),
        "request": entry.request_id,
        "agent": clean(entry.agent),
        "via": clean(entry.via),
        "forwarded_for": clean(entry.forwarded_for),
        "forwarded_to": entry.forwarded_to,
        "stream": entry.stream,
        "events": entry.events,
        "cut": entry.cut,
    }
    return {
        name: value
        for name, value in told.items()
        if (value or name in _ALWAYS) and (name != "events" or entry.stream == "closed")
    }


_ALWAYS = frozenset({"remote", "method", "path", "status", "bytes", "duration_ms", "events"})


def clean(text: str, limit: int = _MAX_TEXT) -> str:
    """The text without anything that could break or forge a line: other than printable ASCII
    stands as an escape."""
    text = text[:limit]
    if text.isascii() and text.isprintable():
        return text
    return text.encode("unicode_escape").decode("ascii")[: limit + 16]


def redacted(query: str) -> str:
    """A query with the values left out of names that speak of secrets."""
    return "&".join(map(_redacted, query.split("&"))) if query else ""


def _redacted(part: str) -> str:
    name, equals, value = part.partition("=")
    return f"{name}=***" if equals and value and _SECRET.search(unquote_plus(name)) else part


def sentence(told: dict[str, object]) -> str:
    """A line for people."""
    query = f"?{told['query']}" if "query" in told else ""
    words = [
        str(told["remote"]),
        str(told.get("user", "-")),
        f'"{told["method"]} {told["path"]}{query}"',
        str(told["status"]),
        f"{told['bytes']}B",
        f"{told['duration_ms']}ms",
    ]
    words += [
        f"{name}={told[name]}"
        for name in ("stream", "events", "forwarded_to", "via", "request", "cut")
        if name in told
    ]
    quoted = str(told.get("agent", "-")).replace("\\", "\\\\").replace('"', '\\"')
    return f'{" ".join(words)} "{quoted}"'


class Sink(Protocol):
    """Where lines go."""

    def write(self, entries: Sequence[Entry]) -> None:
        """OSError when they can not be written."""
        ...


class LoggerSink:
    """Among the lines of the process; ``fields`` of a record are for those who write JSON."""

    def __init__(self) -> None:
        self._logger = logging.getLogger(LOGGER)

    def write(self, entries: Iterable[Entry]) -> None:
        """See Sink."""
        if not self._logger.isEnabledFor(logging.INFO):
            return
        for entry in entries:
            told = fields(entry)
            record = self._logger.makeRecord(
                LOGGER, logging.INFO, "", 0, "%s", (sentence(told),), None, extra={"fields": told}
            )
            self._logger.handle(record)


class FileSink:
    """A file of JSON lines, appended to."""

    def __init__(self, path: str) -> None:
        """OSError if it can not be opened."""
        self._path = Path(path)
        os.close(self._open())

    def write(self, entries: Iterable[Entry]) -> None:
        """See Sink. Opened for each batch, of which there are some twenty a second at most: so
        it may be moved away, and made anew, at any time."""
        lines = b"".join(encode(_dated(entry)) + b"\n" for entry in entries)
        file = self._open()
        try:
            while lines:
                lines = lines[os.write(file, lines) :]
        finally:
            os.close(file)

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        return os.open(self._path, flags, _FILE_MODE)


def _dated(entry: Entry) -> dict[str, object]:
    return {"time": iso(int(entry.at_seconds * 1000)), **fields(entry)}


class AccessLog:
    """``note`` is for any thread and returns at once; the rest happens in a thread that begins
    with ``start``. ``lost`` counts what had no room, or could not be written."""

    def __init__(self, which: str, sink: Sink) -> None:
        """``which``: all, changes (and whatever was refused or failed, and event streams), or
        off."""
        self.lost = 0
        self._which = which
        self._sink = sink
        self._queue: deque[Entry] = deque()
        self._news = threading.Event()
        self._stopping = threading.Event()
        self._complain_at = 0.0
        self._thread = threading.Thread(target=self._run, name="access-log", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        if self._which != "off":
            self._thread.start()

    def stop(self) -> None:
        """Write what is queued, as far as that takes no long time; harmless when repeated."""
        self._stopping.set()
        self._news.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)

    def wants(self, method: str, status: int) -> bool:
        """Whether a line is written of such a request."""
        if self._which == "all":
            return True
        return self._which == "changes" and (status >= 400 or method not in _READING)

    def note(self, entry: Entry) -> None:
        """Have it written, if there is room."""
        if self._which == "off":
            return
        if len(self._queue) >= _QUEUE_LIMIT:
            self.lost += 1
            return
        self._queue.append(entry)
        if not self._news.is_set():
            self._news.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._news.wait()
            self._stopping.wait(_GATHER_SECONDS)
            self._news.clear()  # before anything is taken
            self._write()
        self._write()

    def _write(self) -> None:
        entries = [self._queue.popleft() for _ in range(len(self._queue))]
        if not entries:
            return
        try:
            self._sink.write(entries)
        except OSError as error:
            self.lost += len(entries)
            self._complain(error)

    def _complain(self, error: OSError) -> None:
        now = time.monotonic()
        if now >= self._complain_at:
            self._complain_at = now + _COMPLAIN_SECONDS
            _log.warning("the access log can not be written: %s", error.strerror or error)


def open_access_log(which: str, path: str | None) -> AccessLog:
    """To a file, or among the lines of the process. OSError if the file can not be opened."""
    sink: Sink = LoggerSink() if path is None or which == "off" else FileSink(path)
    return AccessLog(which, sink)
