"""Find and end the executors and tasks that agents started, wherever they have gone.

A task may fork, start a session of its own and lose its parent. What ties it to the cluster is
the sandbox it was started in (a variable in the environment of every executor and task), or
descent from such a process, or the session that one of them leads. The working folder is no
sign: a person may look into a sandbox with a shell.
"""

import os
import signal
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_POLL_SECONDS = 0.02
_KILL_SECONDS = 5.0
_CONTAINER_SECONDS = 15.0
_KEEPER = b"mesos-docker-container"
_MARKS = (
    b"MESOS_SANDBOX=",
    b"MESOS_DIRECTORY=",  # all that a docker executor has
    b"MESOS_CONTAINERIZER_RUNTIME_DIRECTORY=",
)


@dataclass(frozen=True, slots=True)
class Task:
    """A process of the cluster. Ids are given anew by the kernel; with the start time (in clock
    ticks since the machine booted) the process is the same one."""

    pid: int
    started_ticks: int


@dataclass(frozen=True, slots=True)
class _Process:
    task: Task
    parent: int
    session: int


def tasks_of(folder: Path, nodes: Iterable[int] = ()) -> frozenset[Task]:
    """All processes that live in sandboxes below `folder` or descend from the ids `nodes`.

    Neither this process nor the nodes themselves are among them, nor what has ended (zombies).
    """
    home = os.fsencode(folder.resolve()) + b"/"
    everyone = {each.task.pid: each for each in _everyone()}
    roots = frozenset(nodes)
    found = {pid for pid in everyone if _was_started_in(pid, home)} | roots
    children = defaultdict(list)
    for pid, each in everyone.items():
        children[each.parent].append(pid)
        if each.session not in (pid, each.parent):
            children[each.session].append(pid)
    waiting = list(found)
    while waiting:
        for child in children[waiting.pop()]:
            if child not in found:
                found.add(child)
                waiting.append(child)
    return frozenset(everyone[pid].task for pid in found - roots - {os.getpid()})


def end_tasks(folder: Path, also: frozenset[Task], grace_seconds: float) -> frozenset[Task]:
    """End everything in sandboxes below `folder` and the processes `also`, until none is left.

    SIGTERM first; SIGKILL to what is still there after `grace_seconds`, and to what appears
    later. What looks after a container of the Docker Engine has ``_CONTAINER_SECONDS`` more: it
    ends when the container is gone, which nobody else would remove. Answers what could not be
    ended (processes of another user).
    """
    begin = time.monotonic()
    told: set[Task] = set()
    while left := tasks_of(folder) | _alive(also):
        elapsed_seconds = time.monotonic() - begin
        keepers = frozenset(task for task in left if _keeps_a_container(task))
        longest_seconds = grace_seconds + (_CONTAINER_SECONDS if keepers else 0.0)
        if elapsed_seconds > longest_seconds + _KILL_SECONDS:
            return left
        for task in left:
            if elapsed_seconds > (longest_seconds if task in keepers else grace_seconds):
                _signal(task, signal.SIGKILL)
            elif task not in told:
                told.add(task)
                _signal(task, signal.SIGTERM)
                _signal(task, signal.SIGCONT)
        time.sleep(_POLL_SECONDS)
    return frozenset()


def _keeps_a_container(task: Task) -> bool:
    try:
        return _KEEPER in Path(f"/proc/{task.pid}/cmdline").read_bytes()
    except OSError:
        return False


def _signal(task: Task, number: int) -> None:
    try:
        os.kill(task.pid, number)
    except (ProcessLookupError, PermissionError):
        return


def _alive(tasks: frozenset[Task]) -> frozenset[Task]:
    present = {each.task for each in map(_process, [task.pid for task in tasks]) if each}
    return tasks & present


def _everyone() -> Iterable[_Process]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (process := _process(int(entry.name))) is not None:
            yield process


def _process(pid: int) -> _Process | None:
    """None when it is gone or has ended (a zombie)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    # "pid (name) state parent group session ..."; the name may hold spaces and parentheses.
    fields = text.rpartition(")")[2].split()
    if fields[0] in "ZX":
        return None
    return _Process(Task(pid, int(fields[19])), int(fields[1]), int(fields[3]))


def _was_started_in(pid: int, home: bytes) -> bool:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
    marks = tuple(mark + home for mark in _MARKS)
    return any(variable.startswith(marks) for variable in environment.split(b"\0"))
