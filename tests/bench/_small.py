"""Which measurements there are, and one of them run at a hundredth of its size, for the tests."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.bench.report import Result

_HERE = Path(__file__).parent
_ROOT = _HERE.parents[1]
_PLUMBING = {"report"}
_SERVERS = ("ZooKeeperServer", "tests.edge.haproxy", "swap.check")
_SECONDS = 110


def names(*, servers: bool) -> list[str]:
    """The measurements that start ZooKeeper or haproxy, or those that do not."""
    files = (path for path in _HERE.glob("[a-z]*.py") if path.stem not in _PLUMBING)
    return sorted(
        path.stem for path in files if any(one in path.read_text() for one in _SERVERS) is servers
    )


def run_small(name: str, folder: Path) -> None:
    """It must print its rows, and a JSON line for each."""
    lines = folder / "results.jsonl"
    command = [sys.executable, "-m", f"tests.bench.{name}", "--size", "0.01", "--json", str(lines)]
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
        again = Result(**result)
        assert again.ratio == ratio, result
        assert again.value >= 0, result
        assert again.cpu_seconds >= 0, result
