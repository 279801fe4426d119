"""Whether a Docker Engine of this machine can serve the agents, and the flags that let it.

Only an engine behind a socket of this machine can: it has to see the tasks' sandboxes. Everything
that stands in the way is told in words, because most machines that lack something want to know.
"""

import importlib.util
import socket
from collections.abc import Mapping
from dataclasses import dataclass

_USUAL_SOCKET = "/var/run/docker.sock"
_ANSWER_SECONDS = 5.0
_SCHEME = "unix://"


class NoDockerError(Exception):
    """There is no engine to use, and the message says why."""

    def __init__(self, why: str, path: str = _USUAL_SOCKET) -> None:
        super().__init__(why)
        self.socket = path
        """Where one is looked for, should it come up later."""


@dataclass(frozen=True, slots=True)
class DockerEngine:
    """An engine that has answered."""

    socket: str
    version: str


def docker_flags(path: str) -> dict[str, str]:
    """The flags of an agent that runs docker tasks on the engine behind the socket at this path.

    The engine need not be there: until it is, a docker task fails and says so.
    """
    return {"containerizers": "docker,mesos", "docker_socket": path}


def find_docker(environment: Mapping[str, str]) -> DockerEngine:
    """The engine that DOCKER_HOST names, or the one at the usual place. Raises NoDockerError."""
    address = environment.get("DOCKER_HOST") or _SCHEME + _USUAL_SOCKET
    if not address.startswith(_SCHEME + "/"):
        raise NoDockerError(
            f"DOCKER_HOST is {address}, and only unix:///... of this machine can be"
        )
    path = address.removeprefix(_SCHEME)
    _connect(path)
    if importlib.util.find_spec("docker") is None:
        raise NoDockerError("the Docker SDK is missing (pip install 'stayer[docker]')", path)
    return DockerEngine(path, _version(address))


def _connect(path: str) -> None:
    """Say simply what the SDK would wrap in many words."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_ANSWER_SECONDS)
        try:
            connection.connect(path)
        except PermissionError:
            why = f"this user may not use the Docker Engine at {path}"
            raise NoDockerError(why, path) from None
        except OSError:
            raise NoDockerError(f"there is no Docker Engine at {path}", path) from None


def _version(address: str) -> str:
    # Here: an optional package, and slow to import.
    from docker.api.client import APIClient
    from docker.errors import DockerException

    try:
        api = APIClient(base_url=address, timeout=_ANSWER_SECONDS)
        try:
            return str(api.version()["Version"])
        finally:
            api.close()
    except (DockerException, OSError, KeyError) as problem:
        why = f"the Docker Engine at {address} does not answer: {problem}"
        raise NoDockerError(why, address.removeprefix(_SCHEME)) from None
