"""Apps that ask for one backend by its name (HAPROXY_n_BACKEND_NAME) are served as one.

Whoever comes first (by weight, then by age) says how it is served. Another one may leave things
unsaid, but what it says has to be the same: nobody is served without the password or the networks
that its labels ask for.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from haproxy_bridge.rendered import Problem, Trouble
from haproxy_bridge.services import members
from haproxy_bridge.services.labels import PORT_LABELS, PortLabels
from haproxy_bridge.services.model import Host, Service
from haproxy_bridge.snapshot import App, Check

_OWN = frozenset(
    {
        "backend_name",
        "groups",
        "enabled",
        "weight",
        "port",
        "bind_addr",
        "bind_options",
        "check_port_index",
        "auth_list",
    }
)
"""What may be another one: who serves it, and where the port that is not served would be."""
_UNSAID: Mapping[str, Any] = {"paths": ((), False), "backend_tls": "false"}
_NAMES = {key: name for name, (key, _) in PORT_LABELS.items()}


class Part(Struct, frozen=True):
    """A service of an app that asks for the name, and what its labels said."""

    app: App
    service: Service
    said: PortLabels


def joined(name: str, parts: Sequence[Part]) -> tuple[Service, tuple[Problem, ...]]:
    """One service under the name, and what of the parts it leaves out."""
    ranked = sorted(parts, key=lambda part: part.service.rank)
    first, kept = ranked[0], ranked[:1]
    problems: list[Problem] = []
    for part in ranked[1:]:
        others = sorted(_others(part, first))
        if others:
            problems.append(_conflict(part, first, others))
            continue
        kept.append(part)
        if _check(part) != _check(first):
            problems.append(_other_check(part, first))
    together = members.shared([(part.app, part.service.members) for part in kept])
    return replace(first.service, name=name, members=together), tuple(problems)


def _others(part: Part, first: Part) -> Iterator[str]:
    """Labels of the part that ask for something else than the first one does."""
    for key, value in part.said.given.items():
        if key not in _OWN and _plain(value) != _plain(_of(first, key)):
            yield _NAMES.get(key, key)
    for name, text in part.said.templates.items():
        if first.said.templates.get(name) != text:
            yield name


def _of(first: Part, key: str) -> Any:
    given = first.said.given
    if key in given or key in _UNSAID:
        return given.get(key, _UNSAID.get(key))
    return getattr(first.service, key)


def _plain(value: Any) -> Any:
    """The order of several hosts means nothing."""
    hosts = isinstance(value, tuple) and all(isinstance(one, Host) for one in value)
    return frozenset(value) if hosts else value


def _check(part: Part) -> Check | None:
    found = [one.check for one in part.service.members if one.check and not one.draining]
    return found[-1] if found else None


def _conflict(part: Part, first: Part, others: Sequence[str]) -> Problem:
    index = part.service.index
    shown = ", ".join(f"HAPROXY_{index}_{name}" for name in others)
    message = (
        f"it asks for the backend of {first.service.app_id}, but for something else there "
        f"({shown}): what both say has to be the same"
    )
    return Problem(Trouble.CONFLICT, part.app.id, message, f"HAPROXY_{index}_BACKEND_NAME")


def _other_check(part: Part, first: Part) -> Problem:
    message = (
        f"its health check is another one than that of {first.service.app_id}: haproxy repeats "
        "one of them, and for tasks of the other only the scheduler's verdict counts"
    )
    label = f"HAPROXY_{part.service.index}_BACKEND_NAME"
    return Problem(Trouble.IGNORED, part.app.id, message, label)
