"""kazoo's log keeps credentials to itself, whatever levels are set."""

import logging

import pytest
from kazoo.protocol.serialization import Auth, Connect

from framework.zookeeper.quiet import quiet_log

AUTH = Auth(0, "digest", "me:my-secret")


@pytest.fixture
def loud(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    quiet_log()
    caplog.set_level(1, logger="stayer.zookeeper")
    return caplog


def test_requests_are_not_told(loud: pytest.LogCaptureFixture) -> None:
    quiet_log().debug("Sending request(xid=%s): %s", -4, AUTH)
    quiet_log().log(5, "session_passwd: %s", "my-secret")
    assert loud.text == ""


def test_of_a_request_that_matters_only_its_kind_is_told(loud: pytest.LogCaptureFixture) -> None:
    quiet_log().error("Exception raised with request: %s", Connect(0, 0, 0, 0, b"my-secret", False))
    quiet_log().error("Exception raised with: %s", AUTH)
    assert "secret" not in loud.text
    assert "Connect" in loud.text
    assert "Auth" in loud.text


def test_the_same_is_said_once_in_a_while(loud: pytest.LogCaptureFixture) -> None:
    for text in ("again refused", "again refused", "again reset", "again refused"):
        quiet_log().warning("Connection dropped: %s", text)
    assert [record.getMessage() for record in loud.records] == [
        "Connection dropped: again refused",
        "Connection dropped: again reset",
    ]
    many = [f"text {number}" for number in range(100)]
    for text in [*many, "Connection dropped: again refused"]:
        quiet_log().warning(text)
    assert len(loud.records) == 2 + len(many) + 1, "and not kept for ever"


def test_it_is_quiet_unless_asked() -> None:
    assert quiet_log() is quiet_log()
    assert len(quiet_log().filters) == 1
    assert not quiet_log().isEnabledFor(logging.INFO)
