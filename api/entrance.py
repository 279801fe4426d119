"""What every call passes first, before credentials are looked at: a router's path prefix is taken
off, and what goes beyond the limit of calls at the same time is turned away at once.

Routers like that of DC/OS serve the API below a path of their own, and some clients that know it
from there keep the path when they come directly (what-clients-need.md, 6).
"""

import threading
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING

from api.answers import answer
from api.options import ApiOptions

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

TOO_MANY = "Too many concurrent requests! Allowed: {limit}."


class Entrance:
    """A WSGI application behind ``--http_prefix`` and ``--http_max_concurrent_requests``."""

    def __init__(self, application: "WSGIApplication", options: ApiOptions) -> None:
        self._application = application
        self._prefix = options.http_prefix.rstrip("/")
        self._limit = options.http_max_concurrent_requests
        self._places = threading.BoundedSemaphore(self._limit) if self._limit else None

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        self._take_prefix_off(environ)
        if self._places is None:
            return self._application(environ, start_response)
        if not self._places.acquire(blocking=False):
            told = TOO_MANY.format(limit=self._limit)
            unavailable = HTTPStatus.SERVICE_UNAVAILABLE
            return answer(environ, start_response, unavailable, told, reason=told)
        try:
            body = self._application(environ, start_response)
        except BaseException:
            self._places.release()
            raise
        return _Held(body, self._places)

    def _take_prefix_off(self, environ: "WSGIEnvironment") -> None:
        path = environ.get("PATH_INFO", "")
        if self._prefix and f"{path}/".startswith(f"{self._prefix}/"):
            environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + self._prefix
            environ["PATH_INFO"] = path[len(self._prefix) :]


class _Held:
    """The body of an answer; its call counts until it is sent, or given up."""

    def __init__(self, body: Iterable[bytes], places: threading.BoundedSemaphore) -> None:
        self._body = body
        self._places = places

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body)

    def close(self) -> None:
        """Called once by the server, whatever happened."""
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            self._places.release()
