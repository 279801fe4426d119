"""Checks that the executor carries out: what is asked, what is reported, when a task is killed."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from localmesos.launcher.checks import CheckStatus, Health, HealthVerdict
from localmesos.launcher.events import HealthCheck, parse_task
from localmesos.launcher.probes import Result
from tests.unit.localmesos.launcher_fake_agent import (
    PATIENCE_SECONDS,
    FakeAgent,
    eventually,
    executor,
    is_alive,
    task,
)

FAST = {"delay_seconds": 0, "interval_seconds": 0.1, "timeout_seconds": 10}
HEALTH_REASON = "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED"
CHECK_REASON = "REASON_TASK_CHECK_STATUS_UPDATED"


@pytest.fixture
def agent() -> Iterator[FakeAgent]:
    agent = FakeAgent()
    yield agent
    agent.vanish()


@contextmanager
def web_server(answers: dict[str, tuple[int, str]]) -> Iterator[tuple[int, list[str]]]:
    """A server that answers paths with (status, location); its port and the paths asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            status, location = answers.get(self.path, (404, ""))
            self.send_response(status)
            if location:
                self.send_header("Location", location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its own name
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port, asked
        finally:
            server.shutdown()
            thread.join()


def health(**fields: Any) -> dict[str, Any]:
    return {**FAST, "grace_period_seconds": 0, "consecutive_failures": 2, **fields}


def command(value: str) -> dict[str, Any]:
    return {"shell": True, "value": value}


def running(agent: FakeAgent, tmp_path: Path, **more: Any) -> None:
    """Launch a task that runs until it is killed, and see it run."""
    agent.subscribed()
    agent.launch(task("echo $$ > leader; exec sleep 1000", **more))
    assert [agent.status()["state"], agent.status()["state"]] == ["TASK_STARTING", "TASK_RUNNING"]


def test_a_health_check_turns_healthy_then_kills(agent: FakeAgent, tmp_path: Path) -> None:
    check = health(type="COMMAND", command=command("test ! -e sick"))
    with executor(agent, tmp_path) as process:
        running(agent, tmp_path, health_check=check)
        status = agent.status()
        assert (status["state"], status["healthy"]) == ("TASK_RUNNING", True)
        assert status["reason"] == HEALTH_REASON
        (tmp_path / "sick").touch()
        for _ in range(2):
            status = agent.status()
            assert (status["state"], status["healthy"]) == ("TASK_RUNNING", False)
        last = agent.status()
        assert (last["state"], last["healthy"]) == ("TASK_KILLED", False)
        assert process.wait(PATIENCE_SECONDS) == 0


def test_a_task_that_recovers_is_not_killed(agent: FakeAgent, tmp_path: Path) -> None:
    check = health(type="COMMAND", command=command("test ! -e sick"), consecutive_failures=10_000)
    with executor(agent, tmp_path):
        running(agent, tmp_path, health_check=check)
        assert agent.status()["healthy"] is True
        (tmp_path / "sick").touch()
        assert agent.status()["healthy"] is False
        (tmp_path / "sick").unlink()
        healthy = agent.status()["healthy"]
        while not healthy:
            healthy = agent.status()["healthy"]
        assert is_alive(int((tmp_path / "leader").read_text()))


@pytest.mark.parametrize(
    ("answer", "statuses", "healthy"),
    [
        ((200, ""), [], True),
        ((399, ""), [], True),
        ((500, ""), [], False),
        ((200, ""), [204, 503], False),
        ((503, ""), [204, 503], True),
        ((302, "/elsewhere"), [], False),  # which is 404
        ((307, "http://127.0.0.1:{port}/fine?x=%20"), [], True),
    ],
)
def test_an_http_health_check_judges_the_status(
    agent: FakeAgent,
    tmp_path: Path,
    answer: tuple[int, str],
    statuses: list[int],
    healthy: bool,
) -> None:
    answers = {"/health": answer, "/fine?x=%20": (204, "")}
    with web_server(answers) as (port, asked), executor(agent, tmp_path):
        answers["/health"] = (answer[0], answer[1].format(port=port))
        http = {"port": port, "path": "/health", "statuses": statuses}
        running(agent, tmp_path, health_check=health(type="HTTP", http=http))
        assert agent.status()["healthy"] is healthy
        assert asked[0] == "/health"


def test_a_tcp_health_check_connects(agent: FakeAgent, tmp_path: Path) -> None:
    with web_server({}) as (port, _), executor(agent, tmp_path):
        check = health(type="TCP", tcp={"port": port}, consecutive_failures=10_000)
        running(agent, tmp_path, health_check=check)
        assert agent.status()["healthy"] is True


def test_a_tcp_health_check_fails_where_nobody_listens(agent: FakeAgent, tmp_path: Path) -> None:
    with web_server({}) as (port, _):
        pass
    with executor(agent, tmp_path):
        running(agent, tmp_path, health_check=health(type="TCP", tcp={"port": port}))
        assert agent.status()["healthy"] is False


def test_a_hanging_check_fails_at_its_timeout_with_its_children(
    agent: FakeAgent, tmp_path: Path
) -> None:
    orphan = "(sh -c 'echo $$ > orphan; exec sleep 1000' &); while [ ! -s orphan ]; do :; done"
    hanging = f"{orphan}; sh -c 'echo $$ > hanging; exec sleep 1000'; true"
    check = health(type="COMMAND", command=command(hanging), consecutive_failures=1)
    check["timeout_seconds"] = 2
    with executor(agent, tmp_path):
        running(agent, tmp_path, health_check=check)
        assert agent.status()["healthy"] is False
        assert not is_alive(int((tmp_path / "hanging").read_text()))
        assert not is_alive(int((tmp_path / "orphan").read_text()))
        assert agent.status()["state"] == "TASK_KILLED"
    assert "timed out after 2 seconds" in (tmp_path / "stderr").read_text()


def test_a_babbling_check_does_not_hold_up_the_executor(agent: FakeAgent, tmp_path: Path) -> None:
    with executor(agent, tmp_path) as process:
        check = health(type="COMMAND", command=command("yes 2>/dev/null | head -c 3000000"))
        running(agent, tmp_path, health_check=check)
        assert agent.status()["healthy"] is True
        agent.kill("task-1")
        assert agent.status()["state"] == "TASK_KILLED"
        assert process.wait(PATIENCE_SECONDS) == 0


def test_a_general_check_reports_changes_and_never_kills(agent: FakeAgent, tmp_path: Path) -> None:
    check = {**FAST, "type": "COMMAND", "command": {"command": command("exit $(cat code)")}}
    (tmp_path / "code").write_text("3")
    with executor(agent, tmp_path):
        agent.subscribed()
        agent.launch(task("echo $$ > leader; exec sleep 1000", check=check))
        empty = {"type": "COMMAND", "command": {}}
        assert [agent.status()["check_status"] for _ in range(2)] == [empty, empty]
        status = agent.status()
        assert status["check_status"] == {"type": "COMMAND", "command": {"exit_code": 3}}
        assert (status["state"], status["reason"]) == ("TASK_RUNNING", CHECK_REASON)
        assert "healthy" not in status
        (tmp_path / "code").write_text("0")
        status = agent.status()
        assert status["check_status"] == {"type": "COMMAND", "command": {"exit_code": 0}}
        assert is_alive(int((tmp_path / "leader").read_text()))


@pytest.mark.parametrize("kind", ["HTTP", "TCP"])
def test_general_network_checks_report(agent: FakeAgent, tmp_path: Path, kind: str) -> None:
    with web_server({"/": (418, "")}) as (port, _), executor(agent, tmp_path):
        check = {**FAST, "type": kind, kind.lower(): {"port": port}}
        running(agent, tmp_path, check=check)
        expected = {"HTTP": {"status_code": 418}, "TCP": {"succeeded": True}}[kind]
        assert agent.status()["check_status"] == {"type": kind, kind.lower(): expected}


def test_checks_keep_what_the_other_kind_reported(agent: FakeAgent, tmp_path: Path) -> None:
    check = {**FAST, "type": "COMMAND", "command": {"command": command("exit 4")}}
    with executor(agent, tmp_path):
        running(
            agent,
            tmp_path,
            check=check,
            health_check=health(type="COMMAND", command=command("true")),
        )
        agent.status()
        status = agent.status()
        assert status["healthy"] is True
        assert status["check_status"] == {"type": "COMMAND", "command": {"exit_code": 4}}


def test_checks_end_with_the_task(agent: FakeAgent, tmp_path: Path) -> None:
    check = health(type="COMMAND", command=command("echo $$ > hanging; exec sleep 1000"))
    with executor(agent, tmp_path) as process:
        running(agent, tmp_path, health_check=check)
        eventually((tmp_path / "hanging").exists, "the check runs")
        agent.kill("task-1")
        assert agent.status()["state"] == "TASK_KILLED"
        assert process.wait(PATIENCE_SECONDS) == 0
        assert not is_alive(int((tmp_path / "hanging").read_text() or 0))


OK = Result({"type": "TCP", "tcp": {"succeeded": True}})
BAD = Result({"type": "TCP", "tcp": {"succeeded": False}})


def health_of(**fields: Any) -> HealthCheck:
    check = parse_task(
        task(health_check={"type": "TCP", "tcp": {"port": 1}, **fields})
    ).health_check
    assert check is not None
    return check


def test_failures_count_only_after_the_grace_period_or_the_first_success() -> None:
    state = Health(health_of(grace_period_seconds=10, consecutive_failures=2), now=100.0)
    assert state.observe(BAD, 105.0) is None
    assert state.observe(BAD, 110.0) is None
    assert state.observe(BAD, 110.1) == HealthVerdict(healthy=False, kill=False)
    assert state.observe(BAD, 110.2) == HealthVerdict(healthy=False, kill=True)
    state = Health(health_of(grace_period_seconds=10, consecutive_failures=2), now=100.0)
    assert state.observe(OK, 101.0) == HealthVerdict(healthy=True, kill=False)
    assert state.observe(OK, 102.0) is None
    assert state.observe(BAD, 103.0) == HealthVerdict(healthy=False, kill=False)
    assert state.observe(OK, 104.0) == HealthVerdict(healthy=True, kill=False)
    assert state.observe(BAD, 105.0) == HealthVerdict(healthy=False, kill=False)
    assert state.observe(Result(None, "timed out"), 106.0) == HealthVerdict(False, kill=True)


def test_defaults_are_those_of_mesos() -> None:
    check = health_of()
    assert (check.consecutive_failures, check.grace_period_seconds) == (3, 10.0)
    assert (check.check.delay_seconds, check.check.interval_seconds) == (15.0, 10.0)
    assert check.check.timeout_seconds == 20.0


def test_a_check_that_cannot_be_carried_out_reports_no_result() -> None:
    check = parse_task(task(check={"type": "TCP", "tcp": {"port": 1}})).check
    assert check is not None
    state = CheckStatus(check)
    assert state.observe(Result(None, "it hangs")) is None  # as it was
    assert state.observe(OK) == OK.status
    assert state.observe(OK) is None
    assert state.observe(Result(None, "it hangs")) == {"type": "TCP", "tcp": {}}


@pytest.mark.parametrize(
    "check",
    [
        {"type": "PING"},
        {"type": "TCP", "tcp": {"port": 0}},
        {"type": "TCP", "tcp": {"port": 70000}},
        {"type": "HTTP", "http": {"port": 1, "scheme": "file"}},
        {"type": "COMMAND"},
        {"type": "TCP", "tcp": {"port": 1}, "interval_seconds": -1},
        {"type": "TCP", "tcp": {"port": 1}, "timeout_seconds": float("nan")},
    ],
)
def test_wrong_checks_are_refused(check: dict[str, Any]) -> None:
    with pytest.raises((ValueError, KeyError)):
        parse_task(task(health_check=check))
