"""A ZooKeeper client that is cut at its k-th transaction, in each way that this can happen: the
process dies, the server refuses, or the connection is lost before or after the server did it.

It stands where the store keeps its client, so everything before the cut reaches a real server.
"""

import threading
from collections.abc import Callable
from enum import Enum, auto
from typing import Any

from kazoo.exceptions import ConnectionLoss, QuotaExceededError

from framework.store.zookeeper import ZooKeeperStore


class Cut(Enum):
    """What happens at the transaction in question (KILL and LOSE_EACH: and all after it)."""

    KILL = auto()
    REFUSE = auto()
    LOSE_BEFORE = auto()
    LOSE_AFTER = auto()
    LOSE_EACH = auto()


class KilledError(Exception):
    """The process is dead: nothing is sent any more."""


class CutClient:
    """In front of a KazooClient. ``left`` transactions pass, then comes the cut."""

    def __init__(self, client: Any, cut: Cut, left: int) -> None:
        self._client = client
        self._cut = cut
        self._lock = threading.Lock()
        self.left = left
        self.happened = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def transaction(self) -> Any:
        transaction = self._client.transaction()
        commit = transaction.commit_async
        transaction.commit_async = lambda: self._commit(commit)
        return transaction

    def _commit(self, commit: Callable[[], Any]) -> Any:
        with self._lock:
            self.left -= 1
            once = self._cut not in {Cut.KILL, Cut.LOSE_EACH}
            if self.left >= 0 or (self.left < -1 and once):
                return commit()
            self.happened = True
        if self._cut is Cut.KILL:
            raise KilledError
        if self._cut is Cut.LOSE_AFTER:
            commit().wait()
        answer = self._client.handler.async_result()
        lost = QuotaExceededError() if self._cut is Cut.REFUSE else ConnectionLoss()
        answer.set_exception(lost)
        return answer


def cut_writes(store: ZooKeeperStore, cut: Cut, left: int) -> CutClient:
    """Let ``left`` more transactions of the store pass, then cut."""
    assert store._writer is not None
    writes = store._writer.writes
    client = CutClient(store._session.client, cut, left)
    writes._client = client
    return client
