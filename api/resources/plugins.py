"""``/v2/plugins``: clients look for what extends Marathon; here nothing does."""

from collections.abc import Iterable

from flask import Response

from api.context import Context, Route, json_answer
from api.errors import NotFoundError
from api.openapi.operation import describes

_METHODS = ("GET", "PUT", "POST", "DELETE")


class Plugins:
    def __init__(self, context: Context) -> None:
        self._context = context

    def routes(self) -> Iterable[Route]:
        """The list, and whatever a plugin would answer itself."""
        of_one = "/v2/plugins/<plugin_id>/<path:rest>"
        return (
            Route("GET", "/v2/plugins", self.list_all),
            *(Route(method, of_one, self.hand_over) for method in _METHODS),
        )

    @describes("Plugins")
    def list_all(self) -> Response:
        """The plugins: there are none."""
        return json_answer({"plugins": []})

    @describes(errors=(404,))
    def hand_over(self, plugin_id: str, rest: str) -> Response:  # noqa: ARG002 - part of the route
        """What a plugin answers. None is there."""
        raise NotFoundError(f"No plugin with this pluginId: {plugin_id}")
