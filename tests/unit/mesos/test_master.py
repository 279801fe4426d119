"""Addresses of masters, redirects between them, options, and waiting between attempts."""

from pathlib import Path

import pytest

from framework.mesos.backoff import Backoff
from framework.mesos.connection import connector_for
from framework.mesos.detection import detector_for
from framework.mesos.master import Endpoint, parse_endpoint, redirect_target
from framework.mesos.options import MesosOptions


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("master1", Endpoint("master1", 5050)),
        ("10.0.0.1:5051", Endpoint("10.0.0.1", 5051)),
        ("http://m:80/", Endpoint("m", 80)),
        ("https://m:443", Endpoint("m", 443, secure=True)),
        ("[::1]:5050", Endpoint("::1", 5050)),
    ],
)
def test_addresses(text: str, endpoint: Endpoint) -> None:
    assert parse_endpoint(text) == endpoint
    assert detector_for(text).leader() == endpoint
    assert parse_endpoint(str(endpoint)).host == endpoint.host


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":5050",
        "m:port",
        "m:99999",
        "ftp://m",
        "http://u:p@m",
        "m/path",
        "m?x",
        "m m:1",
        "m\x01",
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="expected host:port"):
        parse_endpoint(text)


@pytest.mark.parametrize(
    ("location", "secure", "leader"),
    [
        ("//m2:5051/api/v1/scheduler", False, Endpoint("m2", 5051)),
        ("//m2:5051/api/v1/scheduler", True, Endpoint("m2", 5051, secure=True)),
        ("https://m2:1/", False, Endpoint("m2", 1, secure=True)),
        ("http://m2", False, Endpoint("m2", 5050)),
    ],
)
def test_redirects(location: str, secure: bool, leader: Endpoint) -> None:
    assert redirect_target(location, Endpoint("m1", 5050, secure)) == leader


@pytest.mark.parametrize(
    "location",
    ["", "/path", "m2:5050", "http://m2:1", "//m2:x", "//m 2", "ftp://m2", "//" + "m" * 3000],
)
def test_wrong_redirects(location: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        redirect_target(location, Endpoint("m1", 5050, secure=True))


def test_waits_grow_within_bounds() -> None:
    backoff = Backoff(0.1, 10.0)
    longest = [backoff.delay_seconds(failures, share=1.0) for failures in range(1, 10)]
    assert longest == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0])
    assert backoff.delay_seconds(10_000, share=0.0) == pytest.approx(5.0)
    assert all(0.05 <= backoff.delay_seconds(1) <= 0.1 for _ in range(100))


def test_the_secret_is_read_anew_and_never_shown(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("pa:ss\n")
    options = MesosOptions(
        mesos_authentication_principal="me", mesos_authentication_secret_file=str(file)
    )
    connector = connector_for(options)
    head = connector.request_head(Endpoint("m"), "s")
    assert b"\r\nAuthorization: Basic bWU6cGE6c3M=\r\n" in head
    assert "bWU6" not in repr(connector)
    file.write_text("other")
    assert options.credentials() == ("me", "other")


def test_no_secret_no_header() -> None:
    options = MesosOptions(mesos_authentication_principal="me")
    assert b"Authorization" not in connector_for(options).request_head(Endpoint("m"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"mesos_heartbeat_interval": 0},
        {"mesos_heartbeat_failure_threshold": -1},
        {"failover_timeout": -1},
        {"mesos_authentication_secret_file": "f"},
    ],
)
def test_options_that_make_no_sense(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        MesosOptions(**wrong)  # type: ignore[arg-type]  # keywords are checked when it is made


def test_a_secret_file_has_a_size(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b"x" * 5000)
    options = MesosOptions(
        mesos_authentication_principal="me", mesos_authentication_secret_file=str(file)
    )
    with pytest.raises(ValueError, match="longer than"):
        options.credentials()


def test_every_option_is_explained() -> None:
    for field in MesosOptions.__dataclass_fields__.values():
        assert len(field.metadata["help"].split()) >= 4
