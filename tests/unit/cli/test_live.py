"""The live table of the demo: what it reads, what it draws, and that it goes on."""

import threading
from collections.abc import Iterator
from contextlib import closing
from io import StringIO
from textwrap import dedent
from typing import Any

import pytest
from rich.console import Console

from api.client import Client
from cli.live import Snapshot, live_table, plain_snapshot, take_snapshot
from tests.unit.cli.scripted_http import Answer, ScriptedServer

DEADLINE_SECONDS = 60
UUID = "0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0"
TASKS = [
    {
        "id": f"hello.instance-{UUID}._app.1",
        "host": "agent2.local",
        "slaveId": "S1",
        "ports": [31500],
        "state": "TASK_RUNNING",
        "healthCheckResults": [{"alive": True}],
    },
    {
        "id": "hello.instance-b._app.3",
        "host": "agent1.local",
        "slaveId": "S0",
        "ports": [31000],
        "state": "TASK_STAGING",
    },
]


def _app(tasks: list[dict[str, Any]], **more: Any) -> Answer:
    running = sum(task["state"] == "TASK_RUNNING" for task in tasks)
    counts = {"instances": 3, "tasksRunning": running, "version": "v1"}
    return Answer({"app": {"id": "/hello", "tasks": tasks, **counts, **more}})


@pytest.fixture
def client(api: ScriptedServer) -> Iterator[Client]:
    """A client of a scheduler that runs two of three instances."""
    api.script["GET /v2/apps/hello"] = _app(TASKS, deployments=[{"id": "d-1"}])
    api.script["GET /v2/info"] = Answer({"name": "stayer", "frameworkId": "f-0001"})
    api.script["GET /v3/agents"] = Answer(
        [
            {"id": "S0", "hostname": "agent1.local", "attributes": {"rack": "r0"}},
            {"id": "S1", "attributes": {"rack": "r1"}, "address": "127.0.0.1"},
        ]
    )
    told = [{"appId": "/hello", "explanation": ["no agent in rack r2", "more"]}]
    api.script["GET /v3/explain/hello"] = Answer({"waiting": told})
    with closing(Client([api.url])) as connected:
        yield connected


PLAIN = dedent(
    f"""\
    App: /hello  1/3 running
    Version: v1
    Deployment: d-1
    Framework: f-0001
    API: http://api
    Mesos: http://mesos
    Open: http://127.0.0.1:31500/
    INSTANCE                              AGENT         RACK  PORT   STATE         HEALTH
    b                                     agent1.local  r0    31000  TASK_STAGING  -
    {UUID}  agent2.local  r1    31500  TASK_RUNNING  healthy
    1 waiting: no agent in rack r2

    """
)
URLS = {"API": "http://api", "Mesos": "http://mesos"}


def test_plain_table(client: Client) -> None:
    assert plain_snapshot(take_snapshot(client, "/hello", URLS, "rack"), "rack") == PLAIN


def test_scheduler_without_our_pages_shows_less(api: ScriptedServer, client: Client) -> None:
    del api.script["GET /v3/agents"], api.script["GET /v3/explain/hello"]
    snapshot = take_snapshot(client, "/hello", URLS, "rack")
    assert [row.attribute for row in snapshot.rows] == ["-", "-"]
    assert snapshot.note == "1 waiting"


def test_failed_call_keeps_the_last_table(api: ScriptedServer, client: Client) -> None:
    last = take_snapshot(client, "/hello", URLS, "rack")
    api.script["GET /v2/apps/hello"] = Answer({"message": "loading"}, 503)
    snapshot = take_snapshot(client, "/hello", URLS, "rack", last)
    assert (snapshot.facts, snapshot.rows) == (last.facts, last.rows)
    assert "loading" in snapshot.note
    assert take_snapshot(client, "/hello", URLS, "rack").rows == Snapshot().rows


class _Until(StringIO):
    """Output that sets an event when a text has been written."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text, self.seen = text, threading.Event()

    def write(self, text: str) -> int:
        written = super().write(text)
        if self.text in self.getvalue():
            self.seen.set()
        return written


def _watch(client: Client, output: _Until, *, terminal: bool) -> str:
    """What was shown until the awaited text came."""
    console = Console(file=output, force_terminal=terminal, width=120, _environ={"TERM": "xterm"})
    stop = threading.Event()
    thread = threading.Thread(
        target=live_table,
        args=(client, "/hello", stop),
        kwargs={"urls": URLS, "console": console, "refresh_seconds": 0.01},
    )
    thread.start()
    try:
        assert output.seen.wait(DEADLINE_SECONDS), output.getvalue()
    finally:
        stop.set()
        thread.join()
    return output.getvalue()


def test_on_a_pipe_each_change_is_printed_once(api: ScriptedServer, client: Client) -> None:
    same = _app(TASKS, deployments=[{"id": "d-1"}])
    api.script["GET /v2/apps/hello"] = [same, same, same, _app(TASKS[:1])]
    shown = _watch(client, _Until("2 waiting"), terminal=False)
    assert shown.count("INSTANCE") == 2
    assert shown.startswith(PLAIN)
    assert "\x1b" not in shown


def test_on_a_terminal_the_table_is_redrawn_in_place(api: ScriptedServer, client: Client) -> None:
    running = _app([{**task, "state": "TASK_RUNNING"} for task in TASKS])
    api.script["GET /v2/apps/hello"] = [_app(TASKS), running]
    shown = _watch(client, _Until("2/3 running"), terminal=True)
    assert shown.index("1/3 running") < shown.index("\x1b[1A") < shown.index("2/3 running")
    for text in (UUID, "agent1.local", "r1", "31500", "healthy", "f-0001", "http://mesos"):
        assert text in shown
