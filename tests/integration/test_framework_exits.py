"""What ends the product because of its framework: the exit codes and what the texts say to do."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from framework.domain.state import Change, Kind
from framework.store.opening import open_store
from localmesos.cluster import agent_specs
from localmesos.simulated import SimulatedEngine
from tests.integration.product import STAYER, Json, Stayer, mesos_tasks, operator
from tests.polling import eventually

_END_SECONDS = 30.0


@pytest.fixture
def engine() -> Iterator[SimulatedEngine]:
    with SimulatedEngine(agent_specs(2)) as engine:
        yield engine


@pytest.fixture
def stayers(engine: SimulatedEngine, tmp_path: Path) -> Iterator[list[Stayer]]:
    """Two, each with a store of its own, not started."""
    made = []
    for name in ("first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        command = ["serve", "--master", engine.master, "--store", f"sqlite:{folder / 'stayer.db'}"]
        made.append(Stayer(folder, [*command, "--failover_timeout", "1"]))
    yield made
    for stayer in made:
        print(stayer.output())  # noqa: T201 - shown by pytest when the test failed
        stayer.kill_if_running()


def _ended(stayer: Stayer) -> int:
    return stayer.process.wait(_END_SECONDS)


def _instances(path: Path) -> int:
    store = open_store(f"sqlite:{path}")
    try:
        return sum(change.kind is Kind.INSTANCE for change in store.load())
    finally:
        store.close()


def _known(engine: SimulatedEngine, kind: str) -> list[Json]:
    answer = operator(engine.url, {"type": "GET_FRAMEWORKS"})["get_frameworks"]
    return list(answer.get(kind, []))


def test_removed_by_mesos_it_keeps_its_state_and_says_what_to_do(
    engine: SimulatedEngine, stayers: list[Stayer], tmp_path: Path
) -> None:
    stayer = stayers[0].start()
    stayer.run("/kept", instances=2)
    framework_id = stayer.framework_id
    stayer.crash()
    eventually(lambda: _known(engine, "completed_frameworks"), "the end of its failover_timeout")
    for _ in range(2):
        stayer.start_unready()
        assert _ended(stayer) == 110
        assert "The state is kept" in stayer.said()
    path = tmp_path / "first" / "stayer.db"
    assert _instances(path) == 2
    (advised,) = re.findall(r"stayer state forget-framework \S+", stayer.said())
    backup = tmp_path / "before.jsonl"
    arguments = [*advised.split()[1:], "--store", f"sqlite:{path}", "--backup", str(backup)]
    done = subprocess.run([STAYER, *arguments], check=False, timeout=60)
    assert done.returncode == 0
    assert backup.exists()
    stayer.start()
    stayer.await_running("/kept", 2)
    assert stayer.framework_id != framework_id


def test_displaced_in_mesos_it_ends_and_displaces_nobody(
    engine: SimulatedEngine, stayers: list[Stayer], tmp_path: Path
) -> None:
    first, second = stayers
    first.start()
    before = {str(task["id"]) for task in first.run("/kept", instances=2)}
    framework_id = first.framework_id
    for name in ("stayer.db", "stayer.db-wal"):
        shutil.copy(tmp_path / "first" / name, tmp_path / "second" / name)
    second.start()
    assert _ended(first) == 103
    assert "another scheduler took over this framework" in first.said()
    assert second.framework_id == framework_id
    assert {task.id for task in mesos_tasks(engine.url, framework_id)} == before
    assert _known(engine, "completed_frameworks") == []


def test_a_state_that_lost_its_framework_id_is_not_touched(
    engine: SimulatedEngine, stayers: list[Stayer], tmp_path: Path
) -> None:
    stayer = stayers[0].start()
    stayer.run("/kept", instances=2)
    stayer.crash()
    path = tmp_path / "first" / "stayer.db"
    store = open_store(f"sqlite:{path}")
    assert list(store.load())
    store.append([Change(Kind.FRAMEWORK, "framework", None)])
    store.close()
    stayer.start_unready()
    assert _ended(stayer) == 108
    assert "2 instances but no framework id" in stayer.said()
    assert _instances(path) == 2
    assert len(_known(engine, "frameworks")) + len(_known(engine, "completed_frameworks")) == 1
