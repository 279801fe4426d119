"""Putting a backup into a store: exactly its records, in one append, or nothing.

What was there before is backed up first. Nobody else may write meanwhile: whoever opens the store
for writing sees to that.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from framework.domain.state import Change
from framework.store.backup import Backup, write_backup
from framework.store.migration import MarkedStore


class NotEmptyError(Exception):
    """The store holds a state, which was not to be replaced."""


class Restored(NamedTuple):
    """``records`` are in the store now; ``previous`` is the backup of what was there (None:
    nothing was)."""

    records: int
    previous: Backup | None


def restore(store: MarkedStore, records: Sequence[Change], previous: Path | None) -> Restored:
    """Leave exactly these records in the store, which is open for writing. A state that is there
    goes into a backup at ``previous``, NotEmptyError without one. OSError if that can not be
    written; StoreError if the store fails or its schemas can not say what the records say. In
    every case the store is then as it was."""
    existing = list(store.load())
    if existing and previous is None:
        raise NotEmptyError(f"the store holds {len(existing)} records")
    assert all(change.record is not None for change in records), "a state holds no removals"
    if len(store.codec.kept(records)) != len(records):
        for change in records:
            store.codec.encode(change)  # says which kind the store does not know, and what to do
    kept = {(change.kind, change.id) for change in records}
    gone = [
        change._replace(record=None) for change in existing if (change.kind, change.id) not in kept
    ]
    written = None
    if previous is not None and existing:
        written = write_backup(existing, store.codec, previous)
    store.append([*gone, *records])
    return Restored(len(records), written)
