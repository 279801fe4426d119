"""mesos-docker-container: runs one container for the docker executor.

Standard input is a socket: the executor sends what to run and then "stop" or "kill"; back go the
beginning and the end. The main thread only listens, so a container that is pulled or waited for
can be given up at any moment. When the executor is gone, so is the container.
"""

import json
import os
import signal
import socket
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

from localmesos.launcher import log
from localmesos.launcher.container_run import KILLED_EARLY, LAUNCH_FAILED, Place, ended
from localmesos.launcher.docker_spec import container_spec

if TYPE_CHECKING:
    from localmesos.launcher.docker_container import Container

Json = dict[str, Any]


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

    def hear_no_more(self) -> None:
        """As if the executor were gone, from any moment on."""
        with suppress(OSError):  # it is
            self._socket.shutdown(socket.SHUT_RD)

    def tell(self, message: Json) -> None:
        """Send a message; of no effect when the executor is gone."""
        try:
            self._socket.sendall(json.dumps(message).encode() + b"\n")
        except OSError as problem:
            log.warning(f"The executor is gone: {problem}")


def _live(order: Json, pair: Pair) -> "Container":
    """Begin with what is ordered, in a thread of its own that ends this process.

    Raises ModuleNotFoundError without the Docker SDK, NoEngineError without an engine,
    ValueError, KeyError or TypeError for an order that cannot be carried out.
    """
    # Here: an optional package, whose absence is to be told.
    from localmesos.launcher.docker_container import Container

    place = Place(**order["place"])
    spec = container_spec(order["task"], place, order["environment"])
    container = Container(place)

    def live() -> None:
        try:
            end = container.run(spec, pair.tell)
        except Exception as problem:  # noqa: BLE001 - as in `main`, or the task would hang
            container.remove()
            end = ended(f"Cannot run this container: {problem}", reason=LAUNCH_FAILED)
        pair.tell({"ended": end})
        os._exit(0)

    threading.Thread(target=live).start()
    return container


def _cannot(pair: Pair, why: str) -> NoReturn:
    pair.tell({"ended": ended(f"Cannot run this container: {why}", reason=LAUNCH_FAILED)})
    sys.exit(0)


def _until_told_to_end(pair: Pair) -> None:
    signal.sigwait({signal.SIGTERM})
    pair.hear_no_more()


def main() -> NoReturn:
    """The program `mesos-docker-container`."""
    pair = Pair(socket.socket(fileno=0))
    # Not by an exception, which could come while the container is begun with and be taken for one
    # of those; nor by a handler, which would run only after the next message if it came right
    # before one is waited for.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=_until_told_to_end, args=(pair,), daemon=True).start()
    order = pair.next()
    if order is None:
        sys.exit(1)
    try:
        container = _live(order, pair)
    except ModuleNotFoundError:
        _cannot(pair, "the Docker SDK is missing (pip install 'stayer[docker]')")
    except Exception as problem:  # noqa: BLE001 - whatever it is, the task's owner is to know it
        _cannot(pair, str(problem))
    while message := pair.next():
        if not (container.stop() if message["do"] == "stop" else container.kill()):
            pair.tell({"ended": ended(KILLED_EARLY)})
            os._exit(0)
    log.info("Ending the container: the executor is gone, or this process was told to end")
    container.abandon()
    os._exit(1)
