"""Where the state is kept and who may decide: the two are chosen together.

A store in a file or in memory has one process, which leads; one in ZooKeeper has several, and
those that do not lead follow it, to have the state at hand when they do.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from framework.domain.state import State
from framework.interfaces import Leader, LeadershipLostError, StateTooNewError, Store
from framework.leadership.alone import AloneLeadership
from framework.leadership.member import Member
from framework.leadership.zookeeper import ZooKeeperLeadership
from framework.runtime.standby import Standby
from framework.store.codec import SCHEMAS, this_release
from framework.store.migration import migrate_if_supported
from framework.store.opening import open_store
from framework.store.sqlite import SqliteStore
from framework.store.zookeeper import ZooKeeperStore
from framework.zookeeper.options import ZooKeeperOptions
from framework.zookeeper.session import Session

_log = logging.getLogger("stayer")
# A leader that heard of ZooKeeper within this part of the session's time-out leads for certain.
_CERTAIN_SHARE = 1 / 3

Gained = Callable[[], None]
Lost = Callable[[Exception], None]


class Keeping(Protocol):
    """The state's place, opened; ``elects`` says whether other processes may lead."""

    elects: bool

    def stand(self, own: Leader, gained: Gained, lost: Lost) -> None:
        """Take part, with our API at ``own``; ``gained`` and ``lost`` as in Leadership.start."""
        ...

    def leader(self) -> Leader | None:
        """Who leads and serves, as far as is known; None: nobody."""
        ...

    def behind_seconds(self) -> float | None:
        """Since when we may lack changes of the state that we follow; None: we follow none."""
        ...

    def take(self) -> tuple[Store, State | None]:
        """Once gained: the store to write to, and the state if it is in memory already."""
        ...

    def serving(self) -> None:
        """Once our API answers as the leader's: tell the others."""
        ...

    def confirm(self) -> None:
        """LeadershipLostError unless this process led a moment ago; see Leadership.confirm."""
        ...

    def confirm_now(self) -> None:
        """The same, looking anew."""
        ...

    def close(self) -> None:
        """Step down and let go of the state; harmless when repeated."""
        ...


def open_keeping(store_url: str, options: ZooKeeperOptions) -> Keeping:
    """StoreUnusableError, ValueError or OSError say what is wrong with the options."""
    return ElectedKeeping(options) if options.zk else AloneKeeping(store_url)


class AloneKeeping:
    """A store that has one writer."""

    elects = False

    def __init__(self, store_url: str) -> None:
        self._store = open_store(store_url)
        self._leadership: AloneLeadership | None = None

    def stand(self, own: Leader, gained: Gained, lost: Lost) -> None:
        """See Keeping."""
        self._leadership = AloneLeadership(own.address, own.secure)
        self._leadership.start(gained, lost)

    def leader(self) -> Leader | None:
        """See Keeping."""
        return None if self._leadership is None else self._leadership.leader()

    def behind_seconds(self) -> float | None:
        """See Keeping."""
        return None

    def take(self) -> tuple[Store, State | None]:
        """See Keeping. A file written by an earlier release is migrated, with a backup beside
        it."""
        if isinstance(self._store, SqliteStore):
            migrate_if_supported(self._store, (), self._store.path.parent / "backups")
        return self._store, None

    def serving(self) -> None:
        """See Keeping: there are no others."""

    def confirm(self) -> None:
        """See Keeping: the store's lock lasts as long as the process."""

    def confirm_now(self) -> None:
        """The same."""

    def close(self) -> None:
        """See Keeping."""
        self._store.close()


class ElectedKeeping:
    """A store in ZooKeeper and an election beside it, on one session."""

    elects = True

    def __init__(self, options: ZooKeeperOptions) -> None:
        self._backups = Path(options.zk_backup_folder)
        self._session = Session(options.url(), options)
        self._session.start()
        self._store: ZooKeeperStore | None = None
        self._leadership: ZooKeeperLeadership | None = None
        self._standby: Standby | None = None
        self._lost: Lost = lambda _error: None
        try:
            self._store = ZooKeeperStore(self._session)
        except StateTooNewError as error:
            _tell_too_new(error)
        except BaseException:
            self._session.close()
            raise

    def stand(self, own: Leader, gained: Gained, lost: Lost) -> None:
        """See Keeping. A release too old for what is stored does not stand for election."""
        self._lost = lost
        member = Member(
            address=own.address,
            secure=own.secure,
            release=this_release(),
            schemas={str(kind): schema for kind, schema in SCHEMAS.items()},
            stands=self._store is not None,
        )
        self._leadership = ZooKeeperLeadership(self._session, member)
        if self._store is not None:
            self._standby = Standby(self._store, self._can_not_follow)
            self._standby.start()
        self._leadership.start(gained, lost)

    def leader(self) -> Leader | None:
        """See Keeping."""
        return None if self._leadership is None else self._leadership.leader()

    def behind_seconds(self) -> float | None:
        """See Keeping."""
        return None if self._standby is None else self._standby.behind_seconds

    def take(self) -> tuple[Store, State | None]:
        """See Keeping. What the last leader wrote can no longer grow, so its end is the end."""
        assert self._leadership is not None
        assert self._store is not None
        assert self._standby is not None
        self._store.write_under(self._leadership.fence)
        state = self._standby.take()
        if state is None:
            raise LeadershipLostError("the state was not followed to its end")
        self._migrate(self._store, self._leadership)
        return self._store, state

    def _migrate(self, store: ZooKeeperStore, leadership: ZooKeeperLeadership) -> None:
        """Write in this release's schemas from now on, if every member can read them."""
        try:
            members = leadership.members()
        except ConnectionError as error:
            _log.warning("whether the state may be migrated is not known: %s", error)
            return
        migrate_if_supported(store, members, self._backups)

    def serving(self) -> None:
        """See Keeping."""
        assert self._leadership is not None
        self._leadership.serving()

    def confirm(self) -> None:
        """See Keeping."""
        assert self._leadership is not None
        self._leadership.confirm(self._session.session_seconds * _CERTAIN_SHARE)

    def confirm_now(self) -> None:
        """See Keeping."""
        assert self._leadership is not None
        self._leadership.confirm()

    def close(self) -> None:
        """See Keeping."""
        if self._standby is not None:
            self._standby.stop()
        if self._leadership is not None:
            self._leadership.stop()
        if self._store is not None:
            self._store.close()
        self._session.close()

    def _can_not_follow(self, error: Exception) -> None:
        """A state that has become too new is for others to lead on; this process passes calls
        on to them."""
        if isinstance(error, StateTooNewError) and self._leadership is not None:
            _tell_too_new(error)
            self._leadership.withdraw()
        else:
            self._lost(error)


def _tell_too_new(error: StateTooNewError) -> None:
    _log.error("this process can not lead, it only passes calls on: %s", error)
