"""Ports for masters and agents to listen on, when nobody asked for certain ones.

They are taken from below the ports of tasks (31000 and up) and below those that the kernel gives
to outgoing connections, so that neither can take one away while a node restarts.
"""

import random
import socket

_FIRST, _END = 10_000, 16_000
_TRIES = 200


def free_port(host: str) -> int:
    """A port that nothing listens on just now. Raises OSError when none is found.

    Another process may take it before its user does; who uses it tries again then.
    """
    for _ in range(_TRIES):
        port = random.randrange(_FIRST, _END)  # noqa: S311  # no secret, only spread out
        if is_free(host, port):
            return port
    raise OSError(f"no free port found on {host} between {_FIRST} and {_END - 1}")


def is_free(host: str, port: int) -> bool:
    """Whether a node could listen there now. Connections of the past do not count."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return False
    return True
