"""mesos-docker: the docker command line as far as a Mesos agent and our executor use one.

An agent runs a program for everything it wants of Docker. With this one no command line of Docker
need be installed, and no change of its output can break Mesos 1.11, which reads fields of an
image that newer engines no longer show. Images are left to the executor: pulling is what takes
long, and there it is seen in the task's log and not counted as a slow start of the executor.
"""

import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

_VERSION = "Docker version 20.10.0, build mesos"
_HEADER = "CONTAINER ID   IMAGE     COMMAND   CREATED   STATUS    PORTS     NAMES"
_CONTAINER_PREFIX = "mesos-"
_UUID_CHARACTERS = 36
_ANSWER_SECONDS = 60.0
_GONE: dict[str, Any] = {
    "State": {"Pid": 0, "Running": False, "StartedAt": "0001-01-01T00:00:00Z"},
    "HostConfig": {"NetworkMode": "host"},
    "NetworkSettings": {"IPAddress": "", "Networks": {}},
}


def _version(_address: str, _arguments: Sequence[str]) -> int:
    return _say(_VERSION)


def _ps(address: str, _arguments: Sequence[str]) -> int:
    """Mesos' containers: an agent that comes back takes a task for lost that it misses here.

    Without an engine there is none. Of each line an agent reads the name at its end.
    """
    _say(_HEADER)
    try:
        containers = _engine(address).containers(all=True, filters={"name": _CONTAINER_PREFIX})
    except OSError as problem:
        sys.stderr.write(f"mesos-docker: {problem}\n")
        return 0
    for container in containers:
        name = container["Names"][0].removeprefix("/")
        if _is_container(name):
            _say(f"{container['Id'][:12]}   {container['Image']}   {container['State']}   {name}")
    return 0


def _pull(_address: str, _arguments: Sequence[str]) -> int:
    return 0


def _inspect(address: str, arguments: Sequence[str]) -> int:
    """A container as the engine shows it; an image without anything Mesos could need.

    One that is gone is shown as never started: an agent that boots asks for each of the list, also
    for other agents' on the same engine, and gives up if one was removed in between.
    """
    name = arguments[-1]
    if not _is_container(name):
        config = {"Entrypoint": None, "Env": None}
        return _say(json.dumps([{"Id": name, "Config": config, "ContainerConfig": config}]))
    from docker.errors import NotFound

    try:
        found = _engine(address).inspect_container(name)
    except NotFound:
        return _say(json.dumps([{**_GONE, "Id": name, "Name": f"/{name}"}]))
    found["NetworkSettings"].setdefault("IPAddress", "")  # newer engines have it elsewhere only
    return _say(json.dumps([found]))


def _stop(address: str, arguments: Sequence[str]) -> int:
    *options, name = arguments
    seconds = int(options[options.index("-t") + 1]) if "-t" in options else 10
    _engine(address, seconds).stop(name, timeout=seconds)
    return 0


def _kill(address: str, arguments: Sequence[str]) -> int:
    options = [each.removeprefix("--signal=") for each in arguments if each.startswith("--signal=")]
    _engine(address).kill(arguments[-1], signal=options[0] if options else "SIGKILL")
    return 0


def _rm(address: str, arguments: Sequence[str]) -> int:
    from docker.errors import NotFound

    try:
        _engine(address).remove_container(
            arguments[-1], v="-v" in arguments, force="-f" in arguments
        )
    except NotFound:
        return 0  # the executor was first, as it should be
    return 0


def _exec(address: str, arguments: Sequence[str]) -> int:
    """exec [--env=NAME=VALUE ...] CONTAINER COMMAND ...; the command's exit status."""
    variables = []
    rest = list(arguments)
    while rest[0].startswith("--env="):
        variables.append(rest.pop(0).removeprefix("--env="))
    name, *command = rest
    api = _engine(address)
    exec_id = api.exec_create(name, command, environment=variables)["Id"]
    for data in api.exec_start(exec_id, stream=True):
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    return int(api.exec_inspect(exec_id)["ExitCode"])


def _engine(address: str, more_seconds: float = 0.0) -> Any:
    """The engine's API. Raises ConnectionError."""
    path = address.removeprefix("unix://")
    if not os.path.exists(path):  # noqa: PTH110 - pathlib costs start-up
        raise ConnectionError(f"there is no Docker Engine at {path}")
    # Here: most calls of an agent need no engine, and the SDK takes long to import.
    from docker.api.client import APIClient
    from docker.errors import DockerException

    try:
        return APIClient(base_url=address, timeout=_ANSWER_SECONDS + more_seconds)
    except DockerException as problem:
        raise ConnectionError(str(problem)) from None


_COMMANDS: dict[str, Callable[[str, Sequence[str]], int]] = {
    "--version": _version,
    "exec": _exec,
    "inspect": _inspect,
    "kill": _kill,
    "ps": _ps,
    "pull": _pull,
    "rm": _rm,
    "stop": _stop,
}


def run(arguments: Sequence[str]) -> int:
    """Carry out one command; the exit status."""
    rest, address = list(arguments), ""
    while rest and rest[0] in ("-H", "--config"):
        option, value = rest[:2]
        address = value if option == "-H" else address
        del rest[:2]
    command = _COMMANDS.get(rest[0]) if rest else None
    if command is None:
        return _fail(f"this stands in for docker with {', '.join(_COMMANDS)} only, not {rest[:1]}")
    try:
        return command(address, rest[1:])
    except (OSError, ValueError, LookupError) as problem:  # what the engine refuses is an OSError
        return _fail(f"{type(problem).__name__}: {problem}")


def _is_container(name: str) -> bool:
    uuid = name.removeprefix(_CONTAINER_PREFIX)
    return uuid != name and len(uuid) == _UUID_CHARACTERS and uuid.count("-") == 4


def _say(text: str) -> int:
    sys.stdout.write(text + "\n")
    return 0


def _fail(text: str) -> int:
    sys.stderr.write(f"mesos-docker: {text}\n")
    return 1


def main() -> NoReturn:
    """The program `mesos-docker`."""
    sys.exit(run(sys.argv[1:]))
