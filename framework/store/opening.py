"""A store by its URL, as the command line and the settings name it."""

from dataclasses import replace

from framework.interfaces import Store, StoreUnusableError
from framework.store.memory import MemoryStore
from framework.store.sqlite import SqliteStore
from framework.store.zookeeper import ZooKeeperStore
from framework.zookeeper.options import ZooKeeperOptions
from framework.zookeeper.session import Session

_FORMS = (
    "sqlite:PATH (one machine, durable), zk://host:port,.../path (several) or memory: (forgotten"
    " at the end)"
)


def open_store(
    url: str, *, follow_only: bool = False, zookeeper: ZooKeeperOptions | None = None
) -> Store:
    """The store that ``url`` names: ``sqlite:PATH``, ``zk://...`` or ``memory:``.
    StoreUnusableError if there is none such or it can not be opened; ``follow_only`` as in
    SqliteStore, and the only way for ``zk://``, where writing takes leadership: the session is
    made with these options (their ``zk`` does not matter) and ends with the store."""
    scheme, colon, rest = url.partition(":")
    if scheme == "memory" and colon and not rest:
        return MemoryStore(follow_only=follow_only)
    if scheme == "sqlite" and rest:
        return SqliteStore(rest, follow_only=follow_only)
    if scheme == "zk" and rest:
        if not follow_only:
            raise StoreUnusableError(
                "a store at zk:// is written by whoever leads: name it by --zk"
            )
        return _follow_zookeeper(url, zookeeper or ZooKeeperOptions())
    # Only the scheme is repeated: the rest may hold credentials.
    raise StoreUnusableError(f"no store for {scheme + colon!r}: use {_FORMS}")


def _follow_zookeeper(url: str, options: ZooKeeperOptions) -> ZooKeeperStore:
    try:
        wanted = replace(options, zk=url)
        session = Session(wanted.url(), wanted)
    except OSError as error:
        raise StoreUnusableError(f"{error.filename} can not be read: {error.strerror}") from error
    except ValueError as error:
        raise StoreUnusableError(str(error)) from error
    session.start(make_path=False)
    try:
        store = ZooKeeperStore(session, owns_session=True)
        if not store.exists():
            raise StoreUnusableError(f"there is no store at {session.url} yet")
    except BaseException:
        session.close()
        raise
    return store
