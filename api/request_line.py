"""The first line of a request, in the one form that the server reads: ``GET /path HTTP/1.1``.

Clients glue a path to a URL that ends in a slash (what-clients-need.md, 4), and cheroot takes what
follows doubled slashes for the name of another server. Those that speak to a proxy send a whole
URL, which any server has to accept (RFC 9112, 3.2.2).
"""

import re
from typing import Any

_WHOLE_URL = re.compile(
    rb"\A(?P<method>[!-~]+) (?i:https?)://(?P<host>[A-Za-z0-9.:\[\]_-]+)(?P<target>[/?][!-~]*)? "
)
_DOUBLED = re.compile(rb"\A([!-~]+ )//+")


class RequestLine:
    """Stands for what the first line is read from. ``host`` is the one that a whole URL names,
    and counts instead of the header of that name."""

    def __init__(self, rfile: Any) -> None:
        self._rfile = rfile
        self.host = b""

    def readline(self) -> bytes:
        line: bytes = self._rfile.readline()
        found = _WHOLE_URL.match(line)
        if found is not None:
            self.host = found["host"]
            line = b"%b %b %b" % (found["method"], _target(found), line[found.end() :])
        return _DOUBLED.sub(rb"\1/", line)


def _target(found: re.Match[bytes]) -> bytes:
    """The path of a URL; of one without, the whole server for OPTIONS."""
    target = found["target"] or b""
    if not target and found["method"] == b"OPTIONS":
        return b"*"
    return target if target.startswith(b"/") else b"/" + target
