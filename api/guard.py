"""What keeps a web page from commanding the scheduler through somebody's browser.

Until callers authenticate, whoever can open a connection is trusted, and the default is loopback
only. But a browser on the same machine opens connections for any page it shows. Browsers name the
page in ``Origin`` with every change, so a change from a foreign page is refused; and on a loopback
server so is one from a page whose name was pointed here (DNS rebinding). Programs send no Origin.
"""

import ipaddress
from urllib.parse import urlsplit

from flask import request

from api.errors import ForbiddenError

_READING = frozenset({"GET", "HEAD", "OPTIONS"})


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only be reached from this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def refuse_foreign_pages(*, bound_to_loopback: bool) -> None:
    """Called before each request. ForbiddenError."""
    origin = request.headers.get("Origin")
    if request.method in _READING or origin is None:
        return
    try:
        page = urlsplit(origin)
        host = page.hostname or ""
    except ValueError:
        page, host = urlsplit(""), ""
    if page.netloc.lower() != request.host.lower() or (bound_to_loopback and not is_loopback(host)):
        raise ForbiddenError("Changes from pages of other sites are refused")
