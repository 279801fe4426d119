"""mesos-fetcher: brings a task's URIs into its sandbox before the task starts.

What to fetch is in `MESOS_FETCHER_INFO`; the agent keeps the books of the cache, this program
only obeys. It runs as the task's user, writes nothing outside the sandbox and the cache, and any
failure ends it with status 1 and a line on standard error, which the agent shows.
"""

import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple, NoReturn
from urllib.error import URLError
from urllib.request import Request, urlopen

from localmesos.launcher import log
from localmesos.launcher.archives import ArchiveError, extract, is_archive
from localmesos.launcher.events import Json

_NETWORK_SCHEMES = ("http", "https", "ftp", "ftps")
_DEFAULT_STALL_SECONDS = 60.0
_MAX_INFO_CHARACTERS = 16 * 1024 * 1024
_COPY_BYTES = 1024 * 1024
_EXECUTABLE_MODE = 0o755
_DOWNLOADED, _CACHED = "BYPASS_CACHE", ("DOWNLOAD_AND_CACHE", "RETRIEVE_FROM_CACHE")


class FetchError(Exception):
    """A URI cannot be fetched, or FetcherInfo is malformed."""


class Item(NamedTuple):
    """One URI and what to do with it. `file_name` is where it goes, relative to the sandbox."""

    uri: str
    action: str
    cache_file_name: str
    file_name: PurePosixPath
    executable: bool
    extract: bool


class FetcherInfo(NamedTuple):
    """What the agent asks for."""

    items: tuple[Item, ...]
    sandbox: Path
    cache: Path | None
    user: str
    frameworks_home: str
    stall_timeout_seconds: float


def parse_fetcher_info(text: str) -> FetcherInfo:
    """Read FetcherInfo. Raises FetchError when it is malformed or points out of the sandbox."""
    if len(text) > _MAX_INFO_CHARACTERS:
        raise FetchError("MESOS_FETCHER_INFO is too long")
    try:
        info = json.loads(text)
        cache = info.get("cache_directory", "")
        stall = info.get("stall_timeout", {}).get("nanoseconds")
        return FetcherInfo(
            items=tuple(map(_item, info.get("items", []))),
            sandbox=Path(info["sandbox_directory"]),
            cache=Path(cache) if cache else None,
            user=str(info.get("user", "")),
            frameworks_home=str(info.get("frameworks_home", "")),
            stall_timeout_seconds=int(stall) / 1e9 if stall else _DEFAULT_STALL_SECONDS,
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
        raise FetchError(f"malformed MESOS_FETCHER_INFO: {problem!r}") from None


def fetch_all(info: FetcherInfo) -> None:
    """Fetch everything, in order. Raises FetchError at the first failure."""
    if info.cache is not None and any(item.action != _DOWNLOADED for item in info.items):
        _make_cache(info.cache, info.user)
    _become(info.user)
    for item in info.items:
        shown = without_credentials(item.uri)
        log.info(f"Fetching URI '{shown}'")
        try:
            target = _fetch(item, info)
        except (FetchError, ArchiveError, OSError, ValueError) as problem:
            raise FetchError(f"failed to fetch '{shown}': {problem}") from None
        log.info(f"Fetched '{shown}' to '{target}'")
    log.info(f"Successfully fetched all URIs into '{info.sandbox}'")


def _item(item: Json) -> Item:
    uri = item["uri"]
    value = str(uri["value"]).strip()
    action = item.get("action", _DOWNLOADED)
    if action != _DOWNLOADED and action not in _CACHED:
        raise ValueError(f"unknown action {action!r}")
    return Item(
        uri=value,
        action=action,
        cache_file_name=_plain_name(item.get("cache_filename", "")),
        file_name=_inside(uri.get("output_file") or _base_name(value)),
        executable=bool(uri.get("executable", False)),
        extract=bool(uri.get("extract", True)),
    )


def _fetch(item: Item, info: FetcherInfo) -> Path:
    """Bring one item in; where it is now (the sandbox itself, if extracted from the cache)."""
    target = _target(info.sandbox, item.file_name)
    if item.action == _DOWNLOADED:
        _download(item.uri, target, info)
        source = target
    else:
        source = _cached(item, info)
    unpack = item.extract and not item.executable
    if unpack and is_archive(source.name):
        extract(source, info.sandbox)
        log.info(f"Extracted '{source.name}' into '{info.sandbox}'")
        return target if source == target else info.sandbox
    if unpack:
        log.warning(f"Not extracting '{source.name}', because it does not seem to be an archive")
    if source != target:
        _copy_file(source, target)
    if item.executable:
        target.chmod(_EXECUTABLE_MODE)
    return target


def _cached(item: Item, info: FetcherInfo) -> Path:
    if info.cache is None or not item.cache_file_name:
        raise FetchError("no cache directory or no cache file name is given")
    cached = info.cache / item.cache_file_name
    if item.action == "DOWNLOAD_AND_CACHE" and not cached.exists():
        _download(item.uri, cached, info)
    if not cached.is_file():
        raise FetchError("it is not in the cache")
    return cached


def _download(uri: str, target: Path, info: FetcherInfo) -> None:
    scheme = uri.partition("://")[0].lower() if "://" in uri else ""
    if scheme in _NETWORK_SCHEMES:
        _download_from_network(uri, target, info.stall_timeout_seconds)
    elif scheme in ("", "file"):
        _copy_file(_local_path(uri, info.frameworks_home), target)
    else:
        raise FetchError(f"unsupported scheme '{scheme}'")


def _download_from_network(uri: str, target: Path, stall_timeout_seconds: float) -> None:
    # The scheme was checked; redirects go to http, https and ftp only.
    request = Request(uri, headers={"User-Agent": "mesos-fetcher"})  # noqa: S310 - see above
    try:
        with urlopen(request, timeout=stall_timeout_seconds) as answer:  # noqa: S310 - see above
            status = getattr(answer, "status", None)
            if status not in (None, 200):
                raise FetchError(f"received HTTP return code {status}")
            received = _store(answer, target)
            expected = answer.headers.get("Content-Length")
    except URLError as problem:
        raise FetchError(f"{problem}") from None
    if expected is not None and expected.isdecimal() and int(expected) != received:
        target.unlink()
        raise FetchError(f"the download ended after {received} of {expected} bytes")


def _local_path(uri: str, frameworks_home: str) -> Path:
    path = uri.removeprefix("file://").removeprefix("localhost/")
    if uri.startswith("file://localhost/"):
        path = f"/{path}"
    if path.startswith("/"):
        return Path(path)
    if "://" in uri:
        raise FetchError("a file URI must have an absolute path")
    if not frameworks_home:
        raise FetchError("a relative path needs the agent's flag frameworks_home")
    return Path(frameworks_home) / path


def _copy_file(source: Path, target: Path) -> None:
    if not source.is_file():
        raise FetchError(f"'{source}' is no file that can be read")
    with source.open("rb") as data:
        _store(data, target)
        mode = os.fstat(data.fileno()).st_mode
    # Readable and executable bits of the source, so that a program stays one.
    target.chmod(target.stat().st_mode | (mode & 0o555))


def _store(data: IO[bytes], target: Path) -> int:
    """Write a stream to a file that appears complete or not at all; its size in bytes."""
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with part.open("xb") as file:
            shutil.copyfileobj(data, file, _COPY_BYTES)
            size = file.tell()
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return size


def _target(sandbox: Path, file_name: PurePosixPath) -> Path:
    """Where a file goes; its folder is made. Raises FetchError if a link leads out of it."""
    target = sandbox / file_name
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.parent.resolve().is_relative_to(sandbox.resolve()):
        raise FetchError(f"'{file_name}' is outside the sandbox")
    return target


def _base_name(uri: str) -> str:
    """The last part of a URI's path, as Mesos takes it (with a query, if there is one)."""
    path = uri.partition("://")[2] if "://" in uri else f"/{uri}"
    _, slash, name = path.rpartition("/")
    if not slash or not name:
        raise ValueError(f"'{without_credentials(uri)}' does not end with a file name")
    return name


def _inside(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in name:
        raise ValueError(f"'{name}' is no path inside the sandbox")
    return path


def _plain_name(name: str) -> str:
    if "/" in name or name in (".", ".."):
        raise ValueError(f"'{name}' is no file name")
    return name


def _make_cache(cache: Path, user: str) -> None:
    try:
        cache.mkdir(parents=True, exist_ok=True)
        if user and os.geteuid() == 0:
            shutil.chown(cache, user)
    except (OSError, LookupError) as problem:
        raise FetchError(f"cannot create the cache directory: {problem}") from None


def _become(user: str) -> None:
    """Change to the task's user, so that the task's own rights apply to all that is read."""
    if not user:
        return
    import pwd  # here: not needed where every task has the agent's own user

    try:
        account = pwd.getpwnam(user)
        if account.pw_uid != os.geteuid():
            os.initgroups(user, account.pw_gid)
            os.setgid(account.pw_gid)
            os.setuid(account.pw_uid)
    except (KeyError, OSError) as problem:
        raise FetchError(f"cannot change to the user '{user}': {problem}") from None


def without_credentials(uri: str) -> str:
    """A URI that may be logged: without user, password, query and fragment."""
    scheme, separator, rest = uri.partition("://")
    if not separator:
        return uri
    authority, slash, path = rest.partition("/")
    path = path.partition("?")[0].partition("#")[0]
    return f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}"


def run(environment: Mapping[str, str]) -> int:
    """Fetch what the environment says; the exit status."""
    try:
        fetch_all(parse_fetcher_info(environment.get("MESOS_FETCHER_INFO", "")))
    except FetchError as problem:
        log.error(str(problem))
        return 1
    return 0


def main() -> NoReturn:
    """The program `mesos-fetcher`."""
    sys.exit(run(os.environ))
