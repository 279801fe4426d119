"""kazoo's log without credentials.

At its lower levels kazoo writes each request as it is: passwords, what is stored, and the secret
by which a session is taken over.
"""

import logging

_NAME = "stayer.zookeeper"
_SAME_SECONDS = 60.0


def quiet_log() -> logging.Logger:
    """The log for a kazoo client. No setting makes it tell what is in a request."""
    log = logging.getLogger(_NAME)
    if not any(isinstance(one, _WithoutRequests) for one in log.filters):
        log.setLevel(logging.WARNING)
        log.addFilter(_WithoutRequests())
    return log


class _WithoutRequests(logging.Filter):
    """Drops what is below INFO, and what was just said: kazoo tells each of its tries to connect.
    Of a request among the arguments only the kind is left."""

    def __init__(self) -> None:
        super().__init__()
        self._last = ("", 0.0)

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.INFO:
            return False
        if isinstance(record.args, tuple):
            record.args = tuple(map(_shown, record.args))
        text, when = self._last
        if record.getMessage() == text and 0 <= record.created - when < _SAME_SECONDS:
            return False
        self._last = (record.getMessage(), record.created)
        return True


def _shown(argument: object) -> object:
    # Requests are named tuples, and so are the few other records that kazoo logs.
    return type(argument).__name__ if isinstance(argument, tuple) else argument
