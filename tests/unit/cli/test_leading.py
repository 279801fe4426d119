"""Settings that can not be followed are found when they are read, not when this process leads."""

from pathlib import Path

import pytest

from cli.leading import read_options


@pytest.mark.parametrize(
    ("master", "advice"),
    [("m 1", "expected host:port"), ("zk://me:pa55@h1", "a path"), ("zk://pa55@h1/m", "form")],
)
def test_a_master_that_is_none(master: str, advice: str) -> None:
    with pytest.raises(ValueError, match=advice) as wrong:
        read_options({"master": master})
    assert "pa55" not in str(wrong.value)


def test_secrets_that_are_not_there(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    secret = {
        "mesos_authentication_principal": "me",
        "mesos_authentication_secret_file": missing,
    }
    with pytest.raises(OSError, match="missing"):
        read_options(secret)
    with pytest.raises(OSError, match="missing"):
        read_options({"master": "zk://h1/mesos", "zk_credentials_file": missing})


def test_what_can_be_followed() -> None:
    options = read_options({"master": "zk://h1,h2/mesos", "mesos_tls": True})
    assert options.mesos.master == "zk://h1,h2/mesos"
