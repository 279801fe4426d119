"""mesos-containerizer launch, started like an agent starts it: environment and control pipe."""

import json
import os
import pwd
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from localmesos.apache.launcher_folder import write_launcher_folder
from localmesos.launcher.containerizer import LaunchError, parse_launch_info
from tests.unit.localmesos.launcher_fake_agent import (
    PATIENCE_SECONDS,
    FakeAgent,
    eventually,
    is_alive,
    kill_session,
    task,
)

PREFIX = "MESOS_CONTAINERIZER_"


@pytest.fixture
def launcher(tmp_path: Path) -> Path:
    return write_launcher_folder(tmp_path / "launcher")


@contextmanager
def launching(
    launcher: Path, tmp_path: Path, info: dict[str, Any], **environment: str
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A containerizer that waits at its control pipe, and the writing end of that pipe."""
    reading, writing = os.pipe()
    (tmp_path / "runtime").mkdir()
    (tmp_path / "sandbox").mkdir()
    info = {"working_directory": str(tmp_path / "sandbox"), **info}
    variables = {
        "MESOS_LAUNCHER_DIR": str(launcher),
        "INHERITED": "from the agent",
        PREFIX + "LAUNCH_INFO": json.dumps(info),
        PREFIX + "RUNTIME_DIRECTORY": str(tmp_path / "runtime"),
        PREFIX + "PIPE_READ": str(reading),
        PREFIX + "PIPE_WRITE": str(writing),
        **environment,
    }
    with (tmp_path / "output").open("wb") as output:
        process = subprocess.Popen(
            [str(launcher / "mesos-containerizer"), "launch"],
            env=variables,
            pass_fds=(reading, writing),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    os.close(reading)
    try:
        yield process, writing
    finally:
        kill_session(process)
        os.close(writing)


def run(launcher: Path, tmp_path: Path, info: dict[str, Any], **environment: str) -> str:
    """Launch, say "go", wait for the end; the output and "status N" as recorded for the agent."""
    with launching(launcher, tmp_path, info, **environment) as (process, writing):
        os.write(writing, b"\0")
        process.wait(PATIENCE_SECONDS)
    recorded = (tmp_path / "runtime" / "status").read_text()
    return (tmp_path / "output").read_text() + f"status {recorded}"


def shell(value: str) -> dict[str, Any]:
    return {"shell": True, "value": value}


def variables(**values: str) -> dict[str, Any]:
    return {"variables": [{"name": name, "value": value} for name, value in values.items()]}


def test_a_command_runs_with_its_environment_in_its_directory(
    launcher: Path, tmp_path: Path
) -> None:
    command = shell('echo "$PWD $GREETING [$INHERITED] $PATH"; ls /proc/self/fd | wc -l; exit 3')
    info = {"command": command, "environment": variables(GREETING="hello")}
    where, descriptors, status = run(launcher, tmp_path, info).splitlines()
    system_path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    assert where == f"{tmp_path}/sandbox hello [] {system_path}"
    assert descriptors == "4"  # the standard streams and the listing itself
    assert status == f"status {3 << 8}"


def test_without_an_environment_the_agents_own_is_inherited(launcher: Path, tmp_path: Path) -> None:
    assert run(launcher, tmp_path, {"command": shell("echo $INHERITED")}).startswith("from the")


def test_nothing_starts_before_the_agent_says_so(launcher: Path, tmp_path: Path) -> None:
    with launching(launcher, tmp_path, {"command": shell("touch started")}) as (process, writing):
        status_file = tmp_path / "runtime" / "status"
        eventually(status_file.exists, "the containerizer has come to the pipe")
        assert process.poll() is None
        assert not (tmp_path / "sandbox" / "started").exists()
        os.write(writing, b"\0")
        assert process.wait(PATIENCE_SECONDS) == 0
        assert (tmp_path / "sandbox" / "started").exists()


def test_an_agent_that_dies_first_ends_the_launch(launcher: Path, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(writing)
    environment = {
        PREFIX + "LAUNCH_INFO": json.dumps({"command": shell("touch /nowhere")}),
        PREFIX + "PIPE_READ": str(reading),
        PREFIX + "PIPE_WRITE": str(os.open("/dev/null", os.O_WRONLY)),
    }
    fds = (reading, int(environment[PREFIX + "PIPE_WRITE"]))
    done = subprocess.run(
        [str(launcher / "mesos-containerizer"), "launch"],
        env=environment,
        pass_fds=fds,
        capture_output=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    for fd in fds:
        os.close(fd)
    assert done.returncode == 1
    assert b"synchronize" in done.stderr


def test_signals_reach_the_executor_and_its_end_is_recorded(launcher: Path, tmp_path: Path) -> None:
    info = {"command": shell("echo $$ > pid; exec sleep 1000")}
    with launching(launcher, tmp_path, info) as (process, writing):
        os.write(writing, b"\0")
        pid_file = tmp_path / "sandbox" / "pid"
        eventually(lambda: pid_file.exists() and pid_file.read_text(), "it runs")
        process.terminate()
        process.wait(PATIENCE_SECONDS)
        eventually(lambda: not is_alive(int(pid_file.read_text())), "the executor ends")
    assert (tmp_path / "runtime" / "status").read_text() == "15"


def test_a_signal_while_the_executor_starts_reaches_it(launcher: Path, tmp_path: Path) -> None:
    # Some executors are faster than the containerizer comes to its handlers: each round is a try.
    for each in range(20):
        where = tmp_path / str(each)
        where.mkdir()
        output = run(launcher, where, {"command": shell("kill -TERM $PPID; exec sleep 1000")})
        assert output == "status 15"


def test_our_executor_runs_in_the_same_process(launcher: Path, tmp_path: Path) -> None:
    agent = FakeAgent()
    sandbox = tmp_path / "sandbox"
    arguments = ["mesos-executor", f"--launcher_dir={launcher}"]
    command = {"shell": False, "value": str(launcher / "mesos-executor"), "arguments": arguments}
    info = {"command": command, "environment": variables(**agent.environment(sandbox))}
    with launching(launcher, tmp_path, info, MESOS_NUM_SLAVES="1") as (process, writing):
        os.write(writing, b"\0")
        agent.subscribed()
        agent.launch(task("echo $PPID; cat; echo problem >&2"))
        assert agent.states_until_the_end()[-1] == "TASK_FINISHED"
        assert process.wait(PATIENCE_SECONDS) == 0
        # An agent of a local cluster leaves the outputs to us.
        assert (sandbox / "stdout").read_text() == f"{process.pid}\n"
        assert "problem\n" in (sandbox / "stderr").read_text()
    agent.vanish()
    assert (tmp_path / "runtime" / "status").read_text() == "0"


def test_outputs_are_not_written_through_a_link(launcher: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("untouched")
    pre = [{"shell": True, "value": f"ln -s {tmp_path}/precious {tmp_path}/sandbox/stdout"}]
    info = {"command": shell("echo overwritten"), "pre_exec_commands": pre}
    output = run(launcher, tmp_path, info, MESOS_NUM_SLAVES="1")
    assert "Failed to launch" in output
    assert (tmp_path / "precious").read_text() == "untouched"


def test_a_failing_pre_exec_command_ends_the_launch(launcher: Path, tmp_path: Path) -> None:
    info = {"command": shell("echo started"), "pre_exec_commands": [shell("exit 5")]}
    output = run(launcher, tmp_path, info)
    assert "exited with status 5" in output
    assert "started" not in output
    assert output.endswith("status 256")


def test_limits_hold_for_the_command(launcher: Path, tmp_path: Path) -> None:
    limits = {"rlimits": [{"type": "RLMT_NOFILE", "soft": 64, "hard": 128}]}
    info = {"command": shell("ulimit -Sn; ulimit -Hn"), "rlimits": limits}
    assert run(launcher, tmp_path, info).split()[:2] == ["64", "128"]


def test_the_command_runs_as_the_user(launcher: Path, tmp_path: Path) -> None:
    """Any user for root; without root's rights only oneself, as with a real agent."""
    own = pwd.getpwuid(os.geteuid())
    user = pwd.getpwnam("nobody") if own.pw_uid == 0 else own
    more = [12345] if user is not own else []
    command = shell("id -u; id -g; id -G")
    info = {"command": command, "user": user.pw_name, "supplementary_groups": more}
    uid, gid, groups, *_ = run(launcher, tmp_path, info).splitlines()
    assert (int(uid), int(gid)) == (user.pw_uid, user.pw_gid)
    expected = os.getgrouplist(user.pw_name, user.pw_gid) if more else os.getgroups()
    assert {*map(int, groups.split())} == {*expected, *more, user.pw_gid}


def test_an_unknown_user_is_named(launcher: Path, tmp_path: Path) -> None:
    output = run(launcher, tmp_path, {"command": shell("id"), "user": "no-such-user"})
    assert "no user 'no-such-user'" in output
    assert "uid=" not in output


@pytest.mark.parametrize(
    "info",
    [
        "",
        "[]",
        "{}",
        '{"command": {"shell": true}}',
        '{"command": {"value": "x"}, "environment": {"variables": [{}]}}',
        '{"command": {"value": "x"}, "rootfs": "/image"}',
        '{"command": {"value": "x"}, "effective_capabilities": {"capabilities": ["NET_RAW"]}}',
        '{"command": {"value": "x"}, "no_new_privileges": true}',
    ],
)
def test_what_cannot_be_done_is_refused(info: str) -> None:
    with pytest.raises(LaunchError):
        parse_launch_info(info, {})
