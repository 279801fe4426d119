"""One writer a file: an flock'd lock file beside it, which the kernel frees when its holder dies.

SQLite's own locks last for one transaction; this one lasts as long as the process writes, so a
second scheduler on the same state is refused at its start.
"""

import errno
import fcntl
import os
from pathlib import Path

from framework.interfaces import StoreUnusableError


def take(path: Path) -> int:
    """Own ``path`` for writing until the returned descriptor is closed or the process ends.
    StoreUnusableError names the process that holds it."""
    lock = path.with_name(path.name + ".lock")
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _take(descriptor, path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _take(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in {errno.EWOULDBLOCK, errno.EACCES}:
            raise StoreUnusableError(f"{path} can not be locked: {error.strerror}") from error
        holder = os.read(descriptor, 20).decode("ascii", "replace").strip()
        raise StoreUnusableError(
            f"{path} is in use by {f'process {holder}' if holder else 'another process'}:"
            " only one scheduler may write to a store; stop that one first"
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
