"""Processes of the engine without Mesos in them: flags by pipe, launchers, leftovers, back-off."""

import itertools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from localmesos.apache.child import Child
from localmesos.apache.flag_files import prepare_flag_files, serve_flag_files
from localmesos.apache.launcher_folder import PROGRAMS, isolated_python, write_launcher_folder
from localmesos.apache.leftovers import end_tasks, tasks_of
from localmesos.apache.supervisor import Supervisor
from tests.polling import eventually


@contextmanager
def shell(script: str, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that leads a session of its own; killed in the end if it still runs."""
    environment = {"PATH": os.environ["PATH"], **variables}
    command = ["/bin/sh", "-c", script]
    with subprocess.Popen(command, env=environment, start_new_session=True) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def names(state_dir: Path, parents: Sequence[int] = ()) -> list[str]:
    """What the processes run that are found: before it starts a program each is its parent's copy,
    and some end soon."""
    found = tasks_of(state_dir, list(parents))
    with suppress(FileNotFoundError, ProcessLookupError):
        return [Path(f"/proc/{one.pid}/comm").read_text().strip() for one in found]
    return []


def test_each_reader_of_a_flag_gets_the_next_value(tmp_path: Path) -> None:
    values = {"hostname": [f"h{i}" for i in range(200)], "attributes": ["a", "", "ä;b:c"]}
    flags = prepare_flag_files(tmp_path / "flags", values)
    serve_flag_files(tmp_path / "flags")
    for name, expected in values.items():
        path = Path(flags[name].removeprefix("file://"))
        assert [path.read_text() for _ in expected] == expected


def test_flags_can_be_served_again_after_a_restart(tmp_path: Path) -> None:
    for _ in range(2):
        flags = prepare_flag_files(tmp_path, {"hostname": ["one", "two"]})
        serve_flag_files(tmp_path)
        path = Path(flags["hostname"].removeprefix("file://"))
        assert [path.read_text(), path.read_text()] == ["one", "two"]


def test_the_launcher_folder_holds_programs_that_start(tmp_path: Path) -> None:
    folder = write_launcher_folder(tmp_path / "a folder's name")
    write_launcher_folder(folder)
    assert sorted(path.name for path in folder.iterdir()) == sorted(PROGRAMS)
    for program in PROGRAMS:
        assert os.access(folder / program, os.X_OK)
        assert sys.executable in (folder / program).read_text()


def test_a_program_is_isolated_from_its_environment(tmp_path: Path) -> None:
    (tmp_path / "localmesos.py").write_text("raise SystemExit('the wrong module')")
    command = isolated_python("localmesos.apache.node", "a name")
    environment = {"PYTHONPATH": str(tmp_path), "PYTHONHOME": "/nonexistent"}
    answer = subprocess.run(
        [*command, "nonsense", "/nonexistent"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "cannot load Mesos" in answer.stderr


def test_tasks_are_found_by_sandbox_descent_and_session(tmp_path: Path) -> None:
    sandbox = str(tmp_path / "agent-0" / "sandbox")
    with (
        shell("sleep 100 & wait", MESOS_SANDBOX=str(tmp_path.with_name("other")) + "/x") as other,
        shell(
            "env -i setsid sleep 100 & (env -i sleep 100 &); wait", MESOS_SANDBOX=sandbox
        ) as task,
        shell("cd /; sleep 100", MESOS_CONTAINERIZER_RUNTIME_DIRECTORY=sandbox) as executor,
    ):
        eventually(lambda: sorted(names(tmp_path)) == ["sh"] * 2 + ["sleep"] * 3, "all five")
        eventually(lambda: "sleep" in names(tmp_path / "none", [other.pid]), "the other's")
        pids = {each.pid for each in tasks_of(tmp_path)}
        assert {task.pid, executor.pid} < pids
        assert other.pid not in pids
        with_descendants = {each.pid for each in tasks_of(tmp_path, [other.pid])}
        assert other.pid not in with_descendants
        assert len(with_descendants) == len(pids) + 1
        assert end_tasks(tmp_path, frozenset(), grace_seconds=5) == frozenset()
        assert tasks_of(tmp_path) == frozenset()
        assert other.poll() is None


def test_a_person_looking_into_a_sandbox_is_left_alone(tmp_path: Path) -> None:
    with shell(f"cd {tmp_path}; sleep 100 & wait") as person:
        eventually(lambda: Path(f"/proc/{person.pid}/cwd").readlink() == tmp_path, "the visit")
        assert end_tasks(tmp_path, frozenset(), grace_seconds=0) == frozenset()
        assert person.poll() is None


def test_what_looks_after_a_container_may_finish(tmp_path: Path) -> None:
    """Longer than tasks may: nobody else would remove the container."""
    script = f"trap 'sleep 1.5; echo removed > {tmp_path}/said; exit' TERM; while :; do :; done"
    keeper = f": mesos-docker-container; {script}"
    with shell(keeper, MESOS_DIRECTORY=str(tmp_path / "sandbox")) as process:
        eventually(lambda: _traps(process.pid, signal.SIGTERM), "the trap")
        assert end_tasks(tmp_path, frozenset(), grace_seconds=0) == frozenset()
        assert (tmp_path / "said").read_text() == "removed\n"


def _traps(pid: int, number: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    (caught,) = (line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught, 16) >> (number - 1) & 1)


def test_who_ignores_sigterm_is_killed_and_who_stopped_is_woken(tmp_path: Path) -> None:
    sandbox = str(tmp_path / "sandbox")
    with (
        shell("trap '' TERM; while :; do sleep 100; done", MESOS_SANDBOX=sandbox) as stubborn,
        shell("sleep 100", MESOS_SANDBOX=sandbox) as stopped,
    ):
        eventually(lambda: "sleep" in names(tmp_path / "none", [stubborn.pid]), "the trap")
        stopped.send_signal(signal.SIGSTOP)
        reaper = threading.Thread(target=stubborn.wait)
        reaper.start()
        assert end_tasks(tmp_path, frozenset(), grace_seconds=0.3) == frozenset()
        reaper.join(60)
        assert stubborn.returncode == -signal.SIGKILL
        assert stopped.wait(60) == -signal.SIGTERM


def test_a_node_that_keeps_ending_is_restarted_less_and_less_often(tmp_path: Path) -> None:
    ended = Child("ended", ["nonsense"], {}, tmp_path / "log")
    restarts: list[float] = []
    supervisor = Supervisor(lambda: {"agent-0": ended}, lambda _name: restarts.append(now))
    for tenth in range(3000):
        now = tenth / 10
        supervisor._look_after("agent-0", ended, now)
    gaps = [round(after - before) for before, after in itertools.pairwise(restarts)]
    assert 0.5 <= restarts[0] < 1
    assert gaps[:6] == [1, 2, 4, 8, 16, 30]
    assert set(gaps[5:]) == {30}


def test_a_node_that_ran_steadily_is_restarted_soon_again(tmp_path: Path) -> None:
    restarts: list[float] = []
    node = Child("node", ["nonsense", "/nonexistent"], {"PATH": "/bin"}, tmp_path / "log")
    supervisor = Supervisor(lambda: {"n": node}, lambda _name: restarts.append(now))
    for now in (0.0, 1.0, 3.0, 5.0):
        supervisor._look_after("n", node, now)
    assert restarts == [1.0, 5.0]  # the second came later: after 1 s and not 0.5 s
    for now in (100.0, 100.6):
        supervisor._look_after("n", node, now)
    assert restarts == [1.0, 5.0, 100.6]


def test_a_large_log_is_cut_and_its_end_kept(tmp_path: Path) -> None:
    log = tmp_path / "node.log"
    with log.open("wb") as file:
        file.truncate(40 * 1024 * 1024)
        file.seek(0, os.SEEK_END)
        file.write(b"the end")
    child = Child("node", [], {}, log)
    assert child.log_tail().endswith("the end")
    child.bound_log()
    assert log.stat().st_size == 0
    kept = (tmp_path / "node.old.log").read_bytes()
    assert kept.endswith(b"the end")
    assert len(kept) < 10 * 1024 * 1024
