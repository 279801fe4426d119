"""Copies of the certificates that an operator names, each as it last was good.

haproxy is given the folder of copies. So a file that is written badly, or half, changes nothing:
neither what runs nor whether haproxy would start again. Names keep the order of what was named.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from haproxy_bridge.certificates import pem, self_signed
from haproxy_bridge.certificates.pem import BadPemError, Pem
from haproxy_bridge.swap.files import give_like, read, write_atomically

MAX_FILES = 2_000
_BESIDE = (".key", ".issuer", ".ocsp", ".sctl")
"""Files that belong to another one."""
_BUNDLE = (".rsa", ".ecdsa", ".dsa")
_NAME = re.compile(r"[A-Za-z0-9._@+-]{1,200}")


class Kept(Struct, frozen=True):
    """``source``: the file that was named, or is in a folder that was. ``path``: its copy, and
    ``found`` what is there (None for nothing). ``problem``: why the source is not taken as it
    is."""

    source: str
    path: str
    found: Pem | None
    problem: str = ""


class Shelf:
    """The folder of copies. ``host``: for whom a certificate is made if there is none."""

    def __init__(self, folder: Path, sources: Sequence[str], host: str) -> None:
        self._folder = folder
        self._sources = sources
        self._host = host

    @property
    def folder(self) -> str:
        """Where the copies are."""
        return str(self._folder)

    def sync(self, now_ms: int, *, write: bool) -> tuple[Kept, ...]:
        """Bring the copies to what the sources are now, and tell of each. Not ``write``: as they
        are. OSError."""
        if not self._sources:
            self._clear(write=write)
            return ()
        if write:
            self._folder.mkdir(mode=0o700, parents=False, exist_ok=True)
            give_like(self._folder.parent, self._folder)  # a haproxy that is not root reads it
        kept = [self._kept(name, source, write=write) for name, source in self._named()]
        if any(one.found for one in kept):
            kept += self._forgotten(kept, write=write)
            return tuple(kept)
        left = [self._of_before(path) for path in self._copies() if path.name != self_signed.NAME]
        if left:
            return (*kept, *left)
        return (*kept, *self._fallback(now_ms, write=write))

    def _named(self) -> Iterator[tuple[str, Path]]:
        """The name of the copy, and the file."""
        used: set[str] = set()
        for number, source in enumerate(self._sources):
            for path in _files(Path(source)):
                name = f"{number:02}-{path.name.removesuffix('.pem')}.pem"
                name = f"{number:02}-{path.name}.pem" if name in used else name
                used.add(name)
                yield name, path
                if len(used) >= MAX_FILES:
                    return

    def _kept(self, name: str, source: Path, *, write: bool) -> Kept:
        path = self._folder / name
        if not _NAME.fullmatch(name):
            why = "its name is not of letters, digits and ._@+-"
            return Kept(str(source), str(path), None, why)
        before = _copy(path)
        try:
            found = pem.of_file(source)
            if before is not None and before.content == found.content:
                return Kept(str(source), str(path), before)
            if write:
                pem.belong_together(found, self._folder)
                write_atomically(path, found.content, 0o600)
        except (OSError, ValueError) as error:
            return Kept(str(source), str(path), before, pem.why(error))
        return Kept(str(source), str(path), found if write else before)

    def _forgotten(self, kept: Sequence[Kept], *, write: bool) -> list[Kept]:
        """Copies of what is no more go, as others are there. Of a source that can not even be
        listed nothing is known."""
        known = {Path(one.path).name for one in kept}
        unknown = tuple(
            f"{number:02}-"
            for number, source in enumerate(self._sources)
            if not Path(source).exists() or not _files(Path(source))
        )
        left = [path for path in self._copies() if path.name not in known]
        stay = [one for one in left if unknown and one.name.startswith(unknown)]
        for path in left:
            if write and path not in stay:
                path.unlink(missing_ok=True)
        return [self._of_before(path) for path in stay]

    def _of_before(self, path: Path) -> Kept:
        why = "what it was a copy of is gone; it stays until there are others in its place"
        return Kept(str(path), str(path), _copy(path), why)

    def _fallback(self, now_ms: int, *, write: bool) -> Iterator[Kept]:
        path = self._folder / self_signed.NAME
        where = ", ".join(self._sources)
        found, why = _copy(path), f"no certificate is in {where}: clients are shown this one"
        if write and self_signed.is_due(found, now_ms):
            try:
                found = self_signed.made(self._host, self._folder)
                write_atomically(path, found.content, 0o600)
            except (self_signed.NotMadeError, ValueError) as error:
                why = f"no certificate is in {where}, and {error}: there is no https"
        yield Kept(str(path), str(path), found, why)

    def _copies(self) -> list[Path]:
        with suppress(FileNotFoundError):
            return sorted(path for path in self._folder.iterdir() if path.suffix == ".pem")
        return []

    def _clear(self, *, write: bool) -> None:
        if write:
            for path in self._copies():
                path.unlink(missing_ok=True)


def _files(source: Path) -> list[Path]:
    """What haproxy would load of it."""
    try:
        if source.is_dir():
            inside = [path for path in source.iterdir() if not path.name.startswith(".")]
            return sorted(path for path in inside if _is_certificate(path))
        bundle = [source.with_name(source.name + end) for end in _BUNDLE]
        there = [path for path in bundle if path.exists()]
    except OSError:
        return []
    return [source] if source.exists() or not there else there


def _is_certificate(path: Path) -> bool:
    return path.is_file() and path.suffix not in _BESIDE


def _copy(path: Path) -> Pem | None:
    try:
        content = read(path)
        return None if content is None else pem.read(content)
    except (OSError, BadPemError):
        return None
