"""Unpacking archives that come from anywhere, without trusting them.

Nothing is written outside the destination, no device, no set-uid file and no foreign owner
appears, and numbers and sizes are bounded. A hostile archive is refused with its member named.
"""

import gzip
import os
import stat
import tarfile
import zipfile
import zlib
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import IO

MAX_MEMBERS = 200_000
MAX_EXTRACTED_BYTES = 64 * 1024**3
_TAR_ENDINGS = (".tar", ".tgz", ".tar.gz", ".tbz2", ".tar.bz2", ".txz", ".tar.xz")
_COPY_BYTES = 1024 * 1024
_MAX_LINK_BYTES = 4096


class ArchiveError(Exception):
    """The archive is damaged, too large, or would write outside its destination."""


def is_archive(name: str) -> bool:
    """Whether Mesos would extract a file of this name."""
    return name.endswith((*_TAR_ENDINGS, ".zip", ".gz"))


def extract(archive: Path, destination: Path) -> None:
    """Unpack by the file's ending. Raises ArchiveError; what was unpacked before stays."""
    try:
        if archive.name.endswith(_TAR_ENDINGS):
            _extract_tar(archive, destination)
        elif archive.name.endswith(".zip"):
            _extract_zip(archive, destination)
        else:
            _extract_gz(archive, destination)
    except (
        tarfile.TarError,
        zipfile.BadZipFile,
        gzip.BadGzipFile,
        zlib.error,
        LZMAError,
        EOFError,
        NotImplementedError,
        RuntimeError,  # zipfile's, for an encrypted member
    ) as problem:
        raise ArchiveError(f"cannot extract '{archive.name}': {problem}") from None


def _extract_tar(archive: Path, destination: Path) -> None:
    if not hasattr(tarfile, "data_filter"):
        raise ArchiveError("this Python cannot unpack tar files safely: 3.11.4 or newer is needed")
    size = 0
    with tarfile.open(archive) as tar:
        for count, member in enumerate(tar):
            _check_name(member.name)
            size += member.size
            _check_limits(count + 1, size)
            # The filter refuses links out of the destination, devices, and foreign rights.
            tar.extract(member, destination, filter="data")


def _extract_zip(archive: Path, destination: Path) -> None:
    links: list[tuple[Path, str]] = []
    size = 0
    with zipfile.ZipFile(archive) as opened:
        _check_limits(len(opened.infolist()), 0)
        for member in opened.infolist():
            _check_name(member.filename)
            target = _inside(destination, destination / member.filename)
            mode = member.external_attr >> 16
            if member.is_dir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with opened.open(member) as data:
                if stat.S_ISLNK(mode):
                    links.append((target, data.read(_MAX_LINK_BYTES).decode()))
                    continue
                size += _write(data, target, MAX_EXTRACTED_BYTES - size)
            if mode & 0o111:
                target.chmod(0o755)
    # Last, so that no member is written through a link of its own archive.
    for link, pointed_at in links:
        _inside(destination, link.parent / pointed_at)
        link.unlink(missing_ok=True)
        link.symlink_to(pointed_at)


def _extract_gz(archive: Path, destination: Path) -> None:
    with gzip.open(archive, "rb") as data:
        _write(data, destination / archive.name.removesuffix(".gz"), MAX_EXTRACTED_BYTES)


def _write(data: IO[bytes] | gzip.GzipFile, target: Path, room_bytes: int) -> int:
    """Write a stream to a new file; its size. Raises ArchiveError when it outgrows the room."""
    if target.is_dir() and not target.is_symlink():
        raise ArchiveError(f"'{target.name}' is there already, as a directory")
    target.unlink(missing_ok=True)  # a link in its place is replaced, never written through
    written = 0
    with target.open("xb") as file:
        while part := data.read(_COPY_BYTES):
            written += len(part)
            if written > room_bytes:
                raise ArchiveError(f"more than {MAX_EXTRACTED_BYTES} bytes")
            file.write(part)
    return written


def _check_name(name: str) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise ArchiveError(f"the member '{name}' would be written outside the destination")


def _inside(destination: Path, path: Path) -> Path:
    """The path as given, if everything but its last part leads into the destination."""
    resolved = Path(os.path.realpath(path.parent)) / path.name
    top = destination.resolve()
    if not resolved.resolve().is_relative_to(top):
        raise ArchiveError(f"'{path.name}' leads outside the destination")
    return path


def _check_limits(members: int, size: int) -> None:
    if members > MAX_MEMBERS:
        raise ArchiveError(f"more than {MAX_MEMBERS} members")
    if size > MAX_EXTRACTED_BYTES:
        raise ArchiveError(f"more than {MAX_EXTRACTED_BYTES} bytes")
