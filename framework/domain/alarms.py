"""Alarms: what an operator should look at, for as long as it lasts.

A remark is said once; an alarm stands until its cause is gone. It is stored, so that it outlives
the process that raised it.
"""

from msgspec import Struct


class Alarm(Struct, frozen=True, gc=False, omit_defaults=True):
    """``key`` names the cause: the same cause is the same alarm. It has been true since
    ``since_ms``, and was last said to be true about ``last_ms``."""

    key: str
    message: str
    since_ms: int
    last_ms: int
