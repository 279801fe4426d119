"""`stayer mesos`: what it says when it can not have what it needs."""

import socket
import subprocess
import sys

from click.testing import CliRunner

from cli.mesos import mesos


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        words = ["up", "--engine", "simulated", "--mesos-port", port]
        result = CliRunner().invoke(mesos, words)
    assert result.exit_code == 1
    assert "Choose another port with --mesos-port" in result.stderr


_SWALLOWED = """
import signal, threading
from cli.mesos import stop_on_signals

class Swallows:
    def __del__(self):
        signal.raise_signal(signal.SIGTERM)

with stop_on_signals():
    Swallows()
    threading.Event().wait(60)
    print("never told")
print("stopped")
"""


def test_no_signal_is_lost_where_exceptions_are_swallowed() -> None:
    told = subprocess.run(
        [sys.executable, "-c", _SWALLOWED], capture_output=True, text=True, timeout=60, check=True
    )
    assert told.stdout == "stopped\n"
