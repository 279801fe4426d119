"""Carrying out a plan on a running haproxy, and looking whether it did what it was told."""

import time
from collections.abc import Callable, Collection
from pathlib import Path

from msgspec.structs import replace

from haproxy_bridge.rendered import Rendered
from haproxy_bridge.runtime import socket, state
from haproxy_bridge.runtime.plan import LIMIT, Have, Plan, differences, plan
from haproxy_bridge.runtime.socket import SocketError


class NotAppliedError(Exception):
    """haproxy did not come to be as it was told; the text names the first differences. A reload
    is the way out."""


MAX_NAMED = 50
"""Backends that are asked for by name; for more, all of them are."""
_LOOK_SECONDS = 0.05


def running(admin_socket: Path, only: Collection[str] | None = None) -> Have:
    """The servers that haproxy has, by backend; a backend without any is there too. ``only``: of
    these backends, and maybe of others. SocketError, also for one that is not there."""
    if only is not None and not only:
        return {}
    try:
        if only is not None and len(only) <= MAX_NAMED:
            questions = [f"show servers state {name}" for name in only]
            answer = "".join(socket.ask(admin_socket, line) for line in socket.lines(questions))
            return {name: {} for name in only} | state.servers(answer)
        names = state.backends(socket.ask(admin_socket, "show backend"))
        found = state.servers(socket.ask(admin_socket, "show servers state"))
        return {name: {} for name in names} | found
    except state.BadStateError as error:
        raise SocketError(f"{admin_socket}: {error}") from error


def planned(
    admin_socket: Path,
    before: Rendered | None,
    wanted: Rendered,
    only: Collection[str] | None = None,
) -> Plan:
    """What it takes now. ``only``: look at these backends alone; the others are as they should be.
    SocketError."""
    if before is None or before.structure != wanted.structure:
        return plan(before, wanted, {})
    return plan(before, _part(wanted, only), running(admin_socket, only))


def _part(wanted: Rendered, only: Collection[str] | None) -> Rendered:
    if only is None:
        return wanted
    return replace(wanted, backends=tuple(one for one in wanted.backends if one.name in only))


def apply(
    admin_socket: Path, steps: Plan, wanted: Rendered, only: Collection[str] | None = None
) -> None:
    """Send the commands of a plan that needs no reload. NotAppliedError, SocketError."""
    if not steps.commands and not steps.removals:
        return
    limits = [command for command in steps.commands if command.startswith(LIMIT)]
    others = [command for command in steps.commands if not command.startswith(LIMIT)]
    said = socket.tell(admin_socket, others)
    refused = socket.tell(admin_socket, limits).split()
    if refused:
        raise NotAppliedError(f"haproxy takes no other maxconn: {' '.join(refused)[:200]}")
    if steps.removals:
        socket.tell(admin_socket, steps.removals)
    wrong = differences(_part(wanted, only).backends, running(admin_socket, only))
    if wrong:
        words = " ".join(said.split())[:200]
        raise NotAppliedError(f"{_some(wrong)}: haproxy said {words!r}")


def _some(wrong: list[str]) -> str:
    return f"{'; '.join(wrong[:3])} ({len(wrong)} in all)"


def loaded(
    admin_socket: Path,
    wanted: Rendered,
    *,
    timeout_seconds: float = 2.0,
    wait: Callable[[float], None] = time.sleep,
) -> str:
    """How haproxy differs from the configuration that it was just loaded with; "" if it does not.
    For a moment the worker of before may still answer."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            wrong = differences(wanted.backends, running(admin_socket))
            why = _some(wrong) if wrong else ""
        except SocketError as error:
            why = str(error)
        if not why or time.monotonic() >= deadline:
            return why
        wait(_LOOK_SECONDS)


def sessions(admin_socket: Path, only: Collection[str] | None = None) -> dict[tuple[str, str], int]:
    """Open and queued sessions by backend and server. ``only``: of these backends, and maybe of
    others. SocketError."""
    try:
        if only is None or len(only) > MAX_NAMED:
            return state.sessions(socket.ask(admin_socket, "show stat -1 4 -1"))
        return _sessions_of(admin_socket, only)
    except (state.BadStateError, ValueError) as error:
        raise SocketError(f"{admin_socket}: {error}") from error


def _sessions_of(admin_socket: Path, names: Collection[str]) -> dict[tuple[str, str], int]:
    """By number: of a front end and a backend of one name, haproxy's statistics find the first.
    SocketError, ValueError."""
    questions = socket.lines(f"show servers state {name}" for name in names)
    numbers = state.numbers("".join(socket.ask(admin_socket, line) for line in questions))
    found: dict[tuple[str, str], int] = {}
    for name, number in numbers.items():
        there = state.sessions(socket.ask(admin_socket, f"show stat {number} 4 -1"))
        if name not in {backend for backend, _ in there}:
            raise SocketError(f"{admin_socket}: {name} has another number now")
        found |= there
    return found
