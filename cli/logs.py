"""The log of a scheduler process: standard error, lines of text or of JSON."""

import json
import logging
import sys

from api.request_id import current

LEVELS = ("debug", "info", "warning", "error")


class JsonLines(logging.Formatter):
    """A record as one JSON object; what its ``fields`` hold stands beside the usual members."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S"),
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
    """A record as a line for people; of the request that it belongs to, if there is one."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        request = current()
        line = super().formatMessage(record)
        return f"{line} [request {request}]" if request else line


def set_up(level: str, form: str) -> None:
    """Log from ``level`` upwards; ``form`` is text or json."""
    handler = logging.StreamHandler(sys.stderr)
    if form == "json":
        handler.setFormatter(JsonLines())
    else:
        handler.setFormatter(TextLines("%(asctime)s %(levelname)-7s %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("urllib3").setLevel(logging.WARNING)
