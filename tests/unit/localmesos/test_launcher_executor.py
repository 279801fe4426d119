"""The command executor against an agent's API over real sockets: the life of a task."""

import binascii
import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from localmesos.launcher.executor import _task_environment
from tests.unit.localmesos.launcher_fake_agent import (
    PATIENCE_SECONDS,
    FakeAgent,
    eventually,
    executor,
    is_alive,
    session_members,
    task,
)

IGNORES_SIGTERM = "trap '' TERM; echo $$ > leader; sh -c 'echo $$ > child; exec sleep 1000'"


@pytest.fixture
def agent() -> Iterator[FakeAgent]:
    agent = FakeAgent(capabilities=("TASK_KILLING_STATE",))
    yield agent
    agent.vanish()


def pid_in(path: Path) -> int:
    """The pid that a task writes into a file."""
    eventually(lambda: path.exists() and path.read_text().strip(), f"{path.name} is written")
    return int(path.read_text())


def test_a_task_starts_runs_and_finishes(agent: FakeAgent, tmp_path: Path) -> None:
    with executor(agent, tmp_path) as process:
        assert agent.subscribed() == {"unacknowledged_updates": []}
        agent.launch(task("echo out; echo err >&2"))
        statuses = [agent.status() for _ in range(3)]
        assert process.wait(PATIENCE_SECONDS) == 0
    assert [status["state"] for status in statuses] == [
        "TASK_STARTING",
        "TASK_RUNNING",
        "TASK_FINISHED",
    ]
    assert statuses[2]["message"] == "Command exited with status 0"
    for status in statuses:
        assert status["source"] == "SOURCE_EXECUTOR"
        assert status["executor_id"] == {"value": "task-1"}
        assert uuid.UUID(bytes=binascii.a2b_base64(status["uuid"])).version == 4
    assert len({status["uuid"] for status in statuses}) == 3
    assert (tmp_path / "stdout").read_text() == "out\n"
    log = (tmp_path / "stderr").read_text()
    assert "err\n" in log
    assert "Received SUBSCRIBED event" in log
    assert "Starting task task-1" in log
    assert "Forked command at" in log


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("exit 7", "Command exited with status 7"),
        ("kill -9 $$", "Command terminated with signal Killed"),
    ],
)
def test_a_failing_task_says_how(
    agent: FakeAgent, tmp_path: Path, command: str, message: str
) -> None:
    with executor(agent, tmp_path) as process:
        agent.subscribed()
        agent.launch(task(command))
        agent.status(), agent.status()
        last = agent.status()
        assert process.wait(PATIENCE_SECONDS) == 0
    assert (last["state"], last["message"]) == ("TASK_FAILED", message)


def test_a_program_that_is_not_there_fails_the_task(agent: FakeAgent, tmp_path: Path) -> None:
    with executor(agent, tmp_path) as process:
        agent.subscribed()
        agent.launch(task(command={"shell": False, "value": "no-such-program"}))
        agent.status()
        last = agent.status()
        assert process.wait(PATIENCE_SECONDS) == 0
    assert last["state"] == "TASK_FAILED"
    assert "no-such-program" in last["message"]


def test_the_task_gets_its_arguments_environment_and_sandbox(
    agent: FakeAgent, tmp_path: Path
) -> None:
    script = tmp_path / "tool"
    script.write_text('echo "$0|$1|$GREETING|$MESOS_ALLOCATION_ROLE|$PWD"; env')  # no "#!"
    script.chmod(0o755)
    variables = [
        {"name": "GREETING", "value": "hello"},
        {"name": "HIDDEN", "type": "SECRET", "secret": {}},
    ]
    command = {
        "shell": False,
        "value": "tool",
        "arguments": ["tool", "a b"],
        "environment": {"variables": variables},
    }
    token = "not for the task"
    with executor(agent, tmp_path, MESOS_EXECUTOR_AUTHENTICATION_TOKEN=token) as process:
        agent.subscribed()
        assert f"Authorization: Bearer {token}" in agent.headers
        agent.launch(task(command=command))
        agent.states_until_the_end()
        assert process.wait(PATIENCE_SECONDS) == 0
    first, *rest = (tmp_path / "stdout").read_text().splitlines()
    assert first == f"./tool|a b|hello|web|{tmp_path}"
    names = {line.partition("=")[0] for line in rest}
    assert {"MESOS_SANDBOX", "MESOS_FRAMEWORK_ID", "PATH"} <= names
    hidden = {"MESOS_EXECUTOR_AUTHENTICATION_TOKEN", "LIBPROCESS_IP", "LIBPROCESS_PORT", "HIDDEN"}
    assert not hidden & names


def test_ordinary_signals_work_in_a_task(agent: FakeAgent, tmp_path: Path) -> None:
    """CPython ignores SIGPIPE; a task must not inherit that."""
    with executor(agent, tmp_path) as process:
        agent.subscribed()
        agent.launch(task("grep -E 'SigIgn|SigBlk' /proc/self/status"))
        agent.states_until_the_end()
        assert process.wait(PATIENCE_SECONDS) == 0
    masks = [line.split()[1] for line in (tmp_path / "stdout").read_text().splitlines()]
    standard = (1 << 31) - 1  # above are the C library's own signals
    assert [int(mask, 16) & standard for mask in masks] == [0, 0]


def test_a_kill_ends_a_willing_task(agent: FakeAgent, tmp_path: Path) -> None:
    with executor(agent, tmp_path) as process:
        agent.subscribed()
        agent.launch(task("echo $$ > leader; sleep 1000"))
        assert is_alive(pid_in(tmp_path / "leader"))
        agent.kill("task-1", grace_seconds=1000)
        states = agent.states_until_the_end()
        assert process.wait(PATIENCE_SECONDS) == 0
    assert states == ["TASK_STARTING", "TASK_RUNNING", "TASK_KILLING", "TASK_KILLED"]


def test_a_kill_escalates_and_reaches_grandchildren(tmp_path: Path) -> None:
    agent = FakeAgent()  # without TASK_KILLING_STATE
    with executor(agent, tmp_path) as process:
        agent.subscribed()
        policy = {"grace_period": {"nanoseconds": 200_000_000}}
        agent.launch(task(IGNORES_SIGTERM, kill_policy=policy))
        leader, child = pid_in(tmp_path / "leader"), pid_in(tmp_path / "child")
        agent.kill("task-1")
        statuses = [agent.status() for _ in range(3)]
        assert process.wait(PATIENCE_SECONDS) == 0
        assert not is_alive(leader)
        assert not is_alive(child)
    assert statuses[-1]["state"] == "TASK_KILLED"
    assert statuses[-1]["message"] == "Command terminated with signal Killed"


def test_a_second_kill_shortens_the_grace_period(agent: FakeAgent, tmp_path: Path) -> None:
    with executor(agent, tmp_path) as process:
        agent.subscribed()
        agent.launch(task(IGNORES_SIGTERM))
        pid_in(tmp_path / "child")
        agent.kill("task-1", grace_seconds=1000)
        agent.kill("task-1", grace_seconds=2000)
        agent.kill("task-1", grace_seconds=0)
        assert agent.states_until_the_end()[-2:] == ["TASK_KILLING", "TASK_KILLED"]
        assert process.wait(PATIENCE_SECONDS) == 0


def test_what_a_task_leaves_behind_is_killed_before_its_end_is_told(
    agent: FakeAgent, tmp_path: Path
) -> None:
    """Or its successor would find the port taken."""
    agent.acknowledges = False
    with executor(agent, tmp_path):
        agent.subscribed()
        agent.launch(
            task("sh -c 'echo $$ > child; exec sleep 1000' & while [ ! -s child ]; do :; done")
        )
        assert agent.states_until_the_end()[-1] == "TASK_FINISHED"
        assert not is_alive(pid_in(tmp_path / "child"))


def test_a_kill_reaches_descendants_in_sessions_of_their_own(
    agent: FakeAgent, tmp_path: Path
) -> None:
    with executor(agent, tmp_path) as process:
        agent.subscribed()
        agent.launch(task("setsid -w sh -c 'echo $$ > child; exec sleep 1000'; sleep 1000"))
        child = pid_in(tmp_path / "child")
        agent.kill("task-1")
        agent.states_until_the_end()
        assert process.wait(PATIENCE_SECONDS) == 0
        assert not is_alive(child)


def test_a_task_is_in_the_session_that_its_agent_destroys(agent: FakeAgent, tmp_path: Path) -> None:
    """So that a task whose executor was killed leaves no orphan on its port."""
    with executor(agent, tmp_path) as process:
        agent.subscribed()
        agent.launch(task("echo $$ > leader; exec sleep 1000"))
        leader = pid_in(tmp_path / "leader")
        process.kill()
        process.wait(PATIENCE_SECONDS)
        assert leader in session_members(process.pid)
        assert os.getpgid(leader) == leader


def test_a_shutdown_kills_the_task(agent: FakeAgent, tmp_path: Path) -> None:
    with executor(agent, tmp_path) as process:
        agent.subscribed()
        agent.launch(task("echo $$ > leader; exec sleep 1000"))
        pid_in(tmp_path / "leader")
        agent.send({"type": "SHUTDOWN"})
        assert agent.states_until_the_end()[-1] == "TASK_KILLED"
        assert process.wait(PATIENCE_SECONDS) == 0


def test_a_shutdown_without_a_task_just_ends(agent: FakeAgent, tmp_path: Path) -> None:
    with executor(agent, tmp_path) as process:
        agent.subscribed()
        agent.send({"type": "SHUTDOWN"})
        assert process.wait(PATIENCE_SECONDS) == 0


def test_a_task_that_takes_too_long_fails(agent: FakeAgent, tmp_path: Path) -> None:
    with executor(agent, tmp_path) as process:
        agent.subscribed()
        agent.launch(task(IGNORES_SIGTERM, max_completion_time={"nanoseconds": 300_000_000}))
        statuses = [agent.status() for _ in range(3)]
        assert process.wait(PATIENCE_SECONDS) == 0
    assert statuses[-1]["state"] == "TASK_FAILED"
    assert statuses[-1]["reason"] == "REASON_MAX_COMPLETION_TIME_REACHED"


def test_the_executor_runs_one_task_only(agent: FakeAgent, tmp_path: Path) -> None:
    with executor(agent, tmp_path):
        agent.subscribed()
        agent.launch(task("exec sleep 1000"))
        agent.status(), agent.status()
        agent.launch(task("exec sleep 1000"))  # a repetition of the same is harmless
        agent.launch(task(task_id={"value": "task-2"}))
        status = agent.status()
        assert (status["state"], status["task_id"]) == ("TASK_FAILED", {"value": "task-2"})


def test_unacknowledged_updates_come_again(agent: FakeAgent, tmp_path: Path) -> None:
    agent.acknowledges = False
    with executor(agent, tmp_path) as process:
        agent.subscribed()
        info = task("while [ ! -e go ]; do :; done")
        agent.launch(info)
        first, second = agent.status(), agent.status()
        agent.cut()
        again = agent.subscribed()
        assert [each["status"] for each in again["unacknowledged_updates"]] == [first, second]
        assert again["unacknowledged_tasks"] == [info]
        agent.acknowledge(first)
        agent.cut()
        again = agent.subscribed()
        assert [each["status"] for each in again["unacknowledged_updates"]] == [second]
        assert "unacknowledged_tasks" not in again
        agent.acknowledges = True
        (tmp_path / "go").touch()
        assert agent.status()["state"] == "TASK_FINISHED"  # and nothing sent twice before it
        assert process.wait(PATIENCE_SECONDS) == 0


def test_a_task_outlives_its_agent_and_its_end_is_told_later(
    agent: FakeAgent, tmp_path: Path
) -> None:
    with executor(agent, tmp_path) as process:
        agent.subscribed()
        agent.launch(task("echo $$ > leader; while [ ! -e go ]; do :; done"))
        leader = pid_in(tmp_path / "leader")
        agent.status(), agent.status()
        agent.vanish()
        eventually(lambda: "Disconnected" in (tmp_path / "stderr").read_text(), "it noticed")
        assert is_alive(leader)
        (tmp_path / "go").touch()
        eventually(lambda: not is_alive(leader), "the task has ended")
        assert process.poll() is None
        agent.refusals = 1
        agent.appear()
        updates = agent.subscribed()["unacknowledged_updates"]
        assert updates[-1]["status"]["state"] == "TASK_FINISHED"
        assert process.wait(PATIENCE_SECONDS) == 0


@pytest.mark.parametrize(
    "settings", [{"MESOS_CHECKPOINT": "0"}, {"MESOS_RECOVERY_TIMEOUT": "300ms"}]
)
def test_a_task_whose_agent_is_given_up_ends(
    agent: FakeAgent, tmp_path: Path, settings: dict[str, str]
) -> None:
    with executor(agent, tmp_path, **settings) as process:
        agent.subscribed()
        agent.launch(task("echo $$ > leader; exec sleep 1000"))
        leader = pid_in(tmp_path / "leader")
        agent.vanish()
        assert process.wait(PATIENCE_SECONDS) == 0
        assert not is_alive(leader)


@pytest.mark.parametrize(
    "data",
    [
        b"5\nhello",
        b'15\n{"type":"KILL"}',
        b"99999999999\n",
        b"no length at all, for as long as this",
        b"9\n[[[[[[[[[",
    ],
)
def test_rubbish_from_the_agent_does_not_end_a_running_task(
    agent: FakeAgent, tmp_path: Path, data: bytes
) -> None:
    with executor(agent, tmp_path) as process:
        agent.subscribed()
        agent.launch(task("echo $$ > leader; while [ ! -e go ]; do :; done"))
        leader = pid_in(tmp_path / "leader")
        agent.status(), agent.status()
        agent.send_bytes(data)
        eventually(
            lambda: any(x in (tmp_path / "stderr").read_text() for x in ("malformed", "record")),
            "it is logged",
        )
        assert is_alive(leader)
        (tmp_path / "go").touch()
        if b"\n" in data and b"999" not in data:
            assert agent.status()["state"] == "TASK_FINISHED"
        else:  # the stream cannot be read any more: the executor comes again
            agent.subscribed()
        assert process.wait(PATIENCE_SECONDS) == 0


def test_a_malformed_launch_ends_the_executor(agent: FakeAgent, tmp_path: Path) -> None:
    """Otherwise the task would stay in staging for ever."""
    with executor(agent, tmp_path) as process:
        agent.subscribed()
        agent.launch(task(command={"shell": True}))
        assert process.wait(PATIENCE_SECONDS) == 1


def test_missing_settings_are_named(agent: FakeAgent, tmp_path: Path) -> None:
    with executor(agent, tmp_path, MESOS_FRAMEWORK_ID="") as process:
        assert process.wait(PATIENCE_SECONDS) == 1
    assert "expecting MESOS_FRAMEWORK_ID" in (tmp_path / "stderr").read_text()


def test_an_executor_is_light(agent: FakeAgent, tmp_path: Path) -> None:
    """A bound on memory, so that a heavy import is noticed: hundreds of these run at once."""
    with executor(agent, tmp_path) as process:
        agent.subscribed()
        agent.launch(task("exec sleep 1000"))
        agent.status(), agent.status()
        status = Path(f"/proc/{process.pid}/status").read_text()
        kib = next(int(x.split()[1]) for x in status.splitlines() if x.startswith("VmRSS"))
        assert kib < 20_000


def test_flags_of_the_agent() -> None:
    variables = {"variables": [{"name": "FROM_ISOLATOR", "value": "yes"}]}
    flags = ["--launcher_dir=/x", f"--task_environment={json.dumps(variables)}"]
    assert _task_environment(flags) == {"FROM_ISOLATOR": "yes"}
    with pytest.raises(ValueError, match="--rootfs"):
        _task_environment(["--rootfs=/image"])
