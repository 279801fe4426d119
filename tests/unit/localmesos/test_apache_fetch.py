"""The download from a package index, against small indexes on the loopback."""

import hashlib
import io
import json
import re
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from localmesos.apache.cache import mesos_library
from localmesos.apache.elf import needed_libraries
from localmesos.apache.errors import EngineError
from localmesos.apache.fetch import fetch_egg
from localmesos.apache.index_settings import IndexSettings
from localmesos.apache.release import Release
from tests.unit.localmesos.apache_small_library import small_library

FILENAME = "small-1.0-py2.7-linux-x86_64.egg"


def small_egg() -> bytes:
    egg = io.BytesIO()
    with zipfile.ZipFile(egg, "w") as archive:
        archive.writestr("small/_small.so", bytes(small_library()))
        archive.writestr("filler", bytes(range(256)) * 2000)
    return egg.getvalue()


EGG = small_egg()
SMALL = Release(
    project="small",
    version="1.0",
    filename=FILENAME,
    size_bytes=len(EGG),
    sha256=hashlib.sha256(EGG).hexdigest(),
    library="small/_small.so",
    library_size_bytes=len(small_library()),
)


class Index(ThreadingHTTPServer):
    """A package index with one file, and how it shall misbehave."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = EGG
        self.files = [FILENAME]
        self.knows_ranges = True
        self.refuses_ranges = False
        self.breaks_after: list[int] = []
        self.ranges: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/simple"


class Handler(BaseHTTPRequestHandler):
    server: Index

    def do_GET(self) -> None:
        if self.path == "/simple/small/":
            self._send_page()
        elif self.path == f"/files/{FILENAME}":
            self._send_file()
        else:
            self.send_error(404)

    def _send_page(self) -> None:
        files = [
            {"filename": name, "url": f"/files/{name}", "hashes": {}} for name in self.server.files
        ]
        page = {"meta": {"api-version": "1.0"}, "name": "small", "files": files}
        body = json.dumps(page).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/vnd.pypi.simple.v1+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _send_file(self) -> None:
        asked = self.headers["Range"]
        self.server.ranges.append(asked)
        content, begin = self.server.content, 0
        if asked and self.server.refuses_ranges:
            self.send_error(416)
            return
        if asked and self.server.knows_ranges:
            match = re.fullmatch(r"bytes=(\d+)-", asked)
            assert match is not None
            begin = int(match[1])
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        body = content[begin:]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.server.breaks_after:
            body = body[: self.server.breaks_after.pop(0)]
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name there
        return


@pytest.fixture
def index() -> Iterator[Index]:
    with Index() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def settings(*urls: str, folders: tuple[Path, ...] = ()) -> IndexSettings:
    return IndexSettings(urls, folders, None)


def fetch(folder: Path, *urls: str) -> tuple[Path, list[tuple[int, int]]]:
    progress: list[tuple[int, int]] = []
    egg = fetch_egg(SMALL, folder, settings(*urls), lambda *step: progress.append(step))
    return egg, progress


def test_the_file_is_downloaded_whole(index: Index, tmp_path: Path) -> None:
    egg, progress = fetch(tmp_path, index.url)
    assert egg == tmp_path / FILENAME
    assert egg.read_bytes() == EGG
    assert progress[-1] == (len(EGG), len(EGG))
    assert progress == sorted(progress)
    assert [path.name for path in tmp_path.iterdir()] == [FILENAME]


def test_a_trailing_slash_of_the_index_makes_no_difference(index: Index, tmp_path: Path) -> None:
    assert fetch(tmp_path, index.url + "/")[0].read_bytes() == EGG


def test_what_is_there_is_not_downloaded_again(index: Index, tmp_path: Path) -> None:
    fetch(tmp_path, index.url)
    fetch(tmp_path, index.url)
    assert index.ranges == [None]


def test_a_folder_that_pip_looks_into_will_do(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    (wheels / FILENAME).write_bytes(EGG)
    chosen = settings(folders=(wheels,))
    assert fetch_egg(SMALL, tmp_path, chosen, lambda *_: None) == wheels / FILENAME


def test_a_broken_download_goes_on_where_it_stopped(index: Index, tmp_path: Path) -> None:
    index.breaks_after = [200_000, 100_000]  # of which whole pieces of 64 KiB are kept
    assert fetch(tmp_path, index.url)[0].read_bytes() == EGG
    assert index.ranges == [None, "bytes=196608-", "bytes=262144-"]


def test_a_download_goes_on_after_the_process_ended(index: Index, tmp_path: Path) -> None:
    index.breaks_after = [200_000, 0, 0]
    with pytest.raises(EngineError, match="cannot download"):
        fetch(tmp_path, index.url)
    index.ranges.clear()
    egg, progress = fetch(tmp_path, index.url)
    assert egg.read_bytes() == EGG
    assert index.ranges == ["bytes=196608-"]
    assert progress[0][0] > 196608


def test_a_server_without_ranges_sends_all_again(index: Index, tmp_path: Path) -> None:
    index.knows_ranges = False
    (tmp_path / f"{FILENAME}.part").write_bytes(EGG[:1000])
    assert fetch(tmp_path, index.url)[0].read_bytes() == EGG


@pytest.mark.parametrize("part", [b"x" * 1000, EGG + b"x", b"x" * len(EGG)])
def test_a_part_of_another_file_is_thrown_away(index: Index, tmp_path: Path, part: bytes) -> None:
    (tmp_path / f"{FILENAME}.part").write_bytes(part)
    assert fetch(tmp_path, index.url)[0].read_bytes() == EGG


def test_a_refused_range_begins_anew(index: Index, tmp_path: Path) -> None:
    index.refuses_ranges = True
    (tmp_path / f"{FILENAME}.part").write_bytes(EGG[:1000])
    assert fetch(tmp_path, index.url)[0].read_bytes() == EGG


@pytest.mark.parametrize(
    "content", [EGG[:-1] + b"?", EGG + b"?"], ids=["another byte", "one byte more"]
)
def test_a_file_with_another_digest_is_refused(
    index: Index, tmp_path: Path, content: bytes
) -> None:
    index.content = content
    with pytest.raises(EngineError, match="another digest"):
        fetch(tmp_path, index.url)
    assert list(tmp_path.iterdir()) == []


def test_the_next_index_is_asked_when_one_has_nothing(index: Index, tmp_path: Path) -> None:
    with Index() as empty:
        empty.files = []
        thread = threading.Thread(target=empty.serve_forever, args=(0.01,))
        thread.start()
        nothing = f"http://127.0.0.1:{empty.server_port}/nothing-here"
        assert fetch(tmp_path, nothing, empty.url, index.url)[0].read_bytes() == EGG
        empty.shutdown()
        thread.join()


def test_without_a_network_the_message_says_what_to_do(tmp_path: Path) -> None:
    with Index() as closed:
        port = closed.server_port
    with pytest.raises(EngineError) as failure:
        fetch(tmp_path, f"http://name:secret@127.0.0.1:{port}/simple")
    message = str(failure.value)
    assert f"http://127.0.0.1:{port}/simple: ConnectionError" in message
    assert str(tmp_path / FILENAME) in message
    assert SMALL.sha256 in message
    assert "secret" not in message
    (tmp_path / FILENAME).write_bytes(EGG)
    assert fetch(tmp_path)[0] == tmp_path / FILENAME


def test_no_index_configured_is_said(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no package index is configured"):
        fetch(tmp_path)


def test_the_library_is_made_once_by_many(index: Index, tmp_path: Path) -> None:
    libraries: list[Path] = []

    def make() -> None:
        libraries.append(
            mesos_library(release=SMALL, folder=tmp_path / "cache", settings=settings(index.url))
        )

    threads = [threading.Thread(target=make) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(libraries) == 5
    assert len(set(libraries)) == 1
    assert index.ranges == [None]
    assert needed_libraries(bytearray(libraries[0].read_bytes()))
    assert not list((tmp_path / "cache").glob("*.part"))


def test_a_damaged_archive_is_named(tmp_path: Path) -> None:
    content = b"this is no archive"
    digest = hashlib.sha256(content).hexdigest()
    release = Release("small", "1.0", FILENAME, len(content), digest, "x", 1)
    (tmp_path / FILENAME).write_bytes(content)
    with pytest.raises(EngineError, match="cannot prepare Mesos"):
        mesos_library(release=release, folder=tmp_path, settings=settings())
