"""The clock and the ids that steps are given.

The clock is the wall clock at start plus what a monotonic clock says since: a wall clock that is
set back or forward while we run moves no deadline.
"""

import os
import time
from collections.abc import Callable

_BATCH = 256


def steady_clock() -> Callable[[], int]:
    """Milliseconds since 1970 that never go back."""
    offset_ns = time.time_ns() - time.monotonic_ns()
    return lambda: (offset_ns + time.monotonic_ns()) // 1_000_000


def fresh_ids() -> Callable[[], str]:
    """Random (version 4) uuids as text, cut from batches: one system call for many."""
    batch: list[str] = []

    def fill() -> None:
        block = os.urandom(16 * _BATCH)
        for start in range(0, len(block), 16):
            text = block[start : start + 16].hex()
            variant = "89ab"[int(text[16], 16) % 4]
            batch.append(
                f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{variant}{text[17:20]}-{text[20:]}"
            )

    def fresh() -> str:
        if not batch:
            fill()
        return batch.pop()

    return fresh
