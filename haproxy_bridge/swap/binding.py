"""Addresses that a new configuration is to listen on and can not: somebody else has the port, or
this machine has no such address.

`haproxy -c` does not look. When it is loaded, haproxy takes its listeners away from the worker that
serves and tries for two seconds, in which nobody is answered, and then gives up (seen in 2.6.12).
"""

import errno
import re
import socket
from collections.abc import Iterator
from contextlib import closing

from haproxy_bridge.rendered import Rendered
from haproxy_bridge.swap.check import Refusal

_BIND = re.compile(rb"bind[ \t]+(\S+)[ \t]*(.*)")  # found by its first word, ten times as fast
_PLACE = re.compile(r"(\*|[0-9.]*|\[?[0-9A-Fa-f:]+\]?):(\d{1,5})")
_ELSEWHERE = frozenset({"interface", "namespace", "transparent"})
"""Words after an address with which it is not what any program of this machine may have."""
_WHY = {
    errno.EADDRINUSE: "another process of this machine listens there",
    errno.EADDRNOTAVAIL: "this machine has no such address",
}


def refusal(rendered: Rendered, there: bytes) -> Refusal | None:
    """None if haproxy can listen everywhere, as far as can be told. ``there``: the configuration
    that haproxy has; what it listens on already is not tried."""
    known = {place for place, _ in _places(there)}
    config = rendered.config
    lines, messages = [], []
    for place, at in _places(config):
        if place not in known and (why := _refused(place)):
            line = config.count(b"\n", 0, at) + 1
            lines.append(line)
            messages.append(f"[haproxy.cfg:{line}]: can not listen on {place}: {why}")
    return Refusal(tuple(lines), tuple(messages)) if lines else None


def _places(config: bytes) -> Iterator[tuple[str, int]]:
    """Each address with a port, and where it stands."""
    for found in _BIND.finditer(config):
        line = config.rfind(b"\n", 0, found.start()) + 1
        if config[line : found.start()].strip(b" \t") or found.start() == line:
            continue
        if not _ELSEWHERE.intersection(found[2].decode("utf-8", "replace").split()):
            for place in found[1].decode("utf-8", "replace").split(","):
                yield place, found.start(1)


def _refused(place: str) -> str:
    """Why nobody can listen there; "" for what can not be told."""
    found = _PLACE.fullmatch(place)
    if found is None or not 0 < int(found[2]) < 65_536:
        return ""
    host = found[1].strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    address = "0.0.0.0" if host in {"*", ""} else host
    with closing(socket.socket(family, socket.SOCK_STREAM)) as trial:
        # With both, a port that another worker of haproxy has is no trouble, as for haproxy.
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            trial.bind((address, int(found[2])))
        except OSError as error:
            return _WHY.get(error.errno or 0, "")
    return ""
