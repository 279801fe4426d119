"""haproxy's master process: reloads, and whether one went well.

The master answers nothing to ``reload``, so its counts of reloads and of failed ones are compared.
A configuration that it refuses leaves the old worker serving.
"""

import re
import time
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from haproxy_bridge.runtime import socket
from haproxy_bridge.runtime.socket import SocketError

_MASTER = re.compile(r"^(\d+)\s+master\s+(\d+)(?:\s+\[failed:\s+(\d+)\])?", re.MULTILINE)
_WORKER = re.compile(r"^(\d+)\s+worker\s+(\d+)", re.MULTILINE)
_LOOK_SECONDS = 0.02


class ReloadError(Exception):
    """haproxy did not take the configuration, or did not answer in time."""


class Processes(Struct, frozen=True):
    """``pid``, ``reloads`` and ``failed`` are the master's own; ``workers`` those of the present
    configuration, ``old_workers`` still serve their last connections."""

    reloads: int
    failed: int
    workers: tuple[int, ...]
    old_workers: tuple[int, ...] = ()
    pid: int = 0


def processes(master_socket: Path, *, timeout_seconds: float = 5.0) -> Processes:
    """What ``show proc`` tells. SocketError."""
    answer = socket.ask_master(master_socket, "show proc", timeout_seconds=timeout_seconds)
    master = _MASTER.search(answer)
    if master is None:
        raise SocketError(f"{master_socket}: this is not the master: {answer[:100]!r}")
    present, _, old = answer.partition("# old workers")
    return Processes(
        pid=int(master[1]),
        reloads=int(master[2]),
        failed=int(master[3] or 0),
        workers=tuple(int(found[1]) for found in _WORKER.finditer(present)),
        old_workers=tuple(int(found[1]) for found in _WORKER.finditer(old)),
    )


def reload(
    master_socket: Path,
    *,
    timeout_seconds: float = 30.0,
    wait: Callable[[float], None] = time.sleep,
) -> None:
    """Have haproxy load its configuration, and return once a new worker serves. ReloadError."""
    deadline = time.monotonic() + timeout_seconds
    try:
        before = processes(master_socket)
        socket.ask_master(master_socket, "reload")
    except SocketError as error:
        raise ReloadError(str(error)) from error
    while time.monotonic() < deadline:
        wait(_LOOK_SECONDS)
        try:
            now = processes(master_socket, timeout_seconds=1.0)
        except SocketError:
            continue  # it executes itself anew, and its socket comes back
        if now.pid != before.pid:
            if now.workers:
                return  # it died meanwhile, and was started anew: with this configuration
            continue
        if now.failed > before.failed:
            raise ReloadError("haproxy refused the configuration; the old one goes on serving")
        if now.reloads > before.reloads and set(now.workers) - set(before.workers):
            return
    raise ReloadError(f"haproxy did not reload within {timeout_seconds:g} s")
