"""The fetcher as the agent starts it, with a loopback web server and archives that mean harm."""

import gzip
import io
import json
import os
import stat
import subprocess
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from localmesos.apache.launcher_folder import isolated_python
from localmesos.launcher import archives
from localmesos.launcher.archives import ArchiveError, extract
from localmesos.launcher.fetcher import FetchError, parse_fetcher_info, without_credentials
from tests.unit.localmesos.launcher_fake_agent import PATIENCE_SECONDS

Json = dict[str, Any]
Outcome = tuple[int, str]


@pytest.fixture
def sandbox(tmp_path: Path) -> Path:
    sandbox = tmp_path / "sandbox"
    sandbox.mkdir()
    return sandbox


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A file to fetch."""
    source = tmp_path / "source" / "app.txt"
    source.parent.mkdir()
    source.write_text("content")
    return source


def fetch(sandbox: Path, *items: Json, **more: Any) -> Outcome:
    """Run the program; its exit status and standard error."""
    info = {"sandbox_directory": str(sandbox), "items": items, **more}
    done = subprocess.run(
        isolated_python("localmesos.launcher.fetcher", "mesos-fetcher"),
        env={"MESOS_FETCHER_INFO": json.dumps(info)},
        cwd="/",
        capture_output=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    return done.returncode, done.stderr.decode()


def item(uri: object, action: str = "BYPASS_CACHE", cache_filename: str = "", **more: Any) -> Json:
    found: Json = {"action": action, "uri": {"value": str(uri), **more}}
    if cache_filename:
        found["cache_filename"] = cache_filename
    return found


@pytest.fixture
def web() -> Iterator[str]:
    """A web server: /ok gives content, /short less than it promises, the rest goes wrong."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status = {"/ok": 200, "/short": 200, "/stall": 200, "/moved": 302}.get(self.path, 404)
            self.send_response(status)
            self.send_header("Content-Length", {"/ok": "7"}.get(self.path, "1000"))
            self.send_header("Location", "file:///etc/passwd")
            self.end_headers()
            self.wfile.write(b"content")
            if self.path == "/stall":
                self.wfile.flush()
                stalled.wait(PATIENCE_SECONDS)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its own name
            return

    stalled = threading.Event()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        stalled.set()
        server.shutdown()
        thread.join()


def test_local_files_are_copied(sandbox: Path, source: Path) -> None:
    source.chmod(0o600)
    status, log = fetch(
        sandbox,
        item(source),
        item(f"file://{source}", output_file="deep/er/other"),
        item(f"file://localhost{source}", executable=True, output_file="program"),
    )
    assert status == 0, log
    assert (sandbox / "app.txt").read_text() == "content"
    assert (sandbox / "deep/er/other").read_text() == "content"
    assert stat.S_IMODE((sandbox / "program").stat().st_mode) == 0o755
    assert "Successfully fetched all URIs" in log


def test_relative_paths_need_a_frameworks_home(sandbox: Path, source: Path) -> None:
    status, log = fetch(sandbox, item("app.txt"))
    assert status == 1
    assert "frameworks_home" in log
    assert fetch(sandbox, item("app.txt"), frameworks_home=str(source.parent))[0] == 0


def test_web_pages_are_fetched(sandbox: Path, web: str) -> None:
    status, log = fetch(sandbox, item(f"{web}/ok"))
    assert status == 0, log
    assert (sandbox / "ok").read_text() == "content"


@pytest.mark.parametrize(
    ("path", "reason"),
    [("/missing", "404"), ("/short", "7 of 1000 bytes"), ("/moved", "file")],
)
def test_bad_web_answers_fail(sandbox: Path, web: str, path: str, reason: str) -> None:
    status, log = fetch(sandbox, item(f"{web}{path}"))
    assert status == 1
    assert reason in log
    assert not list(sandbox.iterdir())


def test_a_stalled_download_fails(sandbox: Path, web: str) -> None:
    stall = {"nanoseconds": 200_000_000}
    status, log = fetch(sandbox, item(f"{web}/stall"), stall_timeout=stall)
    assert status == 1
    assert "timed out" in log
    assert not list(sandbox.iterdir())


def test_the_cache_is_filled_and_used(sandbox: Path, source: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache" / "user"
    fill = item(source, "DOWNLOAD_AND_CACHE", "c1-app.txt", cache=True)
    use = item(source, "RETRIEVE_FROM_CACHE", "c1-app.txt", cache=True, output_file="again")
    assert fetch(sandbox, fill, cache_directory=str(cache))[0] == 0
    assert (cache / "c1-app.txt").read_text() == "content"
    source.write_text("changed meanwhile")
    assert fetch(sandbox, use, cache_directory=str(cache))[0] == 0
    assert (sandbox / "app.txt").read_text() == "content"
    assert (sandbox / "again").read_text() == "content"


def test_what_is_not_in_the_cache_fails(sandbox: Path, source: Path, tmp_path: Path) -> None:
    use = item(source, "RETRIEVE_FROM_CACHE", "nothing", cache=True)
    status, log = fetch(sandbox, use, cache_directory=str(tmp_path / "cache"))
    assert status == 1
    assert "not in the cache" in log


@pytest.mark.parametrize("output_file", ["../escaped", "/tmp/escaped", "a/../../escaped", "."])
def test_nothing_is_written_outside_the_sandbox(
    sandbox: Path, source: Path, output_file: str
) -> None:
    status, log = fetch(sandbox, item(source, output_file=output_file))
    assert status == 1
    assert "no path inside the sandbox" in log
    assert not list(sandbox.parent.glob("escaped*"))


def test_nothing_is_written_through_a_link(sandbox: Path, source: Path) -> None:
    outside = sandbox.parent / "outside"
    outside.mkdir()
    (sandbox / "link").symlink_to(outside)
    assert fetch(sandbox, item(source, output_file="link/file"))[0] == 1
    assert not list(outside.iterdir())
    precious = outside / "precious"
    precious.write_text("untouched")
    (sandbox / "app.txt").symlink_to(precious)
    assert fetch(sandbox, item(source))[0] == 0
    assert precious.read_text() == "untouched"
    assert not (sandbox / "app.txt").is_symlink()


@pytest.mark.parametrize(
    "value", ["gopher://host/file", "http://host", "file://relative", "/", "hdfs://a/b/.."]
)
def test_unusable_uris_fail(sandbox: Path, value: str) -> None:
    status, log = fetch(sandbox, item(value))
    assert status == 1
    assert "failed" in log or "malformed" in log


def test_credentials_are_not_logged(sandbox: Path, web: str) -> None:
    uri = web.replace("http://", "http://user:secret@") + "/missing?token=secret"
    status, log = fetch(sandbox, item(uri))
    assert status == 1
    assert "secret" not in log
    assert without_credentials("https://u:p@h/x?q=1#f") == "https://h/x"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"sandbox_directory": "/s", "items": [{}]}',
        '{"sandbox_directory": "/s", "items": [{"uri": {"value": "/a"}, "action": "STEAL"}]}',
        '{"sandbox_directory": "/", "items": [{"uri": {"value": "/a"}, "cache_filename": "../x"}]}',
    ],
)
def test_malformed_requests_are_refused(text: str) -> None:
    with pytest.raises(FetchError):
        parse_fetcher_info(text)


# Archives


def tar_of(*members: tuple[str, bytes], mode: str = "w:gz", **link: str) -> bytes:
    """A tar with files, and links given as name=target."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode=mode) as tar:  # type: ignore[call-overload]  # a mode
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o4755
            tar.addfile(info, io.BytesIO(content))
        for name, target in link.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
    return data.getvalue()


def zip_of(*members: tuple[str, bytes], **link: str) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.external_attr = 0o100755 << 16
            archive.writestr(info, content)
        for name, target in link.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, target)
    return data.getvalue()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("app.tgz", tar_of(("dir/run", b"content"), link="dir/run")),
        ("app.tar", tar_of(("dir/run", b"content"), mode="w", link="dir/run")),
        ("app.tar.xz", tar_of(("dir/run", b"content"), mode="w:xz", link="dir/run")),
        ("app.tar.bz2", tar_of(("dir/run", b"content"), mode="w:bz2", link="dir/run")),
        ("app.zip", zip_of(("dir/run", b"content"), link="dir/run")),
    ],
)
def test_archives_are_extracted(sandbox: Path, tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    status, log = fetch(sandbox, item(tmp_path / name))
    assert status == 0, log
    assert (sandbox / "dir/run").read_text() == "content"
    assert stat.S_IMODE((sandbox / "dir/run").stat().st_mode) == 0o755  # and not set-uid
    assert (sandbox / "link").readlink() == Path("dir/run")
    assert (sandbox / name).exists()


def test_a_gz_file_is_unpacked(sandbox: Path, tmp_path: Path) -> None:
    (tmp_path / "data.csv.gz").write_bytes(gzip.compress(b"content"))
    assert fetch(sandbox, item(tmp_path / "data.csv.gz"))[0] == 0
    assert (sandbox / "data.csv").read_text() == "content"


def test_archives_come_from_the_cache_and_can_be_kept_whole(sandbox: Path, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zip_of(("x", b"content")))
    cached = item(tmp_path / "a.zip", "DOWNLOAD_AND_CACHE", "c1-a.zip", cache=True)
    assert fetch(sandbox, cached, cache_directory=str(tmp_path / "cache"))[0] == 0
    assert [path.name for path in sandbox.iterdir()] == ["x"]
    whole = item(tmp_path / "a.zip", extract=False, output_file="whole.zip")
    assert fetch(sandbox, whole)[0] == 0
    assert (sandbox / "whole.zip").read_bytes() == (tmp_path / "a.zip").read_bytes()


HOSTILE: dict[str, Callable[[], bytes]] = {
    "up.tgz": lambda: tar_of(("../escaped", b"x")),
    "deep.tgz": lambda: tar_of(("a/../../escaped", b"x")),
    "root.tgz": lambda: tar_of((f"{os.sep}tmp/escaped", b"x")),
    "link.tgz": lambda: tar_of(out="../.."),
    "rootlink.tgz": lambda: tar_of(out="/etc"),
    "up.zip": lambda: zip_of(("../escaped", b"x")),
    "root.zip": lambda: zip_of(("/tmp/escaped", b"x")),
    "link.zip": lambda: zip_of(out="../.."),
    "rootlink.zip": lambda: zip_of(out="/etc"),
    "cut.tgz": lambda: tar_of(("file", os.urandom(10_000)))[:5000],
    "cut.zip": lambda: zip_of(("file", b"x" * 100))[:50],
    "false.tgz": lambda: b"no archive at all",
    "false.gz": lambda: b"no archive at all",
}


@pytest.mark.parametrize("name", [*HOSTILE])
def test_hostile_and_damaged_archives_are_refused(sandbox: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(HOSTILE[name]())
    status, log = fetch(sandbox, item(tmp_path / name))
    assert status == 1
    assert name in log
    assert "Traceback" not in log
    assert not list(tmp_path.rglob("escaped*"))
    assert not (sandbox / "out").is_symlink()


def test_a_link_is_not_written_through_by_its_own_archive(sandbox: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (sandbox / "dir").symlink_to(outside)
    for name, data in (("a.zip", zip_of(("dir/x", b"x"))), ("a.tgz", tar_of(("dir/x", b"x")))):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ArchiveError):
            extract(tmp_path / name, sandbox)
    assert not list(outside.iterdir())


@pytest.mark.parametrize("name", ["bomb.zip", "bomb.tgz", "bomb.gz"])
def test_bombs_are_bounded(
    sandbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(archives, "MAX_EXTRACTED_BYTES", 1000)
    data = {
        "bomb.zip": lambda: zip_of(("a", b"0" * 600), ("b", b"0" * 600)),
        "bomb.tgz": lambda: tar_of(("a", b"0" * 600), ("b", b"0" * 600)),
        "bomb.gz": lambda: gzip.compress(b"0" * 1200),
    }[name]()
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ArchiveError, match="more than 1000 bytes"):
        extract(tmp_path / name, sandbox)


@pytest.mark.parametrize("name", ["many.zip", "many.tar"])
def test_numbers_of_members_are_bounded(
    sandbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBERS", 2)
    members = [(str(number), b"") for number in range(3)]
    data = zip_of(*members) if name.endswith("zip") else tar_of(*members, mode="w")
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ArchiveError, match="more than 2 members"):
        extract(tmp_path / name, sandbox)
