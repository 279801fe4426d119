"""Why a process ends, as its exit code: what a supervisor and monitoring read.

The numbers up to 112 are Marathon's (behaviour.md, section 7), so rules written for it hold.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """One number a reason; each has a text in docs/operations.md."""

    STORE_UNUSABLE = 100  # not reached, damaged, of another program, or in use
    STORE_LOST = 101  # a write failed, or its outcome stayed unknown
    LEADERSHIP_LOST = 103  # the session ended, or another process leads
    LEADERSHIP_ABDICATED = 105  # asked to by DELETE /v2/leader
    MESOS_ERROR = 106
    BUG = 107
    FRAMEWORK_ID_MISMATCH = 108  # missing while instances exist, or another framework's
    FRAMEWORK_REMOVED = 110
    HTTP_BIND = 111
    STATE_TOO_NEW = 113  # written by a newer release
    STORE_READ_ONLY = 114  # full, read-only, or without permission to write
