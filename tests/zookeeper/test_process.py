"""What tests start ends with them, however they end."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.polling import eventually
from tests.zookeeper.process import Process

_STARTER = """
import sys
from pathlib import Path
from threading import Event, Thread
from tests.zookeeper.process import Process
process = Process(["sleep", "1000"], Path(sys.argv[1]))
thread = Thread(target=process.start)  # a thread that ends before the process does
thread.start()
thread.join()
print(process.pid, flush=True)
Event().wait()
"""


def _name(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def _is_running(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_process_ends_with_its_starter(tmp_path: Path, number: int) -> None:
    command = [sys.executable, "-c", _STARTER, str(tmp_path / "log")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        # Before that it is still about to ask the kernel for its end.
        eventually(lambda: _name(pid) == "sleep", "the command itself")
        starter.send_signal(number)
    eventually(lambda: not _is_running(pid), "the end of the process")


def test_process_can_be_killed_while_paused_and_started_again(tmp_path: Path) -> None:
    process = Process(["sh", "-c", "echo started; exec sleep 1000"], tmp_path / "log")
    process.start()
    eventually(lambda: "started" in process.output(), "the first start")
    process.pause()
    process.kill()
    assert process.exit_code == -signal.SIGKILL
    process.start()
    eventually(lambda: process.output().count("started") == 2, "the second start")
    process.kill()
    process.kill()
    assert not process.is_running


def test_process_tells_its_exit_code(tmp_path: Path) -> None:
    process = Process(["sh", "-c", "exit 103"], tmp_path / "log")
    process.start()
    assert process.wait() == 103
