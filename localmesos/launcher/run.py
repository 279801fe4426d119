"""What an executor runs: a process on this machine, or a container of a Docker Engine.

The executor talks to Mesos and keeps the time; how a task is started, told to stop, killed and
found out about is the business of a `Run`. Neither waits: a run hands out the descriptors it wants
to be polled, and what it learns from them.
"""

import os
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from localmesos.launcher import log, process
from localmesos.launcher.events import Check, Json, Task


class Began(NamedTuple):
    """The task runs now. `container_status` is a part of its ContainerStatus, or empty."""

    container_status: Json


class Ended(NamedTuple):
    """The task has ended, and nothing of it is left. `reason` may be empty."""

    succeeded: bool
    message: str
    reason: str = ""


class Run(Protocol):
    """One task's run. `pid` is the child whose end is to be handed to `reaped`; 0 before."""

    pid: int

    def start(self, task: Task, environment: Mapping[str, str]) -> Began | None:
        """Start the task; None when its beginning comes from `ready`. OSError, ValueError."""

    def wanted(self) -> list[tuple[int, int]]:
        """(file descriptor, poll mask) of everything to wait for."""

    def ready(self, fd: int) -> Began | None:
        """Go on with a descriptor that poll returned."""

    def reaped(self, wait_status: int) -> Ended | None:
        """The child `pid` has ended; None when another took its place."""

    def stop(self) -> None:
        """Ask the task to end."""

    def kill(self) -> None:
        """End the task now."""

    def check(self, check: Check) -> Check:
        """The same check, in the terms of this machine."""


class ProcessRun:
    """A command as a process group of its own in the executor's session."""

    def __init__(self) -> None:
        self.pid = 0

    def start(self, task: Task, environment: Mapping[str, str]) -> Began:
        """Start the command. Raises OSError or ValueError when it cannot be started."""
        try:
            self.pid = process.spawn(task.command, environment)
        except (OSError, ValueError) as problem:
            raise ValueError(
                f"Failed to execute '{task.command.value[:200]}': {problem}"
            ) from problem
        log.info(f"Forked command at {self.pid}")
        return Began({})

    def wanted(self) -> list[tuple[int, int]]:
        return []

    def ready(self, fd: int) -> None:
        raise AssertionError(f"nothing was wanted of {fd}")

    def reaped(self, wait_status: int) -> Ended:
        """Whatever the command leaves behind is killed."""
        message = f"Command {process.describe_status(wait_status)}"
        log.info(f"{message} (pid: {self.pid})")
        left_behind = process.kill()
        if left_behind:
            log.info(f"Killed {left_behind} processes that the task left behind")
        succeeded = os.WIFEXITED(wait_status) and os.WEXITSTATUS(wait_status) == 0
        return Ended(succeeded, message)

    def stop(self) -> None:
        log.info(f"Sending SIGTERM to process tree at pid {self.pid}")
        process.terminate()

    def kill(self) -> None:
        log.info(f"Process {self.pid} did not terminate in time, sending SIGKILL to its tree")
        process.kill()

    def check(self, check: Check) -> Check:
        return check
