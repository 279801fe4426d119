"""How a command ended, as its exit code: what scripts read.

`stayer serve` and `stayer state` have more of them: why a process of the scheduler ends.
"""

from enum import IntEnum


class CommandExit(IntEnum):
    """One number an outcome; docs/commands.md has a text for each."""

    DONE = 0
    FAILED = 1  # refused, or a deployment that was waited for did not succeed
    USAGE = 2  # click's own number
    UNREACHABLE = 3
    INTERRUPTED = 130  # as of a program that SIGINT ended
