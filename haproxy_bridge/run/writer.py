"""The thread that writes what a change of members leaves to be written: one fsync for many
changes, and none of them waits for it.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress

FILE_SECONDS = 0.5
MEMORY_SECONDS = 5.0


class Writer:
    """``write`` is called with whether what is remembered is to be written, too."""

    def __init__(
        self,
        write: Callable[[bool], None],
        *,
        file_seconds: float = FILE_SECONDS,
        memory_seconds: float = MEMORY_SECONDS,
    ) -> None:
        self.why = ""
        self._write = write
        self._file_seconds = file_seconds
        self._memory_seconds = memory_seconds
        self._owed = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)

    def start(self) -> None:
        """Begin to wait for work."""
        self._thread.start()

    def owe(self) -> None:
        """Something is to be written."""
        self._owed.set()

    def stop(self) -> None:
        """Write all that is owed, and end. OSError."""
        self._stopping.set()
        self._owed.set()
        self._thread.join()
        self._write(True)

    def _run(self) -> None:
        memory_at = 0.0
        while not self._stopping.is_set():
            self._owed.wait(self._memory_seconds)
            if self._stopping.wait(self._file_seconds):
                return
            now = time.monotonic()
            memory = now >= memory_at
            if not self._owed.is_set() and not memory:
                continue
            self._owed.clear()
            with suppress(OSError):  # told by the next turn, which looks at the file
                self._write(memory)
                memory_at = now + self._memory_seconds if memory else memory_at
