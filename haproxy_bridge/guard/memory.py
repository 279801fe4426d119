"""What is remembered from run to run, and what an operator may set about it."""

from enum import StrEnum

from msgspec import Struct

from haproxy_bridge.snapshot import Snapshot, Verdict


class Panic(StrEnum):
    """What serves an app that has running tasks of which none is healthy. KEEP_LAST: those that
    served last and still run. ALL: all that run. NONE: nobody, clients get 503."""

    KEEP_LAST = "keep-last"
    ALL = "all"
    NONE = "none"


class GuardOptions(Struct, frozen=True, kw_only=True):
    """``max_drop``: the share of servers that may go in one run without a reason, 0..1.
    ``hold_runs`` and ``hold_seconds``: an answer that was held is believed once it came that often,
    over that time. ``healthy_share``: below it, 0..1, an app's unhealthy tasks serve too (0: only
    once none is healthy, and then as ``panic`` says). ``min_uptime_seconds``: a task without
    health check serves once it ran that long."""

    max_drop: float = 0.5
    hold_runs: int = 3
    hold_seconds: float = 120
    panic: Panic = Panic.KEEP_LAST
    healthy_share: float = 0.0
    min_uptime_seconds: float = 0.0


class Held(Struct, frozen=True):
    """An answer that is not believed yet. ``signature`` tells whether the next one is the same."""

    why: str
    signature: str
    since_ms: int
    runs: int = 1


class Memory(Struct, frozen=True):
    """``rotation`` is the last snapshot that was believed, with the tasks that serve; ``verdicts``
    the last known health of each task that was seen; ``held`` an answer that waits to be
    believed. Empty before the first run."""

    rotation: Snapshot | None = None
    verdicts: dict[str, Verdict] = {}
    held: Held | None = None
