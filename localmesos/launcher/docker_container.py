"""One container on the Docker Engine: pulled, created, started, followed and removed.

A thread runs it from beginning to end and another copies its output, while a third may stop it,
kill it or give it up at any moment.
"""

import os
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from docker.api.client import APIClient
from docker.errors import APIError, DockerException, NotFound
from requests.exceptions import RequestException

from localmesos.launcher import log
from localmesos.launcher.container_run import KILLED_EARLY, LAUNCH_FAILED, Place, ended
from localmesos.launcher.docker_pull import PullError, ensure_image
from localmesos.launcher.docker_spec import ContainerSpec

Json = dict[str, Any]

_ANSWER_SECONDS = 60.0
_ENGINE_LOST_SECONDS = 60.0
_ENGINE_LOOK_SECONDS = 1.0
_REMOVAL_LOOK_SECONDS = 0.1
_LAST_OUTPUT_SECONDS = 10.0
_OUT_OF_MEMORY = "REASON_CONTAINER_LIMITATION_MEMORY"
_TROUBLE = (DockerException, RequestException, PullError)


class NoEngineError(Exception):
    """The Docker Engine does not answer."""


class Container:
    """One container's life. `stop`, `kill` and `abandon` may come from another thread, any time."""

    def __init__(self, place: Place) -> None:
        """Raises NoEngineError."""
        try:
            self._api = APIClient(base_url=f"unix://{place.socket}", timeout=_ANSWER_SECONDS)
        except DockerException as problem:
            raise NoEngineError(f"no Docker Engine answers at {place.socket}: {problem}") from None
        self._name = place.name
        self._lock = threading.Lock()  # held while the container comes into being
        self._given_up = False
        self._created = False
        self._stop_signal = "SIGTERM"

    def run(self, spec: ContainerSpec, tell: Callable[[Json], None]) -> Json:
        """Pull, create, start, follow, remove; tells the beginning and answers the end."""
        try:
            ensure_image(self._api, spec.image, force=spec.force_pull)
            output = self._start(spec)
            if output is None:
                return ended(KILLED_EARLY)
        except _TROUBLE as problem:
            self.remove()
            message = f"Failed to start a container of {spec.image}: {_words(problem)}"
            return ended(message, reason=LAUNCH_FAILED)
        try:
            tell({"began": self._began()})
            end = self._follow(output)
        except _TROUBLE as problem:
            end = ended(f"Lost the container: {_words(problem)}")
        self.remove()
        return end

    def stop(self) -> bool:
        """Send the image's stop signal. False: there is no container, nor will there be."""
        return self._signal("")

    def kill(self) -> bool:
        """Send SIGKILL. False: there is no container, nor will there be."""
        return self._signal("SIGKILL")

    def abandon(self) -> None:
        """Remove the container, whatever it does."""
        self._given_up = True  # even while the lock is held
        with self._lock:
            self.remove()

    def remove(self) -> None:
        """Kill and remove it with its unnamed volumes; not an error if it is gone. Returns when
        it is, also where another thread began with that."""
        give_up_at = time.monotonic() + _ENGINE_LOST_SECONDS
        while self._created:
            try:
                self._api.remove_container(self._name, v=True, force=True)
            except NotFound:
                return
            except (DockerException, RequestException) as problem:
                under_way = _says_conflict(problem)
                if not under_way:
                    log.error(f"Cannot remove the container {self._name}: {_words(problem)}")
                is_final = isinstance(problem, APIError) and not under_way
                if is_final or time.monotonic() > give_up_at:
                    return
                # The removal ends, or the engine comes back.
                time.sleep(_REMOVAL_LOOK_SECONDS if under_way else _ENGINE_LOOK_SECONDS)
            else:
                return

    def _start(self, spec: ContainerSpec) -> "threading.Thread | None":
        """Start it with its output followed; None when it was given up before."""
        with self._lock:
            if self._given_up:
                return None
            host = self._api.create_host_config(**spec.options.host)
            self._created = True  # as far as anyone can know
            config = spec.options.config
            told = self._api.create_container(
                image=spec.image, host_config=host, detach=True, **config
            )
            for warning in told.get("Warnings") or []:
                log.warning(f"The Docker Engine says: {warning}")
            inspected = self._api.inspect_container(self._name)
            self._stop_signal = inspected["Config"].get("StopSignal") or self._stop_signal
            streams = self._api.attach(self._name, stream=True, demux=True)
            output = threading.Thread(target=_copy, args=(streams,), daemon=True)
            output.start()
            self._api.start(self._name)
            log.info(f"Started container {self._name} of image {spec.image}")
            return output

    def _began(self) -> Json:
        inspected = self._api.inspect_container(self._name)
        own = inspected["HostConfig"]["NetworkMode"] != "host" and inspected["State"]["Pid"]
        networks = [
            (name, [each for each in (at.get("IPAddress"), at.get("GlobalIPv6Address")) if each])
            for name, at in inspected["NetworkSettings"]["Networks"].items()
        ]
        infos = [
            {"name": name, "ip_addresses": [_ip_address(each) for each in addresses]}
            for name, addresses in networks
            if addresses
        ]
        return {
            "network": f"/proc/{inspected['State']['Pid']}/ns/net" if own else "",
            "addresses": [each for _, addresses in networks for each in addresses],
            "container_status": {"network_infos": infos} if infos else {},
        }

    def _follow(self, output: threading.Thread) -> Json:
        code = self._await_end()
        output.join(_LAST_OUTPUT_SECONDS)
        state = self._api.inspect_container(self._name)["State"]
        message = f"Container exited with status {code}"
        log.info(f"{message}{', out of memory' if state['OOMKilled'] else ''}")
        if state["OOMKilled"] and code:
            return ended(f"Memory limit exceeded: {message.lower()}", reason=_OUT_OF_MEMORY)
        return {"succeeded": code == 0, "message": message}

    def _await_end(self) -> int:
        """The exit code, through restarts of an engine that keeps its containers running."""
        give_up_at = float("inf")
        while True:
            try:
                code: int = self._api.wait(self._name, timeout=None)["StatusCode"]
            except NotFound:
                raise
            except RequestException as problem:
                now = time.monotonic()
                give_up_at = min(give_up_at, now + _ENGINE_LOST_SECONDS)
                if now > give_up_at:
                    raise
                log.warning(f"The Docker Engine does not answer: {_words(problem)}")
                time.sleep(_ENGINE_LOOK_SECONDS)
            else:
                return code

    def _signal(self, name: str) -> bool:
        self._given_up = True
        with self._lock:
            if self._created:
                name = name or self._stop_signal
                try:
                    self._api.kill(self._name, signal=name)
                except (DockerException, RequestException) as problem:
                    log.info(f"{name} was not sent: {_words(problem)}")  # mostly it has just ended
            return self._created


def _copy(streams: Any) -> None:
    """Write the container's output to this process's, which are files of the sandbox."""
    try:
        for pieces in streams:
            for fd, data in zip((1, 2), pieces, strict=True):
                while data:
                    data = data[os.write(fd, data) :]
    except (OSError, RequestException, DockerException) as problem:
        log.error(f"No more of the container's output can be kept: {problem}")


def _says_conflict(problem: Exception) -> bool:
    return isinstance(problem, APIError) and problem.status_code == HTTPStatus.CONFLICT


def _ip_address(address: str) -> Json:
    return {"protocol": "IPv6" if ":" in address else "IPv4", "ip_address": address}


def _words(problem: Exception) -> str:
    if isinstance(problem, APIError) and problem.explanation:
        return str(problem.explanation)
    return str(problem)
