"""Values from the network that end up in a configuration file: only what can not break out of it.

Whoever can write an app definition, or stand between us and the scheduler, must not be able to
write haproxy directives by it.
"""

import re

from haproxy_bridge.snapshot import Endpoint

_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
_IPV6 = re.compile(r"[0-9A-Fa-f:]{2,39}(?:%[A-Za-z0-9]{1,15})?")


def endpoint(host: str, port: int) -> Endpoint | None:
    """Where a port of a task is reached; None if this is no place to connect to."""
    if not 0 < port < 65536:
        return None
    known = _HOST.fullmatch(host) or (":" in host and _IPV6.fullmatch(host))
    return Endpoint(host, port) if known else None


def service_port(port: int) -> int:
    """The port, or 0 if it is none that can be listened on."""
    return port if 0 < port < 65536 else 0


def path(text: str | None) -> str:
    """The path of a check, ``/`` for none or for what no request line can have."""
    return (
        text if text and text.startswith("/") and text.isprintable() and len(text) < 2_000 else "/"
    )
