"""`stayer mesos`: what it says when it can not have what it needs."""

import socket

from click.testing import CliRunner

from cli.mesos import mesos


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        words = ["up", "--engine", "simulated", "--mesos-port", port]
        result = CliRunner().invoke(mesos, words)
    assert result.exit_code == 1
    assert "Choose another port with --mesos-port" in result.stderr
