"""The znodes of the election: what is made, looked at and taken away, one operation at a time.

``election/`` holds the candidates in the order in which they came, ``members/`` every process,
``epoch`` the count of leaders, whose znode version fences the store. Every method may raise
KazooException, and may then have been carried out or not; each can be called again, because what
is ours is found by its name.
"""

import re
from collections.abc import Callable
from typing import Any

import msgspec
from kazoo.exceptions import (
    ConnectionLoss,
    KazooException,
    NodeExistsError,
    NoNodeError,
    OperationTimeoutError,
)
from kazoo.protocol.states import ZnodeStat

from framework.leadership.member import (
    Candidate,
    Member,
    candidate_from,
    member_from,
)
from framework.zookeeper.fence import Fence
from framework.zookeeper.session import Session

_CANDIDATE = re.compile(r"c-([0-9a-f]{32})-(-?\d{10})")
_MAX_MEMBERS = 200

Watch = Callable[[object], None]


class _Epoch(msgspec.Struct, frozen=True):
    """``bid`` tells a leader whose bump had an unknown outcome that it was carried out."""

    epoch: int = 0
    leader: str = ""
    bid: str = ""


class ElectionZnodes:
    """``token`` (32 hexadecimal digits) marks what belongs to this process."""

    def __init__(self, session: Session, token: str) -> None:
        self.epoch_path = session.path("epoch")
        self._session = session
        self._client = session.client
        self._token = token
        self._election = session.path("election")
        self._member = session.path("members", token)

    def lay_out(self) -> None:
        """Make the permanent znodes."""
        for path in (self._election, self._session.path("members"), self.epoch_path):
            self._answer(self._client.ensure_path_async(path))

    def register(self, member: Member) -> None:
        """Be listed among the members for as long as the session lasts."""
        data = msgspec.json.encode(member)
        try:
            self._answer(self._client.create_async(self._member, data, ephemeral=True))
        except NodeExistsError:
            if self._is_of_this_session(self._member):
                self._answer(self._client.set_async(self._member, data))
                return
            # An expired session's, about to go by itself, which would take our entry with it.
            self._delete(self._member)
            raise OperationTimeoutError("an expired session's entry was in the way") from None

    def members(self) -> tuple[Member, ...]:
        """Every process that is registered now."""
        folder = self._session.path("members")
        self._answer(self._client.sync_async(folder))
        try:
            names = self._answer(self._client.get_children_async(folder))[:_MAX_MEMBERS]
        except NoNodeError:  # nobody was ever there
            return ()
        asked = [self._client.get_async(f"{folder}/{name}") for name in names]
        found = []
        for one in asked:
            try:
                found.append(member_from(self._answer(one)[0]))
            except NoNodeError:  # it has gone meanwhile
                continue
        return tuple(found)

    def order(self, watch: Watch | None = None) -> list[str]:
        """The candidates' paths, first come first. ``watch`` is called when one comes or goes."""
        names = self._answer(self._client.get_children_async(self._election, watch=watch))
        matches = [match for name in names if (match := _CANDIDATE.fullmatch(name))]
        matches.sort(key=lambda match: int(match[2]))
        return [f"{self._election}/{match[0]}" for match in matches]

    def is_ours(self, path: str) -> bool:
        """Whether this process made the candidate, in whatever session."""
        return path.startswith(f"{self._election}/c-{self._token}-")

    def own(self, order: list[str]) -> str:
        """Our candidate of this session, the first if there are several; the rest, which lost
        connections and sessions left behind, is taken away. Empty: there is none."""
        own = ""
        for path in filter(self.is_ours, order):
            if not own and self._is_of_this_session(path):
                own = path
            else:
                self._delete(path)
        return own

    def stand(self, candidate: Candidate) -> None:
        """Become the last candidate."""
        path = f"{self._election}/c-{self._token}-"
        data = msgspec.json.encode(candidate)
        self._answer(self._client.create_async(path, data, ephemeral=True, sequence=True))

    def candidate(self, path: str, watch: Watch) -> Candidate | None:
        """What a candidate tells; None if that can not be read. ``watch`` is called when it tells
        something else or goes. NoNodeError."""
        data, _stat = self._answer(self._client.get_async(path, watch=watch))
        return candidate_from(data)

    def tell(self, path: str, candidate: Candidate) -> None:
        """Say something else as the candidate that we are."""
        self._answer(self._client.set_async(path, msgspec.json.encode(candidate)))

    def withdraw(self, timeout_seconds: float) -> None:
        """Take our candidates away, so that the next one leads."""
        asked = self._client.get_children_async(self._election)
        names = self._session.answer(asked, timeout_seconds)
        for path in (f"{self._election}/{name}" for name in names):
            if self.is_ours(path):
                self._delete(path, timeout_seconds)

    def leave(self, timeout_seconds: float) -> None:
        """Take away everything that is ours."""
        self.withdraw(timeout_seconds)
        self._delete(self._member, timeout_seconds)

    def bump(self, candidate: str, leader: str) -> Fence:
        """Begin the epoch of the candidate at this path, only if it is there still when that
        happens. NoNodeError if it is not; BadVersionError if another began one meanwhile."""
        data, stat = self._answer(self._client.get_async(self.epoch_path))
        last = _epoch_from(data)
        if last.bid == self._token:  # ours already; we were not told
            return Fence(self.epoch_path, stat.version, last.epoch)
        # An unreadable epoch counts as none; the version alone grows just as surely.
        epoch = _Epoch(max(last.epoch, stat.version) + 1, leader, self._token)
        both = self._client.transaction()
        both.check(candidate, -1)
        both.set_data(self.epoch_path, msgspec.json.encode(epoch), stat.version)
        results = self._answer(both.commit_async())
        written = results[-1]
        if not isinstance(written, ZnodeStat):
            raise _cause(results)
        return Fence(self.epoch_path, written.version, epoch.epoch)

    def holds(self, fence: Fence) -> bool:
        """Whether no later epoch had begun when a majority of the servers looked. A transaction,
        though it writes nothing: a read, even after a sync, may be answered by a server that has
        been deposed and does not know."""
        look = self._client.transaction()
        look.check(fence.path, fence.version)
        return bool(self._answer(look.commit_async()) == [True])

    def _is_of_this_session(self, path: str) -> bool:
        stat = self._answer(self._client.exists_async(path))
        known = self._client.client_id
        if known is None or known[0] is None:  # it went away just now: nobody can tell
            raise ConnectionLoss
        return stat is not None and stat.ephemeralOwner == known[0]

    def _delete(self, path: str, timeout_seconds: float | None = None) -> None:
        try:
            self._session.answer(self._client.delete_async(path), timeout_seconds)
        except NoNodeError:
            return

    def _answer(self, asked: Any) -> Any:
        return self._session.answer(asked)


def _epoch_from(data: bytes) -> _Epoch:
    try:
        return msgspec.json.decode(data, type=_Epoch)
    except (msgspec.MsgspecError, RecursionError):
        return _Epoch()


def _cause(results: list[object]) -> KazooException:
    """Why a transaction failed: the first result that is more than "the others failed"."""
    errors = [one for one in results if isinstance(one, KazooException)]
    telling = [one for one in errors if getattr(one, "code", 0) not in (0, -2)]
    return (telling or errors or [OperationTimeoutError("no result")])[0]
