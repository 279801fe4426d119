"""The library of Mesos as it loads on this machine, in the cache folder of the user.

It is made once: the egg is fetched (see `fetch`), the library taken out and edited (see `elf`),
and only a finished file gets its name. Of several processes one does it, the others wait.
"""

import fcntl
import mmap
import os
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from localmesos.apache.elf import weaken
from localmesos.apache.errors import EngineError
from localmesos.apache.index_settings import IndexSettings, index_settings
from localmesos.apache.release import MESOS_1_11, Progress, Release

_EDIT = 1  # count up when `elf` edits differently, so that cached libraries are made anew
_COPY_BYTES = 256 * 1024


def cache_folder() -> Path:
    """The folder of this user for what can be fetched again ($XDG_CACHE_HOME/stayer)."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG rule: a relative path is invalid and counts as not set.
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "stayer"


def mesos_library(
    *,
    release: Release = MESOS_1_11,
    folder: Path | None = None,
    settings: IndexSettings | None = None,
    on_progress: Progress = lambda _done, _total: None,
) -> Path:
    """The path of a libmesos that loads here; downloads and edits it if it is not there yet.

    Raises EngineError, saying what to do, when it cannot be had.
    """
    folder = cache_folder() if folder is None else folder
    library = folder / f"libmesos-{release.version}-{release.sha256[:12]}-{_EDIT}.so"
    if library.exists():
        return library
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _locked(folder / f"{release.filename}.lock"):
            if not library.exists():
                # Imported only now: the client of the index takes half a second to import, and
                # nearly every start finds the library in the cache.
                from localmesos.apache.fetch import fetch_egg

                egg = fetch_egg(release, folder, settings or index_settings(), on_progress)
                _extract(egg, release, library)
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        raise EngineError(f"cannot prepare Mesos in {folder}: {error}") from error
    return library


def _extract(egg: Path, release: Release, library: Path) -> None:
    """Take the library out of the egg, edit it, and only then give it its name."""
    part = library.with_name(f"{library.name}.part")
    with zipfile.ZipFile(egg) as archive:
        if archive.getinfo(release.library).file_size != release.library_size_bytes:
            raise EngineError(f"{egg} holds a library of an unexpected size")
        with archive.open(release.library) as packed, part.open("wb") as unpacked:
            shutil.copyfileobj(packed, unpacked, _COPY_BYTES)
    with part.open("r+b") as file:
        with mmap.mmap(file.fileno(), 0) as image:
            weaken(image)
            image.flush()
        os.fsync(file.fileno())
    part.chmod(0o644)
    part.replace(library)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock file; waits for another process that prepares the same file."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
