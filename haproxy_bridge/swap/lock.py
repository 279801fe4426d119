"""One run at a time on a node: cron may start the next one while this one still waits."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LOOK_SECONDS = 0.05


class LockedError(Exception):
    """Another run is under way."""


@contextmanager
def held(path: Path, timeout_seconds: float) -> Iterator[None]:
    """Hold the lock for as long as the block lasts; it ends with the process, whatever happens.
    LockedError if another one keeps it for longer than ``timeout_seconds``."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        _take(handle, path, time.monotonic() + timeout_seconds)
        yield
    finally:
        os.close(handle)


def _take(handle: int, path: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= deadline:
                raise LockedError(f"another run holds {path}") from error
            time.sleep(_LOOK_SECONDS)
        else:
            return
