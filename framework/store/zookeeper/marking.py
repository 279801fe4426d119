"""Raising the mark of a store in ZooKeeper, by its leader or by an operator beside it.

No fence is needed: the mark only ever grows, and whoever goes on to write at older schemas does
what the raised mark allows too. So it is compared and set by the version of its znode.
"""

from collections.abc import Callable

from kazoo.exceptions import BadVersionError, ConnectionLoss, KazooException, NoNodeError

from framework.interfaces import StoreError, StoreReadOnlyError
from framework.store.codec import Codec
from framework.zookeeper.session import Session

_ATTEMPTS = 20


def raise_mark(session: Session, path: str, codec: Codec, pause: Callable[[], object]) -> None:
    """Make ours of the mark at ``path``, unless it is already. StateTooNewError if it was raised
    beyond that meanwhile; StoreError."""
    client, mark = session.client, codec.raised_mark()
    for _ in range(_ATTEMPTS):
        try:
            data, stat = session.answer(client.get_async(path))
            if codec.read_mark(data).schemas != codec.schemas:
                session.answer(client.set_async(path, mark, stat.version))
        except (BadVersionError, ConnectionLoss):  # somebody else's, or perhaps ours: look again
            pause()
            continue
        except NoNodeError as error:
            raise StoreError(f"there is no store at {session.url} to migrate") from error
        except KazooException as error:
            raise StoreReadOnlyError(
                f"can not write the mark of {session.url}: {type(error).__name__}"
            ) from error
        codec.check_mark(mark)
        return
    raise StoreError(f"the mark of {session.url} could not be written in {_ATTEMPTS} attempts")
