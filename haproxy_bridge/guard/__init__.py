"""What stands between an answer of the scheduler and the traffic.

``rotation`` decides which tasks serve, ``losses`` whether an answer is to be believed that takes
most servers away, ``judge`` brings both together; ``found`` stands in for a memory that is lost.
Pure: the memory of the last run comes in as a value and goes out as one. ``together`` makes one of
several clusters.
"""

from haproxy_bridge.guard.judge import Judge, Judged, judge
from haproxy_bridge.guard.memory import GuardOptions, Held, Memory, Panic
from haproxy_bridge.guard.together import Spread, Together

__all__ = [
    "GuardOptions",
    "Held",
    "Judge",
    "Judged",
    "Memory",
    "Panic",
    "Spread",
    "Together",
    "judge",
]
