"""What is stored of a crash before the process ends: of what it was, and where it was raised.

The exception's text stays out: it may hold values of definitions. The log has it in full.
"""

import logging
import traceback

from framework.core.crashes import counted
from framework.core.turn import Step
from framework.core.world import World
from framework.domain.crashes import Crash

_log = logging.getLogger("stayer")
_FRAMES = 3


def crash_step(world: World, error: Exception, now_ms: int) -> Step:
    """A step that only counts the crash. Nothing else of what was being decided is in it: the
    state of a step that raised is worth nothing."""
    changes = tuple(counted(world, _place(error), now_ms))
    crash = changes[-1].record
    assert isinstance(crash, Crash)
    about = f"{crash.kind} {crash.subject}".rstrip()
    _log.error("crash %d on %s (%s): %s", crash.crashes, about, crash.id, crash.error)
    return Step(changes, (), (), (), (), (), wake_at_ms=None)


def _place(error: Exception) -> str:
    """The exception's type and the innermost lines that it came through."""
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    lines = (f"{_file(frame.filename)}:{frame.lineno} {frame.name}" for frame in reversed(frames))
    return f"{type(error).__name__} at {', in '.join(lines)}"


def _file(path: str) -> str:
    """The last parts of a path; where we are installed is nobody's business."""
    return "/".join(path.replace("\\", "/").split("/")[-2:])
