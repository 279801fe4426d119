"""One of several processes leads: elected in ZooKeeper, fenced by the epoch's znode.

kazoo's threads (listeners, watches) only note that something may have changed. One thread of our
own looks at the whole picture then and does what is missing, so it matters not which event came
first, twice, or never: being told wakes it early, and it looks once in a while anyway. Everybody
watches the first candidate, because everybody wants to know who leads; with the handful of
processes that stand on one state, no crowd wakes when it goes.
"""

import logging
import threading
import time
import uuid
from collections.abc import Callable

from kazoo.exceptions import (
    AuthFailedError,
    BadVersionError,
    ConnectionLoss,
    InvalidACLError,
    KazooException,
    NoAuthError,
    NoNodeError,
    SessionExpiredError,
)
from kazoo.protocol.states import KazooState, KeeperState
from msgspec import structs

from framework.interfaces import Leader, LeadershipLostError
from framework.leadership.member import Candidate, Member
from framework.leadership.znodes import ElectionZnodes
from framework.zookeeper.fence import Fence
from framework.zookeeper.session import NoPermissionError, Session

_log = logging.getLogger("stayer")
_FIRST_PAUSE_SECONDS = 0.05
_MAX_PAUSE_SECONDS = 2.0
_CERTAIN_SHARE = 0.8  # of a session: clocks do not run at quite the same pace
_RENEWAL_SHARE = 0.2
_LEAVE_SECONDS = 1.0
_STOP_SECONDS = 5.0
_CLOSED = (KeeperState.CLOSED, KeeperState.AUTH_FAILED)
# What happens whenever connections, sessions and other candidates come and go.
_USUAL = (BadVersionError, ConnectionLoss, NoNodeError, SessionExpiredError)


class ZooKeeperLeadership:
    """``Leadership`` over a Session that has been started and that others may share. Whoever
    closes the session calls ``stop`` first."""

    def __init__(self, session: Session, member: Member) -> None:
        self._session = session
        self._member = member
        self._znodes = ElectionZnodes(session, uuid.uuid4().hex)
        self._self = Leader(member.address, member.secure)
        self._gained: Callable[[], None] = lambda: None
        self._lost: Callable[[Exception], None] = lambda _error: None
        self._thread = threading.Thread(target=self._run, name="election", daemon=True)
        # Below: shared between threads, under this condition's lock, which nobody holds for long.
        self._changed = threading.Condition()
        self._news = True
        self._stands = member.stands
        self._sessions = 0  # how many have ended
        self._led_in = -1  # the one in which we were elected
        self._silent_since: float | None = None
        self._stopping = False
        self._end: Exception | None = None
        self._fence: Fence | None = None
        self._serving = False
        self._seen: Leader | None = None
        self._confirmed = -float("inf")
        # Below: used in the election's thread only.
        self._registered = (-1, False)  # the session, and whether as one that stands
        self._laid_out = False
        self._told = False
        self._complaint = ""

    def start(self, gained: Callable[[], None], lost: Callable[[Exception], None]) -> None:
        """See ``Leadership``. A member that does not stand only learns who leads."""
        self._gained, self._lost = gained, lost
        self._session.listen(self._connection_changed)
        self._connection_changed(self._session.client.state)
        self._thread.start()

    @property
    def fence(self) -> Fence:
        """What the store's writes stand on, from ``gained`` on. LeadershipLostError before."""
        fence = self._fence
        if fence is None:
            raise LeadershipLostError("this process has not been elected")
        return fence

    def serving(self) -> None:
        """Tell everybody that this leader's API answers; to be called once after ``gained``.
        Until then nobody is named as the leader."""
        with self._changed:
            self._serving = True
            self._wake()

    def leader(self) -> Leader | None:
        """See ``Leadership``; None also while an elected one prepares, and when nothing was
        heard for so long that another may lead: whoever is told that it leads itself, did so at
        that moment, even if it was halted for hours just before."""
        with self._changed:
            if self._end is not None or self._stopping or self._is_silent():
                return None
            if self._fence is not None:
                return self._self if self._serving and self._is_certain() else None
            return self._seen

    def members(self) -> tuple[Member, ...]:
        """Every process on this state, also those that do not stand. One whose entry can not be
        read is ``UNREADABLE``. ConnectionError if ZooKeeper does not answer."""
        try:
            return self._znodes.members()
        except KazooException as error:
            raise ConnectionError(f"ZooKeeper does not tell the members: {_name(error)}") from error

    def withdraw(self) -> None:
        """Stand no longer, because the state has become too new for this release. No effect on
        one that leads."""
        with self._changed:
            self._stands = False
            self._wake()

    def confirm(self, max_age_seconds: float = 0.0) -> None:
        """See ``Leadership``."""
        # An answer that took long may be of the time before this process was halted and woken.
        fresh_seconds = max(max_age_seconds, self._session.session_seconds / 3)
        failures = 0
        while True:
            fence = self._led()
            if time.monotonic() - self._confirmed <= max_age_seconds:
                return
            self._wait_for_connection(_pause_seconds(failures))
            began = time.monotonic()
            try:
                self._look_at_fence(fence)
            except KazooException:
                failures += 1
                continue
            self._led()
            if time.monotonic() - began <= fresh_seconds:
                return

    def stop(self) -> None:
        """See ``Leadership``. Returns when the next one can lead, or after some seconds without
        a connection; closing the session does the rest."""
        with self._changed:
            self._stopping = True
            self._wake()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(_STOP_SECONDS)

    # Called by kazoo's threads: they must return at once.

    def _connection_changed(self, state: KazooState) -> None:
        with self._changed:
            if state == KazooState.CONNECTED:
                self._silent_since = None
            elif self._silent_since is None:
                self._silent_since = time.monotonic()
            if state == KazooState.LOST:
                self._sessions += 1
            self._wake()

    def _watched(self, _event: object) -> None:
        with self._changed:
            self._wake()

    # Called by any thread.

    def _wake(self) -> None:
        self._news = True
        self._changed.notify_all()

    def _is_silent(self) -> bool:
        since = self._silent_since
        return since is not None and time.monotonic() - since > self._session.session_seconds

    def _is_certain(self) -> bool:
        """Whether our session can not have ended yet, so that nobody else can have been elected:
        it was alive a moment ago, as a majority of the servers saw."""
        age_seconds = time.monotonic() - self._confirmed
        return age_seconds < self._session.session_seconds * _CERTAIN_SHARE

    def _is_over(self) -> bool:
        return self._stopping or self._end is not None

    def _notice_end(self) -> None:
        if self._end is not None:
            return
        if self._fence is not None and self._sessions != self._led_in:
            self._end = LeadershipLostError("the session with ZooKeeper expired")
        elif self._silent_since is not None and self._session.client.client_state in _CLOSED:
            self._end = LeadershipLostError("the session with ZooKeeper was closed")
        if self._end is not None:
            self._wake()

    def _led(self) -> Fence:
        with self._changed:
            self._notice_end()
            if self._end is not None:
                raise LeadershipLostError(str(self._end)) from self._end
            if self._stopping:
                raise LeadershipLostError("this process steps down")
            return self.fence

    def _wait_for_connection(self, at_least_seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(self._is_over, at_least_seconds)
            self._changed.wait_for(lambda: self._is_over() or self._silent_since is None)

    def _end_with(self, error: Exception) -> None:
        with self._changed:
            self._end = self._end or error
            self._wake()

    # What follows runs in the election's thread.

    def _run(self) -> None:
        failures = 0
        while self._wait(_pause_seconds(failures)):
            try:
                self._look()
                failures = 0
                self._complaint = ""
            except (NoAuthError, InvalidACLError, AuthFailedError):
                self._end_with(NoPermissionError(self._session.no_permission()))
            except KazooException as error:
                failures += 1
                self._look_again(error)
            except Exception as error:  # noqa: BLE001 - without an election the process must end
                self._end_with(error)
        self._leave()
        if self._end is not None and not self._stopping:
            _log.error("this process takes no part in the election any more: %s", self._end)
            self._lost(self._end)

    def _wait(self, pause_seconds: float) -> bool:
        """Until there is something to look at, but not before the pause is over; False at the
        end. Once in a session's time there is, even when nothing was heard; for one that leads
        more often."""
        with self._changed:
            self._changed.wait_for(self._is_over, pause_seconds)
            share = 1.0 if self._fence is None else _RENEWAL_SHARE
            wait_seconds = self._session.session_seconds * share
            due = time.monotonic() + wait_seconds
            while True:
                self._notice_end()
                if self._is_over():
                    return False
                if self._silent_since is None and (self._news or time.monotonic() >= due):
                    self._news = False
                    return True
                self._changed.wait(
                    max(0.0, due - time.monotonic()) or self._session.session_seconds
                )

    def _look_again(self, error: KazooException) -> None:
        """After a failure; what lasts is told once."""
        self._laid_out = False
        with self._changed:
            self._news = True
        if not isinstance(error, _USUAL) and _name(error) != self._complaint:
            self._complaint = _name(error)
            _log.warning("the election waits for ZooKeeper: %s", self._complaint)

    def _look(self) -> None:
        """See where we stand, and do what is missing."""
        session, stands = self._sessions, self._stands
        if not self._laid_out:
            self._znodes.lay_out()
            self._laid_out = True
        if self._registered != (session, stands):
            self._znodes.register(structs.replace(self._member, stands=stands))
            self._registered = (session, stands)
        order = self._znodes.order()
        own = self._znodes.own(order)
        if self._fence is not None:
            if not own or own != order[0]:
                raise LeadershipLostError("our place in the election is gone")
            self._look_at_fence(self._fence)
        elif stands and not own:
            self._znodes.stand(self._candidate(serving=False))
            order = self._znodes.order()
            own = self._znodes.own(order)
        elif own and not stands:
            self._znodes.withdraw(self._session.session_seconds)
            order = self._znodes.order()
        self._see_first(order, own)
        if stands and own and own == order[0]:
            self._lead(own, session)

    def _look_at_fence(self, fence: Fence) -> None:
        """Know anew that we lead, or that we do not. KazooException if it can not be known."""
        began = time.monotonic()
        if self._znodes.holds(fence):
            with self._changed:
                self._confirmed = max(self._confirmed, began)
        else:
            self._end_with(LeadershipLostError("another process has begun to lead"))

    def _see_first(self, order: list[str], own: str) -> None:
        """Learn who leads, and be woken when that changes."""
        order = order or self._znodes.order(self._watched)
        seen = None
        if order:
            first = self._znodes.candidate(order[0], self._watched)
            if first is not None and first.serving and order[0] != own:
                seen = Leader(first.address, first.secure)
        with self._changed:
            self._seen = seen

    def _lead(self, own: str, session: int) -> None:
        """What the first candidate does, when it is us: begin to lead, then tell so."""
        if self._fence is None:
            began = time.monotonic()
            fence = self._znodes.bump(own, self._member.address)
            with self._changed:
                if self._is_over() or self._sessions != session:
                    self._news = True
                    return
                self._fence, self._led_in, self._confirmed = fence, session, began
            _log.info("this process leads, in epoch %d", fence.epoch)
            threading.Thread(target=self._tell_gained, name="gained", daemon=True).start()
        if self._serving and not self._told:
            self._znodes.tell(own, self._candidate(serving=True))
            self._told = True

    def _tell_gained(self) -> None:
        """In a thread of its own: whoever leads may take time to prepare, and the session may end
        meanwhile."""
        try:
            self._gained()
        except Exception as error:  # noqa: BLE001 - whoever runs the process decides
            self._end_with(error)

    def _candidate(self, *, serving: bool) -> Candidate:
        return Candidate(self._member.address, self._member.secure, serving)

    def _leave(self) -> None:
        try:
            self._znodes.leave(_LEAVE_SECONDS)
        except KazooException as error:  # what is ours goes with the session then
            _log.debug("the election's znodes were not taken away: %s", _name(error))


def _pause_seconds(failures: int) -> float:
    """None after a first failure, which is most often a znode that went while we looked."""
    if failures < 2:
        return 0.0
    return min(_FIRST_PAUSE_SECONDS * 2.0 ** min(failures - 2, 16), _MAX_PAUSE_SECONDS)


def _name(error: KazooException) -> str:
    return f"{type(error).__name__} {error}".rstrip()
