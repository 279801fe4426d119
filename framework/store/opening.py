"""A store by its URL, as the command line and the settings name it."""

from framework.interfaces import Store, StoreUnusableError
from framework.store.memory import MemoryStore
from framework.store.sqlite import SqliteStore

_FORMS = "sqlite:PATH (one machine, durable) or memory: (forgotten at the end)"


def open_store(url: str, *, follow_only: bool = False) -> Store:
    """The store that ``url`` names: ``sqlite:PATH`` or ``memory:``. StoreUnusableError if there
    is none such or it can not be opened; ``follow_only`` as in SqliteStore."""
    scheme, colon, rest = url.partition(":")
    if scheme == "memory" and colon and not rest:
        return MemoryStore(follow_only=follow_only)
    if scheme == "sqlite" and rest:
        return SqliteStore(rest, follow_only=follow_only)
    if scheme == "zk" and colon:
        raise StoreUnusableError(f"zk:// comes with the ZooKeeper store; for now use {_FORMS}")
    # Only the scheme is repeated: the rest may hold credentials.
    raise StoreUnusableError(f"no store for {scheme + colon!r}: use {_FORMS}")
