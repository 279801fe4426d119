"""What makes the writes of an earlier leader fail.

Each leader bumps one znode when elected, and every transaction of the store checks the version
that this made; so a process that slept through its own deposition can write nothing any more.
"""

from typing import NamedTuple


class Fence(NamedTuple):
    """``version`` is the znode's at ``path`` for as long as this leader leads; ``epoch`` counts
    the leaders, and only grows."""

    path: str
    version: int
    epoch: int
