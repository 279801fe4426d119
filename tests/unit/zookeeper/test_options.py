"""The options of ZooKeeper: what is refused, and where credentials come from."""

from pathlib import Path

import pytest

from framework.zookeeper.options import ZooKeeperOptions
from framework.zookeeper.session import Session


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"zk_session_timeout": 0}, "above 0"),
        ({"zk_connection_timeout": -1}, "above 0"),
        ({"zk_ca_file": "a", "zk_cert_file": "b"}, "belong together"),
        ({"zk_ca_file": "a", "zk_key_file": "b"}, "belong together"),
        ({"zk_cert_file": "b", "zk_key_file": "c"}, "needs zk_ca_file"),
        ({"zk_tls_host_check": False}, "needs zk_ca_file"),
    ],
)
def test_what_contradicts_itself_is_refused(values: dict[str, object], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        ZooKeeperOptions(**values)  # type: ignore[arg-type]  # as from flags


def test_the_state_needs_a_path() -> None:
    with pytest.raises(ValueError, match="path of its own"):
        ZooKeeperOptions(zk="zk://a/").url()


def test_the_file_goes_before_the_url(tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    file.write_text("me:pass:word\n")
    options = ZooKeeperOptions(zk="zk://you:secret@a/x", zk_credentials_file=str(file))
    assert options.credentials(options.url()) == ("me", "pass:word")
    options = ZooKeeperOptions(zk="zk://you:secret@a/x")
    assert options.credentials(options.url()) == ("you", "secret")
    options = ZooKeeperOptions(zk="zk://a/x")
    assert options.credentials(options.url()) is None


@pytest.mark.parametrize(
    "content", [b"", b"me", b"me:", b":secret", b"me:" + b"x" * 5000, b"\xff:"]
)
def test_a_file_that_holds_no_credentials_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "credentials"
    file.write_bytes(content)
    options = ZooKeeperOptions(zk="zk://a/x", zk_credentials_file=str(file))
    with pytest.raises(ValueError, match="must hold user:password"):
        Session(options.url(), options)


def test_no_text_shows_a_password() -> None:
    options = ZooKeeperOptions(zk="zk://you:secret@a/x")
    session = Session(options.url(), options)
    assert "secret" not in f"{options!r} {options} {session!r} {session.url} {session.url!r}"
    session.close()


def test_settings_are_shown_without_credentials() -> None:
    shown = ZooKeeperOptions(zk="zk://you:s/e@cret@a,b/x", zk_session_timeout=7).settings()
    assert shown["zk"] == "zk://a,b/x"
    assert shown["zk_session_timeout"] == 7
    assert ZooKeeperOptions(zk="").settings()["zk"] == ""


@pytest.mark.parametrize("host", ["a", "a:2182", "[::1]", "[::1]:2182"])
def test_each_form_of_a_host_reaches_the_client(host: str) -> None:
    options = ZooKeeperOptions(zk=f"zk://{host}/x")
    session = Session(options.url(), options)
    name, port = session.client.hosts[0]
    assert name == ("::1" if "[" in host else "a")
    assert port == (2182 if "2182" in host else 2181)
    session.close()
