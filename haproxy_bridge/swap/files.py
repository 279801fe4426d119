"""The files: each is whole or not there, whoever dies in between.

Maps carry the digest of their content in their names, so that the new ones lie beside the old
until no kept configuration names them any more. A configuration that haproxy has not loaded yet has
a mark beside it: if whoever wrote it dies before that, it is none to go back to.
"""

import os
import re
import tempfile
from contextlib import suppress
from pathlib import Path

from haproxy_bridge.rendered import Rendered

GENERATIONS = 5
"""Configurations before the present one that are kept, as ``haproxy.cfg.1`` to ``.5``."""
MAPS = re.compile(r"stayer-[a-z]+-[0-9a-f]{16}\.map")
"""Names of the files beside a configuration."""
UNFINISHED = re.compile(r"\.(.+)\.new-[a-z0-9_]{8}")
"""Names of files that are not whole yet, with the name that each is to have."""
_CONFIG_MODE = 0o640  # it holds hashes of passwords


def write_atomically(path: Path, content: bytes, mode: int = _CONFIG_MODE) -> None:
    """Replace a file, durably. OSError, and then the old one is untouched."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.new-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            _give_to_owner(file.fileno(), path)
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
    sync_folder(path.parent)


def _give_to_owner(handle: int, path: Path) -> None:
    """To whom the present file belongs, else whom its folder does: haproxy's group reads it."""
    give_like(path if path.exists() else path.parent, handle)


def give_like(known: Path, other: Path | int) -> None:
    """To the owner and the group of one that is known; whoever is not root keeps it. OSError."""
    if os.geteuid() == 0:
        found = known.stat()
        os.chown(other, found.st_uid, found.st_gid)


def sync_folder(folder: Path) -> None:
    """Make renames in it durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read(path: Path) -> bytes | None:
    """The file, None if there is none. OSError."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def install(path: Path, rendered: Rendered, *, new_generation: bool) -> None:
    """Put the configuration at ``path``. ``new_generation``: keep the one before beside it, and
    mark the new one as not loaded yet; for changes of members alone, which haproxy has already, it
    is not worth one. OSError, and then the old one is untouched."""
    for name, content in rendered.files.items():
        if not (path.parent / name).exists():
            write_atomically(path.parent / name, content, 0o644)
    if new_generation:
        _keep(path)
        write_atomically(_mark(path), b"")
    write_atomically(path, rendered.config)
    if new_generation:
        _forget_maps(path)


def proven(path: Path) -> None:
    """haproxy has loaded it. OSError."""
    _mark(path).unlink(missing_ok=True)


def _mark(path: Path) -> Path:
    return path.with_name(f".{path.name}.not-loaded")


def generation(path: Path, number: int) -> Path:
    """Where the ``number``-th configuration before the present one is kept."""
    return path.with_name(f"{path.name}.{number}")


def _keep(path: Path) -> None:
    content = read(path)
    if content is None or _mark(path).exists() or content == read(generation(path, 1)):
        return
    for number in range(GENERATIONS - 1, 0, -1):
        with suppress(FileNotFoundError):
            generation(path, number).replace(generation(path, number + 1))
    write_atomically(generation(path, 1), content)


def restore(path: Path) -> bool:
    """Put the generation before back; False if there is none. OSError."""
    content = read(generation(path, 1))
    if content is None:
        return False
    write_atomically(path, content)
    proven(path)
    return True


def _forget_maps(path: Path) -> None:
    kept = [path, *(generation(path, number) for number in range(1, GENERATIONS + 1))]
    named: set[str] = set()
    for each in kept:
        named.update(MAPS.findall((read(each) or b"").decode("utf-8", "replace")))
    for entry in path.parent.iterdir():
        if MAPS.fullmatch(entry.name) and entry.name not in named:
            with suppress(OSError):
                entry.unlink()
