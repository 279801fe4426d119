"""`stayer state forget-framework` on a file: what it leaves, and when it refuses."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.main import main
from framework.domain.state import Change, State
from framework.store.backup import read_backup
from framework.store.codec import Codec
from framework.store.sqlite import SqliteStore
from tests.unit.core.session import FRAMEWORK_ID, WEB, Session, agent


@pytest.fixture
def stored(tmp_path: Path) -> list[Change]:
    """The records of a state with one running instance, in tmp_path/s.db."""
    session = Session()
    session.running(WEB, agent(1))
    store = SqliteStore(str(tmp_path / "s.db"))
    store.append([change for decided in session.steps for change in decided.changes])
    store.close()
    return _records(tmp_path)


def _records(folder: Path) -> list[Change]:
    store = SqliteStore(str(folder / "s.db"), follow_only=True)
    try:
        return list(store.load())
    finally:
        store.close()


def _state(records: Sequence[Change]) -> State:
    made = State()
    made.apply(records)
    return made


def _forget(folder: Path, framework_id: str, *more: str) -> Result:
    words = ["state", "forget-framework", framework_id, "--store", f"sqlite:{folder / 's.db'}"]
    backup = ["--backup", str(folder / "before.jsonl")]
    return CliRunner().invoke(main, [*words, *backup, *more], catch_exceptions=False)


def test_apps_stay_and_the_rest_is_in_a_backup(tmp_path: Path, stored: list[Change]) -> None:
    done = _forget(tmp_path, FRAMEWORK_ID)
    assert done.exit_code == 0
    assert "forgotten framework-1 and its 1 instances" in done.output
    left = _state(_records(tmp_path))
    assert (set(left.apps), left.instances, left.agents) == ({"/web"}, {}, {})
    assert left.framework is not None
    assert left.framework.framework_id == ""
    backup = read_backup(tmp_path / "before.jsonl", Codec())[1]
    assert sorted(backup, key=_key) == sorted(stored, key=_key)
    again = _forget(tmp_path, FRAMEWORK_ID)
    assert again.exit_code == 1
    assert "belongs to no framework" in again.output


def _key(change: Change) -> tuple[str, str]:
    return change.kind, change.id


def test_only_the_framework_that_is_named_is_forgotten(
    tmp_path: Path, stored: list[Change]
) -> None:
    refused = _forget(tmp_path, "another")
    assert refused.exit_code == 1
    assert f"belongs to '{FRAMEWORK_ID}'" in refused.output
    assert _records(tmp_path) == stored
    assert not (tmp_path / "before.jsonl").exists()


def test_without_a_backup_nothing_is_forgotten(tmp_path: Path, stored: list[Change]) -> None:
    (tmp_path / "before.jsonl").touch()
    refused = _forget(tmp_path, FRAMEWORK_ID)
    assert refused.exit_code == 1
    assert "exists already" in refused.output
    assert _records(tmp_path) == stored


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    assert _forget(tmp_path, FRAMEWORK_ID).exit_code == 100
    assert list(tmp_path.iterdir()) == []
