"""Which store a URL names, and what is said when it names none."""

from pathlib import Path

import pytest

from framework.interfaces import StoreUnusableError
from framework.store.memory import MemoryStore
from framework.store.opening import open_store
from framework.store.sqlite import SqliteStore
from framework.zookeeper.options import ZooKeeperOptions


def test_a_file(tmp_path: Path) -> None:
    store = open_store(f"sqlite:{tmp_path}/state.db")
    assert isinstance(store, SqliteStore)
    follower = open_store(f"sqlite:{tmp_path}/state.db", follow_only=True)
    assert list(next(follower.follow())) == []
    follower.close()
    store.close()
    assert (tmp_path / "state.db").exists()


def test_a_file_beside_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    open_store("sqlite:state/here.db").close()
    assert (tmp_path / "state" / "here.db").exists()


def test_memory() -> None:
    assert isinstance(open_store("memory:"), MemoryStore)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("etcd://ann:secret@host", "no store for 'etcd:'"),
        ("sqlite:", "no store for 'sqlite:'"),
        ("memory", "no store for 'memory'"),
        ("memory:secret", "no store for 'memory:'"),
        ("", "no store for ''"),
    ],
)
def test_a_url_that_names_none(url: str, message: str) -> None:
    with pytest.raises(StoreUnusableError, match=message) as refusal:
        open_store(url)
    assert "sqlite:PATH" in str(refusal.value)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("zk://ann:secret@host:2181", "needs a path"),
        ("zk://ann:secret@host:0/stayer", "no usable port"),
        ("zk:/ann:secret@host/stayer", "has the form zk://"),
    ],
)
def test_a_url_of_zookeeper_that_is_none(url: str, message: str) -> None:
    with pytest.raises(StoreUnusableError, match=message) as refusal:
        open_store(url, follow_only=True)
    assert "secret" not in str(refusal.value)


def test_a_store_in_zookeeper_is_for_leaders_to_write() -> None:
    with pytest.raises(StoreUnusableError, match="whoever leads"):
        open_store("zk://host/stayer")


def test_credentials_that_can_not_be_read(tmp_path: Path) -> None:
    options = ZooKeeperOptions(zk_credentials_file=str(tmp_path / "none"))
    with pytest.raises(StoreUnusableError, match="none can not be read"):
        open_store("zk://host/stayer", follow_only=True, zookeeper=options)
