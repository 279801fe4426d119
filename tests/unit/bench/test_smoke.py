"""Every measurement runs, at a hundredth of its size: prints its rows, and a JSON line for each."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.report import Result

ROOT = Path(__file__).parents[3]
_PLUMBING = {"report"}
NAMES = sorted({path.stem for path in (ROOT / "tests/bench").glob("[a-z]*.py")} - _PLUMBING)


@pytest.mark.parametrize("name", NAMES)
def test_a_measurement_runs_small(name: str, tmp_path: Path) -> None:
    lines = tmp_path / "results.jsonl"
    command = [sys.executable, "-m", f"tests.bench.{name}", "--size", "0.01", "--json", str(lines)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=110,
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


def test_the_floor_is_there_for_each_measurement_that_exists() -> None:
    assert {"deployments", "driver", "store"} <= set(NAMES)
