"""The levels of this process's loggers by Marathon's names, and changes that end by themselves.

Marathon's root logger is ROOT and its lowest level ``trace``; Python has no such level, so here it
lets everything through.
"""

import logging
import threading

LEVELS = {"trace": 5, "debug": 10, "info": 20, "warn": 30, "error": 40}
ROOT = "ROOT"
_MAX_LOGGERS = 1_000


class TooManyLoggersError(Exception):
    """Loggers are never forgotten, so not any number of names is taken."""


class LogLevels:
    """``change`` and ``shown`` may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reverting: dict[str, tuple[threading.Timer, int]] = {}

    def shown(self) -> dict[str, str]:
        """Each logger's level; those without one of their own have their parent's."""
        root = logging.getLogger()
        levels = {ROOT: _word(root.level).upper()}
        for name, found in sorted(root.manager.loggerDict.copy().items()):
            if isinstance(found, logging.Logger):
                word = _word(found.getEffectiveLevel()).upper()
                levels[name] = word if found.level else f"{word} (inherited)"
        return levels

    def change(self, name: str, level: str, duration_seconds: float | None) -> None:
        """Set a logger's level; back to the one before after the duration, if there is one.
        TooManyLoggersError."""
        known = logging.getLogger().manager.loggerDict
        if name != ROOT and name not in known and len(known) >= _MAX_LOGGERS:
            raise TooManyLoggersError(f"No logger '{name}', and there are {_MAX_LOGGERS} already")
        with self._lock:
            logger = logging.getLogger(None if name == ROOT else name)
            timer, before = self._reverting.pop(name, (None, logger.level))
            if timer is not None:
                timer.cancel()
            logger.setLevel(LEVELS[level])
            if duration_seconds is not None:
                timer = threading.Timer(duration_seconds, self._revert, (name,))
                timer.daemon = True
                self._reverting[name] = (timer, before)
                timer.start()

    def _revert(self, name: str) -> None:
        with self._lock:
            timer, before = self._reverting.get(name, (None, 0))
            if timer is threading.current_thread():  # else it came too late to be cancelled
                del self._reverting[name]
                logging.getLogger(None if name == ROOT else name).setLevel(before)


def _word(level: int) -> str:
    """The nearest of Marathon's levels that lets this through."""
    return next((word for word, number in LEVELS.items() if level <= number), "error")
