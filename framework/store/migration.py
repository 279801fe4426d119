"""Raising a store's mark: from then on this release's schemas are written, and older releases
refuse the store.

It happens on request (``stayer state migrate``), or at the start of a leader when every registered
member can read what will be written. A backup is written first, since there is no way back but
that. Records are rewritten when they change next (and by ZooKeeper's next checkpoint): every
release reads all earlier schemas. docs/decisions/0015-schemas-and-migration.md.
"""

import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from framework.interfaces import Store
from framework.store.backup import Backup, write_backup
from framework.store.codec import Codec

_log = logging.getLogger("stayer")


class MarkedStore(Store, Protocol):
    """A store with a mark. Opening shows the mark to the codec, becoming the writer does so
    again; ``append`` writes what ``codec.kept`` leaves."""

    codec: Codec

    def raise_mark(self) -> None:
        """Make ``codec.raised_mark()`` the store's mark, durable before it returns, and show it
        to the codec. StoreError on failure; never lowers a mark that was raised meanwhile."""
        ...


class Member(Protocol):
    """A process on the store, as it is registered: where, its release, and the schemas it can
    read."""

    @property
    def address(self) -> str: ...

    @property
    def release(self) -> str: ...

    @property
    def schemas(self) -> Mapping[str, int]: ...


class MigrationRefusedError(Exception):
    """Members of the group could not read the store any more; the message names them."""


def check_members(codec: Codec, members: Iterable[Member]) -> None:
    """MigrationRefusedError if a member does not support this release's schemas."""
    behind = [
        f"{member.address} (release {member.release})"
        for member in members
        if any(member.schemas.get(kind, 0) < schema for kind, schema in codec.schemas.items())
    ]
    if behind:
        raise MigrationRefusedError(
            f"{', '.join(behind)} could not read the migrated state: upgrade or stop"
            f" {'it' if len(behind) == 1 else 'them'} first"
        )


def migrate(store: MarkedStore, backup: Path) -> Backup:
    """Write a backup in the old schemas, then raise the mark; the store is open for writing.
    OSError or FileExistsError if the backup can not be written: then nothing was changed."""
    written = write_backup(store.load(), store.codec, backup)
    store.raise_mark()
    return written


def migrate_if_supported(
    store: MarkedStore, members: Iterable[Member], folder: Path
) -> Path | None:
    """What a leader does before it decides anything: migrate if there is something to migrate
    and every registered member supports it. The backup in ``folder``, made if missing; None if
    nothing was done, because it can wait: the log says for what."""
    if not store.codec.behind:
        return None
    at = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    path = folder / f"before-{store.codec.release}-{at}.jsonl.gz"
    try:
        check_members(store.codec, members)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        migrate(store, path)
    except MigrationRefusedError as error:
        _log.info("the state stays in its older schemas: %s", error)
        return None
    except OSError as error:
        _log.warning("the state is not migrated, for its backup can not be written: %s", error)
        return None
    _log.info("the state is written as of release %s now; as it was: %s", store.codec.release, path)
    return path
