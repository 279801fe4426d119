"""What is taken away of a run that died, and what is not."""

from pathlib import Path

import pytest

from haproxy_bridge.run import leftovers
from haproxy_bridge.run.options import NodeOptions

OURS = (
    "etc/.haproxy.cfg.new-x1y2z3_4",
    "etc/.haproxy.cfg.1.new-x1y2z3_4",
    "etc/..haproxy.cfg.not-loaded.new-x1y2z3_4",
    "etc/.stayer-hosts-0123456789abcdef.map.new-x1y2z3_4",
    "etc/.stayer-candidate-x1y2z3_4/haproxy.cfg",
    "etc/stayer-certificates/.trial-x1y2z3_4/pem",
    "etc/stayer-certificates/.00-a.pem.new-x1y2z3_4",
    "var/.state.json.new-x1y2z3_4",
)
OTHERS = (
    "etc/haproxy.cfg",
    "etc/.haproxy.cfg.swp",
    "etc/.haproxy.cfg.20260101",
    "etc/.haproxy.cfg.not-loaded",
    "etc/.trial-of-mine/haproxy.cfg",
    "etc/.trial-x1y2z3_4/somebodys",
    "var/.trial-x1y2z3_4/somebodys",
    "var/.stayer-candidate-x1y2z3_4/somebodys",
    "etc/.other.cfg.new-x1y2z3_4",
    "etc/stayer-certificates/00-a.pem",
    "var/state.json",
    "var/.told.json.new-x1y2z3_4",
)


@pytest.fixture
def options(tmp_path: Path) -> NodeOptions:
    for name in (*OURS, *OTHERS):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return NodeOptions(
        config=str(tmp_path / "etc/haproxy.cfg"), state=str(tmp_path / "var/state.json")
    )


def test_what_is_not_finished_goes_and_nothing_else(options: NodeOptions, tmp_path: Path) -> None:
    leftovers.swept(options)
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == set(OTHERS)


def test_without_folders_there_is_nothing_to_do(tmp_path: Path) -> None:
    missing = NodeOptions(config=str(tmp_path / "a/b.cfg"), state=str(tmp_path / "c/d.json"))
    leftovers.swept(missing)
    assert list(tmp_path.iterdir()) == []
