"""mesos-docker-container: runs one container for the docker executor, and follows it.

Standard input is a socket: the executor sends what to run and then "stop" or "kill"; back go the
beginning and the end. The main thread listens, so that a container that is pulled or waited for
can be given up at any moment; another deals with the engine; a third copies the container's
output. When the executor is gone, so is the container.
"""

import json
import os
import signal
import socket
import sys
import threading
import time
from types import FrameType
from typing import Any, NoReturn

from docker.api.client import APIClient
from docker.errors import APIError, DockerException, NotFound
from requests.exceptions import RequestException

from localmesos.launcher import log
from localmesos.launcher.container_run import Place
from localmesos.launcher.docker_pull import PullError, ensure_image
from localmesos.launcher.docker_spec import ContainerSpec, container_spec

Json = dict[str, Any]

_ANSWER_SECONDS = 60.0
_ENGINE_LOST_SECONDS = 60.0
_ENGINE_LOOK_SECONDS = 1.0
_LAST_OUTPUT_SECONDS = 10.0
_LAUNCH_FAILED = "REASON_CONTAINER_LAUNCH_FAILED"
_OUT_OF_MEMORY = "REASON_CONTAINER_LIMITATION_MEMORY"
_KILLED_EARLY = "Container killed before it started"
_TROUBLE = (DockerException, RequestException, PullError)


class Container:
    """One container's life. `stop`, `kill` and `abandon` may come from another thread, any time."""

    def __init__(self, api: APIClient, place: Place) -> None:
        self._api = api
        self._name = place.name
        self._lock = threading.Lock()  # held while the container comes into being
        self._given_up = False
        self._created = False
        self._stop_signal = "SIGTERM"

    def run(self, spec: ContainerSpec, pair: "Pair") -> Json:
        """Pull, create, start, follow, remove; the end as the executor wants it."""
        try:
            ensure_image(self._api, spec.image, force=spec.force_pull)
            output = self._start(spec)
            if output is None:
                return _ended(_KILLED_EARLY)
        except _TROUBLE as problem:
            self.remove()
            message = f"Failed to start a container of {spec.image}: {_words(problem)}"
            return _ended(message, reason=_LAUNCH_FAILED)
        try:
            pair.tell({"began": self._began()})
            ended = self._follow(output)
        except _TROUBLE as problem:
            ended = _ended(f"Lost the container: {_words(problem)}")
        self.remove()
        return ended

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
        """Kill and remove it with its unnamed volumes; not an error if it is gone."""
        if not self._created:
            return
        try:
            self._api.remove_container(self._name, v=True, force=True)
        except NotFound:
            return
        except (DockerException, RequestException) as problem:
            log.error(f"Cannot remove the container {self._name}: {_words(problem)}")

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
            (name, [each for each in (at["IPAddress"], at["GlobalIPv6Address"]) if each])
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
            return _ended(f"Memory limit exceeded: {message.lower()}", reason=_OUT_OF_MEMORY)
        return {"succeeded": code == 0, "message": message}

    def _await_end(self) -> int:
        """The exit code, through restarts of an engine that keeps its containers running."""
        give_up_at = float("inf")
        while True:
            try:
                code: int = self._api.wait(self._name, timeout=None)["StatusCode"]
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


class Pair:
    """The socket to the executor."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._lines = connected.makefile("rb")

    def next(self) -> Json | None:
        """The next message; None when the executor is gone."""
        try:
            line = self._lines.readline()
        except OSError:
            return None
        return dict(json.loads(line)) if line else None

    def tell(self, message: Json) -> None:
        """Send a message; of no effect when the executor is gone."""
        try:
            self._socket.sendall(json.dumps(message).encode() + b"\n")
        except OSError as problem:
            log.warning(f"The executor is gone: {problem}")


def _copy(streams: Any) -> None:
    """Write the container's output to this process's, which are files of the sandbox."""
    try:
        for pieces in streams:
            for fd, data in zip((1, 2), pieces, strict=True):
                while data:
                    data = data[os.write(fd, data) :]
    except (OSError, RequestException, DockerException) as problem:
        log.error(f"No more of the container's output can be kept: {problem}")


def _ip_address(address: str) -> Json:
    return {"protocol": "IPv6" if ":" in address else "IPv4", "ip_address": address}


def _ended(message: str, reason: str = "") -> Json:
    return {"succeeded": False, "message": message, "reason": reason}


def _words(problem: Exception) -> str:
    if isinstance(problem, APIError) and problem.explanation:
        return str(problem.explanation)
    return str(problem)


def _live(order: Json, pair: Pair) -> Container:
    """Begin with what is ordered, in a thread of its own that ends this process."""
    place = Place(**order["place"])
    api = APIClient(base_url=f"unix://{place.socket}", timeout=_ANSWER_SECONDS)
    container = Container(api, place)

    def live() -> None:
        try:
            spec = container_spec(order["task"], place, order["environment"])
            ended = container.run(spec, pair)
        except (ValueError, KeyError, TypeError) as problem:
            ended = _ended(f"Cannot run this container: {problem}", reason=_LAUNCH_FAILED)
        pair.tell({"ended": ended})
        os._exit(0)

    threading.Thread(target=live).start()
    return container


def _on_signal(_number: int, _frame: FrameType | None) -> NoReturn:
    raise InterruptedError


def main() -> NoReturn:
    """The program `mesos-docker-container`."""
    signal.signal(signal.SIGTERM, _on_signal)
    pair = Pair(socket.socket(fileno=0))
    order = pair.next()
    if order is None:
        sys.exit(1)
    try:
        container = _live(order, pair)
    except DockerException as problem:
        pair.tell({"ended": _ended(f"No Docker Engine: {problem}", reason=_LAUNCH_FAILED)})
        sys.exit(0)
    try:
        while message := pair.next():
            if not (container.stop() if message["do"] == "stop" else container.kill()):
                pair.tell({"ended": _ended(_KILLED_EARLY)})
                os._exit(0)
    except InterruptedError:
        log.info("Ending the container, for this process was told to end")
    container.abandon()
    os._exit(1)
