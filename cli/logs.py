"""The log of a scheduler process: standard error, lines of text or of JSON.

Whoever logs only queues a line; a thread of its own writes it. So a pipe that nobody reads, or a
terminal that was stopped, costs lines, which are counted, and neither a request nor a decision
waits.
"""

import io
import json
import logging
import os
import sys
import threading
from collections import deque
from typing import TextIO

from api.request_id import current
from framework.domain.clock import iso

LEVELS = ("debug", "info", "warning", "error")
_QUEUE_BYTES = 4 * 1024 * 1024
_FLUSH_SECONDS = 2.0


class JsonLines(logging.Formatter):
    """A record as one JSON object; what its ``fields`` hold stands beside the usual members."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": iso(int(record.created * 1000)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "thread": record.threadName,
            "message": record.getMessage(),
        }
        line |= getattr(record, "fields", {})
        request = current()
        if request:
            line["request"] = request
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class TextLines(logging.Formatter):
    """A record as a line for people; of the request that it belongs to, if there is one. What it
    quotes can neither break the line nor command a terminal."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        if not record.message.isprintable():
            record.message = "".join(map(_printable, record.message))
        request = current()
        line = super().formatMessage(record)
        return f"{line} [request {request}]" if request else line


def _printable(character: str) -> str:
    return character if character.isprintable() else ascii(character)[1:-1]


class QueuedLines(logging.Handler):
    """Writes to a file descriptor, which stays its owner's. ``lost`` counts the lines for which
    there was no room, or which could not be written."""

    def __init__(self, descriptor: int, queue_bytes: int = _QUEUE_BYTES) -> None:
        super().__init__()
        self.lost = 0
        self._told = 0  # how many of the lost ones the log itself tells of
        self._descriptor = descriptor
        self._queue_bytes = queue_bytes
        self._lines: deque[bytes] = deque()
        self._size = 0  # of those, and of those that are being written
        self._news = threading.Condition()
        threading.Thread(target=self._run, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """See logging.Handler."""
        try:
            line = self.format(record).encode("utf-8", "backslashreplace") + b"\n"
        except Exception:  # noqa: BLE001 - as each handler does: it says which call is wrong
            self.handleError(record)
            return
        with self._news:
            if self._size + len(line) > self._queue_bytes:
                self.lost += 1
                return
            self._lines.append(line)
            self._size += len(line)
            self._news.notify_all()

    def flush(self) -> None:
        """Wait until all is written, but no long time."""
        with self._news:
            self._news.wait_for(lambda: not self._size, _FLUSH_SECONDS)

    def _run(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._lines)
                lines = [*self._lines]
                self._lines.clear()
            written = self._write(b"".join(lines))
            with self._news:
                self._size -= sum(map(len, lines))
                self.lost += 0 if written else len(lines)
                lost = self.lost - self._told
                self._news.notify_all()
            if written and lost:
                self._told += lost
                self.emit(_lost(lost))

    def _write(self, content: bytes) -> bool:
        """Whether it could be written. Past Python's own file, whose lock would hold up the end
        of the process for as long as nobody reads."""
        try:
            while content:
                content = content[os.write(self._descriptor, content) :]
        except OSError:
            return False
        return True


def _lost(count: int) -> logging.LogRecord:
    text = "%d lines of this log are lost: nobody read it, or it could not be written"
    return logging.LogRecord("stayer", logging.WARNING, "", 0, text, (count,), None)


def lost_lines() -> int:
    """How many lines of this process's log were lost so far."""
    return sum(one.lost for one in logging.getLogger().handlers if isinstance(one, QueuedLines))


def _handler() -> logging.Handler:
    """A process that was started without standard error has no log; the number of that file is
    another one's then."""
    stream: TextIO | None = sys.stderr
    if stream is None:
        return logging.NullHandler()
    try:
        return QueuedLines(stream.fileno())
    except io.UnsupportedOperation:
        return logging.StreamHandler(stream)


def set_up(level: str, form: str) -> None:
    """Log from ``level`` upwards; ``form`` is text or json."""
    handler = _handler()
    if form == "json":
        handler.setFormatter(JsonLines())
    else:
        handler.setFormatter(TextLines("%(asctime)s %(levelname)-7s %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("urllib3").setLevel(logging.WARNING)
