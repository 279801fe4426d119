"""Carrying out a plan on a running haproxy, and looking whether it did what it was told."""

import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

from msgspec.structs import replace

from haproxy_bridge.rendered import Rendered
from haproxy_bridge.runtime import exchange, maps, socket, state
from haproxy_bridge.runtime.maps import Tables
from haproxy_bridge.runtime.plan import (
    LIMIT,
    Have,
    NotAppliedError,
    Plan,
    differences,
    lacking,
    plan,
)
from haproxy_bridge.runtime.socket import SocketError

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
    known: Tables | None = None,
) -> Plan:
    """What it takes now. ``only``: look at these backends alone; the others are as they should be,
    and so are routes that are the same as before. ``known``: the maps of the worker that was told
    last; None leaves routes as they are. SocketError."""
    if before is None or before.structure != wanted.structure:
        return plan(before, wanted, {})
    steps = plan(before, _part(wanted, only), running(admin_socket, only))
    same = not wanted.maps or (only is not None and before.maps == wanted.maps)
    if known is None or same or steps.reload:
        return steps
    seen = exchange.seen(admin_socket)
    exchanges, why = maps.exchanges(before.maps, wanted, known, seen)
    return Plan(reload=why) if why else replace(steps, exchanges=exchanges, seen=seen)


def _part(wanted: Rendered, only: Collection[str] | None) -> Rendered:
    if only is None:
        return wanted
    return replace(wanted, backends=tuple(one for one in wanted.backends if one.name in only))


def apply(
    admin_socket: Path, steps: Plan, wanted: Rendered, only: Collection[str] | None = None
) -> Tables | None:
    """Send the commands of a plan that needs no reload; the maps that haproxy has then, None if
    nobody looked. NotAppliedError, SocketError."""
    if not steps.changes and not steps.removals:
        return steps.seen
    told = (*steps.commands, *steps.lowering)
    limits = [command for command in told if command.startswith(LIMIT)]
    rising = [command for command in steps.commands if not command.startswith(LIMIT)]
    lowering = [command for command in steps.lowering if not command.startswith(LIMIT)]
    now, said = steps.seen, ""
    if now is not None and steps.exchanges:
        said, rising = socket.tell(admin_socket, rising), []
        if wrong := lacking(_part(wanted, only).backends, running(admin_socket, only)):
            raise NotAppliedError(f"{_some(wrong)}: haproxy said {' '.join(said.split())[:200]!r}")
        now = exchange.replaced(admin_socket, steps.exchanges, now)
    said += socket.tell(admin_socket, [*rising, *lowering])
    refused = socket.tell(admin_socket, limits).split()
    if refused:
        raise NotAppliedError(f"haproxy takes no other maxconn: {' '.join(refused)[:200]}")
    if steps.removals:
        socket.tell(admin_socket, steps.removals)
    wrong = differences(_part(wanted, only).backends, running(admin_socket, only))
    if wrong:
        raise NotAppliedError(f"{_some(wrong)}: haproxy said {' '.join(said.split())[:200]!r}")
    return now


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


def tables(
    admin_socket: Path,
    pid_before: str,
    *,
    timeout_seconds: float = 2.0,
    wait: Callable[[float], None] = time.sleep,
) -> Tables:
    """The maps of the worker that came after another one; none if no other answers in time."""
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        with suppress(SocketError):
            found = exchange.seen(admin_socket)
            if found.pid != pid_before:
                return found
        wait(_LOOK_SECONDS)
    return Tables()


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
