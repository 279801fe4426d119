"""The store that ``stayer state`` works on: named by its URL, opened to read or to write.

Reading follows, also beside a scheduler that writes. Writing takes what keeps a scheduler out:
the lock of the file, or the fence in ZooKeeper.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields, replace
from functools import wraps
from typing import Any, cast, get_type_hints

import click

from cli.flags import option_of, read
from framework.interfaces import LeadershipLostError, StoreError, StoreUnusableError
from framework.leadership.exclusive import take_fence
from framework.leadership.znodes import ElectionZnodes
from framework.store.backup import BackupUnusableError
from framework.store.migration import MarkedStore, Member
from framework.store.opening import open_store
from framework.store.zookeeper import ZooKeeperStore
from framework.zookeeper.options import ZooKeeperOptions
from framework.zookeeper.session import Session
from framework.zookeeper.url import parse_zk_url

DEFAULT_STORE = "sqlite:stayer-state/stayer.db"


class Failure(click.ClickException):
    """Ends the command with this text and exit code."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click asks the instance


@contextmanager
def told() -> Iterator[None]:
    """What may go wrong with stores and files, as the end of the command."""
    try:
        yield
    except (StoreUnusableError, StoreError, LeadershipLostError) as error:
        raise Failure(str(error), error.exit_code) from error
    except BackupUnusableError as error:
        raise Failure(f"{error}. Nothing was changed.") from error
    except FileExistsError as error:
        raise Failure(f"{error}. Name another file, or say that it may be replaced.") from error
    except OSError as error:
        raise Failure(f"{error.filename or 'the file'}: {error.strerror or error}") from error


@dataclass(frozen=True, slots=True)
class Place:
    """A store that may exist. Its text is the URL without credentials."""

    url: str
    zookeeper: ZooKeeperOptions

    def __str__(self) -> str:
        return str(parse_zk_url(self.url)) if self.in_zookeeper else self.url

    @property
    def in_zookeeper(self) -> bool:
        """Whether several processes may stand on it."""
        return self.url.startswith("zk://")

    @contextmanager
    def reading(self) -> Iterator[MarkedStore]:
        """The store, which a scheduler may be writing to."""
        store = open_store(self.url, follow_only=True, zookeeper=self.zookeeper)
        with closing(store):
            yield cast("MarkedStore", store)  # every store that has a URL is one

    @contextmanager
    def writing(self, *, force: bool = False) -> Iterator[MarkedStore]:
        """The store, made if missing, while no scheduler writes. ``force``: see take_fence."""
        if not self.in_zookeeper:
            with closing(open_store(self.url)) as store:
                yield cast("MarkedStore", store)
            return
        with closing(self._session()) as session:
            session.start()
            fence = take_fence(session, force=force)
            with closing(ZooKeeperStore(session)) as store:
                store.write_under(fence)
                yield store

    @contextmanager
    def migrating(self) -> Iterator[tuple[MarkedStore, Sequence[Member]]]:
        """The store to raise the mark of, and who is registered on it."""
        if not self.in_zookeeper:
            with self.reading(), self.writing() as store:  # reading first: it makes no new one
                yield store, ()
            return
        with self.reading() as store, closing(self._session()) as session:
            session.start(make_path=False)
            yield store, ElectionZnodes(session, "").members()

    def _session(self) -> Session:
        try:
            return Session(parse_zk_url(self.url), self.zookeeper)
        except OSError as error:
            raise StoreUnusableError(f"{error.filename}: {error.strerror}") from error
        except ValueError as error:
            raise StoreUnusableError(str(error)) from error


def with_place(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the store as its first argument, ``place``, named by options, and tell its
    failures."""

    @wraps(command)
    def run(*args: Any, store_url: str, **values: Any) -> Any:
        names = {one.name for one in fields(ZooKeeperOptions)} - {"zk"}
        options = {name: values.pop(name) for name in names}
        with told():
            return command(_place(store_url, options), *args, **values)

    types = get_type_hints(ZooKeeperOptions)
    for one in reversed(fields(ZooKeeperOptions)):
        if one.name != "zk":
            run = option_of(one.name, one, types[one.name])(run)
    return click.option(
        "--store",
        "store_url",
        default=DEFAULT_STORE,
        show_default=True,
        envvar=["STAYER_ZK", "STAYER_STORE"],
        metavar="URL",
        help="Where the state is kept: sqlite:PATH or zk://host:port,.../path.",
    )(run)


def _place(url: str, values: Mapping[str, Any]) -> Place:
    if url.partition(":")[0] not in {"sqlite", "zk"}:
        raise click.UsageError("--store takes sqlite:PATH or zk://host:port,.../path")
    options = read(ZooKeeperOptions, values)
    if url.startswith("zk:"):
        try:
            replace(options, zk=url).url()
        except ValueError as error:
            raise click.UsageError(str(error)) from error
    return Place(url, options)
