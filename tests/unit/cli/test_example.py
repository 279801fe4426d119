"""The examples do what the pages show: their commands serve a page on their port."""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

EXAMPLES = Path(__file__).parents[3] / "examples"
HELLO = json.loads((EXAMPLES / "hello.json").read_text(encoding="utf-8"))
ROLLING = json.loads((EXAMPLES / "rolling.json").read_text(encoding="utf-8"))


@pytest.fixture(params=[HELLO, ROLLING], ids=["hello", "rolling"])
def example(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def url(tmp_path: Path, example: dict[str, Any]) -> Iterator[str]:
    """Runs the command as an executor would, in an empty sandbox."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = {
        **example.get("env", {}),
        "PATH": os.environ["PATH"],
        "HOST": "agent1.local",
        "PORT0": str(port),
        "MARATHON_APP_ID": example["id"],
        "MESOS_TASK_ID": "hello.instance-1._app.1",
    }
    process = subprocess.Popen(
        ["/bin/sh", "-c", example["cmd"]],
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


def test_page_says_who_serves_it(url: str, example: dict[str, Any]) -> None:
    with urllib3.PoolManager() as pool:
        page = pool.request("GET", url, timeout=30)
    assert page.status == 200
    assert b"hello.instance-1._app.1" in page.data
    assert b"agent1.local" in page.data
    assert (b"Release 1" in page.data) == (example is ROLLING)


def test_it_shows_a_constraint_and_a_check_by_the_executor() -> None:
    (check,) = HELLO["healthChecks"]
    assert HELLO["constraints"] == [["rack", "GROUP_BY", "3"]]
    assert (HELLO["instances"], check["protocol"]) == (3, "MESOS_HTTP")


def test_upgrade_of_the_other_is_watched_by_the_scheduler() -> None:
    (check,) = ROLLING["healthChecks"]
    assert (ROLLING["instances"], check["protocol"]) == (6, "HTTP")
    assert ROLLING["upgradeStrategy"]["minimumHealthCapacity"] == 0.5
