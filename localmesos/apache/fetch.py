"""Download Apache's Mesos from the Python package index.

The file is Apache's own upload; it is taken only if its digest is the one known here. A download
that broke off goes on where it stopped. The index is the one that pip uses on this machine.
"""

import os
from pathlib import Path

import requests
from pypi_simple import NoSuchProjectError, PyPISimple, UnsupportedRepoVersionError

from localmesos.apache.errors import EngineError
from localmesos.apache.index_settings import IndexSettings, without_credentials
from localmesos.apache.release import Progress, Release

_CHUNK_BYTES = 64 * 1024  # as much of a broken download may be lost
_TIMEOUT_SECONDS = 30
_ATTEMPTS = 3
_BROKEN = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)
"""What is tried again: it says nothing about the file itself."""


def fetch_egg(
    release: Release, folder: Path, settings: IndexSettings, on_progress: Progress
) -> Path:
    """The file of the index in `folder`, its digest checked, downloaded if needed."""
    egg = folder / release.filename
    for candidate in (egg, *(each / release.filename for each in settings.folders)):
        if release.is_in(candidate):
            return candidate
    refusals = []
    for url in settings.urls:
        try:
            _fetch_from(url, release, egg, settings, on_progress)
        except _REFUSALS as error:
            refusals.append(f"{without_credentials(url)}: {_reason(error)}")
        else:
            return egg
    tried = "\n  ".join(refusals) or "no package index is configured"
    raise EngineError(
        f"cannot download Apache Mesos {release.version}:\n  {tried}\n"
        f"Without a network, bring the file {release.filename} (project {release.project} of the "
        f"Python package index, sha256 {release.sha256}) from elsewhere and put it at\n  {egg}"
    )


class _WrongAnswerError(Exception):
    """The index answered, but not with the file asked for."""


_REFUSALS = (
    requests.RequestException,
    NoSuchProjectError,
    UnsupportedRepoVersionError,
    ValueError,  # pages that are no index
    _WrongAnswerError,
)


def _reason(error: Exception) -> str:
    if isinstance(error, requests.RequestException):
        # The text of these exceptions holds the whole address, credentials included.
        return type(error).__name__
    return str(error)


def _fetch_from(
    index: str,
    release: Release,
    egg: Path,
    settings: IndexSettings,
    on_progress: Progress,
) -> None:
    with PyPISimple(endpoint=index) as client:
        client.s.verify = settings.certificate or True
        page = client.get_project_page(release.project, timeout=_TIMEOUT_SECONDS)
        urls = [each.url for each in page.packages if each.filename == release.filename]
        if not urls:
            raise _WrongAnswerError(f"it has no {release.filename}")
        part = egg.with_name(f"{egg.name}.part")
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                _download(client.s, urls[0], release, part, on_progress)
            except _BROKEN:
                if attempt == _ATTEMPTS:
                    raise
            else:
                part.replace(egg)
                return


def _download(
    session: requests.Session,
    url: str,
    release: Release,
    part: Path,
    on_progress: Progress,
) -> None:
    """Complete `part`; what is there already is not asked for again if the server allows it."""
    present = part.stat().st_size if part.exists() else 0
    if present >= release.size_bytes:
        part.unlink()
        present = 0
    headers = {"Accept-Encoding": "identity"}
    if present:
        headers["Range"] = f"bytes={present}-"
    with session.get(url, headers=headers, stream=True, timeout=_TIMEOUT_SECONDS) as answer:
        if answer.status_code == requests.codes.requested_range_not_satisfiable:
            part.unlink(missing_ok=True)
            raise requests.ConnectionError("the server knows nothing of the part that is here")
        answer.raise_for_status()
        resumed = answer.headers.get("Content-Range", "").startswith(f"bytes {present}-")
        if answer.status_code != requests.codes.partial_content or not resumed:
            present = 0
        continued = present > 0
        with part.open("ab" if present else "wb") as file:
            for chunk in answer.iter_content(_CHUNK_BYTES):
                present += len(chunk)
                if present > release.size_bytes:
                    break
                file.write(chunk)
                on_progress(present, release.size_bytes)
            file.flush()
            os.fsync(file.fileno())
    if present < release.size_bytes:
        raise requests.ConnectionError("the connection ended before the file did")
    if present > release.size_bytes or not release.is_in(part):
        part.unlink()
        if continued:
            raise requests.ConnectionError("the part that was here belonged to another file")
        raise _WrongAnswerError("it sent a file with another digest than Apache's; deleted")
