"""Values from the network that end up in a configuration file: only what can not break out of it.

Whoever can write an app definition, or stand between us and the scheduler, must not be able to
write haproxy directives by it.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise
from operator import attrgetter

from msgspec import ValidationError

from haproxy_bridge.snapshot import App, Endpoint

_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
_IPV6 = re.compile(r"[0-9A-Fa-f:]{2,39}(?:%[A-Za-z0-9]{1,15})?")
_MOST_HOSTS = 20_000


def endpoint(host: str, port: int) -> Endpoint | None:
    """Where a port of a task is reached; None if this is no place to connect to."""
    return Endpoint(host, port) if is_place(host, port) else None


def is_place(host: str, port: int) -> bool:
    """Whether it can be connected to."""
    return 0 < port < 65536 and _is_host(host)


@lru_cache(_MOST_HOSTS)
def _is_host(text: str) -> bool:
    return bool(_HOST.fullmatch(text) or (":" in text and _IPV6.fullmatch(text)))


def service_port(port: int) -> int:
    """The port, or 0 if it is none that can be listened on."""
    return port if 0 < port < 65536 else 0


def path(text: str | None) -> str:
    """The path of a check, ``/`` for none or for what no request line can have."""
    return (
        text if text and text.startswith("/") and text.isprintable() and len(text) < 2_000 else "/"
    )


def apps(found: Iterable[App]) -> tuple[App, ...]:
    """Sorted by id. ValidationError if one is there twice: nobody could say which one counts."""
    ordered = tuple(sorted(found, key=attrgetter("id")))
    names = {app.id for app in ordered}
    if len(names) < len(ordered):
        twice = next(one.id for one, other in pairwise(ordered) if one.id == other.id)
        raise ValidationError(f"the app {twice[:100]!r} is there twice")
    return ordered
