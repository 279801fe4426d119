"""What it takes to bring a running haproxy to what is wanted: commands, or a reload. Pure."""

import re
from collections.abc import Iterable, Iterator

from msgspec import Struct

from haproxy_bridge.rendered import Backend, Rendered, Server
from haproxy_bridge.runtime.maps import Exchange, Tables
from haproxy_bridge.runtime.state import Running

Have = dict[str, dict[str, Running]]
LIMIT = "set maxconn "
"""How commands begin that are answered with nothing, unless they fail."""
_MAXCONN = re.compile(r"(?<!\S)maxconn (\d+)(?!\S)")


class NotAppliedError(Exception):
    """haproxy did not come to be as it was told; the text names the first differences. A reload
    is the way out."""


class Plan(Struct, frozen=True):
    """``reload`` says why commands do not do it; "" if they do. First come the ``commands`` that
    let servers take more, then the ``exchanges`` of routes, then what is ``lowering``: traffic that
    moves from some to others finds one at every moment. ``removals`` come last and may fail while
    sessions are open: the server is in maintenance then, and goes another time. ``seen``: the maps
    as they were when this was planned, None if nobody looked."""

    commands: tuple[str, ...] = ()
    exchanges: tuple[Exchange, ...] = ()
    lowering: tuple[str, ...] = ()
    removals: tuple[str, ...] = ()
    added: int = 0
    changed: int = 0
    removed: int = 0
    reload: str = ""
    seen: Tables | None = None

    @property
    def changes(self) -> bool:
        """Whether anything is to be told that has to be so afterwards."""
        return bool(self.commands or self.exchanges or self.lowering)


def plan(before: Rendered | None, wanted: Rendered, have: Have) -> Plan:
    """``before``: what haproxy was last loaded with or changed to, None if nobody knows."""
    if before is None or before.structure != wanted.structure:
        return Plan(
            reload="other front ends or settings" if before else "nothing is known of before"
        )
    names = {backend.name for backend in wanted.backends}
    known = {backend.name: backend for backend in before.backends if backend.name in names}
    steps: list[_Step] = []
    for backend in wanted.backends:
        there = have.get(backend.name)
        if there is None:
            return Plan(reload=f"haproxy has no backend {backend.name}")
        options = {server.name: server.options for server in known[backend.name].servers}
        found = [*_steps(backend, there, options), *_limits(backend, known[backend.name])]
        why = next((step.reload for step in found if step.reload), "")
        if why or (not backend.dynamic and any(step.structural for step in found)):
            return Plan(reload=why or f"{backend.name} has fixed servers")
        steps += found
    rising, lowering = ([step for step in steps if step.lowers is it] for it in (False, True))
    return Plan(
        commands=tuple(command for step in rising for command in step.commands),
        lowering=tuple(command for step in lowering for command in step.commands),
        removals=tuple(step.removal for step in steps if step.removal),
        added=sum(step.kind == "add" for step in steps),
        changed=sum(step.kind == "change" for step in steps),
        removed=sum(step.kind == "remove" for step in steps),
    )


class _Step(Struct, frozen=True):
    """``lowers``: the server takes fewer requests than before, or none."""

    kind: str
    commands: tuple[str, ...] = ()
    lowers: bool = False
    removal: str = ""
    reload: str = ""

    @property
    def structural(self) -> bool:
        return self.kind in {"add", "remove"}


def _steps(backend: Backend, there: dict[str, Running], options: dict[str, str]) -> Iterator[_Step]:
    wanted = {server.name: server for server in backend.servers}
    for name, server in wanted.items():
        running = there.get(name)
        if running is None:
            yield _Step("add", tuple(_added(backend.name, server)))
        elif not _same_but_limit(before := options.get(name, server.options), server.options):
            yield _Step("change", reload=f"other options of {backend.name}/{name}")
        else:
            commands = tuple(_changed(backend.name, server, running))
            if before != server.options:
                limit = _MAXCONN.findall(server.options)[-1]
                commands += (f"{LIMIT}server {backend.name}/{name} {limit}",)
            if commands:
                yield _Step("change", commands, _takes(server) < _takes_now(running))
    for name in there:
        if name not in wanted and name not in backend.others:
            stop = () if there[name].stopped else (f"set server {backend.name}/{name} state maint",)
            yield _Step("remove", stop, lowers=True, removal=f"del server {backend.name}/{name}")


def _same_but_limit(before: str, options: str) -> bool:
    """Whether at most the number of connections at once is another."""
    return before == options or _MAXCONN.sub("maxconn", before) == _MAXCONN.sub("maxconn", options)


def _limits(backend: Backend, before: Backend) -> Iterator[_Step]:
    if backend.maxconn != before.maxconn:
        yield _Step("limit", (f"{LIMIT}frontend {backend.name} {backend.maxconn}",))


def _takes(server: Server) -> int:
    return 0 if server.draining else server.weight


def _takes_now(running: Running) -> int:
    return 0 if running.stopped or running.drained else running.weight


def _added(backend: str, server: Server) -> Iterator[str]:
    name = f"{backend}/{server.name}"
    yield f"add server {name} {_place(server)} weight {server.weight} {server.options}".rstrip()
    if not server.draining:  # one that does stays in maintenance, as it begins
        yield f"enable server {name}"
    if "check" in server.options.split():
        yield f"enable health {name}"


def _changed(backend: str, server: Server, running: Running) -> Iterator[str]:
    name = f"{backend}/{server.name}"
    if (running.address, running.port) != (server.address, server.port):
        yield f"set server {name} addr {server.address} port {server.port}"
    if running.weight != server.weight:
        yield f"set server {name} weight {server.weight}"
        if not running.weight and not running.stopped and "maxconn" in server.options.split():
            # Requests that wait for a place on others are given to it only as it comes up: without
            # that all of them wait for ever (seen in 2.6.12), and so do those that come later.
            yield f"set server {name} state maint"
            yield f"set server {name} state ready"
    if server.draining and not running.stopped:
        # Without weight alone, clients with its cookie would go on to come.
        yield f"set server {name} state maint"
    elif not server.draining and (running.stopped or running.drained):
        yield f"set server {name} state ready"


def _place(server: Server) -> str:
    return (
        f"[{server.address}]:{server.port}"
        if ":" in server.address
        else f"{server.address}:{server.port}"
    )


def lacking(wanted: Iterable[Backend], have: Have) -> list[str]:
    """Servers that take less than they should."""
    return [
        f"{backend.name}/{server.name} does not serve"
        for backend in wanted
        for server in backend.servers
        if _takes(server)
        > (_takes_now(there) if (there := have.get(backend.name, {}).get(server.name)) else 0)
    ]


def differences(wanted: Iterable[Backend], have: Have) -> list[str]:
    """What is not as it should be; servers that wait in maintenance for their last session to
    end are."""
    found = []
    for backend in wanted:
        there = have.get(backend.name)
        if there is None:
            found.append(f"no backend {backend.name}")
            continue
        names = {server.name for server in backend.servers}.union(backend.others)
        for server in backend.servers:
            running = there.get(server.name)
            if running is None:
                found.append(f"no server {backend.name}/{server.name}")
            elif list(_changed(backend.name, server, running)):
                found.append(f"{backend.name}/{server.name} is not as it should be")
        found += [
            f"{backend.name}/{name} is still there"
            for name, running in there.items()
            if name not in names and not running.stopped
        ]
    return found
