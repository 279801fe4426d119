"""haproxy.cfg as it lies there, and what is still to be written to it.

A change of members is made through haproxy's socket; its file only has to follow before haproxy
starts again. So a daemon may write it a moment later, once for many changes.
"""

import threading
from pathlib import Path

from haproxy_bridge.rendered import Rendered
from haproxy_bridge.swap import files


class ConfigFile:
    """``late``: members are written when ``write`` is called. May be used by two threads."""

    def __init__(self, path: Path, *, late: bool = False) -> None:
        self._path = path
        self._late = late
        self._lock = threading.Lock()
        self._known: Rendered | None = None
        self._owed: Rendered | None = None

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self._path.parent

    def content(self) -> bytes:
        """What it holds, or is to hold. OSError."""
        with self._lock:
            return self._content() if self._owed is None else self._owed.config

    def _content(self) -> bytes:
        return files.read(self._path) or b""

    def holds(self, rendered: Rendered, *, anew: bool) -> bool:
        """Whether it holds, or is to hold, this configuration. ``anew``: look at the disk; else as
        far as is known, which takes no putting together of its text. OSError."""
        with self._lock:
            known = self._known if self._owed is None else self._owed
            if known is not None and (self._owed is not None or not anew):
                return known.pieces == rendered.pieces
            self._known = rendered if self._content() == rendered.config else None
            return self._known is not None

    def change(self, rendered: Rendered) -> None:
        """Other members, nothing else; the running haproxy has them. OSError."""
        with self._lock:
            self._owed = rendered
            if not self._late:
                self._write()

    def replace(self, rendered: Rendered) -> None:
        """A configuration to be loaded, and the one before kept, if it was loaded. OSError."""
        with self._lock:
            self._write()
            self._known = None
            files.install(self._path, rendered, new_generation=True)
            self._known = rendered

    def proven(self) -> None:
        """haproxy has what it holds. OSError."""
        with self._lock:
            files.proven(self._path)

    def restore(self) -> bool:
        """Put the one before back; False if there is none. OSError."""
        with self._lock:
            self._owed = self._known = None
            return files.restore(self._path)

    def write(self) -> bool:
        """Write what is owed; whether anything was. OSError, and then it is still owed."""
        with self._lock:
            return self._write()

    def _write(self) -> bool:
        if self._owed is None:
            return False
        files.install(self._path, self._owed, new_generation=False)
        self._known = self._owed
        self._owed = None
        return True
