"""What keeps a web page from commanding the scheduler through somebody's browser.

Where callers need no credentials, whoever can open a connection is trusted; and where they do, a
browser that was given them once sends them by itself. But a browser opens connections for any page
it shows. Browsers name the page in ``Origin`` with every change, so a change from a foreign page is
refused; and on a loopback server so is one from a page whose name was pointed here (DNS
rebinding). Programs send no Origin.
"""

import ipaddress
from urllib.parse import urlsplit

from flask import request

from api.errors import ForbiddenError
from api.options import ApiOptions

FOREIGN_PAGE = "Changes from pages of other sites are refused"

_READING = frozenset({"GET", "HEAD", "OPTIONS"})


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only be reached from this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def on_loopback_only(options: ApiOptions) -> bool:
    """Whether nothing is served that another machine reaches."""
    return all(map(is_loopback, options.addresses))


def refuse_foreign_pages(*, bound_to_loopback: bool) -> None:
    """Called before each request. ForbiddenError."""
    origin = request.headers.get("Origin")
    if is_foreign(request.method, origin, request.host, bound_to_loopback=bound_to_loopback):
        raise ForbiddenError(FOREIGN_PAGE)


def is_foreign(method: str, origin: str | None, host: str, *, bound_to_loopback: bool) -> bool:
    """Whether a request to ``host`` is a change from a page of another site."""
    if method in _READING or origin is None:
        return False
    try:
        page = urlsplit(origin)
        name = page.hostname or ""
    except ValueError:
        return True
    if page.netloc.lower() != host.lower():
        return True
    return bound_to_loopback and not is_loopback(name)
