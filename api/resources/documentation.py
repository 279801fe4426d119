"""``/v3/openapi.json`` and ``/v3/docs``: what there is, for programs and for people.

The page needs nothing but this server: no other site's fonts, scripts or styles.
"""

from collections.abc import Iterable
from importlib import resources

from flask import Response, current_app, request

from api.context import Context, Route, json_answer
from api.openapi.document import document, served
from api.openapi.operation import describes
from api.render.json import encode

_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Documentation:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._encoded: dict[str, bytes] = {}  # by the prefix of a router: with and without

    def routes(self) -> Iterable[Route]:
        """The document, and a page that shows it."""
        return (
            Route("GET", "/v3/openapi.json", self.as_json),
            Route("GET", "/v3/docs", self.as_page),
        )

    @describes("OpenApi")
    def as_json(self) -> Response:
        """This document."""
        root = request.script_root
        if root not in self._encoded:
            version = str(self._context.scheduler.info().get("version") or "unknown")
            self._encoded[root] = encode(document(served(current_app), version, root))
        return json_answer(self._encoded[root])

    @describes("text/html")
    def as_page(self) -> Response:
        """A page to read this document with."""
        page = resources.files("api.openapi").joinpath("page.html").read_bytes()
        return Response(page, mimetype="text/html", headers={"Content-Security-Policy": _POLICY})
