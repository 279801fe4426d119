"""Service ports for ports that each task has on an address of its own, where nobody gave them one.

As marathon-lb, a node gives them numbers of a range, by a rule that knows nothing of the node: each
node comes to the same, and one that begins anew comes to it again. A port begins looking at a place
that follows from its app and index, and takes the next one that is free. Older apps choose first,
and what any app declares is never given away.
"""

import zlib
from collections.abc import Sequence

from msgspec.structs import replace

from haproxy_bridge.rendered import Problem, Trouble
from haproxy_bridge.services.options import ServiceOptions
from haproxy_bridge.snapshot import App

Wish = tuple[float, str, int]


class Numbering:
    """Numbers again and again; an app that is as it was, with the numbers that it had, is the same
    record."""

    def __init__(self, options: ServiceOptions) -> None:
        self._options = options
        self._made: dict[str, tuple[App, App]] = {}

    def numbered(self, apps: Sequence[App]) -> tuple[Sequence[App], list[Problem]]:
        """The apps with numbers for such ports, and those that got none."""
        low, high = self._options.ports_per_task
        asked = [app for app in apps if low and any(port.per_task for port in app.ports)]
        wishes = sorted(wish for app in asked for wish in _wishes(app))
        if not wishes:
            return apps, []
        taken = {port.service_port for app in apps for port in app.ports}
        taken |= self._options.reserved_ports
        found: dict[str, dict[int, int]] = {}
        problems = []
        for _, app_id, index in wishes:
            number = _free(f"{app_id}:{index}", low, high, taken)
            if not number:
                message = f"no service port is left for its port {index}: {low}-{high} are in use"
                problems.append(Problem(Trouble.CONFLICT, app_id, message))
                continue
            taken.add(number)
            found.setdefault(app_id, {})[index] = number
        self._made = {app.id: self._with(app, found[app.id]) for app in apps if app.id in found}
        return [self._made[app.id][1] if app.id in found else app for app in apps], problems

    def _with(self, app: App, numbers: dict[int, int]) -> tuple[App, App]:
        ports = [
            replace(port, service_port=numbers[index]) if index in numbers else port
            for index, port in enumerate(app.ports)
        ]
        before = self._made.get(app.id)
        if before is not None and before[0] is app and before[1].ports == tuple(ports):
            return before
        return app, replace(app, ports=tuple(ports))


def _wishes(app: App) -> list[Wish]:
    age = app.created_at_ms or float("inf")
    return [
        (age, app.id, index)
        for index, port in enumerate(app.ports)
        if port.per_task and not port.service_port and "tcp" in port.protocol.split(",")
    ]


def _free(key: str, low: int, high: int, taken: set[int]) -> int:
    count = high - low + 1
    first = zlib.crc32(key.encode()) % count
    places = (low + (first + step) % count for step in range(count))
    return next((one for one in places if one not in taken), 0)
