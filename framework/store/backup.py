"""The whole state as one file: a header, a line for each record, a footer with a checksum.

The lines are the codec's, sorted, so two backups can be compared with the usual tools. A file
counts only as a whole: it appears under its name when it is complete and durable, and is read to
its end and checked before anything of it is used. It holds environments, secrets and all, so
only its owner may read it.
"""

import gzip
import hashlib
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, NamedTuple

import msgspec
from msgspec import Struct

from framework.domain.state import Change
from framework.interfaces import StateTooNewError, StoreUnusableError
from framework.store.codec import RECORD_MAX_BYTES, Codec

FORMAT = "stayer-state-backup"
LAYOUT = 1
RECORDS_MAX = 20_000_000
_HEADER_MAX_BYTES = 64 * 1024
_FOOTER_MAX_BYTES = 1024
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_LEVEL = 6
_REPORT_EVERY = 10_000

_Stream = IO[bytes] | gzip.GzipFile

# (records done, records in all): called now and then, and at the end.
Report = Callable[[int, int], None]


class BackupUnusableError(Exception):
    """The file is no backup that can be restored; the message says why. Nothing was changed."""


class Backup(NamedTuple):
    """What a backup's header says of it."""

    release: str
    schemas: dict[str, int]
    at: str
    records: int


class _Header(Struct, frozen=True, gc=False):
    format: str
    layout: int
    release: str
    schemas: dict[str, int]
    at: str
    records: int


class _Footer(Struct, frozen=True, gc=False):
    records: int
    sha256: str


def _silent(done: int, total: int) -> None:
    """Reports to nobody."""


def write_backup(
    changes: Iterable[Change],
    codec: Codec,
    path: Path,
    *,
    replace: bool = False,
    report: Report = _silent,
) -> Backup:
    """Write all records of a state at the schemas of ``codec``'s mark to ``path``, compressed if
    its name ends in .gz. OSError if that fails, FileExistsError if the file exists unless it may
    be replaced: in both cases what was there is still there."""
    if not replace and path.exists():
        raise FileExistsError(f"{path} exists already")
    lines = sorted(
        (change.kind.value, change.id, codec.encode(change)) for change in codec.kept([*changes])
    )
    mark = codec.read_mark(codec.mark())
    at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    backup = Backup(mark.release, mark.schemas, at, len(lines))
    with _made(path, replace=replace) as file:
        with _compressed(file, path) as stream:
            _write(stream, backup, (line for _, _, line in lines), report)
        file.flush()
        os.fsync(file.fileno())
    return backup


def read_backup(
    path: Path, codec: Codec, *, report: Report = _silent
) -> tuple[Backup, list[Change]]:
    """The whole of a backup, if every byte of it is right. BackupUnusableError if it is not,
    StateTooNewError if a newer release made it; OSError if it can not be read."""
    try:
        with path.open("rb") as file:
            if file.peek(2)[:2] == _GZIP_MAGIC:
                with gzip.open(file) as stream:
                    return _read(stream, path, codec, report)
            return _read(file, path, codec, report)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise BackupUnusableError(f"{path} is damaged: {error}") from error


def _write(stream: _Stream, backup: Backup, lines: Iterable[bytes], report: Report) -> None:
    digest = hashlib.sha256()
    header = msgspec.json.encode(_Header(FORMAT, LAYOUT, *backup)) + b"\n"
    digest.update(header)
    stream.write(header)
    for number, line in enumerate(lines, start=1):
        digest.update(line)
        digest.update(b"\n")
        stream.write(line)
        stream.write(b"\n")
        if number % _REPORT_EVERY == 0 and number < backup.records:
            report(number, backup.records)
    stream.write(_footer(backup.records, digest.hexdigest()))
    report(backup.records, backup.records)


def _footer(records: int, sha256: str) -> bytes:
    return msgspec.json.encode(_Footer(records, sha256)) + b"\n"


def _read(stream: _Stream, path: Path, codec: Codec, report: Report) -> tuple[Backup, list[Change]]:
    digest = hashlib.sha256()
    line = stream.readline(_HEADER_MAX_BYTES)
    backup = _checked_header(line, path, codec)
    digest.update(line)
    changes: dict[tuple[str, str], Change] = {}
    for number in range(1, backup.records + 1):
        line = stream.readline(RECORD_MAX_BYTES + 1)
        change = _checked_record(line, number, path, codec)
        if (change.kind, change.id) in changes:
            raise BackupUnusableError(f"{path} is damaged: {change.kind} {change.id!r} twice")
        changes[change.kind, change.id] = change
        digest.update(line)
        if number % _REPORT_EVERY == 0 and number < backup.records:
            report(number, backup.records)
    if stream.read(_FOOTER_MAX_BYTES) != _footer(backup.records, digest.hexdigest()):
        raise BackupUnusableError(f"{path} is damaged: its checksum does not hold, or it is cut")
    report(backup.records, backup.records)
    return backup, [*changes.values()]


def _checked_header(line: bytes, path: Path, codec: Codec) -> Backup:
    try:
        header = msgspec.json.decode(line, type=_Header)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise BackupUnusableError(f"{path} is no backup of Stayer's state") from error
    if header.format != FORMAT or not line.endswith(b"\n"):
        raise BackupUnusableError(f"{path} is no backup of Stayer's state")
    if header.layout > LAYOUT:
        raise StateTooNewError(
            f"{path} was written by release {header.release} of Stayer, which release"
            f" {codec.release} can not read. Use that release or a later one; nothing was changed."
        )
    if not 0 <= header.records <= RECORDS_MAX:
        raise BackupUnusableError(f"{path} says that it holds {header.records} records")
    for kind, schema in header.schemas.items():
        if schema > codec.schemas.get(kind, 0):
            raise StateTooNewError(
                f"{path} was written by release {header.release} of Stayer: its {kind} records"
                f" have schema {schema}, which release {codec.release} does not know. Use that"
                " release or a later one; nothing was changed."
            )
    return Backup(header.release, header.schemas, header.at, header.records)


def _checked_record(line: bytes, number: int, path: Path, codec: Codec) -> Change:
    if not line.endswith(b"\n"):
        raise BackupUnusableError(f"{path} is damaged or cut: record {number} is not whole")
    try:
        change = codec.decode(line)
    except StateTooNewError:
        raise
    except StoreUnusableError as error:
        raise BackupUnusableError(f"{path} is damaged: record {number} is malformed") from error
    if change.record is None:
        raise BackupUnusableError(f"{path} is damaged: record {number} is a removal")
    return change


@contextmanager
def _compressed(file: IO[bytes], path: Path) -> Iterator[_Stream]:
    if path.suffix != ".gz":
        yield file
        return
    # Without name and time: the same state gives the same bytes.
    with gzip.GzipFile("", "wb", _GZIP_LEVEL, fileobj=file, mtime=0) as stream:
        yield stream


@contextmanager
def _made(path: Path, *, replace: bool) -> Iterator[IO[bytes]]:
    """A new file that takes the name ``path`` when it is complete; else nothing is left."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with suppress(FileNotFoundError):
        temporary.unlink()  # of an earlier process of this number
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
        if replace:
            temporary.replace(path)
        else:
            path.hardlink_to(temporary)  # unlike a renaming, it never replaces
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
