"""Waiting for what happens elsewhere (a process, a server, another thread) without sleeping
blindly: look, pause briefly, look again, and fail with words when it does not come about.
"""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")

DEADLINE_SECONDS = 60.0
_PAUSE_SECONDS = 0.02


def eventually(
    look: Callable[[], Found], what: str, deadline_seconds: float = DEADLINE_SECONDS
) -> Found:
    """The first true value that ``look`` returns; AssertionError naming ``what`` if there is none
    in time. An AssertionError within ``look`` means "not yet", and is shown at the end."""
    deadline = time.monotonic() + deadline_seconds
    pause = threading.Event()
    while True:
        why = ""
        try:
            if found := look():
                return found
        except AssertionError as error:
            why = f": {error}"
        assert time.monotonic() < deadline, f"{what}: not within {deadline_seconds:g} s{why}"
        pause.wait(_PAUSE_SECONDS)
