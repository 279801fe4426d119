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
        self._known: bytes | None = None
        self._owed: Rendered | None = None

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self._path.parent

    def content(self, *, anew: bool = True) -> bytes:
        """What it holds, or is to hold. ``anew``: look at the disk; else as far as is known.
        OSError."""
        with self._lock:
            if self._owed is not None:
                return self._owed.config
            if anew or self._known is None:
                self._known = files.read(self._path) or b""
            return self._known

    def change(self, rendered: Rendered) -> None:
        """Other members, nothing else; the running haproxy has them. OSError."""
        with self._lock:
            self._owed = rendered
            if not self._late:
                self._write()

    def replace(self, rendered: Rendered) -> None:
        """A configuration to be loaded, and the one before kept. OSError."""
        with self._lock:
            self._write()
            self._known = None
            files.install(self._path, rendered, new_generation=True)
            self._known = rendered.config

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
        self._known = self._owed.config
        self._owed = None
        return True
