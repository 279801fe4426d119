"""mesos-containerizer launch: the first process of a container, which becomes its executor.

Waits until the agent is ready, sets up what the agent asked for (limits, directory, user,
environment), then becomes the executor. Our own command executor is not started as a new program
but runs on in this process: that saves an interpreter a task, and works for users who may not
read the interpreter's files. What the posix launcher cannot give (images, namespaces,
capabilities) is refused, never left out silently.
"""

import contextlib
import json
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, NoReturn

from localmesos.launcher import executor, log, process
from localmesos.launcher.events import Command, parse_command, parse_environment

_PREFIX = "MESOS_CONTAINERIZER_"
_MAX_INFO_CHARACTERS = 16 * 1024 * 1024
_EXECUTOR = "mesos-executor"
_FORWARDED_SIGNALS = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGUSR1,
    signal.SIGUSR2,
)
_STATUS_FILE = "status"  # in the container's runtime directory; the agent reads it after our end
_UNSUPPORTED = (
    "rootfs",
    "clone_namespaces",
    "enter_namespaces",
    "mounts",
    "masked_paths",
    "file_operations",
    "seccomp_profile",
    "effective_capabilities",
    "bounding_capabilities",
    "tty_slave_path",
    "no_new_privileges",
)
_STATUS_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
_OUTPUT_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
_IN_LOCAL_MODE = "MESOS_NUM_SLAVES"  # a flag that only a mesos-local has


class LaunchError(Exception):
    """The container cannot be launched as asked."""


class Launch(NamedTuple):
    """What to launch and how: the part of ContainerLaunchInfo that is supported."""

    command: Command
    environment: dict[str, str]
    working_directory: str
    user: str
    supplementary_groups: tuple[int, ...]
    rlimits: tuple[dict[str, Any], ...]
    pre_exec_commands: tuple[Command, ...]


class User(NamedTuple):
    """An account to change to."""

    uid: int
    gid: int
    groups: tuple[int, ...]


def parse_launch_info(text: str, inherited: Mapping[str, str]) -> Launch:
    """Read ContainerLaunchInfo. Raises LaunchError for what is malformed or unsupported."""
    if len(text) > _MAX_INFO_CHARACTERS:
        raise LaunchError("the launch info is too long")
    try:
        info = json.loads(text)
        unsupported = [name for name in _UNSUPPORTED if info.get(name)]
        if unsupported:
            raise LaunchError(f"not supported by this launcher: {', '.join(unsupported)}")
        environment = parse_environment(info["environment"]) if "environment" in info else inherited
        return Launch(
            command=parse_command(info["command"]),
            environment={"PATH": process.DEFAULT_PATH, **environment},
            working_directory=str(info.get("working_directory", "")),
            user=str(info.get("user", "")),
            supplementary_groups=tuple(int(each) for each in info.get("supplementary_groups", [])),
            rlimits=tuple(info.get("rlimits", {}).get("rlimits", [])),
            pre_exec_commands=tuple(map(parse_command, info.get("pre_exec_commands", []))),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
        raise LaunchError(f"malformed launch info: {problem!r}") from None


def launch(environment: Mapping[str, str]) -> int:
    """Set the container up and become its executor; the wait status of how that ended."""
    status = 1 << 8
    status_fd = _open_status_file(environment)
    try:
        container = parse_launch_info(environment.get(_PREFIX + "LAUNCH_INFO", ""), environment)
        _wait_for_agent(environment)
        _close_inherited(status_fd)
        _prepare(container)
        if _IN_LOCAL_MODE in environment:
            _stay_in_sandbox()
        command = container.command
        if _is_our_executor(command, environment):
            status = executor.run(command.arguments[1:], container.environment) << 8
        else:
            status = _run_program(command, container.environment)
    except (LaunchError, OSError, ValueError) as problem:
        log.error(f"Failed to launch the container: {problem}")
    finally:
        if status_fd >= 0:
            os.write(status_fd, str(status).encode())
    return status


def _is_our_executor(command: Command, environment: Mapping[str, str]) -> bool:
    """Whether the agent asks for the command executor of its own launcher directory."""
    directory = environment.get("MESOS_LAUNCHER_DIR", "")
    if command.shell or not directory:
        return False
    return os.path.realpath(f"{directory}/{_EXECUTOR}") == os.path.realpath(command.value)


def _open_status_file(environment: Mapping[str, str]) -> int:
    """The file that tells the agent how the executor ended; opened while we may still write it."""
    directory = environment.get(_PREFIX + "RUNTIME_DIRECTORY", "")
    if not directory:
        return -1
    return os.open(f"{directory}/{_STATUS_FILE}", _STATUS_FLAGS, 0o600)


def _wait_for_agent(environment: Mapping[str, str]) -> None:
    """Block until the agent has isolated the container and says so through the control pipe."""
    reading = environment.get(_PREFIX + "PIPE_READ", "")
    writing = environment.get(_PREFIX + "PIPE_WRITE", "")
    if not reading and not writing:
        return
    if not (reading.isdecimal() and writing.isdecimal()):
        raise LaunchError("the control pipe is not given completely")
    os.close(int(writing))
    if not os.read(int(reading), 1):
        raise LaunchError("failed to synchronize with the agent (it has probably exited)")


def _close_inherited(kept_fd: int) -> None:
    """Close everything but the standard streams and `kept_fd`: none of it is the executor's."""
    with os.scandir("/proc/self/fd") as entries:
        fds = [int(entry.name) for entry in entries]
    for fd in fds:
        if fd > 2 and fd != kept_fd:
            os.closerange(fd, fd + 1)  # unlike close, no error for the listing's own descriptor


def _prepare(container: Launch) -> None:
    for command in container.pre_exec_commands:
        log.info(f"Executing pre-exec command '{command.value}'")
        _, status = os.waitpid(process.spawn(command, os.environ), 0)
        if status:
            reason = process.describe_status(status)
            raise LaunchError(f"the pre-exec command '{command.value}' {reason}")
    user = _user(container)
    _set_limits(container)
    if container.working_directory:
        os.chdir(container.working_directory)
    if user is not None:
        os.setgid(user.gid)
        os.setgroups(user.groups)
        os.setuid(user.uid)


def _stay_in_sandbox() -> None:
    """Send both outputs to the files of the sandbox, the working directory; take no input.

    An agent does that itself, except one of a `mesos-local`, whose containers would write into the
    agent's log and read its input. Done as the task's user and never through a link, because what
    lies in the sandbox may have been fetched for the task.
    """
    files = ((os.devnull, os.O_RDONLY), ("stdout", _OUTPUT_FLAGS), ("stderr", _OUTPUT_FLAGS))
    for fd, (name, flags) in enumerate(files):
        opened = os.open(name, flags, 0o644)
        os.dup2(opened, fd)
        os.close(opened)


def _user(container: Launch) -> User | None:
    """The account to change to; None when it is the present one."""
    if not container.user:
        return None
    import pwd  # here: not needed where every container has the agent's own user

    try:
        account = pwd.getpwnam(container.user)
    except KeyError:
        raise LaunchError(f"there is no user '{container.user}'") from None
    if account.pw_uid == os.geteuid():
        return None
    groups = {*os.getgrouplist(container.user, account.pw_gid), *container.supplementary_groups}
    return User(account.pw_uid, account.pw_gid, tuple(sorted(groups)))


def _set_limits(container: Launch) -> None:
    if not container.rlimits:
        return
    import resource  # here: only for containers with limits

    for limit in container.rlimits:
        name = str(limit.get("type", "")).replace("RLMT_", "RLIMIT_", 1)
        number = getattr(resource, name, None)
        if not name.startswith("RLIMIT_") or number is None:
            raise LaunchError(f"unknown resource limit {name}")
        soft = int(limit.get("soft", resource.RLIM_INFINITY))
        hard = int(limit.get("hard", resource.RLIM_INFINITY))
        resource.setrlimit(number, (soft, hard))


def _run_program(command: Command, environment: Mapping[str, str]) -> int:
    """Run an executor that is no program of ours, passing signals on; its wait status.

    It stays our child, because only so its end can be recorded for an agent that restarts.
    Signals are waited for, never handled: one that comes while the executor starts would end us
    alone, with nobody left to end it, and a handler of Python's runs only once the call returns in
    which one that came right before it is asleep. (`spawn` gives the executor an empty mask.)
    """
    awaited = {*_FORWARDED_SIGNALS, signal.SIGCHLD}
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored ones are never told of
    signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
    pid = process.spawn(command, environment)
    while True:
        number = signal.sigwait(awaited)
        if number != signal.SIGCHLD:
            with contextlib.suppress(ProcessLookupError):  # it has ended, as we are about to hear
                os.kill(pid, number)
            continue
        for ended, status in _ended_children():
            if ended == pid:
                return status


def _ended_children() -> Iterator[tuple[int, int]]:
    """All that ended, also what others left to us: several ends may be told as one."""
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            yield found


def main() -> NoReturn:
    """The program `mesos-containerizer`."""
    if sys.argv[1:] != ["launch"]:
        log.error("usage: mesos-containerizer launch (everything else is in the environment)")
        sys.exit(2)
    sys.exit(1 if launch(os.environ) else 0)
