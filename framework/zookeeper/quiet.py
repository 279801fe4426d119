"""kazoo's log without credentials.

At its lower levels kazoo writes each request as it is: passwords, what is stored, and the secret
by which a session is taken over.
"""

import logging

_NAME = "stayer.zookeeper"
_SAME_SECONDS = 60.0
_MAX_SAID = 16


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
        self._said: dict[str, float] = {}  # the last few texts, and when

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.INFO:
            return False
        if isinstance(record.args, tuple):
            record.args = tuple(map(_shown, record.args))
        text = record.getMessage()
        if 0 <= record.created - self._said.get(text, -_SAME_SECONDS) < _SAME_SECONDS:
            return False
        self._said.pop(text, None)
        self._said[text] = record.created
        if len(self._said) > _MAX_SAID:
            del self._said[next(iter(self._said))]
        return True


def _shown(argument: object) -> object:
    # Requests are named tuples, and so are the few other records that kazoo logs.
    return type(argument).__name__ if isinstance(argument, tuple) else argument
