"""Pages of other sites that may read answers (``--access_control_allow_origin``), and OPTIONS.

Marathon sends the last of several configured origins to everybody. Here a page that is among them
is named itself, else several could not work. Changes from pages of other sites are refused all the
same (guard.py): the header says that only reading is allowed.
"""

from collections.abc import Sequence

from flask import Response, current_app, request

_METHODS = "GET, HEAD, OPTIONS"
_ALL_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}
_MAX_AGE_SECONDS = "86400"
_EXPOSED = "ETag, Link, Location, Marathon-Deployment-Id, Stayer-Warning, X-Total-Count"


def allow_origins(response: Response, origins: Sequence[str]) -> None:
    """Tell browsers which page may read this answer; nothing if ``origins`` is empty."""
    if not origins:
        return
    origin = request.headers.get("Origin")
    response.headers["Access-Control-Allow-Origin"] = _named(origins, origin)
    response.headers["Access-Control-Allow-Methods"] = _METHODS
    response.headers["Access-Control-Max-Age"] = _MAX_AGE_SECONDS
    response.headers["Access-Control-Expose-Headers"] = _EXPOSED
    wanted = request.headers.get("Access-Control-Request-Headers")
    if wanted:
        response.headers["Access-Control-Allow-Headers"] = wanted
    if len(origins) > 1:
        response.vary.add("Origin")


def _named(origins: Sequence[str], origin: str | None) -> str:
    if "*" in origins:
        return "*"
    return origin if origin is not None and origin in origins else origins[-1]


def answer_options() -> Response | None:
    """The methods of a resource, or (``OPTIONS *``) of any; called before each request."""
    if request.method != "OPTIONS" or request.routing_exception is None:
        return None
    if request.environ.get("REQUEST_URI") == "*":
        allowed = _ALL_METHODS
    else:
        allowed = set(current_app.make_default_options_response().allow)
    if not allowed:
        return None  # no such resource
    response = Response(status=200)
    response.allow.update([*sorted(allowed), "OPTIONS"])
    return response
