"""Following the log behind the whole state, and waiting for news of it.

What is new is always read, never concluded from a watch: kazoo tells of watches later than of
answers, and whoever takes over must not miss what was written before. A watch only ends a wait.
"""

import threading
import time
from collections.abc import Sequence

from kazoo.exceptions import KazooException
from kazoo.handlers.threading import KazooTimeoutError

from framework.domain.state import Change
from framework.store.codec import Codec
from framework.store.zookeeper.layout import Layout
from framework.store.zookeeper.loading import is_forgotten, load, tail
from framework.store.zookeeper.requests import Reads
from framework.store.zookeeper.segments import Batches
from framework.zookeeper.session import Session


class Followed:
    """One iterator's way through the log; ``batches.number`` is the segment that comes next."""

    def __init__(self, reads: Reads, layout: Layout, codec: Codec) -> None:
        self.batches = Batches(0)
        self._reads = reads
        self._layout = layout
        self._codec = codec

    def whole(self) -> list[Change]:
        """The state to begin with."""
        changes, self.batches = load(self._reads, self._layout, self._codec)
        return changes

    def news(self) -> Sequence[Change] | None:
        """What was appended since; None if that was collected. A single read if it is nothing,
        and one of the pointer."""
        lines = tail(self._reads, self._layout, self.batches)
        changes = [self._codec.decode(line) for line in lines]
        if not changes and is_forgotten(self._reads, self._layout, self.batches):
            return None
        return changes


class News:
    """Waits until a segment exists."""

    def __init__(self, session: Session) -> None:
        self._client = session.client
        self._event = threading.Event()

    def wake(self, *_event: object) -> None:
        """End a wait under way, or the next one."""
        self._event.set()

    def wait(self, path: str, timeout_seconds: float) -> None:
        """Return when ``path`` exists, when woken, or in time; also when it can not be known."""
        deadline = time.monotonic() + timeout_seconds
        try:
            asked = self._client.exists_async(path, watch=self.wake)
            exists = asked.get(timeout=timeout_seconds) is not None
        except (KazooException, KazooTimeoutError):
            exists = False
        if not exists:
            self._event.wait(deadline - time.monotonic())
        self._event.clear()
