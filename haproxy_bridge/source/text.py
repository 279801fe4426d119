"""The text of ``/v2/tasks``: a line for each service port of an app, its addresses behind tabs.

It is what the first bridges read. It tells neither ids, health nor labels: what is listed serves.
"""

from collections.abc import Mapping

from haproxy_bridge.snapshot import App, Endpoint, Port, Snapshot, Task, Verdict
from haproxy_bridge.source import checked
from haproxy_bridge.source.resolving import Addresses, unresolved

PATH = "/v2/tasks"
ACCEPT = "text/plain"


class BadTextError(ValueError):
    """A line that is none of such a list; the text names it."""


def snapshot(content: bytes, source: str, addresses: Addresses = unresolved) -> Snapshot:
    """The list as a snapshot; apps without a service port are left out, as there is nothing to
    listen on. BadTextError if it is something else, such as a page of HTML."""
    lines: dict[str, list[tuple[int, list[str]]]] = {}
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
        if not line.strip():
            continue
        app_id, tab, rest = line.partition("\t")
        port, *places = rest.split("\t")
        if not tab or not app_id.strip() or not _is_port(port):
            raise BadTextError(f"line {number} is no app, port and addresses: {line[:60]!r}")
        if port.strip() and checked.service_port(int(port)):
            lines.setdefault(app_id.strip(), []).append((int(port), places))
    listed = (text for one in lines.values() for _, several in one for text in several)
    known = addresses({place.host: "" for place in map(_place, listed) if place is not None})
    apps = tuple(_app(app_id, lines[app_id], known) for app_id in sorted(lines))
    return Snapshot(apps, source)


def _is_port(text: str) -> bool:
    return not text.strip() or (text.strip().isdecimal() and len(text.strip()) <= 5)


def _place(address: str) -> Endpoint | None:
    """HOST:PORT; None where that is nothing to connect to."""
    host, _, port = address.strip().rpartition(":")
    if not host or not _is_port(port):
        return None
    return checked.endpoint(host.strip("[]"), int(port or 0))


def _app(app_id: str, lines: list[tuple[int, list[str]]], known: Mapping[str, str]) -> App:
    tasks: list[Task] = []
    for index, (_, addresses) in enumerate(lines):
        for address in addresses:
            place = _place(address)
            if place is not None:
                where = checked.endpoint(known.get(place.host, place.host), place.port)
                places = tuple(where if at == index else None for at in range(len(lines)))
                tasks.append(Task(address.strip(), place.host, places, health=Verdict.UP))
    ports = tuple(Port(port) for port, _ in lines)
    return App(app_id, len(tasks), ports=ports, tasks=tuple(tasks))
