"""Who is let in, by which header, and that secrets stay out of every text."""

import base64
import json
import logging
import os
from pathlib import Path
from typing import Any

import pytest

from api.authentication import Authenticated, Authentication
from api.options import ApiOptions


def basic(text: str | bytes) -> str:
    raw = text if isinstance(text, bytes) else text.encode()
    return "Basic " + base64.b64encode(raw).decode()


def with_files(folder: Path, passwords: str = "", tokens: str = "") -> ApiOptions:
    options: dict[str, Any] = {}
    for name, content in (("http_credentials_file", passwords), ("http_tokens_file", tokens)):
        if content:
            (folder / name).write_text(content)
            options[name] = str(folder / name)
    return ApiOptions(**options)


def replace(path: str | None, content: str) -> None:
    """As a careful program replaces a file: at once."""
    assert path is not None
    fresh = Path(path + ".new")
    fresh.write_text(content)
    fresh.rename(path)


def test_nothing_is_asked_for_unless_it_is_set() -> None:
    authentication = Authentication(ApiOptions())
    assert not authentication.required
    assert authentication.allows("")
    assert authentication.allows("nonsense")


PASSWORDS = "# operators\nann:s3:cret\n\n  bob:b\xf6b  \r\ntoken:t\n"
TOKENS = "# machines\nabc\n  xyz+/=\n"


@pytest.mark.parametrize(
    ("header", "allowed"),
    [
        (basic("ann:s3:cret"), True),
        ("basic  " + basic("ann:s3:cret")[6:] + " ", True),
        (basic("bob:böb"), True),
        (basic("token:t"), True),
        ("token=abc", True),
        ('TOKEN="abc"', True),
        ("token= xyz+/=", True),
        ("Bearer abc", True),
        ("bearer abc", True),
        ("", False),
        ("Basic", False),
        ("Basic !!!", False),
        (basic(""), False),
        (basic("ann:"), False),
        (basic("ann:s3"), False),
        (basic("ann:s3:cret\n"), False),
        (basic("ANN:s3:cret"), False),
        (basic("# operators"), False),
        (basic("nobody:s3:cret"), False),
        (basic(b"bob:b\xf6b"), False),
        (basic("abc"), False),
        (basic(":abc"), False),
        ("token=", False),
        ("token=ann:s3:cret", False),
        ("token=abcd", False),
        ("Bearer", False),
        ("Bearer # machines", False),
        ("Bearer t", False),
        ("Digest abc", False),
        ("abc", False),
        ("Bearer \u0100", False),
        ("Basic \u0100", False),
    ],
)
def test_who_is_let_in(tmp_path: Path, header: str, allowed: bool) -> None:
    authentication = Authentication(with_files(tmp_path, PASSWORDS, TOKENS))
    assert authentication.allows(header) is allowed


def test_the_setting_and_the_file_both_let_in(tmp_path: Path) -> None:
    path = tmp_path / "passwords"
    path.write_text("bob:b")
    options = ApiOptions(http_credentials="ann:a", http_credentials_file=str(path))
    authentication = Authentication(options)
    assert authentication.allows(basic("ann:a"))
    assert authentication.allows(basic("bob:b"))
    assert not authentication.allows(basic("bob:a"))


def test_a_file_that_is_replaced_counts_at_once(tmp_path: Path) -> None:
    options = with_files(tmp_path, "ann:old\n", "old-token\n")
    authentication = Authentication(options)
    replace(options.http_credentials_file, "ann:new\n")
    replace(options.http_tokens_file, "new-token\n")
    assert [authentication.allows(basic(f"ann:{word}")) for word in ("old", "new")] == [False, True]
    assert [authentication.allows(f"token={word}-token") for word in ("old", "new")] == [
        *(False, True)
    ]


@pytest.mark.parametrize("content", [None, "", "# nobody\n", "ann:s3cret\nann\n", "x" * 2_000_000])
def test_a_bad_replacement_changes_nothing_and_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: str | None
) -> None:
    options = with_files(tmp_path, "ann:old\n")
    authentication = Authentication(options)
    path = options.http_credentials_file
    assert path is not None
    if content is None:
        Path(path).unlink()
    else:
        replace(path, content)
    for _ in range(3):
        assert authentication.allows(basic("ann:old"))
        assert not authentication.allows(basic("ann:s3cret"))
    assert len(caplog.records) == 1
    assert path in caplog.text
    assert "s3cret" not in caplog.text
    replace(path, "ann:good\n")
    assert authentication.allows(basic("ann:good"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("http_credentials_file", b""),
        ("http_credentials_file", b"#only a comment\n"),
        ("http_credentials_file", b"s3cret\n"),
        ("http_credentials_file", b":s3cret\n"),
        ("http_credentials_file", b"s3cret:\n"),
        ("http_credentials_file", b"s3cret:" + b"x" * 5_000),
        ("http_tokens_file", b"\n\n"),
        ("http_tokens_file", b"s3cret s3cret\n"),
        ("http_tokens_file", b"s3cret\n" * 10_001),
        ("http_tokens_file", b"s3cret" * 200_000),
    ],
)
def test_a_bad_file_is_refused_at_the_start(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    options: dict[str, Any] = {name: str(path)}
    with pytest.raises(ValueError, match=str(path)) as refused:
        Authentication(ApiOptions(**options))
    assert "s3cret" not in str(refused.value)


def test_a_missing_file_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nothing"):
        Authentication(ApiOptions(http_tokens_file=str(tmp_path / "nothing")))


@pytest.mark.parametrize("credentials", ["s3cret", "s3cret:", ":s3cret", ""])
def test_bad_credentials_are_refused_at_the_start(credentials: str) -> None:
    with pytest.raises(ValueError, match="user:password") as refused:
        Authentication(ApiOptions(http_credentials=credentials))
    assert "s3cret" not in str(refused.value)


def test_the_password_of_the_setting_is_not_shown() -> None:
    options = ApiOptions(http_credentials="ann:s3cret")
    assert "s3cret" not in repr(options)
    assert "s3cret" not in repr(options.settings())
    assert options.settings()["http_port"] == options.http_port


@pytest.mark.parametrize("realm", ['a"b', "a\\b", "a\r\nX: y", "\xe9", "x" * 129])
def test_a_realm_that_no_header_can_hold(realm: str) -> None:
    with pytest.raises(ValueError, match="http_realm"):
        ApiOptions(http_realm=realm)


def called(options: ApiOptions, **environ: str) -> tuple[str, list[tuple[str, str]], bytes]:
    """Status, headers and body of one call to an application that answers ``in``."""
    answered: list[tuple[str, list[tuple[str, str]]]] = []

    def application(_environ: object, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [b"in"]

    checked = Authenticated(application, Authentication(options), open_ping=options.http_open_ping)
    body = checked(
        {"REQUEST_METHOD": "GET", "PATH_INFO": "/v2/apps", "REMOTE_ADDR": "192.0.2.1", **environ},
        lambda status, headers, _error=None: answered.append((status, headers)),  # type: ignore[arg-type]  # nobody uses write
    )
    ((status, headers),) = answered
    return status, headers, b"".join(body)


def test_the_answer_to_strangers(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    options = with_files(tmp_path, "ann:a", "t")
    status, headers, body = called(options, HTTP_AUTHORIZATION=basic("ann:s3cret"))
    assert (status, json.loads(body)) == ("401 Unauthorized", {"message": "Unauthorized"})
    assert [value for name, value in headers if name == "WWW-Authenticate"] == [
        'Basic realm="Mesosphere"',
        'Bearer realm="Mesosphere"',
    ]
    assert ("Cache-Control", "no-cache, no-store, must-revalidate") in headers
    assert "192.0.2.1" in caplog.text
    assert "s3cret" not in caplog.text


def test_the_realm_is_told() -> None:
    options = ApiOptions(http_credentials="ann:a", http_realm="Our cluster")
    _, headers, _ = called(options)
    assert ("WWW-Authenticate", 'Basic realm="Our cluster"') in headers


def test_head_has_no_body() -> None:
    options = ApiOptions(http_credentials="ann:a")
    assert called(options, REQUEST_METHOD="HEAD")[2] == b""


def test_guessing_does_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "stayer.api")
    checked = Authenticated(
        lambda _environ, _start: [],
        Authentication(ApiOptions(http_credentials="a:b")),
        open_ping=False,
    )
    for _ in range(500):
        checked({"REQUEST_METHOD": "GET"}, lambda *_: lambda _: None)
    assert 1 <= len(caplog.records) <= 100


@pytest.mark.parametrize(
    ("opened", "path", "status"),
    [
        (False, "/ping", "401 Unauthorized"),
        (True, "/ping", "200 OK"),
        (True, "//ping/", "200 OK"),
        (True, "/ping/x", "401 Unauthorized"),
        (True, "/v2/apps", "401 Unauthorized"),
        (True, "/", "401 Unauthorized"),
    ],
)
def test_ping_may_be_open(opened: bool, path: str, status: str) -> None:
    options = ApiOptions(http_credentials="ann:a", http_open_ping=opened)
    assert called(options, PATH_INFO=path)[0] == status


def test_a_file_of_the_same_size_and_time_is_known_as_another(tmp_path: Path) -> None:
    options = with_files(tmp_path, "ann:old\n")
    authentication = Authentication(options)
    path = Path(options.http_credentials_file or "")
    before = path.stat()
    replace(str(path), "ann:new\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert authentication.allows(basic("ann:new"))
