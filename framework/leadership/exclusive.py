"""Writing to a store in ZooKeeper without a scheduler, as a command of an operator does.

It takes part in the election like any process, so that none can begin to lead while it writes;
but it never serves, and nobody is told of it.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from kazoo.exceptions import KazooException, NoNodeError

from framework.interfaces import StoreError, StoreUnusableError
from framework.leadership.member import Candidate
from framework.leadership.znodes import ElectionZnodes
from framework.zookeeper.fence import Fence
from framework.zookeeper.session import Session

_LEAVE_SECONDS = 5.0


@contextmanager
def exclusive(session: Session, *, force: bool) -> Iterator[Fence]:
    """A fence to write under. StoreUnusableError if a process leads or stands for election;
    ``force`` takes the fence all the same, and a leader's next write fails. StoreError if
    ZooKeeper fails."""
    znodes = ElectionZnodes(session, uuid.uuid4().hex)
    try:
        fence = _taken(znodes, force=force)
    except KazooException as error:
        raise StoreError(f"{session.url} failed: {type(error).__name__} {error}".rstrip()) from None
    try:
        yield fence
    finally:
        with suppress(KazooException):  # it goes with the session then
            znodes.withdraw(_LEAVE_SECONDS)


def _taken(znodes: ElectionZnodes, *, force: bool) -> Fence:
    znodes.lay_out()
    if not force:
        _check_first(znodes, znodes.order())
    znodes.stand(Candidate("stayer state"))
    order = znodes.order()
    own = znodes.own(order)
    if not force and (not own or order[0] != own):
        _check_first(znodes, order)
    return znodes.bump(own, "stayer state")


def _check_first(znodes: ElectionZnodes, order: list[str]) -> None:
    if not order:
        return
    try:
        first = znodes.candidate(order[0], lambda _event: None)
    except NoNodeError:
        first = None
    at = f" at {first.address}" if first is not None and first.address else ""
    raise StoreUnusableError(
        f"a Stayer{at} uses this state: stop all of them first (one that was killed counts until"
        " its session has expired), or say --force to take the state from them"
    )
