"""Which store a URL names, and what is said when it names none."""

from pathlib import Path

import pytest

from framework.interfaces import StoreUnusableError
from framework.store.memory import MemoryStore
from framework.store.opening import open_store
from framework.store.sqlite import SqliteStore


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
        ("zk://ann:secret@host/stayer", "comes with the ZooKeeper store"),
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
