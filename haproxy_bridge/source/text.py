"""The text of ``/v2/tasks``: a line for each service port of an app, its addresses behind tabs.

It is what the first bridges read. It tells neither ids, health nor labels: what is listed serves.
"""

from msgspec.structs import replace

from haproxy_bridge.snapshot import App, Port, Snapshot, Task, Verdict
from haproxy_bridge.source import checked

PATH = "/v2/tasks"
ACCEPT = "text/plain"


class BadTextError(ValueError):
    """A line that is none of such a list; the text names it."""


def snapshot(content: bytes, source: str) -> Snapshot:
    """The list as a snapshot; apps without a service port are left out, as there is nothing to
    listen on. BadTextError if it is something else, such as a page of HTML."""
    lines: dict[str, list[tuple[int, list[str]]]] = {}
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
        if not line.strip():
            continue
        app_id, tab, rest = line.partition("\t")
        port, *addresses = rest.split("\t")
        if not tab or not app_id.strip() or not _is_port(port):
            raise BadTextError(f"line {number} is no app, port and addresses: {line[:60]!r}")
        if port.strip() and checked.service_port(int(port)):
            lines.setdefault(app_id.strip(), []).append((int(port), addresses))
    return Snapshot(tuple(_app(app_id, lines[app_id]) for app_id in sorted(lines)), source)


def _is_port(text: str) -> bool:
    return not text.strip() or (text.strip().isdecimal() and len(text.strip()) <= 5)


def _app(app_id: str, lines: list[tuple[int, list[str]]]) -> App:
    tasks: list[Task] = []
    for index, (_, addresses) in enumerate(lines):
        for address in addresses:
            host, _, port = address.strip().rpartition(":")
            if not host or not _is_port(port):
                continue
            endpoint = checked.endpoint(host.strip("[]"), int(port or 0))
            if endpoint is not None:
                places = tuple(endpoint if at == index else None for at in range(len(lines)))
                tasks.append(
                    Task(address.strip(), app_id, endpoint.host, places, health=Verdict.UP)
                )
    app = App(app_id, ports=tuple(Port(port) for port, _ in lines), wanted=len(tasks))
    return replace(app, tasks=tuple(tasks))
