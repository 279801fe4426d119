"""Reads and fenced writes that outlive a lost connection.

kazoo repeats nothing by itself. A read may be sent again at any time. A write whose answer was
lost is sent again too, and if it turns out to have been done before, what lies there says so:
every znode is written once, by one process, with data that names its place.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from kazoo.client import TransactionRequest
from kazoo.exceptions import (
    AuthFailedError,
    BadVersionError,
    ConnectionClosedError,
    ConnectionLoss,
    InvalidACLError,
    KazooException,
    NoAuthError,
    NodeExistsError,
    NoNodeError,
    NotEmptyError,
    NotReadOnlyCallError,
    OperationTimeoutError,
    QuotaExceededError,
    RequestTimeoutError,
    RolledBackError,
    RuntimeInconsistency,
    SessionExpiredError,
    ThrottledOpError,
)
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.protocol.states import KazooState

from framework.interfaces import (
    LeadershipLostError,
    StoreError,
    StoreReadOnlyError,
)
from framework.zookeeper.fence import Fence
from framework.zookeeper.session import NoPermissionError, Session

READS_IN_FLIGHT = 64
_WRITES_IN_FLIGHT = 8
# Lost connections that one write may meet. A server that takes no requests of our size cuts each.
_ATTEMPTS = 20
_PAUSE_SECONDS = 0.05
_LOOK_SECONDS = 0.5

_UNKNOWN = (ConnectionLoss, OperationTimeoutError, RequestTimeoutError, ThrottledOpError)
_ADVICE = {
    NoAuthError: "our credentials do not permit it; give those that it was made with"
    " (--zk_credentials_file)",
    AuthFailedError: "our credentials are refused; check --zk_credentials_file",
    InvalidACLError: "our credentials are refused; check --zk_credentials_file",
    QuotaExceededError: "its quota is exhausted; raise it (setquota in zkCli.sh)",
    NotReadOnlyCallError: "its servers are read-only for want of a majority; bring the others back",
}

Pending = Any  # kazoo's IAsyncResult; kazoo has no types


class Reads:
    """What is read. Waits while the connection is away: until the store is closed, or for
    ``patience_seconds``. StoreError; StoreUnusableError if we may not read."""

    def __init__(
        self, session: Session, closed: threading.Event, patience_seconds: float | None = None
    ) -> None:
        self._session = session
        self._client = session.client
        self._closed = closed
        self._patience_seconds = patience_seconds

    def get(self, path: str) -> bytes | None:
        """The data of a node; None if there is none."""
        return next(self.get_all([path]))

    def get_all(self, paths: Iterable[str]) -> Iterator[bytes | None]:
        """The same of many, in this order; READS_IN_FLIGHT are asked for at a time."""
        flying: deque[tuple[str, Pending]] = deque()
        for path in paths:
            flying.append((path, self._client.get_async(path)))
            if len(flying) == READS_IN_FLIGHT:
                yield self._data(*flying.popleft())
        while flying:
            yield self._data(*flying.popleft())

    def children(self, path: str) -> list[str]:
        """The names of a node's children, in no order; none if the node is missing."""
        found = self._answer(lambda: self._client.get_children_async(path))
        return [] if found is None else list(found)

    def sync(self) -> None:
        """Let what is read next hold all that was written anywhere before this call."""
        self._answer(lambda: self._client.sync_async(self._session.path() or "/"))

    def _data(self, path: str, pending: Pending) -> bytes | None:
        found = self._answer(lambda: self._client.get_async(path), pending)
        return None if found is None else bytes(found[0])

    def _answer(self, ask: Callable[[], Pending], pending: Pending | None = None) -> Any:
        """What kazoo answers, None for a missing node; asks again when the answer was lost."""
        pending = ask() if pending is None else pending
        began = time.monotonic()
        while True:
            try:
                return pending.get(timeout=_LOOK_SECONDS)
            except NoNodeError:
                return None
            except KazooTimeoutError:
                self._check(began)
            except ConnectionClosedError as error:
                raise StoreError(f"{self._session.url} is closed") from error
            except (*_UNKNOWN, SessionExpiredError):
                self._closed.wait(_PAUSE_SECONDS)
                self._check(began)
                pending = ask()
            except KazooException as error:
                raise self._explained(error) from error

    def _check(self, began: float) -> None:
        if self._closed.is_set():
            raise StoreError(f"{self._session.url} is closed")
        patience = self._patience_seconds
        if patience is not None and time.monotonic() - began > patience:
            raise StoreError(f"{self._session.url} does not answer for {patience:g} s")

    def _explained(self, error: KazooException) -> Exception:
        name, advice = type(error).__name__, _ADVICE.get(type(error))
        if advice is None:
            return StoreError(f"can not read {self._session.url}: {name}")
        return NoPermissionError(f"can not read {self._session.url}: {advice} ({name})")


class Creation(NamedTuple):
    """Create ``path`` with ``data``, and before it the empty ``parents``, all or nothing; only
    if ``after`` (when given) exists."""

    path: str
    data: bytes
    parents: tuple[str, ...] = ()
    after: str = ""


class FencedWrites:
    """What is written while this process leads: each transaction fails when another one does.
    Waits while the connection is away, for as long as the session may live: an outage of all
    of ZooKeeper lengthens sessions.

    LeadershipLostError when the fence refuses, or the session ended; StoreError when ZooKeeper
    refuses for good, StoreReadOnlyError where the operator can help. Any thread may use it."""

    def __init__(self, session: Session, fence: Fence, reads: Reads, closed: threading.Event):
        self._session = session
        self._client = session.client
        self._acl = session.acl
        self._fence = fence
        self._reads = reads
        self._closed = closed
        self._lost = False
        self.repeated = 0
        session.listen(self._on_state)

    def release(self) -> None:
        """Look at the session no more."""
        self._client.remove_listener(self._on_state)

    def create_all(self, creations: Iterable[Creation], in_flight: int = _WRITES_IN_FLIGHT) -> None:
        """In this order, so many in flight; returns when all are durable."""
        flying: deque[tuple[Creation, Pending]] = deque()
        for creation in creations:
            flying.append((creation, self._begin_creation(creation)))
            if len(flying) == in_flight:
                self._land_first(flying)
        while flying:
            self._land_first(flying)

    def make(self, path: str, data: bytes = b"") -> None:
        """Create a node unless it exists."""
        self._until_done(
            lambda: self._begin(lambda one: one.create(path, data, acl=self._acl)),
            path,
            NodeExistsError,
        )

    def put(self, path: str, data: bytes) -> None:
        """Replace the data of a node that exists."""
        self._until_done(lambda: self._begin(lambda one: one.set_data(path, data)), path)

    def delete(self, paths: Iterable[str]) -> bool:
        """Delete nodes, all or none. False: some are gone already, or not empty, or the answer
        was lost; look again."""
        error = self._outcome(self._begin(*(_deletion(path) for path in paths)))
        if error is None or isinstance(error, (NoNodeError, NotEmptyError, *_UNKNOWN)):
            return error is None
        raise self._explained(error, "delete in") from error

    def _begin_creation(self, creation: Creation) -> Pending:
        def write(one: TransactionRequest) -> None:
            if creation.after:
                one.check(creation.after, -1)
            for parent in creation.parents:
                one.create(parent, b"", acl=self._acl)
            one.create(creation.path, creation.data, acl=self._acl)

        return self._begin(write)

    def _begin(self, *writes: Callable[[TransactionRequest], None]) -> Pending:
        """Submit one transaction under the fence."""
        if self._closed.is_set():
            raise StoreError(f"{self._session.url} is closed")
        if self._lost:
            raise _session_ended(self._session)
        transaction = self._client.transaction()
        transaction.check(self._fence.path, self._fence.version)
        for write in writes:
            write(transaction)
        return transaction.commit_async()

    def _land_first(self, flying: deque[tuple[Creation, Pending]]) -> None:
        """Wait until the first one is done. When it was not, those behind it may not be either:
        all are sent again, in order."""
        for _ in range(_ATTEMPTS):
            creation, pending = flying[0]
            error = self._outcome(pending)
            if error is None or self._was_done(creation, error):
                flying.popleft()
                return
            for _, other in list(flying)[1:]:
                self._outcome(other)
            self._pause(len(flying))
            flying.extend([(one, self._begin_creation(one)) for one, _ in _drained(flying)])
        raise self._cut_too_often(len(flying[0][0].data))

    def _was_done(self, creation: Creation, error: KazooException) -> bool:
        """Whether a creation that failed had been done by an earlier attempt; False: try again.
        StoreError if neither is so."""
        if isinstance(error, _UNKNOWN):
            return False
        if isinstance(error, NodeExistsError):
            if self._reads.get(creation.path) == creation.data:
                return True
            raise StoreError(
                f"{creation.path} in {self._session.url} exists and is not ours: some other"
                " program writes into the store"
            ) from error
        raise self._explained(error, "write to") from error

    def _until_done(
        self, begin: Callable[[], Pending], path: str, done: type[KazooException] | None = None
    ) -> None:
        for _ in range(_ATTEMPTS):
            error = self._outcome(begin())
            if error is None or (done is not None and isinstance(error, done)):
                return
            if not isinstance(error, _UNKNOWN):
                raise self._explained(error, f"write {path} in") from error
            self._pause(1)
        raise self._cut_too_often(0)

    def _outcome(self, pending: Pending) -> KazooException | None:
        """Why the transaction failed or may have failed; None: it was done."""
        results = None
        while results is None:
            try:
                results = pending.get(timeout=_LOOK_SECONDS)
            except KazooTimeoutError as error:
                if self._closed.is_set():
                    raise StoreError(f"{self._session.url} is closed") from error
            except SessionExpiredError as error:
                raise _session_ended(self._session) from error
            except KazooException as error:
                return error
        if isinstance(results[0], BadVersionError | NoNodeError):
            raise LeadershipLostError("another process leads: the store takes no more writes of us")
        neighbours = (RolledBackError, RuntimeInconsistency)  # of the one that failed
        failed = (one for one in results if isinstance(one, KazooException))
        return next((one for one in failed if not isinstance(one, neighbours)), None)

    def _on_state(self, state: KazooState) -> None:
        if state == KazooState.LOST:
            self._lost = True

    def _pause(self, repeated: int) -> None:
        self.repeated += repeated
        self._closed.wait(_PAUSE_SECONDS)

    def _cut_too_often(self, size: int) -> StoreError:
        return StoreError(
            f"{self._session.url} cut the connection {_ATTEMPTS} times at one write of {size}"
            " bytes: its jute.maxbuffer must be 1 MiB at least, its limits no lower than ours"
        )

    def _explained(self, error: KazooException, verb: str) -> StoreError:
        name, advice = type(error).__name__, _ADVICE.get(type(error))
        if advice is None:
            return StoreError(f"can not {verb} {self._session.url}: {name}")
        return StoreReadOnlyError(f"can not {verb} {self._session.url}: {advice} ({name})")


def _deletion(path: str) -> Callable[[TransactionRequest], None]:
    return lambda one: one.delete(path)


def _drained(
    flying: deque[tuple[Creation, Pending]],
) -> list[tuple[Creation, Pending]]:
    taken = list(flying)
    flying.clear()
    return taken


def _session_ended(session: Session) -> LeadershipLostError:
    return LeadershipLostError(f"the session with {session.url} ended: another process may lead")
