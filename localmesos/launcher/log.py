"""One line a step on standard error, which the agent puts into the task's sandbox.

The `logging` package would double the start-up of these small programs, so lines are written
straight to the file descriptor, in the shape that Mesos' own programs use.
"""

import os
import time

_MAX_LINE_CHARACTERS = 2000


def info(text: str) -> None:
    """Say what was done."""
    _write("I", text)


def warning(text: str) -> None:
    """Say what went wrong without ending the program."""
    _write("W", text)


def error(text: str) -> None:
    """Say why the program, or the task, is about to end."""
    _write("E", text)


def _write(level: str, text: str) -> None:
    now = time.time()
    stamp = time.strftime("%m%d %H:%M:%S", time.localtime(now))
    line = text[:_MAX_LINE_CHARACTERS].replace("\n", " ")
    data = f"{level}{stamp}.{int(now % 1 * 1e6):06d} {os.getpid()}] {line}\n"
    try:
        os.write(2, data.encode("utf-8", "surrogateescape"))
    except (OSError, UnicodeEncodeError):
        # A full disk or a closed descriptor must not end a running task.
        return
