"""Writing to a store in ZooKeeper without a scheduler, as a command of an operator does.

It takes part in the election like any process, so that none can begin to lead while it writes;
but it never serves, and nobody is told of it.
"""

import uuid

from kazoo.exceptions import KazooException, NoNodeError

from framework.interfaces import StoreError, StoreUnusableError
from framework.leadership.member import Candidate
from framework.leadership.znodes import ElectionZnodes
from framework.zookeeper.fence import Fence
from framework.zookeeper.session import Session

_NAME = "stayer state"


def take_fence(session: Session, *, force: bool) -> Fence:
    """A fence to write under, with nobody else elected until the session ends.
    StoreUnusableError if a process leads or stands for election; ``force`` takes the fence all
    the same, and a leader's next write fails. StoreError if ZooKeeper fails."""
    znodes = ElectionZnodes(session, uuid.uuid4().hex)
    try:
        znodes.lay_out()
        znodes.stand(Candidate(_NAME))
        order = znodes.order()
        own = znodes.own(order)
        if not own:
            raise StoreError(f"the session with {session.url} ended")
        if not force and order[0] != own:
            raise StoreUnusableError(_occupied(znodes, order[0]))
        return znodes.bump(own, _NAME)
    except KazooException as error:
        text = f"{session.url} failed: {type(error).__name__} {error}".rstrip()
        raise StoreError(text) from error


def _occupied(znodes: ElectionZnodes, path: str) -> str:
    try:
        first = znodes.candidate(path, lambda _event: None)
    except NoNodeError:
        first = None
    at = f" at {first.address}" if first is not None and first.address else ""
    return (
        f"a Stayer{at} uses this state: stop all of them first (one that was killed counts until"
        " its session has expired), or say --force to take the state from them"
    )
