"""A task as a container: what the executor has to do with it.

The Docker SDK waits for its answers, and the executor must not. So a child of it, the program
`mesos-docker-container`, deals with the engine; the two talk in lines of JSON over a socket pair.
The child removes the container when this end of the pair closes, and this side removes it when
the child dies, so no container outlives both.
"""

import json
import os
import select
import socket
from collections.abc import Mapping
from typing import NamedTuple

from localmesos.launcher import log, process
from localmesos.launcher.events import Check, Command, Json, Task
from localmesos.launcher.run import Began, Ended

_MAX_MESSAGE_BYTES = 1024 * 1024
_FIRST_MESSAGE_SECONDS = 30.0
_ITS_VARIABLES = ("PATH", "HOME", "MESOS_DIRECTORY")  # the last tells whose process it is
LAUNCH_FAILED = "REASON_CONTAINER_LAUNCH_FAILED"
KILLED_EARLY = "Container killed before it started"


class Place(NamedTuple):
    """Where the container is to be, as the agent's flags say. Folders are absolute paths.

    `sandbox` is seen in the container at `mapped`; `programs` is the agent's launcher directory.
    """

    name: str
    socket: str
    sandbox: str
    mapped: str
    programs: str
    limit_cpus: bool


def ended(message: str, reason: str = "") -> Json:
    """A bad end, as the child tells it."""
    return {"succeeded": False, "message": message, "reason": reason}


class ContainerRun:
    """One container, from the pull of its image to its removal.

    `variables` are for it too, besides those of its definition.
    """

    def __init__(self, place: Place, variables: Mapping[str, str]) -> None:
        self.pid = 0
        self._place = place
        self._variables = dict(variables)
        self._pair: socket.socket | None = None
        self._received = b""
        self._ended: Ended | None = None
        self._network, self._addresses = "", list[str]()

    def start(self, task: Task, _environment: Mapping[str, str]) -> None:
        """Start the child and tell it what to run. Raises OSError.

        The environment of a process here is not for an image, which has a PATH of its own.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            program = self._program("mesos-docker-container")
            own = {name: os.environ[name] for name in _ITS_VARIABLES if name in os.environ}
            self.pid = process.spawn(program, own, source=theirs.fileno())
        ours.settimeout(_FIRST_MESSAGE_SECONDS)
        self._pair = ours
        variables = self._variables | task.command.environment
        order = {"task": task.info, "place": self._place._asdict(), "environment": variables}
        self._tell(order)
        ours.setblocking(False)

    def wanted(self) -> list[tuple[int, int]]:
        return [] if self._pair is None else [(self._pair.fileno(), select.POLLIN)]

    def ready(self, fd: int) -> Began | None:
        """What the child says, if the descriptor is still in use."""
        if self._pair is None or self._pair.fileno() != fd:
            return None
        return self._listen(self._pair)

    def reaped(self, wait_status: int) -> Ended | None:
        """The end as the child told it. If it died, the container is removed first."""
        if self._pair is not None:
            self._listen(self._pair)
            self._hang_up()
        if self._ended is not None:
            return self._ended
        message = f"What follows the container {process.describe_status(wait_status)}"
        log.error(f"{message}; removing the container")
        self._ended = Ended(succeeded=False, message=message)
        self.pid = process.spawn(self._program("mesos-docker", "rm", "-f", "-v", self._name), {})
        return None

    def stop(self) -> None:
        log.info(f"Stopping the container {self._name}")
        self._tell({"do": "stop"})

    def kill(self) -> None:
        log.info(f"Killing the container {self._name}")
        self._tell({"do": "kill"})

    def check(self, check: Check) -> Check:
        """Commands run in the container, connections are made from within its network."""
        if check.command is not None:
            inside = check.command
            argv = ["sh", "-c", inside.value] if inside.shell else list(inside.arguments)
            variables = [f"--env={name}={value}" for name, value in inside.environment.items()]
            program = self._program("mesos-docker", "exec", *variables, self._name, *argv)
            return check._replace(command=program)
        if not self._network:
            return check
        if os.geteuid() == 0 and os.access(self._network, os.R_OK):
            return check._replace(network=self._network)
        same_family = [each for each in self._addresses if (":" in each) == (":" in check.address)]
        return check._replace(address=same_family[0]) if same_family else check

    @property
    def _name(self) -> str:
        return self._place.name

    def _program(self, program: str, *arguments: str) -> Command:
        path = f"{self._place.programs}/{program}"
        where = ["-H", f"unix://{self._place.socket}"] if arguments else []
        return Command(False, path, (path, *where, *arguments), {})

    def _listen(self, pair: socket.socket) -> Began | None:
        """Take all that has arrived."""
        began = None
        try:
            while data := pair.recv(_MAX_MESSAGE_BYTES):
                *lines, self._received = (self._received + data).split(b"\n")
                for line in lines:
                    began = self._heard(json.loads(line)) or began
            self._hang_up()
        except BlockingIOError:
            pass
        except OSError:
            self._hang_up()
        return began

    def _heard(self, message: Json) -> Began | None:
        if "ended" in message:
            self._ended = Ended(**message["ended"])
            return None
        began = message["began"]
        self._network, self._addresses = began["network"], began["addresses"]
        return Began(began["container_status"])

    def _tell(self, message: Json) -> None:
        if self._pair is None:
            return
        try:
            self._pair.sendall(json.dumps(message).encode() + b"\n")
        except OSError as problem:
            log.warning(f"Cannot reach what follows the container: {problem}")

    def _hang_up(self) -> None:
        if self._pair is not None:
            self._pair.close()
            self._pair = None
