"""A process that dies between any two lines of putting files in place leaves a whole configuration:
the one before or the new one, with every map that it names."""

import subprocess
import sys
import tempfile
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[3]
# What other processes see is looked at, not what a disk kept.
_MEMORY = Path("/dev/shm")


def test_whenever_it_dies_a_whole_configuration_is_there() -> None:
    memory = _MEMORY if _MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        dying = subprocess.run(
            [sys.executable, "-m", "tests.unit.haproxy_bridge.dying", folder],
            cwd=_ROOT,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
    assert dying.returncode == 0, dying.stderr
