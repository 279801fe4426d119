"""`examples/hello.json` does what the demo shows: its command serves a page on its port."""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3

HELLO = json.loads(Path("examples/hello.json").read_text(encoding="utf-8"))


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """Runs the command as an executor would, in an empty sandbox."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    task = {"HOST": "agent1.local", "PORT0": str(port), "MARATHON_APP_ID": "/hello"}
    env = {"PATH": os.environ["PATH"], "MESOS_TASK_ID": "hello.instance-1._app.1", **task}
    process = subprocess.Popen(
        ["/bin/sh", "-c", HELLO["cmd"]],
        cwd=tmp_path,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with process:
        try:
            assert process.stdout is not None
            assert b"Serving HTTP" in process.stdout.readline()
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.send_signal(signal.SIGTERM)


def test_page_says_who_serves_it(url: str) -> None:
    with urllib3.PoolManager() as pool:
        page = pool.request("GET", url, timeout=30)
    assert page.status == 200
    assert b"hello.instance-1._app.1" in page.data
    assert b"agent1.local" in page.data


def test_it_shows_a_constraint_and_a_check_by_the_executor() -> None:
    (check,) = HELLO["healthChecks"]
    assert HELLO["constraints"] == [["rack", "GROUP_BY", "3"]]
    assert (HELLO["instances"], check["protocol"]) == (3, "MESOS_HTTP")
