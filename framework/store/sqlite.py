"""A store in one SQLite file, for a scheduler without ZooKeeper.

One row a record, replaced in place; one transaction an append, synced before it returns. Beside
the records each append leaves one row with the keys that it changed: what followers in other
processes read, and the only trace of a removal. Old ones go, and a follower further behind
starts over.
"""

import os
import sqlite3
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Lock

import msgspec

from framework.domain.state import Change, State
from framework.interfaces import StoreError, StoreUnusableError
from framework.store import ownership
from framework.store.codec import Codec

_LAYOUT = 1
_APPLICATION_ID = 0x53544159  # "STAY"
_TABLES = (
    """CREATE TABLE records (
        kind TEXT NOT NULL, id TEXT NOT NULL, line BLOB NOT NULL, PRIMARY KEY (kind, id)
    ) WITHOUT ROWID""",
    "CREATE TABLE appends (sequence INTEGER PRIMARY KEY, changes INTEGER NOT NULL, keys BLOB)",
    "CREATE TABLE store (layout INTEGER NOT NULL, mark BLOB NOT NULL)",
    f"PRAGMA application_id = {_APPLICATION_ID}",
)
_PUT = """INSERT INTO records (kind, id, line) VALUES (?, ?, ?)
    ON CONFLICT (kind, id) DO UPDATE SET line = excluded.line"""
_REMOVE = "DELETE FROM records WHERE kind = ? AND id = ?"
_GET = "SELECT line FROM records WHERE kind = ? AND id = ?"

# How many changes a follower may fall behind before it has to start over.
_KEPT_CHANGES = 100_000
_LOAD_ROWS = 1000
_BUSY_SECONDS = 5.0
# Measured with 1,000 changes spread over 100,000 records: SQLite's defaults (4 MiB of log before
# it is folded into the file, a cache of 2 MiB) take half as long again.
_CACHE_KIB = 64 * 1024
_LOG_PAGES = 4000

_Key = tuple[str, str]
_keys = msgspec.json.Decoder(list[_Key])


class SqliteStore:
    """The Protocol Store on the file ``path``, made if missing. StoreUnusableError if another
    process writes to it, or if it is no store that this release can read. With ``follow_only``
    it never writes, and a writer may have it open at the same time.

    Any thread may call any method; appends are one at a time."""

    def __init__(
        self, path: Path | str, *, follow_only: bool = False, codec: Codec | None = None
    ) -> None:
        self.path = Path(path).resolve()  # one lock, whatever name led here
        self.codec = codec or Codec()
        self._lock = Lock()
        self._closed = False
        self._writer: sqlite3.Connection | None = None
        self._ownership: int | None = None
        self._sequence = 0
        self._kept: deque[tuple[int, int]] = deque()  # (sequence, changes) of each append kept
        self._kept_changes = 0
        try:
            self._open(follow_only)
        except OSError as error:
            self.close()
            raise StoreUnusableError(f"{self.path} can not be opened: {error.strerror}") from error
        except BaseException:
            self.close()
            raise

    def load(self) -> Iterator[Change]:
        """See Store.load. It reads one moment's state while appends go on."""
        with closing(self._reader()) as reader:
            with self._told("read"):
                rows = reader.execute("SELECT kind, id, line FROM records")
            while True:
                with self._told("read"):
                    some = rows.fetchmany(_LOAD_ROWS)
                if not some:
                    return
                for kind, id_, line in some:
                    yield self.codec.decode(line, (kind, id_))

    def append(self, changes: Sequence[Change]) -> None:
        """See Store.append. After a StoreError from the disk the outcome may be unknown and
        every later append fails: open the store again."""
        lines = {
            (change.kind.value, change.id): (self.codec.encode(change), change.record is None)
            for change in self.codec.kept(changes)
        }
        if not lines:
            return
        keys = sorted(lines)  # neighbours share a page
        with self._writing() as connection:
            self._write(connection, keys, lines)

    def raise_mark(self) -> None:
        """See MarkedStore.raise_mark."""
        mark = self.codec.raised_mark()
        with self._writing() as connection:
            connection.execute("UPDATE store SET mark = ?", (mark,))
        self.codec.check_mark(mark)

    def follow(self) -> Iterator[Sequence[Change]]:
        """See Store.follow."""
        with closing(self._reader()) as reader:
            with self._told("read"):
                sequence, changes = self._whole(reader)
            yield changes
            while True:
                self._check_open()
                with self._told("read"):
                    news = self._since(reader, sequence)
                if news is None:
                    return
                sequence, changes = news
                yield changes

    def checkpoint_from(self, state: State) -> None:
        """See Store.checkpoint_from: each append leaves the whole state."""

    def close(self) -> None:
        """See Store.close."""
        with self._lock:
            self._closed = True
            if self._writer is not None:
                with suppress(sqlite3.Error):  # all that was acknowledged is on disk already
                    self._writer.close()
                self._writer = None
            if self._ownership is not None:
                os.close(self._ownership)
                self._ownership = None

    def _open(self, follow_only: bool) -> None:
        if follow_only:
            if not self.path.exists():
                raise StoreUnusableError(f"there is no store at {self.path} yet")
            with closing(self._reader()) as reader, self._told("open"):
                self._check(reader)
            return
        _create(self.path)
        self._ownership = ownership.take(self.path)
        with self._told("open"):
            self._writer = self._connect("rw")
            self._prepare(self._writer)

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Check first, write after: what is not ours or too new stays as it is."""
        fresh = _is_empty(connection)
        if not fresh:
            self._check(connection)
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise StoreUnusableError(
                f"{self.path} must lie on a local file system (SQLite offers no write-ahead"
                f" log there, only {mode!r})"
            )
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
        if fresh:
            self._make_tables(connection)
        self._kept.extend(connection.execute("SELECT sequence, changes FROM appends ORDER BY 1"))
        self._kept_changes = sum(changes for _, changes in self._kept)
        self._sequence = self._kept[-1][0] if self._kept else 0

    def _make_tables(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")
        for statement in _TABLES:
            connection.execute(statement)
        connection.execute("INSERT INTO store VALUES (?, ?)", (_LAYOUT, self.codec.mark()))
        connection.execute("COMMIT")

    def _check(self, connection: sqlite3.Connection) -> None:
        """StoreUnusableError unless this is a store that this release can read."""
        if _is_empty(connection):
            raise StoreUnusableError(f"there is no store at {self.path} yet")
        if connection.execute("PRAGMA application_id").fetchone() != (_APPLICATION_ID,):
            raise StoreUnusableError(
                f"{self.path} is not a store of Stayer but some other SQLite database; name"
                " another file"
            )
        layout, mark = connection.execute("SELECT layout, mark FROM store").fetchone()
        self.codec.check_mark(mark)
        if layout != _LAYOUT:
            raise StoreUnusableError(
                f"{self.path} has table layout {layout}, this release knows {_LAYOUT}: start"
                " the release that wrote it or a later one; nothing was changed"
            )

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """The connection for one transaction; after a failure there is none any more."""
        with self._lock:
            connection = self._writer
            if connection is None:
                raise StoreError(f"{self.path} is not open for writing")
            self._writer = None  # until it has gone well
            try:
                yield connection
            except sqlite3.Error as error:
                with suppress(sqlite3.Error):
                    connection.close()  # rolls back
                raise StoreError(self._explain("write", error)) from error
            self._writer = connection

    def _write(
        self,
        connection: sqlite3.Connection,
        keys: list[_Key],
        lines: dict[_Key, tuple[bytes, bool]],
    ) -> None:
        sequence = self._sequence + 1
        put = [(*key, lines[key][0]) for key in keys if not lines[key][1]]
        removed = [key for key in keys if lines[key][1]]
        forgotten = self._beyond_kept(len(keys))
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(_PUT, put)
        connection.executemany(_REMOVE, removed)
        connection.execute(
            "INSERT INTO appends VALUES (?, ?, ?)", (sequence, len(keys), msgspec.json.encode(keys))
        )
        if forgotten:
            oldest = self._kept[forgotten - 1][0]
            connection.execute("DELETE FROM appends WHERE sequence <= ?", (oldest,))
        connection.execute("COMMIT")
        self._sequence = sequence
        for _ in range(forgotten):
            self._kept_changes -= self._kept.popleft()[1]
        self._kept.append((sequence, len(keys)))
        self._kept_changes += len(keys)

    def _beyond_kept(self, coming: int) -> int:
        """How many of the oldest appends to forget when one of ``coming`` changes is added."""
        excess = self._kept_changes + coming - _KEPT_CHANGES
        count = 0
        for _, changes in self._kept:
            if excess <= 0:
                break
            excess -= changes
            count += 1
        return count

    def _whole(self, reader: sqlite3.Connection) -> tuple[int, list[Change]]:
        """The number of the latest append, and every record."""
        with _snapshot(reader):
            _, sequence = _kept_range(reader)
            rows = reader.execute("SELECT kind, id, line FROM records").fetchall()
        return sequence, [self.codec.decode(line, (kind, id_)) for kind, id_, line in rows]

    def _since(self, reader: sqlite3.Connection, sequence: int) -> tuple[int, list[Change]] | None:
        """The same of what was appended after ``sequence``; None if that is forgotten."""
        with _snapshot(reader):
            oldest, latest = _kept_range(reader)
            if sequence > latest or sequence + 1 < oldest:
                return None
            rows = reader.execute("SELECT keys FROM appends WHERE sequence > ?", (sequence,))
            keys = dict.fromkeys(key for (some,) in rows for key in _keys.decode(some))
            found = [(key, reader.execute(_GET, key).fetchone()) for key in keys]
        return latest, [
            self.codec.gone(*key) if row is None else self.codec.decode(row[0], key)
            for key, row in found
        ]

    def _reader(self) -> sqlite3.Connection:
        self._check_open()
        with self._told("open"):
            return self._connect("ro")

    def _connect(self, mode: str) -> sqlite3.Connection:
        return sqlite3.connect(
            f"{self.path.as_uri()}?mode={mode}",
            uri=True,
            timeout=_BUSY_SECONDS,
            isolation_level=None,
            # Appends come from another thread than the load; our lock keeps them apart.
            check_same_thread=False,
        )

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError(f"{self.path} is closed")

    @contextmanager
    def _told(self, verb: str) -> Iterator[None]:
        """SQLite's errors as the store's."""
        try:
            yield
        except sqlite3.Error as error:
            if verb == "open" or _name(error).startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
                raise StoreUnusableError(self._explain(verb, error)) from error
            raise StoreError(self._explain(verb, error)) from error
        except msgspec.MsgspecError as error:
            raise StoreUnusableError(
                f"{self.path} is damaged: its list of appends is malformed ({error}). Restore"
                " a backup of it; nothing was changed."
            ) from error

    def _explain(self, verb: str, error: sqlite3.Error) -> str:
        name = _name(error)
        advice = next((text for code, text in _ADVICE.items() if name.startswith(code)), "")
        return f"can not {verb} {self.path}: {error}{advice} ({name or type(error).__name__})"


_ADVICE = {
    "SQLITE_FULL": "; free some disk space",
    "SQLITE_READONLY": "; the file, its folder or its file system is read-only",
    "SQLITE_IOERR": "; the disk failed or is full, see the system log",
    "SQLITE_CORRUPT": "; the file is damaged, restore a backup of it",
    "SQLITE_NOTADB": "; the file is no SQLite database, name another one",
    "SQLITE_BUSY": "; some other program locks it",
}


def _name(error: sqlite3.Error) -> str:
    """SQLite's name of the error, e.g. SQLITE_FULL; empty for Python's own."""
    return getattr(error, "sqlite_errorname", None) or ""


def _is_empty(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_master").fetchone() is None


def _kept_range(reader: sqlite3.Connection) -> tuple[int, int]:
    """The numbers of the oldest and the latest append kept; (1, 0) if there was none."""
    (oldest,) = reader.execute("SELECT min(sequence) FROM appends").fetchone()
    (latest,) = reader.execute("SELECT max(sequence) FROM appends").fetchone()
    return (1, 0) if latest is None else (oldest, latest)


@contextmanager
def _snapshot(reader: sqlite3.Connection) -> Iterator[None]:
    """One moment's state for several reads, held no longer: a reader keeps the log growing."""
    reader.execute("BEGIN")
    try:
        yield
    finally:
        reader.execute("COMMIT")


def _create(path: Path) -> None:
    """An empty file that only we can read, its name durable, unless there is one already."""
    made = [folder for folder in (path.parent, *path.parent.parents) if not folder.exists()]
    if path.is_dir():
        raise StoreUnusableError(f"{path} is a folder; name a file in it")
    for folder in reversed(made):
        folder.mkdir(mode=0o700, exist_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    for folder in {path.parent, *(folder.parent for folder in made)}:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
