"""What a worker of haproxy has found out, told to the one that a reload puts in its place.

Names, weights and who drains are in the configuration; what checks found is not: a new worker takes
each server for well until its own checks say otherwise, which may take minutes.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from haproxy_bridge.rendered import Backend, Rendered
from haproxy_bridge.runtime import apply, socket
from haproxy_bridge.runtime.socket import SocketError

_LOOK_SECONDS = 0.02
Failed = frozenset[tuple[str, str, int]]
"""Backend, address and port of each: a reload may give a server another name."""


class Standing(Struct, frozen=True):
    """A worker, and the servers that its checks found not to answer. ``pid`` "": there is none."""

    pid: str = ""
    failed: Failed = frozenset()


def seen(admin_socket: Path) -> Standing:
    """That of the worker that answers; of none if none does."""
    with suppress(SocketError):
        found = apply.running(admin_socket)
        failed = (
            (backend, server.address, server.port)
            for backend, servers in found.items()
            for server in servers.values()
            if server.failed
        )
        return Standing(_pid(admin_socket), frozenset(failed))
    return Standing()


def passed_on(
    admin_socket: Path,
    before: Standing,
    wanted: Rendered,
    *,
    timeout_seconds: float = 2.0,
    wait: Callable[[float], None] = time.sleep,
) -> int:
    """Tell the worker that comes after ``before``; how many servers. They come back when their
    checks go well. Nothing is done if no other worker answers in time."""
    commands = list(_commands(before.failed, wanted))
    deadline = time.monotonic() + timeout_seconds
    while commands and time.monotonic() < deadline:
        with suppress(SocketError):
            if _pid(admin_socket) != before.pid:
                socket.tell(admin_socket, commands)
                return len(commands)
        wait(_LOOK_SECONDS)
    return 0


def _commands(failed: Failed, wanted: Rendered) -> Iterator[str]:
    if not failed:
        return
    for backend in wanted.backends:
        found = list(_failed(backend, failed))
        serving = sum(bool(one.weight) and not one.draining for one in backend.servers)
        if len(found) < serving:  # else nobody would serve, and it may be the check that was mended
            yield from (f"set server {backend.name}/{name} health down" for name in found)


def _failed(backend: Backend, failed: Failed) -> Iterator[str]:
    for one in backend.servers:
        same = (backend.name, one.address, one.port) in failed
        if same and one.weight and not one.draining and "check" in one.options.split():
            yield one.name


def _pid(admin_socket: Path) -> str:
    """Of the worker that answers. SocketError."""
    info = socket.ask(admin_socket, "show info", timeout_seconds=1.0)
    lines = (line.partition(":") for line in info.splitlines())
    return next((pid.strip() for name, _, pid in lines if name == "Pid"), "")
