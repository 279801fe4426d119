"""Which measurements there are, and one of them run at a hundredth of its size, for the tests."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.bench.__main__ import names as all_names
from tests.bench.goals import GOALS
from tests.bench.report import Result

_HERE = Path(__file__).parent
_ROOT = _HERE.parents[1]
_SERVERS = ("ZooKeeperServer", "zookeeper(folder", "tests.edge.haproxy", "swap.check")
_MORE = {"soak": ("--minutes", "0.03")}
_SECONDS = 110


def names(*, servers: bool) -> list[str]:
    """The measurements that start ZooKeeper or haproxy, or those that do not."""
    return sorted(
        name
        for name in [*all_names(), *_MORE]
        if any(one in _HERE.joinpath(f"{name}.py").read_text() for one in _SERVERS) is servers
    )


def run_small(name: str, folder: Path) -> None:
    """It must print its rows, and a JSON line for each."""
    lines = folder / "results.jsonl"
    command = [sys.executable, "-m", f"tests.bench.{name}", "--size", "0.01"]
    command += ["--json", str(lines), *_MORE.get(name, ())]
    done = subprocess.run(
        command,
        cwd=_ROOT,
        env={**os.environ, "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    rows = done.stdout.splitlines()
    results = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]
    assert results, "nothing was measured"
    assert [row[: len(result["name"])] for row, result in zip(rows, results, strict=True)] == [
        result["name"] for result in results
    ]
    for result in results:
        ratio = result.pop("ratio")
        assert result.pop("size") == 0.01
        again = Result(**result)
        assert again.ratio == ratio, result
        assert again.value >= 0, result
        assert again.cpu_seconds >= 0, result
        assert again.goal is None or GOALS[again.goal].unit == again.unit, result
    if name.startswith("goal") and name != "goal7":  # whose goal is for the full size only
        assert any(result["goal"] for result in results), "it measures no goal"
