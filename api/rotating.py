"""What is read from files that are replaced while the process runs: credentials, certificates.

Looked at with each use, which costs microseconds, so that a rotation needs no signal and no
restart. A new content that can not be used changes nothing: a half-written file must not lock
everybody out, nor open a door.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

_log = logging.getLogger("stayer.api")
_T = TypeVar("_T")
_Seen = tuple[tuple[int, int, int] | None, ...]


class Rotating(Generic[_T]):
    """``load``'s value, made anew when one of the files is another than before."""

    def __init__(self, paths: Sequence[str], load: Callable[[], _T]) -> None:
        """What ``load`` raises, OSError and ValueError: a start with a bad file must fail."""
        self._paths = tuple(paths)
        self._load = load
        self._lock = threading.Lock()
        self._seen = self._look()
        self._value = load()

    def current(self) -> _T:
        """The value of the present files, or of the last usable ones."""
        seen = self._look()
        if seen != self._seen:
            with self._lock:
                if seen != self._seen:
                    self._load_anew(seen)
        return self._value

    def _load_anew(self, seen: _Seen) -> None:
        try:
            self._value = self._load()
        except (OSError, ValueError) as error:
            _log.error("what was read before stays in force: %s", error)
        else:
            _log.info("read anew: %s", ", ".join(self._paths))
        # Looked at before it was read: what changes in between is noticed at the next use.
        self._seen = seen

    def _look(self) -> _Seen:
        return tuple(_identity(path) for path in self._paths)


def _identity(path: str) -> tuple[int, int, int] | None:
    try:
        stat = Path(path).stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
