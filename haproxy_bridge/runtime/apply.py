"""Carrying out a plan on a running haproxy, and looking whether it did what it was told."""

from pathlib import Path

from haproxy_bridge.rendered import Rendered
from haproxy_bridge.runtime import socket, state
from haproxy_bridge.runtime.plan import Have, Plan, differences, plan
from haproxy_bridge.runtime.socket import SocketError


class NotAppliedError(Exception):
    """haproxy did not come to be as it was told; the text names the first differences. A reload
    is the way out."""


def running(admin_socket: Path) -> Have:
    """The servers that haproxy has, by backend; a backend without any is there too. SocketError."""
    try:
        names = state.backends(socket.ask(admin_socket, "show backend"))
        found = state.servers(socket.ask(admin_socket, "show servers state"))
        return {name: {} for name in names} | found
    except state.BadStateError as error:
        raise SocketError(f"{admin_socket}: {error}") from error


def planned(admin_socket: Path, before: Rendered | None, wanted: Rendered) -> Plan:
    """What it takes now. SocketError."""
    if before is None or before.structure != wanted.structure:
        return plan(before, wanted, {})
    return plan(before, wanted, running(admin_socket))


def apply(admin_socket: Path, steps: Plan, wanted: Rendered) -> None:
    """Send the commands of a plan that needs no reload. NotAppliedError, SocketError."""
    if not steps.commands and not steps.removals:
        return
    said = socket.tell(admin_socket, steps.commands)
    if steps.removals:
        socket.tell(admin_socket, steps.removals)
    wrong = differences(wanted.backends, running(admin_socket))
    if wrong:
        words = " ".join(said.split())[:200]
        raise NotAppliedError(
            f"{'; '.join(wrong[:3])} ({len(wrong)} in all): haproxy said {words!r}"
        )


def sessions(admin_socket: Path) -> dict[tuple[str, str], int]:
    """Open and queued sessions by backend and server. SocketError."""
    try:
        return state.sessions(socket.ask(admin_socket, "show stat -1 4 -1"))
    except (state.BadStateError, ValueError) as error:
        raise SocketError(f"{admin_socket}: {error}") from error
