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
    """What happens at the transaction in question (KILL and LOSE_EACH: and all after it;
    LOSE_AND_DIE: it is lost, two that are under way pass, then the process dies)."""

    KILL = auto()
    REFUSE = auto()
    LOSE_BEFORE = auto()
    LOSE_AFTER = auto()
    LOSE_EACH = auto()
    LOSE_AND_DIE = auto()


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
            cut = self._at(-self.left)
            self.happened = self.happened or cut is not None
        if cut is None:
            return commit()
        if cut is Cut.KILL:
            raise KilledError
        if cut is Cut.LOSE_AFTER:
            commit().wait()
        answer = self._client.handler.async_result()
        answer.set_exception(QuotaExceededError() if cut is Cut.REFUSE else ConnectionLoss())
        return answer

    def _at(self, number: int) -> Cut | None:
        """What happens to a transaction; 1 is the one in question."""
        if number < 1:
            return None
        if self._cut is Cut.LOSE_AND_DIE:
            return {1: Cut.LOSE_BEFORE, 2: None, 3: None}.get(number, Cut.KILL)
        return self._cut if number == 1 or self._cut in {Cut.KILL, Cut.LOSE_EACH} else None


def cut_writes(store: ZooKeeperStore, cut: Cut, left: int) -> CutClient:
    """Let ``left`` more transactions of the store pass, then cut."""
    assert store._writer is not None
    writes = store._writer.writes
    client = CutClient(store._session.client, cut, left)
    writes._client = client
    return client
