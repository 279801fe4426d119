"""Whether a Docker Engine of this machine can serve the agents, and the flags that let it.

Only an engine behind a socket of this machine can: it has to see the tasks' sandboxes. Everything
that stands in the way is told in words, because most machines that lack something want to know.
"""

import importlib.util
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_USUAL_SOCKET = "/var/run/docker.sock"
_ANSWER_SECONDS = 5.0
_SCHEME = "unix://"


class NoDockerError(Exception):
    """There is no engine to use, and the message says why."""

    def __init__(self, why: str, socket: str = _USUAL_SOCKET) -> None:
        super().__init__(why)
        self.socket = socket
        """Where one is looked for, should it come up later."""


@dataclass(frozen=True, slots=True)
class DockerEngine:
    """An engine that has answered."""

    socket: str
    version: str


def docker_flags(socket: str) -> dict[str, str]:
    """The flags of an agent that runs docker tasks on the engine at this path.

    The engine need not be there: until it is, a docker task fails and says so.
    """
    return {"containerizers": "docker,mesos", "docker_socket": socket}


def find_docker(environment: Mapping[str, str]) -> DockerEngine:
    """The engine that DOCKER_HOST names, or the one at the usual place. Raises NoDockerError."""
    address = environment.get("DOCKER_HOST") or _SCHEME + _USUAL_SOCKET
    if not address.startswith(_SCHEME + "/"):
        raise NoDockerError(
            f"DOCKER_HOST is {address}, and only unix:///... of this machine can be"
        )
    path = address.removeprefix(_SCHEME)
    if not _is_socket(Path(path)):
        raise NoDockerError(f"there is no Docker Engine at {path}", path)
    if importlib.util.find_spec("docker") is None:
        raise NoDockerError("the Docker SDK is missing (pip install 'stayer[docker]')", path)
    return DockerEngine(path, _version(address))


def _is_socket(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.stat().st_mode)
    except OSError:
        return False


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
