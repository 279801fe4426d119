"""How old apps of a Marathon are, for those that want what another one wants, too.

Its list of apps says when each was changed last, which would hand a name over to a rival with the
next change of its owner. So its oldest version is asked for, and only where it decides something:
what several apps ask for is a mistake, and rare.
"""

import re
from collections.abc import Callable, Iterable

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from haproxy_bridge.snapshot import App
from haproxy_bridge.source.times import milliseconds

MAX_ASKED = 100
"""Apps whose versions are asked for in one run."""

_HOSTS = re.compile(r"HAPROXY_(\d{1,4})_VHOST")

Versions = Callable[[str], bytes | None]
"""The JSON of the versions that an app had, by its id; None if it can not be had."""


class _Page(Struct, frozen=True):
    versions: list[str]


_PAGE = msgspec.json.Decoder(_Page)


class Ages:
    """Asks for each app once, for as long as the app is there."""

    def __init__(self, versions: Versions) -> None:
        self._versions = versions
        self._known: dict[str, int] = {}

    def dated(self, apps: tuple[App, ...]) -> tuple[App, ...]:
        """The apps with their ages where several want one thing. msgspec.DecodeError."""
        contested = _contested(apps)
        self._known = {app_id: age for app_id, age in self._known.items() if app_id in contested}
        new = sorted(contested - self._known.keys())[:MAX_ASKED]
        self._known |= {app_id: self._age(app_id) for app_id in new}
        if not self._known:
            return apps
        return tuple(
            [
                replace(app, created_at_ms=self._known[app.id]) if app.id in self._known else app
                for app in apps
            ]
        )

    def _age(self, app_id: str) -> int:
        content = self._versions(app_id)
        found = [] if content is None else map(milliseconds, _PAGE.decode(content).versions)
        return min((moment for moment in found if moment > 0), default=0)


def _contested(apps: Iterable[App]) -> set[str]:
    """Those that want what another one wants, as far as their labels say it alike."""
    owners: dict[object, set[str]] = {}
    for app in apps:
        for wish in _wishes(app):
            owners.setdefault(wish, set()).add(app.id)
    return {app_id for several in owners.values() if len(several) > 1 for app_id in several}


def _wishes(app: App) -> Iterable[object]:
    """Hosts with paths, and ports."""
    labels = app.labels
    for index, port in enumerate(app.ports):
        number = labels.get(f"HAPROXY_{index}_PORT", "").strip() or str(port.service_port)
        if number != "0":
            yield number
        own = {name: text for name, text in port.labels.items() if name.startswith("HAPROXY_")}
        if "HAPROXY_VHOST" in own:
            yield from _hosts(own["HAPROXY_VHOST"], own.get("HAPROXY_PATH", ""))
    for name, text in labels.items():
        match = _HOSTS.fullmatch(name)
        if match is not None:
            yield from _hosts(text, labels.get(f"HAPROXY_{match[1]}_PATH", ""))


def _hosts(hosts: str, paths: str) -> Iterable[object]:
    for host in re.split(r"[,\s]+", hosts.lower()):
        for path in paths.split() or ["/"]:
            if host and path != "-i":
                yield host, path
