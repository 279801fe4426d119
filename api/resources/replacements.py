"""``/v3/replacements``: whether lost instances are replaced, and how fast.

Usually as soon as their app's strategy says; when many are lost at once (a storm) so many a second;
and an operator may hold them, or let all go.
"""

from collections.abc import Iterable

from flask import Response

from api.context import Context, Route, json_answer, json_body
from api.errors import invalid
from api.faults import Invalid
from api.openapi.operation import describes
from api.render.replacements import replacements_object
from api.schemas import PACE, read
from framework.domain.events import PaceReplacements
from framework.domain.storm import Pace


class Replacements:
    def __init__(self, context: Context) -> None:
        self._context = context

    def routes(self) -> Iterable[Route]:
        """To look, and to change the pace."""
        return (
            Route("GET", "/v3/replacements", self.show),
            Route("PUT", "/v3/replacements", self.pace),
        )

    @describes("Replacements")
    def show(self) -> Response:
        """How lost instances are replaced at the moment, and how many wait."""
        return json_answer(replacements_object(self._context.view))

    @describes("Replacements", body=PACE)
    def pace(self) -> Response:
        """Hold the replacements of lost instances (held), bound them (paced), or let all go
        (released). Without a storm only held has a meaning."""
        body = read(PACE, json_body())
        if isinstance(body, Invalid):
            raise invalid(body)
        self._context.ask(PaceReplacements(Pace(body["pace"]), body.get("reason", "")))
        return self.show()
