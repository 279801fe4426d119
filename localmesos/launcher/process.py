"""Starting a task's process, and ending it with everything it started.

The executor leads a session of its own; the task is a process group in that session, not a
session of its own. So the agent, which destroys a container by its session, finds the task even
when the executor itself was killed, and no port stays taken by an orphan. Descendants that made
their own session are found through their parents.
"""

import errno
import os
import signal
import time
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from localmesos.launcher.events import Command

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SHELL = "/bin/sh"
# CPython ignores these; a task must not inherit that.
_SIGNALS_TO_DEFAULT = (signal.SIGPIPE, signal.SIGXFSZ)
_ROUNDS_OF_KILLING = 20
_MAX_STAT_BYTES = 4096
_ENDING_SECONDS = 1.0
_PAUSE_SECONDS = 0.002


class ProcessEntry(NamedTuple):
    """One line of the process table."""

    pid: int
    parent: int
    group: int
    session: int


def lead_session() -> None:
    """Make this process the leader of a session, if the agent has not. Raises OSError."""
    if os.getsid(0) != os.getpid():
        os.setsid()


def spawn(
    command: Command,
    environment: Mapping[str, str],
    output: int | None = None,
    source: int | None = None,
) -> int:
    """Start a command as a process group of its own; its pid.

    `output`, if given, is the file descriptor that takes both its outputs, and its input is empty;
    `source`, if given, is the descriptor that becomes its input.
    Raises OSError or ValueError when it cannot be started.
    """
    actions: list[tuple[int, ...] | tuple[int, int, str, int, int]] = []
    if output is not None:
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, output, 1),
            (os.POSIX_SPAWN_DUP2, output, 2),
        ]
    if source is not None:
        actions.append((os.POSIX_SPAWN_DUP2, source, 0))
    path, argv = program(command, environment)
    try:
        return _spawn(path, argv, environment, actions)
    except OSError as problem:
        if problem.errno != errno.ENOEXEC:
            raise
        # A script without "#!", which execvp would give to the shell too.
        return _spawn(_SHELL, [_SHELL, path, *argv[1:]], environment, actions)


def _spawn(
    path: str,
    argv: list[str],
    environment: Mapping[str, str],
    actions: list[tuple[int, ...] | tuple[int, int, str, int, int]],
) -> int:
    return os.posix_spawn(
        path,
        argv,
        environment,
        file_actions=actions,
        setpgroup=0,
        setsigmask=(),
        setsigdef=_SIGNALS_TO_DEFAULT,
    )


def program(command: Command, environment: Mapping[str, str]) -> tuple[str, list[str]]:
    """The path and the arguments that a command means. Raises OSError if there is no such file."""
    if command.shell:
        return _SHELL, ["sh", "-c", command.value]
    argv = list(command.arguments) or [command.value]
    return _find(command.value, environment.get("PATH", DEFAULT_PATH)), argv


def _find(name: str, search_path: str) -> str:
    if "/" in name:
        return name
    # The sandbox first, because Mesos looks there too.
    for directory in (os.curdir, *search_path.split(":")):
        path = f"{directory or os.curdir}/{name}"
        is_directory = os.access(f"{path}/.", os.F_OK)
        if os.access(path, os.X_OK) and not is_directory:
            return path
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)


def terminate(root: int | None = None) -> int:
    """Send SIGTERM to a process tree (see `kill`); the number of processes reached."""
    return len(_signal_all(_members(root), signal.SIGTERM))


def kill(root: int | None = None) -> int:
    """Send SIGKILL to everything in this session but this process, with all descendants.

    With `root` only to that process, its group and descendants. Repeats until nothing new
    appears, because a process can fork while the table is read. Without `root` it waits until
    they are gone, for a moment at most: the signal alone frees no port. The number of processes
    reached.
    """
    killed: set[int] = set()
    for _ in range(_ROUNDS_OF_KILLING):
        members = _members(root) - killed
        if not members:
            break
        killed |= _signal_all(members, signal.SIGKILL)
    if root is None:
        _await_end(killed)
    return len(killed)


def _await_end(pids: set[int]) -> None:
    """Only one that hangs in the kernel takes longer than an instant."""
    deadline = time.monotonic() + _ENDING_SECONDS
    while pids & {each.pid for each in process_table()} and time.monotonic() < deadline:
        time.sleep(_PAUSE_SECONDS)


def describe_status(status: int) -> str:
    """A wait status in Mesos' words: "exited with status 1", "terminated with signal Killed"."""
    if os.WIFEXITED(status):
        return f"exited with status {os.WEXITSTATUS(status)}"
    number = os.WTERMSIG(status)
    dumped = " (core dumped)" if os.WCOREDUMP(status) else ""
    return f"terminated with signal {signal.strsignal(number) or number}{dumped}"


def process_table() -> Iterator[ProcessEntry]:
    """All living processes that /proc shows; zombies are left out."""
    with os.scandir("/proc") as entries:
        names = [entry.name for entry in entries if entry.name.isdecimal()]
    for name in names:
        stat = _read_stat(name)
        # "pid (any name) state ppid pgrp session ...": the name may contain anything.
        fields = stat[stat.rfind(b")") + 2 :].split()
        if len(fields) > 3 and fields[0] not in (b"Z", b"X"):
            yield ProcessEntry(int(name), *map(int, fields[1:4]))


def _read_stat(name: str) -> bytes:
    try:
        fd = os.open(f"/proc/{name}/stat", os.O_RDONLY)
    except OSError:
        return b""  # it has ended meanwhile
    try:
        return os.read(fd, _MAX_STAT_BYTES)
    except OSError:
        return b""
    finally:
        os.close(fd)


def _members(root: int | None) -> set[int]:
    table = list(process_table())
    me = os.getpid()
    if root is None:
        found = {each.pid for each in table if each.session == me and each.pid != me}
        parents = found | {me}
    else:
        found = {each.pid for each in table if root in (each.pid, each.group)}
        parents = found | {root}
    while True:
        more = {each.pid for each in table if each.parent in parents} - found - {me}
        if not more:
            return found
        found |= more
        parents = more


def _signal_all(pids: set[int], number: int) -> set[int]:
    reached = set()
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
        except PermissionError:
            continue  # a set-uid program: not ours to kill
        reached.add(pid)
    return reached
